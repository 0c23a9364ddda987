// Reads a command's arguments against its table of options.
#include "app/args.h"
#include "app/suggest.h"
#include "base/amount.h"
#include <stdio.h>

#define OPTIONS_MAX 64

struct option_set {
  const struct option *options[OPTIONS_MAX];
  const char *names[OPTIONS_MAX];
  size_t count;
};

static void set_add(struct option_set *set, const struct option *options, size_t count) {
  for (size_t i = 0; i < count && set->count < OPTIONS_MAX; i++) {
    set->options[set->count] = &options[i];
    set->names[set->count++] = options[i].name;
  }
}

static const struct option *set_find(const struct option_set *set, struct str name) {
  for (size_t i = 0; i < set->count; i++)
    if (str_eq(name, str_from(set->names[i]))) return set->options[i];
  return NULL;
}

static bool unknown_refuse(const struct option_set *set, struct str name, struct buf *ret_error) {
  char typed[64];
  (void)snprintf(typed, sizeof typed, "%.*s", (int)(name.len < 60 ? name.len : 60), name.ptr);
  const char *nearest = suggest_word(typed, set->names, set->count);
  buf_printf(ret_error, "there is no option --%s", typed);
  if (nearest) buf_printf(ret_error, "; did you mean --%s?", nearest);
  return false;
}

static bool value_sound(const struct option *o, const char *text, struct buf *ret_error) {
  int64_t number;
  if (o->kind == OPTION_INT && !str_to_i64(str_from(text), &number)) {
    buf_printf(ret_error, "--%s takes a whole number, not \"%s\"", o->name, text);
    return false;
  }
  struct args_rate rate;
  if (o->kind == OPTION_BOOL && strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
    buf_printf(ret_error, "--%s is true or false, not \"%s\"", o->name, text);
    return false;
  }
  return o->kind != OPTION_RATE || args_rate_parse(text, &rate, ret_error);
}

static bool value_add(struct args *a, const struct option *o, const char *text, struct buf *ret_error) {
  if (a->value_count == ARGS_VALUES_MAX) {
    buf_puts(ret_error, "too many options");
    return false;
  }
  if (!value_sound(o, text, ret_error)) return false;
  a->values[a->value_count].option = o;
  a->values[a->value_count++].text = text;
  return true;
}

// One option at argv[*i]; *i moves on where its value is the next argument.
static bool option_read(struct args *a, const struct option_set *set, int argc, char *const *argv, int *i,
                        struct buf *ret_error) {
  const char *text = argv[*i][1] == '-' ? argv[*i] + 2 : argv[*i] + 1;
  const char *equals = strchr(text, '=');
  struct str name = {text, equals ? (size_t)(equals - text) : strlen(text)};
  bool short_help = strcmp(argv[*i], "-h") == 0;
  const struct option *o = set_find(set, short_help ? STR("help") : name);
  if (!o || (argv[*i][1] != '-' && !short_help)) return unknown_refuse(set, name, ret_error);
  if (o->kind == OPTION_FLAG && equals) {
    buf_printf(ret_error, "--%s takes no value", o->name);
    return false;
  }
  if (o->kind == OPTION_FLAG) return value_add(a, o, "", ret_error);
  if (equals) return value_add(a, o, equals + 1, ret_error);
  if (*i + 1 >= argc) {
    buf_printf(ret_error, "--%s needs a value: --%s %s", o->name, o->name, o->value);
    return false;
  }
  return value_add(a, o, argv[++*i], ret_error);
}

bool args_parse(struct args *ret, const struct option *options, size_t count, const struct option *common,
                size_t common_count, int argc, char *const *argv, struct buf *ret_error) {
  struct option_set set = {.count = 0};
  set_add(&set, options, count);
  set_add(&set, common, common_count);
  *ret = (struct args){.value_count = 0};
  bool ended = false;
  for (int i = 0; i < argc; i++) {
    if (!ended && strcmp(argv[i], "--") == 0) {
      ended = true;
    } else if (!ended && argv[i][0] == '-' && argv[i][1]) {
      if (!option_read(ret, &set, argc, argv, &i, ret_error)) return false;
    } else if (ret->word_count == ARGS_WORDS_MAX) {
      buf_puts(ret_error, "too many arguments");
      return false;
    } else {
      ret->words[ret->word_count++] = argv[i];
    }
  }
  return true;
}

bool args_check_required(const struct args *a, const struct option *options, size_t count, struct buf *ret_error) {
  for (size_t i = 0; i < count; i++) {
    if (!options[i].required || args_text(a, options[i].name)) continue;
    buf_printf(ret_error, "--%s %s is missing: %s", options[i].name, options[i].value, options[i].help);
    return false;
  }
  return true;
}

const char *args_text(const struct args *a, const char *name) {
  for (size_t i = a->value_count; i > 0; i--)
    if (strcmp(a->values[i - 1].option->name, name) == 0) return a->values[i - 1].text;
  return NULL;
}

bool args_flag(const struct args *a, const char *name) {
  return args_text(a, name) != NULL;
}

bool args_rate_parse(const char *text, struct args_rate *ret, struct buf *ret_error) {
  struct str rest = str_from(text), price = {0}, part = {0};
  struct args_rate rate = {.per = 1000000};
  amount ignored;
  bool sound = str_split(&rest, '=', &rate.meter) && rate.meter.len > 0 && str_split(&rest, '@', &price);
  if (sound && rest.len > 0) sound = str_to_i64(rest, &rate.per);
  sound = sound && (rate.per == 1 || rate.per == 1000 || rate.per == 1000000);
  sound = sound && str_split(&price, '/', &part) && amount_parse(part, &ignored);
  rate.charge = part;
  rate.cost = price;
  sound = sound && (rate.cost.len == 0 || amount_parse(rate.cost, &ignored));
  if (!sound) {
    buf_printf(ret_error,
               "\"%s\" is not a rate: METER=CHARGE[/COST][@PER], for example input_tokens=0.15/0.10 (PER is 1, 1000 or "
               "1000000, the default)",
               text);
    return false;
  }
  *ret = rate;
  return true;
}
