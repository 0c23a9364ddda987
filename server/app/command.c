// Finds, explains and runs the commands of the table.
#include "app/command.h"
#include "app/out.h"
#include "app/suggest.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "json/write.h"
#include <unistd.h>

extern char **environ;

static const struct option common_options[] = {
    {"json", OPTION_FLAG, NULL, NULL, false, "print JSON"},
    {"config", OPTION_TEXT, "FILE", NULL, false,
     "read settings from a file of KEY=value lines; the environment goes first"},
    {"help", OPTION_FLAG, NULL, NULL, false, "explain this command"},
};

const struct option *command_common(size_t *ret_count) {
  *ret_count = ARRAY_LEN(common_options);
  return common_options;
}

// ---- finding

static size_t name_words(const char *name) {
  size_t words = 1;
  for (; *name; name++) words += *name == ' ';
  return words;
}

static bool name_matches(const char *name, int argc, char *const *argv) {
  struct str rest = str_from(name), word;
  for (int i = 0; str_split(&rest, ' ', &word); i++)
    if (i >= argc || !str_eq(word, str_from(argv[i]))) return false;
  return true;
}

const struct command *command_find(int argc, char *const *argv, int *ret_words) {
  for (size_t i = 0; i < command_count; i++) {
    if (!name_matches(command_table[i].name, argc, argv)) continue;
    *ret_words = (int)name_words(command_table[i].name);
    return &command_table[i];
  }
  return NULL;
}

static struct str group_of(const struct command *c) {
  struct str rest = str_from(c->name), group;
  return str_split(&rest, ' ', &group) && rest.len > 0 ? group : (struct str){NULL, 0};
}

static bool is_group(const char *word) {
  for (size_t i = 0; i < command_count; i++)
    if (str_eq(group_of(&command_table[i]), str_from(word))) return true;
  return false;
}

// ---- explaining

static void command_line(const struct command *c, FILE *stream) {
  char usage[96];
  (void)snprintf(usage, sizeof usage, "%s%s%s", c->name, *c->words ? " " : "", c->words);
  (void)fprintf(stream, "  %-28s %s\n", usage, c->summary);
}

static void group_help(const char *group, FILE *stream) {
  (void)fprintf(stream, "%sUsage%s  tollgate %s COMMAND [OPTIONS]\n\n", out_style(stream, OUT_BOLD), out_reset(stream),
                group);
  for (size_t i = 0; i < command_count; i++)
    if (str_eq(group_of(&command_table[i]), str_from(group))) command_line(&command_table[i], stream);
  (void)fputs("\n`tollgate help COMMAND` explains one.\n", stream);
}

void command_help_all(FILE *stream) {
  (void)fprintf(stream,
                "tollgate " TOLLGATE_VERSION ": prepaid, metered AI calls\n\n"
                "%sTry%s    tollgate dev                 everything on this machine, with a demo\n"
                "       tollgate customers list      as the operator, over the API\n"
                "       tollgate help keys create    explain a command\n\n%sCommands%s\n",
                out_style(stream, OUT_BOLD), out_reset(stream), out_style(stream, OUT_BOLD), out_reset(stream));
  for (size_t i = 0; i < command_count; i++) command_line(&command_table[i], stream);
  (void)fprintf(stream, "\n%sEverywhere%s  --json, --config FILE, --help. `tollgate doctor` lists the settings.\n",
                out_style(stream, OUT_BOLD), out_reset(stream));
}

