// The rules of a command's arguments.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/args.h"
#include "app/command.h"
#include "app/suggest.h"
#include "base/mem.h"

static const struct option options[] = {
    {"name", OPTION_TEXT, "NAME", "name", true, "for people"},
    {"limit", OPTION_INT, "N", "limit", false, "how many"},
    {"all", OPTION_FLAG, NULL, NULL, false, "everything"},
    {"rate", OPTION_RATE, "RATE", "rates", false, "a rate"},
};
static const struct option common[] = {{"json", OPTION_FLAG, NULL, NULL, false, "JSON"},
                                       {"help", OPTION_FLAG, NULL, NULL, false, "help"}};

struct parsed {
  struct args args;
  struct buf error;
  bool sound;
};

static int setup(void **state) {
  struct parsed *p = mem_alloc(sizeof *p);
  buf_init(&p->error, 4096);
  *state = p;
  return 0;
}

static int teardown(void **state) {
  struct parsed *p = *state;
  buf_finish(&p->error);
  mem_free(p);
  return 0;
}

#define PARSE(...)                                                                                                     \
  struct parsed *p = *state;                                                                                           \
  char *const argv[] = {__VA_ARGS__};                                                                                  \
  p->sound = args_parse(&p->args, options, ARRAY_LEN(options), common, ARRAY_LEN(common), (int)ARRAY_LEN(argv), argv,  \
                        &p->error)
#define WORD(text) ((char[]){text})

static void a_value_follows_or_stands_behind_an_equals_sign(void **state) {
  PARSE(WORD("--name"), WORD("Acme"), WORD("--limit=5"));
  assert_true(p->sound);
  assert_string_equal(args_text(&p->args, "name"), "Acme");
  assert_string_equal(args_text(&p->args, "limit"), "5");
}

static void the_last_of_two_values_counts(void **state) {
  PARSE(WORD("--name"), WORD("one"), WORD("--name"), WORD("two"));
  assert_true(p->sound);
  assert_string_equal(args_text(&p->args, "name"), "two");
}

static void words_and_options_mix(void **state) {
  PARSE(WORD("cus_1"), WORD("--all"), WORD("-"), WORD("--"), WORD("--name"));
  assert_true(p->sound);
  assert_int_equal(p->args.word_count, 3);
  assert_string_equal(p->args.words[0], "cus_1");
  assert_string_equal(p->args.words[1], "-");
  assert_string_equal(p->args.words[2], "--name");
  assert_true(args_flag(&p->args, "all"));
  assert_false(args_flag(&p->args, "json"));
}

static void common_options_and_the_short_help_are_known(void **state) {
  PARSE(WORD("-h"), WORD("--json"));
  assert_true(p->sound);
  assert_true(args_flag(&p->args, "help"));
  assert_true(args_flag(&p->args, "json"));
}

static void nothing_is_abbreviated_but_a_typo_gets_a_suggestion(void **state) {
  PARSE(WORD("--nam"), WORD("Acme"));
  assert_false(p->sound);
  assert_non_null(strstr(buf_cstr(&p->error), "did you mean --name?"));
}

static void a_missing_value_is_named(void **state) {
  PARSE(WORD("--name"));
  assert_false(p->sound);
  assert_non_null(strstr(buf_cstr(&p->error), "--name needs a value"));
}

static void a_flag_takes_no_value(void **state) {
  PARSE(WORD("--all=yes"));
  assert_false(p->sound);
}

static void a_number_is_a_number(void **state) {
  PARSE(WORD("--limit"), WORD("many"));
  assert_false(p->sound);
  assert_non_null(strstr(buf_cstr(&p->error), "whole number"));
}

static void a_single_dash_word_is_no_option(void **state) {
  PARSE(WORD("-name"), WORD("x"));
  assert_false(p->sound);
}

static void what_is_required_is_asked_for(void **state) {
  PARSE(WORD("--all"));
  assert_true(p->sound);
  assert_false(args_check_required(&p->args, options, ARRAY_LEN(options), &p->error));
  assert_non_null(strstr(buf_cstr(&p->error), "--name NAME is missing"));
}

static void a_rate_has_a_meter_a_charge_a_cost_and_a_unit(void **state) {
  struct parsed *p = *state;
  struct args_rate r;
  assert_true(args_rate_parse("input_tokens=0.15/0.10@1000", &r, &p->error));
  assert_true(str_eq(r.meter, STR("input_tokens")) && str_eq(r.charge, STR("0.15")) && str_eq(r.cost, STR("0.10")));
  assert_int_equal(r.per, 1000);
  assert_true(args_rate_parse("images=2", &r, &p->error));
  assert_int_equal(r.cost.len, 0);
  assert_int_equal(r.per, 1000000);
}

