// A smoothed mean and mean deviation of each kind, with the gains of RFC 6298 (1/8 and 1/4) in fixed point. Two
// deviations above the mean leave few calls to extend their hold; four, as that RFC takes them, would hold too much.
#include "meter/usual.h"
#include "base/limits.h"
#include "base/mem.h"
#include "crypto/crypto.h"

#define SCALE 16
#define OUTPUT_MOST (INT64_C(1) << 40)

struct kind {
  uint64_t name; // of key and model; 0: an empty place
  int64_t mean, deviation, rate; // the first two by SCALE
};
struct usual {
  struct kind kinds[LIMIT_USUAL_KINDS];
};

struct usual *usual_create(void) {
  return mem_alloc(sizeof(struct usual));
}

void usual_destroy(struct usual *u) {
  mem_free(u);
}

static uint64_t kind_name(struct uuid key, struct str model) {
  unsigned char hashes[2][32];
  uint64_t name = 0;
  crypto_hash(model, hashes[1]);
  memcpy(hashes[0], key.b, sizeof key.b);
  memset(hashes[0] + sizeof key.b, 0, sizeof hashes[0] - sizeof key.b);
  crypto_hash((struct str){(const char *)hashes, sizeof hashes}, hashes[0]);
  memcpy(&name, hashes[0], sizeof name);
  return name ? name : 1;
}

static void kind_learn(struct usual *u, uint64_t name, int64_t output, int64_t rate) {
  struct kind *k = &u->kinds[name % LIMIT_USUAL_KINDS];
  int64_t scaled = output * SCALE;
  if (k->name != name) {
    *k = (struct kind){.name = name, .mean = scaled, .deviation = scaled / 2, .rate = rate};
    return;
  }
  int64_t difference = scaled - k->mean, distance = difference < 0 ? -difference : difference;
  k->deviation += (distance - k->deviation) / 4;
  k->mean += difference / 8;
  if (rate > 0) k->rate = k->rate ? k->rate + (rate - k->rate) / 8 : rate;
}

void usual_learn(struct usual *u, struct uuid key, struct str model, int64_t output, int64_t rate) {
  if (output < 0) return;
  if (output > OUTPUT_MOST) output = OUTPUT_MOST;
  if (rate > OUTPUT_MOST) rate = OUTPUT_MOST;
  kind_learn(u, kind_name(key, model), output, rate);
  kind_learn(u, kind_name(UUID_NIL, model), output, rate);
}

static const struct kind *kind_find(const struct usual *u, uint64_t name) {
  const struct kind *k = &u->kinds[name % LIMIT_USUAL_KINDS];
  return k->name == name ? k : NULL;
}

struct usual_call usual_of(const struct usual *u, struct uuid key, struct str model) {
  const struct kind *k = kind_find(u, kind_name(key, model));
  if (!k) k = kind_find(u, kind_name(UUID_NIL, model));
  if (!k) return (struct usual_call){0};
  return (struct usual_call){.output = (k->mean + 2 * k->deviation) / SCALE + 1, .rate = k->rate};
}
