// See rfc9112.h. Sections are RFC 9112's where nothing else is said.
#include "rfc9112.h"
#include "base/mem.h"

// Two readers could take different ones (RFC 9110, 5.3), and these decide something.
static const char *const once[] = {
    "host",         "content-length",  "transfer-encoding", "authorization", "x-api-key",
    "content-type", "idempotency-key", "stripe-signature",  "expect",        "x-request-id",
};

struct reading {
  const char *at, *end;
  struct rfc_request *request;
};

static enum rfc_answer refuse(struct reading *r, const char *why) {
  r->request->why = why;
  return RFC_REFUSED;
}

// A line without its CR LF (2.2: a bare LF or CR ends nothing and belongs into no line, a NUL neither).
static enum rfc_answer line_read(struct reading *r, struct str *ret) {
  for (const char *p = r->at; p < r->end; p++) {
    if (*p == '\0') return refuse(r, "a NUL");
    if (*p == '\n') return refuse(r, "a bare LF");
    if (*p != '\r') continue;
    if (p + 1 == r->end) return RFC_MORE;
    if (p[1] != '\n') return refuse(r, "a bare CR");
    *ret = (struct str){r->at, (size_t)(p - r->at)};
    r->at = p + 2;
    return RFC_WHOLE;
  }
  return RFC_MORE;
}

static bool is_token_char(char c) { // RFC 9110, 5.6.2
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct str s) {
  for (size_t i = 0; i < s.len; i++)
    if (!is_token_char(s.ptr[i])) return false;
  return s.len > 0;
}

// ---- the first line (3)

static enum rfc_answer first_line(struct reading *r) {
  struct rfc_request *q = r->request;
  struct str line, rest;
  enum rfc_answer answer;
  do { // 2.2: empty lines before a request are passed over
    answer = line_read(r, &line);
    if (answer != RFC_WHOLE) return answer;
  } while (line.len == 0);
  rest = line;
  if (!str_split(&rest, ' ', &q->method) || !str_split(&rest, ' ', &q->raw_target)) return refuse(r, "no three words");
  q->version = rest;
  if (!is_token(q->method)) return refuse(r, "a method that is no token");
  q->old = str_eq(q->version, STR("HTTP/1.0"));
  if (!q->old && !str_eq(q->version, STR("HTTP/1.1"))) return refuse(r, "another version");
  if (q->raw_target.len > PLAIN_TARGET_MAX || !plain_target(q->raw_target, q->path, &q->path_len, &q->query))
    return refuse(r, "a target with two readings, or none");
  return RFC_WHOLE;
}

// ---- header lines (5)

static bool is_text(struct str s) {
  for (size_t i = 0; i < s.len; i++)
    if (((unsigned char)s.ptr[i] < 0x20 && s.ptr[i] != '\t') || s.ptr[i] == 0x7F) return false;
  return true;
}

static bool header_read(struct str line, struct http_header *ret) {
  const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
  if (!colon) return false;
  ret->name = (struct str){line.ptr, (size_t)(colon - line.ptr)};
  struct str value = {colon + 1, line.len - ret->name.len - 1};
  if (value.len && value.ptr[0] == ' ') value.ptr++, value.len--;
  if (value.len && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) return false;
  ret->value = str_trim(value);
  for (size_t i = ret->value.len; i < value.len; i++)
    if (value.ptr[i] == '\t') return false; // legal, but not every reader's blank
  bool frames = str_eq_nocase(ret->name, STR("content-length")) || str_eq_nocase(ret->name, STR("transfer-encoding"));
  if (frames && ret->value.len < value.len) return false; // blanks behind it are legal; not every reader knows
  return is_text(value) &&
         is_token(ret->name); // a fold begins with a blank, a blank before the colon ends the name: neither is a token
}

static bool come_twice(const struct rfc_request *q, const char *name) {
  size_t count = 0;
  for (size_t i = 0; i < q->header_count; i++) count += str_eq_nocase(q->headers[i].name, str_from(name));
  return count > 1;
}

static const struct str *header_find(const struct rfc_request *q, const char *name) {
  for (size_t i = 0; i < q->header_count; i++)
    if (str_eq_nocase(q->headers[i].name, str_from(name))) return &q->headers[i].value;
  return NULL;
}

// RFC 9110, 7.2, but not all that RFC 3986 allows there: a name of letters, digits, '-', '_' and single dots, none in
// front, or an address in brackets; then perhaps a colon and at most five digits.
static bool host_sound(struct str host) {
  struct str port = host, name;
  if (host.len && host.ptr[0] == '[') {
    const char *close = memchr(host.ptr, ']', host.len);
    if (!close || close - host.ptr < 2) return false;
    name = (struct str){host.ptr + 1, (size_t)(close - host.ptr) - 1};
    port = (struct str){close + 1, host.len - name.len - 2};
    for (size_t i = 0; i < name.len; i++)
      if (!is_token_char(name.ptr[i]) ? name.ptr[i] != ':' : strchr("!#$%&'*+-^_`|~", name.ptr[i]) != NULL)
        return false;
    if (port.len && port.ptr[0] != ':') return false;
    if (port.len) port.ptr++, port.len--;
  } else {
    if (!str_split(&port, ':', &name) || name.len == 0) return false;
    for (size_t i = 0; i < name.len; i++)
      if (!is_token_char(name.ptr[i]) || strchr("!#$%&'*+^`|~", name.ptr[i])) return false;
    if (name.ptr[0] == '.' || memmem(name.ptr, name.len, "..", 2)) return false;
  }
  for (size_t i = 0; i < port.len; i++)
    if (port.ptr[i] < '0' || port.ptr[i] > '9') return false;
  return port.len <= 5;
}

