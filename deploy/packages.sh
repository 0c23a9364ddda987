# shellcheck shell=bash
# The distribution's packages that Tollgate is built from and runs with, and how they are installed. Sourced by
# deploy/quickstart and tests/run, which bring `set -euo pipefail`.

# shellcheck disable=SC2034  # used by who sources this
{
BUILD_PACKAGES=(ca-certificates gcc libc6-dev cmake ninja-build pkg-config
  libmicrohttpd-dev libpq-dev libsodium-dev libjansson-dev libcurl4-openssl-dev)
# Any PostgreSQL from 15 on will do: one that is installed is used as a program, never its clusters.
compgen -G '/usr/lib/postgresql/1[5-9]/bin/initdb' >/dev/null || BUILD_PACKAGES+=(postgresql-15)
# What the tests need beyond that.
TEST_PACKAGES=(clang libclang-rt-14-dev llvm-14 libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-psycopg2
  python3-yaml python3-jsonschema nginx-light pgbouncer wrk procps git shellcheck groff-base)
command -v npm >/dev/null || TEST_PACKAGES+=(nodejs npm)
# What tests/bench/run needs beyond the first. pgbench comes with PostgreSQL.
BENCH_PACKAGES=(python3 python3-psycopg2 python3-yaml python3-jsonschema nginx-light wrk procps git)
}

# packages_missing NAME...: those that are not installed, one a line.
packages_missing() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf '%s\n' "$name"
  done
}

# as_root COMMAND...: by sudo where this is not root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    printf 'error: packages have to be installed: run this as root, or install sudo\n' >&2
    return 1
  fi
}

# PostgreSQL's package makes and starts a cluster of its own when it is first installed, unless this file says otherwise.
# What the machine's administrator has set stays.
packages_no_system_cluster() {
  local file=/etc/postgresql-common/createcluster.conf
  if ! grep -qs '^[[:space:]]*create_main_cluster' "$file"; then
    as_root mkdir -p /etc/postgresql-common
    printf 'create_main_cluster = false\n' | as_root tee -a "$file" >/dev/null
  fi
}

# install_packages NAME...: what is missing of them.
install_packages() {
  local missing
  mapfile -t missing < <(packages_missing "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  printf 'installing %s\n' "${missing[*]}" >&2
  case " ${missing[*]} " in *" postgresql-"*) packages_no_system_cluster ;; esac
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold \
    "${missing[@]}" >&2
}
