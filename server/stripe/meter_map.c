// See meter_map.h.
#include "stripe/meter_map.h"

#define NAME_MAX_LEN 100

static bool is_name(struct str s) {
  if (s.len == 0 || s.len > NAME_MAX_LEN) return false;
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    if (!plain) return false;
  }
  return true;
}

bool meter_map_read(struct str text, struct meter_map *ret) {
  struct str rest = text, one;
  *ret = (struct meter_map){0};
  if (text.len == 0) return true;
  if (text.ptr[text.len - 1] == ',') return false;
  while (str_split(&rest, ',', &one)) {
    struct str name = str_trim(one), meter;
    if (ret->count == METER_MAP_MAX || !str_split(&name, '=', &meter)) return false;
    if (!is_name(meter) || !is_name(name) || meter_map_find(ret, meter).len > 0) return false;
    ret->at[ret->count].meter = meter;
    ret->at[ret->count++].event_name = name;
  }
  return true;
}

struct str meter_map_find(const struct meter_map *map, struct str meter) {
  for (size_t i = 0; i < map->count; i++)
    if (str_eq(map->at[i].meter, meter)) return map->at[i].event_name;
  return (struct str){0};
}
