// The request's header lines. One allocation holds the list nodes and the text. What this door itself must decide
// (framing, encoding, the connection, the host) is left out of what the caller gave; a name that is no token, or a
// value with a control character, refuses the whole request: it could end the header block early.
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"

struct net_headers {
  size_t count;
  struct curl_slist nodes[];
};

static const char *const owned[] = {
    "accept-encoding", "connection",        "content-length", "expect", "host", "keep-alive", "proxy-connection", "te",
    "trailer",         "transfer-encoding", "upgrade",
};

static bool name_is_token(struct str name) {
  static const char marks[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alnum && (c == '\0' || !strchr(marks, c))) return false;
  }
  return name.len > 0;
}

static bool value_is_clean(struct str value) {
  for (size_t i = 0; i < value.len; i++) {
    unsigned char c = (unsigned char)value.ptr[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}

static bool name_is_owned(struct str name) {
  for (size_t i = 0; i < ARRAY_LEN(owned); i++)
    if (str_eq_nocase(name, str_from(owned[i]))) return true;
  return false;
}

static size_t lines_count(struct str lines) {
  size_t count = 1;
  for (size_t i = 0; i < lines.len; i++) count += lines.ptr[i] == '\n';
  return count;
}

// Room for each line as it is, a NUL, and the ';' that libcurl wants after the name of an empty value.
static char *headers_add(struct net_headers *h, char *text, struct str name, struct str value) {
  struct curl_slist *node = &h->nodes[h->count++];
  node->data = text;
  memcpy(text, name.ptr, name.len);
  text += name.len;
  *text++ = value.len ? ':' : ';';
  if (value.len) {
    *text++ = ' ';
    memcpy(text, value.ptr, value.len);
    text += value.len;
  }
  *text++ = '\0';
  return text;
}

static char *headers_add_literal(struct net_headers *h, char *text, const char *line) {
  size_t size = strlen(line) + 1;
  h->nodes[h->count++].data = memcpy(text, line, size);
  return text + size;
}

static bool line_parse(struct str line, struct str *ret_name, struct str *ret_value) {
  const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
  if (!colon) return false;
  size_t at = (size_t)(colon - line.ptr);
  *ret_name = (struct str){line.ptr, at};
  *ret_value = str_trim((struct str){colon + 1, line.len - at - 1});
  return name_is_token(*ret_name) && value_is_clean(*ret_value);
}

static void headers_link(struct net_headers *h) {
  for (size_t i = 0; i + 1 < h->count; i++) h->nodes[i].next = &h->nodes[i + 1];
  h->nodes[h->count - 1].next = NULL;
}

struct net_headers *headers_create(struct str lines) {
  // "Name:" without a value takes one of libcurl's own headers out.
  static const char *const fixed[] = {"Accept-Encoding: identity", "Expect:"};
  static const char no_type[] = "Content-Type:";
  size_t nodes = lines_count(lines) + ARRAY_LEN(fixed) + 1;
  size_t room = lines.len + 3 * nodes + sizeof("Accept-Encoding: identity") + sizeof("Expect:") + sizeof(no_type);
  struct net_headers *h = mem_alloc(sizeof(*h) + nodes * sizeof(h->nodes[0]) + room);
  char *text = (char *)&h->nodes[nodes];
  for (size_t i = 0; i < ARRAY_LEN(fixed); i++) text = headers_add_literal(h, text, fixed[i]);
  bool typed = false;
  for (struct str line; str_split(&lines, '\n', &line);) {
    if (line.len == 0) continue;
    struct str name, value;
    if (!line_parse(line, &name, &value)) {
      headers_destroy(h);
      return NULL;
    }
    if (name_is_owned(name)) continue;
    typed = typed || str_eq_nocase(name, STR("content-type"));
    text = headers_add(h, text, name, value);
  }
  if (!typed) headers_add_literal(h, text, no_type);
  ASSERT(h->count <= nodes);
  headers_link(h);
  return h;
}

struct curl_slist *headers_list(struct net_headers *h) {
  return &h->nodes[0];
}

void headers_destroy(struct net_headers *h) {
  mem_free(h);
}
