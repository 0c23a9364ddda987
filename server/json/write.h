// Writing JSON, streaming, into a buf. Commas are its own affair; nesting is asserted.
#pragma once
#include "base/amount.h"
#include "base/buf.h"
#include "base/id.h"

struct json_writer {
  struct buf *out;
  uint64_t has_member; // one bit a level
  int depth;
};

static inline struct json_writer json_writer(struct buf *out) { return (struct json_writer){.out = out}; }
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_put_str(struct json_writer *w, struct str s); // escaped; invalid UTF-8 becomes U+FFFD
void json_put_text(struct json_writer *w, const char *text); // NULL: null
void json_put_int(struct json_writer *w, int64_t value);
void json_put_bool(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);
void json_put_amount(struct json_writer *w, amount a);              // "12.5"
void json_put_time(struct json_writer *w, int64_t wall_us);         // RFC 3339; 0 or less: null
void json_put_id(struct json_writer *w, const char *prefix, struct uuid id); // nil: null
void json_put_raw(struct json_writer *w, struct str json);          // already JSON
// key and value in one
void json_member_str(struct json_writer *w, const char *key, struct str s);
void json_member_text(struct json_writer *w, const char *key, const char *text);
void json_member_int(struct json_writer *w, const char *key, int64_t value);
void json_member_bool(struct json_writer *w, const char *key, bool value);
void json_member_amount(struct json_writer *w, const char *key, amount a);
void json_member_time(struct json_writer *w, const char *key, int64_t wall_us);
void json_member_id(struct json_writer *w, const char *key, const char *prefix, struct uuid id);
void json_member_raw(struct json_writer *w, const char *key, struct str json);
