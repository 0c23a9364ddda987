// libmicrohttpd 0.9.75 joins folded lines without a space, cuts lines at NUL and takes either of two framings, and what
// it hands out afterwards looks innocent. Two things do not: its count of the bytes received, and where in its one
// buffer the names and values lie. An ordinary head accounts for every byte:
//
//   method SP target SP version CR LF  { name ':' [SP] value CR LF }  CR LF
//
// so a name must begin two bytes after the value before it, and the sum must be the size. Any other head is refused.
// That refuses a few legal ones too (two spaces after a colon): a deliberate strictness. What stands before a head and
// inside a chunked body leaves no such trace: see tap.h.
#include "http/guard.h"
#include "base/limits.h"

static bool refuse(struct guard_refusal *ret, enum problem problem, const char *why) {
  *ret = (struct guard_refusal){problem, why};
  return false;
}

static bool malformed(struct guard_refusal *ret, const char *why) {
  return refuse(ret, PROBLEM_MALFORMED_HTTP, why);
}

// Letters, digits and these marks.
static bool is_of(struct str s, const char *marks) {
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!alnum && (c == '\0' || !strchr(marks, c))) return false;
  }
  return true;
}

static bool is_token(struct str s) {
  return s.len > 0 && is_of(s, "!#$%&'*+-.^_`|~");
}

static bool is_value(struct str s) {
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}

// Others take a tab there for a part of the value, or refuse it.
static bool has_outer_tab(const struct http_header *h) {
  if (h->value.ptr > h->name.ptr + h->name.len + 1 && h->value.ptr[-1] == '\t') return true;
  for (size_t i = h->value.len; i > 0 && (h->value.ptr[i - 1] == ' ' || h->value.ptr[i - 1] == '\t'); i--)
    if (h->value.ptr[i - 1] == '\t') return true;
  return false;
}

static bool method_known(struct str method) {
  static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
    if (str_eq(method, str_from(known[i]))) return true;
  return false;
}

