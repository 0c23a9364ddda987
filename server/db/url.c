// From a URL to an open connection. What the URL leaves open gets this service's bounds: a connect that gives up, dead
// peers noticed within seconds, and of several hosts the one that takes writes. Messages never hold the URL: a password
// may stand in any misread part of it.
#include "base/mem.h"
#include "db/internal.h"

static const struct {
  const char *keyword, *value;
} defaults[] = {
    {"connect_timeout", DB_CONNECT_S}, {"keepalives_idle", "5"},     {"keepalives_interval", "2"},
    {"keepalives_count", "3"},         {"tcp_user_timeout", "5000"}, {"target_session_attrs", "read-write"},
    {"application_name", "tollgate"},
};
// Not for the URL to change: texts are UTF-8 on both sides.
static const char encoding_keyword[] = "client_encoding", encoding[] = "UTF8";

static const char *default_of(const char *keyword) {
  for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
    if (strcmp(defaults[i].keyword, keyword) == 0) return defaults[i].value;
  return strcmp(keyword, encoding_keyword) == 0 ? encoding : NULL;
}

static void wipe(struct str haystack, const char *secret, struct buf *out) {
  size_t n = secret ? strlen(secret) : 0;
  for (size_t i = 0; i < haystack.len;) {
    if (n > 0 && haystack.len - i >= n && memcmp(haystack.ptr + i, secret, n) == 0) {
      buf_puts(out, "***");
      i += n;
    } else {
      char c = haystack.ptr[i++];
      buf_putc(out, c == '\n' || c == '\t' ? ' ' : c);
    }
  }
}

static void open_failed(const PGconn *conn, struct buf *ret_error) {
  struct str message = str_from(conn ? PQerrorMessage(conn) : "out of memory");
  while (message.len > 0 && message.ptr[message.len - 1] == '\n') message.len--;
  if (ret_error) wipe(message, conn ? PQpass(conn) : NULL, ret_error);
}

static void drop_notice(void *arg, const PGresult *notice) {
  (void)arg; // the default prints to stderr
  (void)notice;
}

static PGconn *open_with(const PQconninfoOption *options, bool *ret_standby) {
  enum { MAX = 64 };
  const char *keywords[MAX + 1] = {0}, *values[MAX + 1] = {0};
  size_t n = 0;
  for (const PQconninfoOption *o = options; o->keyword && n < MAX; o++) {
    const char *value = o->val && strcmp(o->keyword, encoding_keyword) != 0 ? o->val : default_of(o->keyword);
    if (!value) continue;
    if (strcmp(o->keyword, "target_session_attrs") == 0) *ret_standby = strstr(value, "standby") != NULL;
    keywords[n] = o->keyword;
    values[n++] = value;
  }
  return PQconnectdbParams(keywords, values, 0);
}

PGconn *db_url_open(const char *url, bool *ret_standby, struct buf *ret_error) {
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  if (!options) {
    if (ret_error)
      buf_puts(ret_error,
               "the database URL cannot be read; it looks like postgresql://user:password@host:5432/database");
    return NULL;
  }
  PGconn *conn = open_with(options, ret_standby);
  PQconninfoFree(options);
  if (PQstatus(conn) == CONNECTION_OK) {
    PQsetNoticeReceiver(conn, drop_notice, NULL);
    return conn;
  }
  open_failed(conn, ret_error);
  PQfinish(conn);
  return NULL;
}
