// `tollgate completion`: for each shell the few lines that ask for what a word may become, and what answers them, by the table of
// commands. So a shell knows what this binary knows, whenever its lines were made.
#include "app/command.h"
#include "app/out.h"
#include "base/mem.h"

static const struct {
  const char *shell, *script;
} scripts[] = {
    {"bash", "_tollgate() {\n"
             "  local word\n"
             "  COMPREPLY=()\n"
             "  while IFS=$'\\t' read -r word _; do COMPREPLY+=(\"$word\"); done \\\n"
             "    < <(tollgate completion words \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
             "}\n"
             "complete -o default -F _tollgate tollgate\n"},
    {"zsh", "#compdef tollgate\n"
            "_tollgate() {\n"
            "  local -a found\n"
            "  local word help\n"
            "  tollgate completion words \"${(@)words[2,CURRENT]}\" 2>/dev/null |\n"
            "    while IFS=$'\\t' read -r word help; do found+=(\"${word//:/\\\\:}:$help\"); done\n"
            "  if (( $#found )); then _describe tollgate found; else _files; fi\n"
            "}\n"
            "if [ \"$funcstack[1]\" = _tollgate ]; then _tollgate; else compdef _tollgate tollgate; fi\n"},
    {"fish", "function __tollgate_words\n"
             "  set -l words (commandline -opc) (commandline -ct)\n"
             "  tollgate completion words $words[2..-1] 2>/dev/null\n"
             "end\n"
             "complete -c tollgate -a '(__tollgate_words)'\n"},
};

static void offer(const char *word, const char *partial, const char *help) {
  if (strncmp(word, partial, strlen(partial)) == 0) (void)printf("%s\t%s\n", word, help);
}

// ---- a command's name

// The word of a name behind those that were typed; len 0: they are not its beginning, or are all of it.
static struct str next_word(const struct command *c, int argc, char *const *argv) {
  struct str rest = str_from(c->name), word;
  for (int i = 0; i < argc; i++)
    if (!str_split(&rest, ' ', &word) || !str_eq(word, str_from(argv[i]))) return (struct str){0};
  return str_split(&rest, ' ', &word) ? word : (struct str){0};
}

static void offer_names(int argc, char *const *argv, const char *partial) {
  for (size_t i = 0; i < command_count; i++) {
    const struct command *c = &command_table[i];
    struct str word = next_word(c, argc, argv);
    bool told = false;
    for (size_t k = 0; k < i && !told; k++) told = str_eq(next_word(&command_table[k], argc, argv), word);
    if (word.len == 0 || told) continue;
    char text[48];
    (void)snprintf(text, sizeof text, "%.*s", STR_ARG(word));
    offer(text, partial, word.ptr[word.len] == '\0' ? c->summary : "");
  }
}

// ---- its options

static bool is_given(const struct option *o, int argc, char *const *argv) {
  for (int i = 0; i < argc; i++)
    if (strncmp(argv[i], "--", 2) == 0 && str_eq((struct str){argv[i] + 2, strcspn(argv[i] + 2, "=")}, str_from(o->name))) return true;
  return false;
}

static void offer_options(const struct option *options, size_t count, int argc, char *const *argv, const char *partial) {
  for (size_t i = 0; i < count; i++) {
    char text[64];
    if (is_given(&options[i], argc, argv) && options[i].kind != OPTION_RATE) continue;
    (void)snprintf(text, sizeof text, "--%s", options[i].name);
    offer(text, partial, options[i].help);
  }
}

static bool takes_value(const struct option *options, size_t count, const char *word) {
  for (size_t i = 0; i < count; i++)
    if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, options[i].name) == 0) return options[i].kind != OPTION_FLAG;
  return false;
}

// Where a value or a word of the command's own is due, nothing is known: shells complete names of files.
static void offer_of(const struct command *c, int argc, char *const *argv, const char *partial) {
  size_t common_count;
  const struct option *common = command_common(&common_count);
  bool value = argc > 0 && (takes_value(c->options, c->option_count, argv[argc - 1]) || takes_value(common, common_count, argv[argc - 1]));
  if (value || (partial[0] != '-' && *c->words && argc == 0)) return;
  offer_options(c->options, c->option_count, argc, argv, partial);
  offer_options(common, common_count, argc, argv, partial);
}

// The words that were typed behind `tollgate`; the last is the one to be completed.
static int words_offer(int argc, char *const *argv) {
  const char *partial = argc > 0 ? argv[argc - 1] : "";
  int typed = argc > 0 ? argc - 1 : 0, words = 0;
  while (typed > 0 && argv[0][0] == '-') {
    int skipped = strcmp(argv[0], "--config") == 0 && typed > 1 ? 2 : 1;
    argv += skipped, typed -= skipped;
  }
  const struct command *c = command_find(typed, argv, &words);
  if (c && strcmp(c->name, "help") == 0) offer_names(typed - words, argv + words, partial);
  else if (c && strcmp(c->name, "completion") == 0 && typed == words)
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) offer(scripts[i].shell, partial, "");
  else if (c) offer_of(c, typed - words, argv + words, partial);
  else offer_names(typed, argv, partial);
  return EXIT_FINE;
}

int completion_main(int argc, char **argv) {
  int words;
  if (argc > 1 && strcmp(argv[1], "words") == 0) return words_offer(argc - 2, argv + 2);
  for (size_t i = 0; i < ARRAY_LEN(scripts) && argc == 2; i++)
    if (strcmp(argv[1], scripts[i].shell) == 0) return fputs(scripts[i].script, stdout) < 0 ? EXIT_FAILED : EXIT_FINE;
  bool asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
  if (!asked) out_error("the shell is missing or unknown: bash, zsh or fish");
  command_help(command_find(1, argv, &words), asked ? stdout : stderr);
  return asked ? EXIT_FINE : EXIT_USAGE;
}
