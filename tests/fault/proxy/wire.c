// PostgreSQL's messages, as far as they tell a COMMIT: by the simple protocol a query of that text; by the extended one
// the execution of a portal bound to a statement parsed from it. Each message is a type, a length and a body; only the
// first of a connection has no type.
#include "proxy.h"
#include <string.h>
#include <strings.h>

#define SSL_REQUEST 80877103u
#define GSS_REQUEST 80877104u
#define NAMES 8

void wire_init(struct wire *w) {
  memset(w, 0, sizeof *w);
  w->frames[UP].startup = true;
}

static uint32_t number(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// ---- names that stand for COMMIT. Each entry: 1, then the name with its NUL; the unnamed one is "".

static bool listed(char table[NAMES][64], const char *name) {
  for (int i = 0; i < NAMES; i++)
    if (table[i][0] && strcmp(table[i] + 1, name) == 0) return true;
  return false;
}

static void list(char table[NAMES][64], const char *name, bool is_commit) {
  int free_one = -1;
  for (int i = NAMES - 1; i >= 0; i--) {
    if (table[i][0] && strcmp(table[i] + 1, name) == 0) table[i][0] = 0;
    if (!table[i][0]) free_one = i;
  }
  if (!is_commit || free_one < 0 || strlen(name) > 62) return;
  table[free_one][0] = 1;
  strcpy(table[free_one] + 1, name);
}

static bool says_commit(const char *sql) {
  while (*sql == ' ' || *sql == '\n') sql++;
  if (strncasecmp(sql, "commit", 6) != 0) return false;
  sql += 6;
  while (*sql == ' ' || *sql == ';' || *sql == '\n') sql++;
  return *sql == '\0';
}

// ---- messages

// f->text ends with a NUL in any case. A text cut off there is longer than any COMMIT.
static bool message_commits(struct wire *w, const struct framing *f) {
  const char *first = f->text, *second = f->text + strlen(f->text);
  if (second < f->text + f->text_len) second++;
  switch (f->type) {
  case 'Q':
    return says_commit(first);
  case 'P':
    list(w->commit_statements, first, says_commit(second));
    return false;
  case 'B':
    list(w->commit_portals, first, listed(w->commit_statements, second));
    return false;
  case 'E':
    return listed(w->commit_portals, first);
  default:
    return false;
  }
}

static void startup_read(struct wire *w, struct framing *f) {
  uint32_t code = number(f->head + 4);
  w->ssl_asked = code == SSL_REQUEST || code == GSS_REQUEST;
  if (w->ssl_asked) return;
  f->startup = false;
  f->type = 0;
}

// One byte of a head. True where the head is whole: type, left and startup are set.
static bool head_add(struct wire *w, struct framing *f, unsigned char byte) {
  f->head[f->head_len++] = byte;
  if (f->head_len < (f->startup ? 8u : 5u)) return false;
  uint32_t length = number(f->startup ? f->head : f->head + 1);
  uint32_t least = f->startup ? 8 : 4;
  f->type = f->startup ? 0 : (char)f->head[0];
  if (length < least) w->opaque = true;
  f->left = length < least ? 0 : length - least;
  if (f->startup) startup_read(w, f);
  f->head_len = 0;
  f->text_len = 0;
  return true;
}

// Reads up to the end of one message. True: it ended at *at.
static bool message_read(struct wire *w, struct framing *f, const char *bytes, size_t len, size_t *at) {
  bool in_body = f->left > 0;
  while (!in_body && *at < len) {
    if (!head_add(w, f, (unsigned char)bytes[(*at)++])) continue;
    if (w->opaque) return false;
    in_body = f->left > 0;
    if (!in_body) return true;
  }
  size_t take = len - *at < f->left ? len - *at : f->left;
  size_t room = sizeof f->text - 1 - f->text_len, keep = take < room ? take : room;
  if (keep) memcpy(f->text + f->text_len, bytes + *at, keep);
  f->text_len += keep;
  f->text[f->text_len] = '\0';
  f->left -= (uint32_t)take;
  *at += take;
  return in_body && f->left == 0;
}

bool wire_up(struct wire *w, const char *bytes, size_t len, size_t *ret_start, size_t *ret_end) {
  struct framing *f = &w->frames[UP];
  size_t at = 0;
  while (!w->opaque && at < len) {
    size_t start = f->head_len == 0 && f->left == 0 ? at : 0;
    if (!message_read(w, f, bytes, len, &at)) break;
    f->text[f->text_len] = '\0';
    if (!message_commits(w, f)) continue;
    *ret_start = start;
    *ret_end = at;
    return true;
  }
  return false;
}

int wire_down(struct wire *w, const char *bytes, size_t len) {
  struct framing *f = &w->frames[DOWN];
  size_t at = 0;
  int commits = 0;
  if (w->ssl_asked && len > 0) {
    w->ssl_asked = false;
    w->opaque = w->opaque || bytes[0] != 'N';
    at = 1;
  }
  while (!w->opaque && at < len && message_read(w, f, bytes, len, &at))
    if (f->type == 'C' && strcmp(f->text, "COMMIT") == 0) commits++;
  return commits;
}
