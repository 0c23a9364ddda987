// What an instance remembers of the holds it made: as it was put, or nothing; never another's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rest/lately.h"

static struct uuid numbered(unsigned kind, unsigned n) {
  return (struct uuid){{(uint8_t)kind, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static void what_was_put_is_found_and_what_was_not_is_not(void **state) {
  (void)state;
  struct lately *l = lately_create();
  struct uuid customer = numbered(9, 9), price = numbered(9, 9);
  assert_false(lately_find(l, numbered(1, 1), &customer, &price));
  assert_false(lately_find(l, UUID_NIL, &customer, &price)); // what an empty place holds
  assert_true(uuid_eq(customer, numbered(9, 9)));
  lately_put(l, numbered(1, 1), numbered(2, 1), UUID_NIL);
  assert_true(lately_find(l, numbered(1, 1), &customer, &price));
  assert_true(uuid_eq(customer, numbered(2, 1)) && uuid_is_nil(price));
  lately_destroy(l);
}

static void many_more_than_there_are_places_are_forgotten_and_never_mixed_up(void **state) {
  (void)state;
  struct lately *l = lately_create();
  unsigned found = 0;
  for (unsigned n = 1; n <= 200000; n++) lately_put(l, numbered(1, n), numbered(2, n), numbered(3, n));
  for (unsigned n = 1; n <= 200000; n++) {
    struct uuid customer, price;
    if (!lately_find(l, numbered(1, n), &customer, &price)) continue;
    found++;
    assert_true(uuid_eq(customer, numbered(2, n)) && uuid_eq(price, numbered(3, n)));
  }
  assert_in_range(found, 1, 32768);
  lately_destroy(l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_put_is_found_and_what_was_not_is_not),
      cmocka_unit_test(many_more_than_there_are_places_are_forgotten_and_never_mixed_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
