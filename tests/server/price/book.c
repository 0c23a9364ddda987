// Prices in the database and in the book: versions follow each other, routes follow priority, rates fall back to
// parents.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/clock.h"
#include "base/mem.h"
#include "price/holder.h"
#include "price/price.h"
#include "price/provider.h"

static struct cluster cluster;
static struct db *db;
static struct arena arena;
static struct crypto_keys keys;

static struct uuid provider(const char *name, int priority) {
  struct provider p = {.id = uuid_v7(clock_wall_us()),
                       .name = str_from(name),
                       .plugin = STR("openai"),
                       .base_url = STR("https://x"),
                       .models = STR("{\"sold\": \"theirs\"}"),
                       .secret = STR("sk-1"),
                       .priority = priority,
                       .enabled = true};
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(provider_create(db, &arena, &keys, &p), PROVIDER_DONE);
  assert_int_equal(db_commit(db), 0);
  return p.id;
}

static int price(struct uuid of, const char *model, int64_t from, amount charge, struct uuid *ret) {
  struct price p = {.id = uuid_v7(clock_wall_us()),
                    .provider_id = of,
                    .model = str_from(model),
                    .valid_from = from,
                    .max_output = 4096,
                    .rates = {{STR("input_tokens"), 1000000, charge, 1}, {STR("output_tokens"), 1000, 7, 2}},
                    .rate_count = 2};
  assert_int_equal(db_begin(db), 0);
  int answer = price_create(db, &p);
  if (answer == PRICE_DONE)
    assert_int_equal(db_commit(db), 0);
  else
    db_rollback(db);
  if (ret) *ret = p.id;
  return answer;
}

static struct book *load(void) {
  struct book *b = NULL;
  assert_int_equal(book_load(db, &b), 0);
  return b;
}

static size_t route(const char *model, int64_t now, const struct book_price *ret[4], struct book *b) {
  return book_route(b, str_from(model), now, ret, 4);
}

static void the_first_price_stands_at_once_and_the_next_must_come_ahead(void **state) {
  (void)state;
  struct uuid of = provider("versions", 100), first, second;
  struct price seen;
  assert_int_equal(price(of, "versioned", 0, 5, &first), PRICE_DONE);
  assert_int_equal(price(of, "versioned", clock_wall_us() + 1000000, 6, NULL), PRICE_TOO_EARLY);
  assert_int_equal(price(of, "versioned", 0, 6, &second), PRICE_DONE);
  assert_int_equal(price_read(db, &arena, first, &seen), PRICE_DONE);
  int64_t ends = seen.valid_until;
  assert_int_equal(price_read(db, &arena, second, &seen), PRICE_DONE);
  assert_int_equal(seen.valid_from, ends);
  assert_int_equal(seen.valid_until, 0);

  const struct book_price *at[4];
  struct book *b = load();
  assert_int_equal(route("versioned", ends - 1, at, b), 1);
  assert_true(uuid_eq(at[0]->id, first));
  assert_int_equal(route("versioned", ends, at, b), 1);
  assert_true(uuid_eq(at[0]->id, second));
  assert_ptr_equal(book_price_by_id(b, second), at[0]);
  book_unref(b);
}

static void a_version_between_two_ends_where_the_next_begins(void **state) {
  (void)state;
  struct uuid of = provider("between", 100), middle;
  struct price seen;
  int64_t later = clock_wall_us() + INT64_C(100000000);
  assert_int_equal(price(of, "m", 0, 1, NULL), PRICE_DONE);
  assert_int_equal(price(of, "m", later, 2, NULL), PRICE_DONE);
  assert_int_equal(price(of, "m", later, 2, NULL), PRICE_TAKEN);
  assert_int_equal(price(of, "m", later - 1000000, 3, &middle), PRICE_DONE);
  assert_int_equal(price_read(db, &arena, middle, &seen), PRICE_DONE);
  assert_int_equal(seen.valid_until, later);
}

static void routes_follow_priority_and_a_named_provider_forces_itself(void **state) {
  (void)state;
  struct uuid cheap = provider("cheap", 10), dear = provider("dear", 20);
  const struct book_price *at[4];
  int64_t now = clock_wall_us() + 1000000;
  assert_int_equal(price(dear, "sold", 0, 2, NULL), PRICE_DONE);
  assert_int_equal(price(cheap, "sold", 0, 1, NULL), PRICE_DONE);
  assert_int_equal(price(dear, "meta/llama", 0, 1, NULL), PRICE_DONE);
  struct book *b = load();
  assert_int_equal(route("sold", now, at, b), 2);
  assert_true(str_eq(at[0]->provider->name, STR("cheap")) && str_eq(at[1]->provider->name, STR("dear")));
  assert_true(str_eq(at[0]->upstream_model, STR("theirs")));
  assert_int_equal(route("dear/sold", now, at, b), 1);
  assert_true(str_eq(at[0]->provider->name, STR("dear")));
  assert_int_equal(route("meta/llama", now, at, b), 1);
  assert_int_equal(route("dear/meta/llama", now, at, b), 1);
  assert_int_equal(route("nobody/sold", now, at, b), 0);
  assert_int_equal(route("/sold", now, at, b), 0);
  assert_int_equal(route("unknown", now, at, b), 0);
  book_unref(b);

  struct provider off = {.id = cheap, .enabled = false};
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(provider_update(db, &arena, &keys, PROVIDER_ENABLED, &off), PROVIDER_DONE);
  assert_int_equal(db_commit(db), 0);
  b = load();
  assert_int_equal(route("sold", now, at, b), 1);
  assert_true(str_eq(at[0]->provider->name, STR("dear")));
  book_unref(b);
}

