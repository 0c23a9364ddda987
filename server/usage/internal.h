// What the files that read an event share: the event as far as it has come.
#pragma once
#include "usage/event.h"
#include "usage/value.h"

struct usage_reading {
  struct arena *arena;
  struct arena *scratch; // for what is not needed any more when the event has been read
  const struct usage_words *words;
  enum usage_form form;
  struct usage_event *event;
  struct usage_error *error;
};

// Writes what is wrong, and returns 1.
int usage_refuse(const struct usage_reading *r, const char *param, const char *format, ...) __attribute__((format(printf, 3, 4)));
// 1 to USAGE_TEXT_MAX characters, none of control: copied to *ret. 0 or 1.
int usage_text(const struct usage_reading *r, const char *param, struct str text, struct str *ret);
// RFC 3339, or seconds since 1970 in digits, with a fraction or without.
int usage_time(const struct usage_reading *r, const char *param, struct str text);
// The members of an event's data: what is priced, the quantities, who, and the rest. data NULL: there is none.
int usage_data(const struct usage_reading *r, const char *param, const struct usage_value *data);