static bool check_line(const struct guard_head *head, struct guard_refusal *ret) {
  if (head->target.len + head->method.len + head->version.len + 4 > LIMIT_REQUEST_LINE)
    return refuse(ret, PROBLEM_URI_TOO_LONG, "The request line is too long.");
  if (head->size > LIMIT_HEADER_BLOCK || head->header_overflow)
    return refuse(ret, PROBLEM_HEADERS_TOO_LARGE, "The request's headers are too large or too many.");
  if (!str_eq(head->version, STR("HTTP/1.1")) && !str_eq(head->version, STR("HTTP/1.0")))
    return refuse(ret, PROBLEM_HTTP_VERSION, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
  if (!is_token(head->method)) return malformed(ret, "The request's method is not a token.");
  if (!method_known(head->method)) return refuse(ret, PROBLEM_NOT_IMPLEMENTED, "This method is not implemented.");
  return true;
}

static bool check_accounting(const struct guard_head *head, struct guard_refusal *ret) {
  const char *why = "The request's head holds bytes that belong to no line of it.";
  size_t sum = head->method.len + 1 + head->target.len + 1 + head->version.len + 2;
  const char *expected = head->version.ptr + head->version.len + 2;
  for (size_t i = 0; i < head->header_count; i++) {
    const struct http_header *h = &head->headers[i];
    if (!h->name.ptr || !h->value.ptr || h->name.ptr != expected) return malformed(ret, why);
    uintptr_t gap = (uintptr_t)h->value.ptr - (uintptr_t)(h->name.ptr + h->name.len);
    if (gap != 1 && gap != 2) return malformed(ret, why);
    sum += h->name.len + gap + h->value.len + 2;
    expected = h->value.ptr + h->value.len + 2;
  }
  return sum + 2 == head->size ? true : malformed(ret, why);
}

// Headers of which a second one could be read by somebody else than the first.
static const char *const singles[] = {
    "host",         "content-length",  "transfer-encoding", "authorization", "x-api-key",
    "content-type", "idempotency-key", "stripe-signature",  "expect",        "x-request-id",
};
enum { SINGLE_HOST, SINGLE_LENGTH, SINGLE_ENCODING, SINGLE_COUNT = sizeof(singles) / sizeof(singles[0]) };

static bool check_headers(const struct guard_head *head, const struct http_header *found[SINGLE_COUNT],
                          struct guard_refusal *ret) {
  for (size_t i = 0; i < head->header_count; i++) {
    const struct http_header *h = &head->headers[i];
    if (!is_token(h->name)) return malformed(ret, "A header's name is not a token.");
    if (!is_value(h->value)) return malformed(ret, "A header's value holds control characters.");
    if (has_outer_tab(h)) return malformed(ret, "A header's value has a tab before or behind it.");
    for (size_t k = 0; k < SINGLE_COUNT; k++) {
      if (!str_eq_nocase(h->name, str_from(singles[k]))) continue;
      if (found[k]) return malformed(ret, "A header that may come once came twice.");
      found[k] = h;
    }
  }
  return true;
}

// A name or an address, and a port: nothing in it that another reader would take for the end of a host.
static bool is_host(struct str s) {
  size_t digits = 0;
  while (digits < s.len && digits < 5 && s.ptr[s.len - 1 - digits] >= '0' && s.ptr[s.len - 1 - digits] <= '9') digits++;
  if (digits < s.len && s.ptr[s.len - 1 - digits] == ':') s.len -= digits + 1;
  if (s.len > 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']') return is_of((struct str){s.ptr + 1, s.len - 2}, ":.");
  return s.len > 0 && s.ptr[0] != '.' && !memmem(s.ptr, s.len, "..", 2) && is_of(s, "-._");
}

static bool parse_length(struct str value, int64_t *ret) {
  if (value.len < 1 || value.len > 19) return false;
  for (size_t i = 0; i < value.len; i++)
    if (value.ptr[i] < '0' || value.ptr[i] > '9') return false;
  return str_to_i64(value, ret);
}

static bool check_framing(const struct guard_head *head, const struct http_header *const found[SINGLE_COUNT],
                          struct guard_frame *frame, struct guard_refusal *ret) {
  bool old = str_eq(head->version, STR("HTTP/1.0"));
  const struct http_header *length = found[SINGLE_LENGTH], *encoding = found[SINGLE_ENCODING];
  if (!found[SINGLE_HOST] && !old) return malformed(ret, "The Host header is missing.");
  if (found[SINGLE_HOST] && !is_host(str_trim(found[SINGLE_HOST]->value)))
    return malformed(ret, "The Host header names no host.");
  if (length && encoding) return malformed(ret, "Content-Length and Transfer-Encoding exclude each other.");
  if (encoding && old) return malformed(ret, "HTTP/1.0 knows no Transfer-Encoding.");
  if (encoding && !str_eq(encoding->value, STR("chunked")))
    return refuse(ret, PROBLEM_NOT_IMPLEMENTED, "The only Transfer-Encoding taken is chunked.");
  if (length && !parse_length(length->value, &frame->length))
    return malformed(ret, "Content-Length is not a number of bytes.");
  frame->chunked = encoding != NULL;
  return true;
}

static bool expects_continue(const struct guard_head *head) {
  for (size_t i = 0; i < head->header_count; i++)
    if (str_eq_nocase(head->headers[i].name, STR("expect")))
      return str_eq_nocase(str_trim(head->headers[i].value), STR("100-continue"));
  return false;
}

bool guard_check(const struct guard_head *head, struct guard_frame *ret_frame, struct guard_refusal *ret_refusal) {
  const struct http_header *found[SINGLE_COUNT] = {0};
  struct guard_frame frame = {.length = -1};
  if (!check_line(head, ret_refusal) || !check_accounting(head, ret_refusal) ||
      !check_headers(head, found, ret_refusal) || !check_framing(head, found, &frame, ret_refusal))
    return false;
  frame.expects_continue = expects_continue(head);
  // No client may say so (RFC 9110, 10.1.1), and libmicrohttpd takes what follows for a body of no bytes.
  if (frame.expects_continue && !frame.chunked && frame.length <= 0)
    return malformed(ret_refusal, "Expect: 100-continue comes with a body only.");
  *ret_frame = frame;
  return true;
}