static const char *parent(void *arg, struct str meter) {
  (void)arg;
  return str_eq(meter, STR("cached_input_tokens")) ? "input_tokens" : NULL;
}

static void a_meter_without_a_rate_takes_its_parents(void **state) {
  (void)state;
  struct uuid of = provider("rates", 100), id;
  assert_int_equal(price(of, "rated", 0, 9, &id), PRICE_DONE);
  struct book *b = load();
  const struct book_price *p = book_price_by_id(b, id);
  assert_int_equal(p->rate_count, 2);
  assert_int_equal(book_rate(p, STR("cached_input_tokens"), parent, NULL)->charge, 9);
  assert_int_equal(book_rate(p, STR("output_tokens"), parent, NULL)->per, 1000);
  assert_null(book_rate(p, STR("images"), parent, NULL));
  assert_null(book_rate(p, STR("cached_input_tokens"), NULL, NULL));
  book_unref(b);
}

static void every_change_moves_the_catalogues_version(void **state) {
  (void)state;
  int64_t before = 0, after = 0;
  assert_int_equal(book_version(db, &before), 0);
  struct uuid of = provider("moves", 100);
  assert_int_equal(book_version(db, &after), 0);
  assert_int_equal(after, before + 1);
  assert_int_equal(price(of, "moved", 0, 1, NULL), PRICE_DONE);
  assert_int_equal(book_version(db, &after), 0);
  assert_int_equal(after, before + 2);
}

static void a_secret_is_sealed_and_bound_to_its_row(void **state) {
  (void)state;
  struct uuid of = provider("secretive", 100), other = provider("other", 100);
  struct book *b = load();
  const struct book_provider *p = NULL;
  for (size_t i = 0; i < book_provider_count(b); i++)
    if (uuid_eq(book_provider_at(b, i)->id, of)) p = book_provider_at(b, i);
  assert_non_null(p);
  assert_null(memmem(p->secret.ptr, p->secret.len, "sk-1", 4));
  struct buf plain;
  buf_init(&plain, 100);
  assert_int_equal(crypto_open(&keys, provider_secret_context(&arena, of), p->secret, &plain), 0);
  assert_true(str_eq(buf_str(&plain), STR("sk-1")));
  buf_clear(&plain);
  assert_int_equal(crypto_open(&keys, provider_secret_context(&arena, other), p->secret, &plain), FAULT_CRYPTO);
  buf_finish(&plain);
  book_unref(b);
}

static void a_provider_is_found_by_id_or_name_and_names_are_unique(void **state) {
  (void)state;
  struct uuid of = provider("found", 100), seen;
  char text[ID_TEXT_MAX];
  id_print("prv", of, text);
  assert_int_equal(provider_resolve(db, STR("found"), &seen), PROVIDER_DONE);
  assert_true(uuid_eq(seen, of));
  assert_int_equal(provider_resolve(db, str_from(text), &seen), PROVIDER_DONE);
  assert_true(uuid_eq(seen, of));
  assert_int_equal(provider_resolve(db, STR("lost"), &seen), PROVIDER_UNKNOWN);
  struct provider again = {
      .id = uuid_v7(clock_wall_us()), .name = STR("found"), .plugin = STR("openai"), .base_url = STR("https://x")};
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(provider_create(db, &arena, &keys, &again), PROVIDER_NAME_TAKEN);
  db_rollback(db);
}

static void the_holder_keeps_the_newer_book(void **state) {
  (void)state;
  struct book_holder *h = book_holder_create();
  assert_null(book_take(h));
  struct book *old = load();
  (void)provider("newer", 100);
  struct book *newer = load();
  int64_t version = book_version_of(newer);
  book_put(h, newer);
  book_put(h, old);
  struct book *taken = book_take(h);
  assert_int_equal(book_version_of(taken), version);
  book_unref(taken);
  book_holder_destroy(h);
}

static int start(void **state) {
  (void)state;
  struct buf error;
  buf_init(&error, 512);
  arena_init(&arena, 1 << 24);
  assert_true(crypto_start());
  crypto_random(&keys, sizeof keys);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(db);
  buf_finish(&error);
  return 0;
}

static int finish(void **state) {
  (void)state;
  db_destroy(db);
  arena_finish(&arena);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_price_stands_at_once_and_the_next_must_come_ahead),
      cmocka_unit_test(a_version_between_two_ends_where_the_next_begins),
      cmocka_unit_test(routes_follow_priority_and_a_named_provider_forces_itself),
      cmocka_unit_test(a_meter_without_a_rate_takes_its_parents),
      cmocka_unit_test(every_change_moves_the_catalogues_version),
      cmocka_unit_test(a_secret_is_sealed_and_bound_to_its_row),
      cmocka_unit_test(a_provider_is_found_by_id_or_name_and_names_are_unique),
      cmocka_unit_test(the_holder_keeps_the_newer_book),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
