// What an app may keep with a thing of ours: names and texts of its own, within bounds.
#include "base/limits.h"
#include "rest/request.h"

#define METADATA_KEY_MAX 40
#define METADATA_VALUE_MAX 500

struct metadata {
  const char *wrong;
  size_t count;
  bool may_clear;
};

static int metadata_member(void *arg, const char *name, struct json *value) {
  struct metadata *m = arg;
  struct str text;
  size_t len = str_utf8_count(str_from(name));
  m->count++;
  if (len == 0 || len > METADATA_KEY_MAX)
    m->wrong = "metadata's names must have 1 to 40 characters.";
  else if (json_is_null(value) && m->may_clear)
    return 0;
  else if (!json_text(value, &text) || str_utf8_count(text) > METADATA_VALUE_MAX)
    m->wrong = "metadata's values must be strings of at most 500 characters.";
  if (m->count > LIMIT_METADATA_KEYS) m->wrong = "metadata may have at most 50 members.";
  return m->wrong != NULL;
}

bool rest_metadata_check(struct rest_request *r, struct json *metadata, bool may_clear) {
  struct metadata m = {.may_clear = may_clear};
  if (!metadata || json_each(metadata, metadata_member, &m) == 0) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "metadata", "%s", m.wrong);
  return false;
}
