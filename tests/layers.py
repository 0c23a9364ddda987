"""The house's rules, read off the sources: folders include only downwards (server/LAYERS), third-party headers only at their
door, files stay readable, banned calls stay out. Prints what breaks a rule; the last line counts."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER = ROOT / "server"
THIRD_PARTY = ("libpq-fe.h", "jansson.h", "sodium.h", "curl/curl.h", "microhttpd.h", "dlfcn.h")
BANNED = {"strcpy": "snprintf or mem_dup", "strcat": "buf_puts", "sprintf": "snprintf", "gets": "fgets", "strtok": "str_split",
          "setlocale": "nothing: number formats would change", "rand": "crypto_random", "alloca": "arena_alloc", "system": "posix_spawn"}
LONGEST_FILE = 600
MONEY = ("ledger", "price", "limit", "meter", "report")


def read_layers():
    rank, doors = {}, {}
    for number, line in enumerate((SERVER / "LAYERS").read_text().splitlines()):
        line = line.split("#")[0].strip()
        if not line:
            continue
        folders, _, headers = line.partition(":")
        for folder in folders.split():
            rank[folder] = number
        for header in headers.split():
            doors.setdefault(header, set()).update(folders.split())
    return rank, doors


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def sources():
    for top in ("server", "plugins", "api"):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            yield path


def check_includes(path, folder, text, rank, doors, say):
    for number, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not m:
            continue
        header, where = m.group(1), f"{path.relative_to(ROOT)}:{number}"
        if header in THIRD_PARTY and folder not in doors.get(header, ()):
            say(f"{where}: {header} belongs to {', '.join(sorted(doors.get(header, ['nobody'])))}")
        top = header.split("/")[0]
        if folder in rank and "/" in header and top in rank and top != folder and rank[top] >= rank[folder]:
            say(f"{where}: {folder} may not include {header}: see server/LAYERS")


def check_cleanups(path, text, say):
    """What a CLEANUP ends has begun before the function can return: else it ends whatever stood in that memory."""
    for function in re.finditer(r"^[a-z][^\n;]*\{\n(.*?)^\}", text, flags=re.M | re.S):
        for declared in re.finditer(r"CLEANUP\(\w+\) [^;=\n]*?\b(\w+)(?:, (\w+))?;\n", function[1]):
            rest = function[1][declared.end():]
            leaves = re.search(r"\breturn\b", rest)
            for name in filter(None, declared.groups()):
                begins = re.search(rf"_init\(&{name}\b|\b{name} = |&{name}\)", rest)
                if leaves and (not begins or leaves.start() < begins.start()):
                    say(f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, function.start()) + 1}: {name} is ended before it has begun")


def main():
    problems = []
    rank, doors = read_layers()
    checks = 0
    for path in sources():
        parts = path.relative_to(ROOT).parts
        folder = parts[1] if parts[0] == "server" else parts[0]
        raw = path.read_text()
        text = strip_comments(raw)
        checks += 1
        if parts[0] == "server" and len(parts) > 2 and folder not in rank:
            problems.append(f"{path.relative_to(ROOT)}: its folder is not in server/LAYERS")
        check_includes(path, folder, raw, rank, doors, problems.append)
        check_cleanups(path, text, problems.append)
        if raw.count("\n") > LONGEST_FILE:
            problems.append(f"{path.relative_to(ROOT)}: {raw.count(chr(10))} lines; split it by verb")
        if not raw.lstrip().startswith(("//", "/*")):
            problems.append(f"{path.relative_to(ROOT)}: opens without saying what it is")
        for name, instead in BANNED.items():
            for m in re.finditer(rf"(?<![\w.>]){name}\s*\(", text):
                problems.append(f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, m.start()) + 1}: {name}() is banned; use {instead}")
        for m in re.finditer(r"\buuid_v7\(clock_wall_us\(\)\)", text):
            problems.append(f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, m.start()) + 1}: ids by this machine's clock are uuid_local's: uuid_v7's would go on from there")
        if parts[0] == "server" and folder in MONEY and re.search(r"\b(float|double)\b", text):
            problems.append(f"{path.relative_to(ROOT)}: floating point in a money folder")
    statements = {}
    for path in sorted(SERVER.rglob("*.sql")):
        for name in re.findall(r"^-- name: (\w+)", path.read_text(), flags=re.M):
            if name in statements:
                problems.append(f"{path.relative_to(ROOT)}: statement {name} stands in {statements[name]} too")
            statements[name] = path.relative_to(ROOT)
            uses = f"STATEMENT_{name.upper()}"
            if not any(uses in p.read_text() or f"X({name.upper()}," in p.read_text() for p in SERVER.rglob("*.[ch]")):
                problems.append(f"{path.relative_to(ROOT)}: nobody runs {name}")
    for p in problems:
        print(p)
    print(f"{checks - len({p.split(':')[0] for p in problems})} passed, {len(problems)} failed")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