static void option_line(const struct option *o, FILE *stream) {
  char usage[64];
  (void)snprintf(usage, sizeof usage, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
  (void)fprintf(stream, "  %-28s %s%s\n", usage, o->help, o->required ? " (required)" : "");
}

void command_help(const struct command *c, FILE *stream) {
  if (c->example) (void)fprintf(stream, "%s\n", c->example);
  (void)fprintf(stream, "%s.\n\n%sUsage%s  tollgate %s%s%s [OPTIONS]\n\n", c->summary, out_style(stream, OUT_BOLD),
                out_reset(stream), c->name, *c->words ? " " : "", c->words);
  for (size_t i = 0; i < c->option_count; i++) option_line(&c->options[i], stream);
  for (size_t i = 0; i < ARRAY_LEN(common_options); i++) option_line(&common_options[i], stream);
}

static int command_missing(int argc, char **argv) {
  if (argc == 0) {
    command_help_all(stderr);
    return EXIT_USAGE;
  }
  if (is_group(argv[0]) && argc == 1) {
    group_help(argv[0], stderr);
    return EXIT_USAGE;
  }
  char typed[96];
  bool second = argc > 1 && argv[1][0] != '-';
  (void)snprintf(typed, sizeof typed, "%.40s%s%.40s", argv[0], second ? " " : "", second ? argv[1] : "");
  const char *names[128];
  size_t count = 0;
  for (size_t i = 0; i < command_count && count + 2 < ARRAY_LEN(names); i++) names[count++] = command_table[i].name;
  const char *nearest = suggest_word(typed, names, count);
  if (!nearest && second && !is_group(argv[0])) nearest = suggest_word(argv[0], names, count);
  if (!nearest && !is_group(argv[0]))
    for (size_t i = 0; i < command_count && !nearest; i++) {
      char group[32];
      (void)snprintf(group, sizeof group, "%.*s", STR_ARG(group_of(&command_table[i])));
      const char *one = group;
      if (*group && suggest_word(argv[0], &one, 1)) nearest = command_table[i].name;
    }
  out_error("there is no command \"%s\"%s%s%s", typed, nearest ? "; did you mean `tollgate " : "",
            nearest ? nearest : "", nearest ? "`?" : "; `tollgate help` lists them");
  return EXIT_USAGE;
}

// ---- running

static int usage_refuse(const struct command *c, const struct buf *why) {
  out_error("%.*s", (int)why->len, why->data);
  (void)fprintf(stderr, "`tollgate help %s` explains\n", c->name);
  return EXIT_USAGE;
}

// Where behind `count` words the next one begins.
static size_t words_skip(const char *words, size_t count) {
  size_t at = 0;
  for (; count > 0; count--) at += strcspn(words + at, " ") + 1;
  return at;
}

static bool words_check(const struct command *c, const struct args *a, struct buf *why) {
  size_t most = *c->words ? name_words(c->words) : 0;
  bool optional = c->words[0] == '[';
  if (optional || a->word_count == most) return true;
  if (a->word_count < most)
    buf_printf(why, "%s is missing", c->words + words_skip(c->words, a->word_count));
  else
    buf_printf(why, "\"%s\" is one word too many", a->words[most]);
  return false;
}

static bool config_prepare(struct invocation *in) {
  CLEANUP(buf_finish) struct buf problems;
  CLEANUP(buf_finish) struct buf warnings;
  buf_init(&problems, 32 * 1024);
  buf_init(&warnings, 32 * 1024);
  bool sound = config_load(&in->config, args_text(&in->args, "config"), environ, &problems, &warnings);
  struct str rest = buf_str(sound ? &warnings : &problems), line;
  while (str_split(&rest, '\n', &line)) {
    if (sound)
      out_note("%.*s", STR_ARG(line));
    else
      out_error("%.*s", STR_ARG(line));
  }
  return sound;
}

static int command_run(const struct command *c, int argc, char **argv) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  struct invocation in = {.command = c};
  if (!args_parse(&in.args, c->options, c->option_count, common_options, ARRAY_LEN(common_options), argc, argv, &why))
    return usage_refuse(c, &why);
  if (args_flag(&in.args, "help")) {
    command_help(c, stdout);
    return EXIT_FINE;
  }
  if (!words_check(c, &in.args, &why) || !args_check_required(&in.args, c->options, c->option_count, &why))
    return usage_refuse(c, &why);
  in.json = args_flag(&in.args, "json");
  if (!config_prepare(&in)) return EXIT_USAGE;
  int code = c->run(&in);
  config_finish(&in.config);
  if (fflush(stdout) != 0 && code == EXIT_FINE) code = EXIT_FAILED; // a full disk under a redirected report
  return code;
}

// Common options may stand before the command: they move behind it.
static void leading_options_move(int argc, char **argv) {
  for (int turns = 0; turns < argc && argc > 1 && argv[0][0] == '-' && strcmp(argv[0], "-") != 0; turns++) {
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 || strcmp(argv[0], "--version") == 0) return;
    int many = strcmp(argv[0], "--config") == 0 ? 2 : 1;
    for (int moved = 0; moved < many; moved++) {
      char *first = argv[0];
      memmove(argv, argv + 1, (size_t)(argc - 1) * sizeof *argv);
      argv[argc - 1] = first;
    }
  }
}

int command_main(int argc, char **argv) {
  static char help_word[] = "help", version_word[] = "version";
  if (!crypto_start()) {
    out_error("this machine gives no randomness");
    return EXIT_FAILED;
  }
  argc--, argv++;
  leading_options_move(argc, argv);
  if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) argv[0] = help_word;
  if (argc > 0 && strcmp(argv[0], "--version") == 0) argv[0] = version_word;
  int words;
  const struct command *c = command_find(argc, argv, &words);
  if (!c && argc == 2 && is_group(argv[0]) && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    group_help(argv[0], stdout);
    return EXIT_FINE;
  }
  if (!c) return command_missing(argc, argv);
  return c->raw ? c->raw(argc - words + 1, argv + words - 1) : command_run(c, argc - words, argv + words);
}

// ---- the two smallest commands

int version_run(struct invocation *in) {
  (void)printf(in->json ? "{\"version\":\"%s\"}\n" : "tollgate %s\n", TOLLGATE_VERSION);
  return EXIT_FINE;
}

static void help_json(void) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 256 * 1024);
  struct json_writer w = json_writer(&out);
  json_array_begin(&w);
  for (size_t i = 0; i < command_count; i++) {
    json_object_begin(&w);
    json_member_text(&w, "name", command_table[i].name);
    json_member_text(&w, "words", command_table[i].words);
    json_member_text(&w, "summary", command_table[i].summary);
    json_key(&w, "options");
    json_array_begin(&w);
    for (size_t o = 0; o < command_table[i].option_count; o++) json_put_text(&w, command_table[i].options[o].name);
    json_array_end(&w);
    json_object_end(&w);
  }
  json_array_end(&w);
  (void)puts(buf_cstr(&out));
}

int help_run(struct invocation *in) {
  int words, argc = (int)in->args.word_count;
  char *argv[ARGS_WORDS_MAX + 1] = {NULL};
  for (int i = 0; i < argc; i++) memcpy(&argv[i], &in->args.words[i], sizeof argv[i]);
  if (argc == 0) {
    if (in->json)
      help_json();
    else
      command_help_all(stdout);
    return EXIT_FINE;
  }
  const struct command *c = command_find(argc, argv, &words);
  if (c)
    command_help(c, stdout);
  else if (is_group(argv[0]))
    group_help(argv[0], stdout);
  else
    return command_missing(argc, argv);
  return EXIT_FINE;
}
