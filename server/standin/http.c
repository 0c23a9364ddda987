// Heads in and out.
#include "standin/http.h"

static bool parse_line(struct str line, struct http_request *r, struct str *ret_version) {
  return str_split(&line, ' ', &r->method) && str_split(&line, ' ', &r->path) && str_split(&line, ' ', ret_version);
}

static bool parse_header(struct str line, struct http_request *r, int64_t *length) {
  struct str name, value = line;
  if (!str_split(&value, ':', &name)) return false;
  value = str_trim(value);
  if (str_eq_nocase(name, STR("content-length")))
    return str_to_i64(value, length) && *length >= 0 && *length <= HTTP_BODY_MAX;
  if (str_eq_nocase(name, STR("transfer-encoding"))) return false; // no client of ours sends it
  if (str_eq_nocase(name, STR("authorization"))) r->authorization = value;
  if (str_eq_nocase(name, STR("x-tollgate-call"))) r->call = value;
  if (str_eq_nocase(name, STR("expect"))) r->expects = true;
  if (str_eq_nocase(name, STR("connection"))) r->close = str_eq_nocase(value, STR("close"));
  return true;
}

int http_parse(struct str bytes, struct http_request *ret_request) {
  const char *end = bytes.len ? memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4) : NULL;
  if (!end) return bytes.len > HTTP_HEAD_MAX ? -1 : 0;
  struct http_request r = {.size = (size_t)(end + 4 - bytes.ptr)};
  struct str lines = {bytes.ptr, r.size - 2}, line, version;
  int64_t length = 0;
  if (!str_split(&lines, '\n', &line) || !parse_line(str_trim(line), &r, &version)) return -1;
  r.close = str_starts(version, STR("HTTP/1.0"));
  while (str_split(&lines, '\n', &line)) {
    if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
    if (line.len && !parse_header(line, &r, &length)) return -1;
  }
  r.body = (struct str){end + 4, (size_t)length};
  r.size += (size_t)length;
  *ret_request = r;
  return bytes.len >= r.size;
}

static const char *status_text(int status) {
  switch (status) {
  case 200:
    return "OK";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 429:
    return "Too Many Requests";
  case 500:
    return "Internal Server Error";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  default:
    return "Status";
  }
}

void http_head_add(struct buf *out, const struct http_head *h) {
  buf_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", h->status, status_text(h->status), h->type);
  if (h->length >= 0)
    buf_printf(out, "Content-Length: %lld\r\n", (long long)h->length);
  else
    buf_puts(out, "Transfer-Encoding: chunked\r\n");
  if (h->encoding) buf_printf(out, "Content-Encoding: %s\r\n", h->encoding);
  buf_printf(out, "x-request-id: %s\r\nopenai-processing-ms: %d\r\n", h->request_id, h->processing_ms);
  buf_puts(out, "openai-version: 2020-10-01\r\nopenai-organization: stand-in\r\n"
                "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 2000000\r\n"
                "x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-remaining-tokens: 1999988\r\n"
                "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 0s\r\n");
  if (h->extra) buf_puts(out, h->extra);
  buf_puts(out, "\r\n");
}