static enum rfc_answer headers_read(struct reading *r) {
  struct rfc_request *q = r->request;
  for (struct str line;;) {
    enum rfc_answer answer = line_read(r, &line);
    if (answer != RFC_WHOLE) return answer;
    if (line.len == 0) break;
    if (q->header_count == RFC_HEADERS_MAX || !header_read(line, &q->headers[q->header_count]))
      return refuse(r, "a line that is no header");
    q->header_count++;
  }
  for (size_t i = 0; i < ARRAY_LEN(once); i++)
    if (come_twice(q, once[i])) return refuse(r, once[i]);
  const struct str *host = header_find(q, "host");
  if (!q->old && !host) return refuse(r, "no Host"); // 3.2
  if (host && !host_sound(*host)) return refuse(r, "a Host that is none");
  return RFC_WHOLE;
}

// ---- how the body is delimited (6)

static bool length_read(struct str value, int64_t *ret) {
  if (value.len < 1 || value.len > 19) return false;
  for (size_t i = 0; i < value.len; i++)
    if (value.ptr[i] < '0' || value.ptr[i] > '9') return false;
  return str_to_i64(value, ret);
}

static enum rfc_answer framing_read(struct reading *r) {
  struct rfc_request *q = r->request;
  const struct str *encoding = header_find(q, "transfer-encoding"), *length = header_find(q, "content-length");
  q->length = -1;
  q->chunked = encoding != NULL;
  if (encoding && length) return refuse(r, "a length and an encoding");
  if (encoding && q->old) return refuse(r, "an encoding in HTTP/1.0");
  if (encoding && !str_eq(*encoding, STR("chunked"))) return refuse(r, "another encoding");
  if (length && !length_read(*length, &q->length)) return refuse(r, "a length that is no number");
  const struct str *expect = header_find(q, "expect");
  if (expect && str_eq_nocase(*expect, STR("100-continue")) && !encoding && q->length <= 0)
    return refuse(r, "an expectation without a body"); // RFC 9110, 10.1.1
  return RFC_WHOLE;
}

static void body_add(struct rfc_request *q, const char *bytes, size_t len) {
  size_t room = RFC_BODY_MAX - q->body_len;
  memcpy(q->body + q->body_len, bytes, len < room ? len : room);
  q->body_len += len < room ? len : room;
}

static enum rfc_answer fixed_body(struct reading *r, uint64_t length) {
  if ((uint64_t)(r->end - r->at) < length) return RFC_MORE;
  body_add(r->request, r->at, (size_t)length);
  r->at += length;
  return RFC_WHOLE;
}

// ---- chunks (7.1)

static bool chunk_size(struct str line, uint64_t *ret) {
  size_t digits = 0;
  *ret = 0;
  for (; digits < line.len; digits++) {
    char c = line.ptr[digits];
    int n = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : -1;
    if (n < 0) break;
    if (*ret >> 60) return false;
    *ret = *ret << 4 | (uint64_t)n;
  }
  if (digits == 0 || (digits < line.len && line.ptr[digits] != ';')) return false;
  return is_text((struct str){line.ptr + digits, line.len - digits}); // an extension means nothing here
}

static enum rfc_answer chunk_read(struct reading *r, bool *ret_last) {
  struct str line;
  uint64_t size;
  enum rfc_answer answer = line_read(r, &line);
  if (answer != RFC_WHOLE) return answer;
  if (!chunk_size(line, &size)) return refuse(r, "a chunk without a size");
  *ret_last = size == 0;
  if (size == 0) return RFC_WHOLE;
  answer = fixed_body(r, size);
  if (answer == RFC_WHOLE) answer = line_read(r, &line);
  return answer == RFC_WHOLE && line.len > 0 ? refuse(r, "a chunk longer than its size") : answer;
}

static enum rfc_answer chunked_body(struct reading *r) {
  enum rfc_answer answer;
  for (bool last = false; !last;)
    if ((answer = chunk_read(r, &last)) != RFC_WHOLE) return answer;
  for (struct str line;;) { // 7.1.2
    if ((answer = line_read(r, &line)) != RFC_WHOLE) return answer;
    if (line.len == 0) return RFC_WHOLE;
    struct str value = line, name;
    if (!str_split(&value, ':', &name) || name.len == line.len || !is_token(name) || !is_text(value))
      return refuse(r, "a trailer that is no header");
  }
}

enum rfc_answer rfc_read(const char **at, const char *end, struct rfc_request *ret) {
  struct reading r = {*at, end, ret};
  ret->header_count = ret->body_len = 0;
  ret->head_read = false;
  enum rfc_answer answer = first_line(&r);
  const char *line = ret->method.ptr;
  if (answer == RFC_WHOLE) answer = headers_read(&r);
  if (answer == RFC_WHOLE) answer = framing_read(&r);
  if (answer != RFC_WHOLE) return answer;
  ret->head_read = true;
  ret->head_size = (size_t)(r.at - line);
  answer = ret->chunked ? chunked_body(&r) : fixed_body(&r, ret->length > 0 ? (uint64_t)ret->length : 0);
  if (answer == RFC_WHOLE) *at = r.at;
  return answer;
}