static void a_rate_that_is_none_is_refused_with_an_example(void **state) {
  struct parsed *p = *state;
  static const char *const wrong[] = {"",    "=",     "input_tokens", "input_tokens=", "=1",
                                      "a=b", "a=1/b", "a=1@7",        "a=1@x",         "a=1e3"};
  struct args_rate r;
  for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
    buf_clear(&p->error);
    assert_false(args_rate_parse(wrong[i], &r, &p->error));
    assert_non_null(strstr(buf_cstr(&p->error), "input_tokens=0.15/0.10"));
  }
}

static void too_many_words_and_options_are_refused(void **state) {
  struct parsed *p = *state;
  char *argv[2 * ARGS_VALUES_MAX + 2];
  static char all[] = "--all", word[] = "x";
  for (size_t i = 0; i < ARRAY_LEN(argv); i++) argv[i] = all;
  assert_false(args_parse(&p->args, options, ARRAY_LEN(options), common, 2, (int)ARRAY_LEN(argv), argv, &p->error));
  for (size_t i = 0; i < ARRAY_LEN(argv); i++) argv[i] = word;
  assert_false(args_parse(&p->args, options, ARRAY_LEN(options), common, 2, (int)ARRAY_LEN(argv), argv, &p->error));
}

// ---- the table of commands

static void every_command_is_found_by_its_name(void **state) {
  (void)state;
  for (size_t i = 0; i < command_count; i++) {
    char copy[64], *argv[4] = {NULL};
    int argc = 0, words = 0;
    (void)snprintf(copy, sizeof copy, "%s", command_table[i].name);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    assert_ptr_equal(command_find(argc, argv, &words), &command_table[i]);
    assert_int_equal(words, argc);
  }
}

static void every_command_has_one_way_to_run_and_a_summary(void **state) {
  (void)state;
  for (size_t i = 0; i < command_count; i++) {
    const struct command *c = &command_table[i];
    assert_true((c->run != NULL) != (c->raw != NULL));
    assert_true((c->endpoint != NULL) == (c->run == endpoint_run));
    assert_true(strlen(c->summary) > 0 && c->summary[strlen(c->summary) - 1] != '.');
    if (c->endpoint && strstr(c->endpoint->path, "{}")) assert_true(*c->words);
    for (size_t o = 0; o < c->option_count; o++)
      assert_true((c->options[o].value == NULL) == (c->options[o].kind == OPTION_FLAG));
  }
}

static void what_deletes_asks_first(void **state) {
  (void)state;
  for (size_t i = 0; i < command_count; i++) {
    const struct command *c = &command_table[i];
    if (!c->endpoint || strcmp(c->endpoint->method, "DELETE") != 0) continue;
    assert_non_null(c->endpoint->asks);
  }
}

static void a_slip_of_the_hand_finds_the_word(void **state) {
  (void)state;
  static const char *const words[] = {"serve", "migrate", "customers list", "keys"};
  assert_string_equal(suggest_word("sevre", words, 4), "serve");
  assert_string_equal(suggest_word("migrat", words, 4), "migrate");
  assert_string_equal(suggest_word("customer list", words, 4), "customers list");
  assert_null(suggest_word("frobnicate", words, 4));
  assert_null(suggest_word("", words, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_value_follows_or_stands_behind_an_equals_sign),
      TEST(the_last_of_two_values_counts),
      TEST(words_and_options_mix),
      TEST(common_options_and_the_short_help_are_known),
      TEST(nothing_is_abbreviated_but_a_typo_gets_a_suggestion),
      TEST(a_missing_value_is_named),
      TEST(a_flag_takes_no_value),
      TEST(a_number_is_a_number),
      TEST(a_single_dash_word_is_no_option),
      TEST(what_is_required_is_asked_for),
      TEST(a_rate_has_a_meter_a_charge_a_cost_and_a_unit),
      TEST(a_rate_that_is_none_is_refused_with_an_example),
      TEST(too_many_words_and_options_are_refused),
      TEST(every_command_is_found_by_its_name),
      TEST(every_command_has_one_way_to_run_and_a_summary),
      TEST(what_deletes_asks_first),
      TEST(a_slip_of_the_hand_finds_the_word),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
