// `tollgate man`: the manual page, written from the tables of commands and of settings.
#include "app/command.h"
#include "base/mem.h"

// Text as it is: no request of roff's, and of the marks that it has prettier ones for those that can be copied.
static void text_put(const char *text) {
  static const struct {
    char mark;
    const char *roff;
  } marks[] = {{'\\', "\\e"}, {'-', "\\-"}, {'\'', "\\(aq"}, {'`', "\\(ga"}, {'~', "\\(ti"}, {'^', "\\(ha"}};
  bool begins = true;
  for (; *text; text++) {
    size_t i = 0;
    while (i < ARRAY_LEN(marks) && marks[i].mark != *text) i++;
    if (begins && *text == '.') (void)fputs("\\&", stdout);
    begins = *text == '\n';
    if (i < ARRAY_LEN(marks)) (void)fputs(marks[i].roff, stdout);
    else (void)putchar(*text);
  }
}

static void bold(const char *text) {
  (void)fputs("\\fB", stdout);
  text_put(text);
  (void)fputs("\\fR", stdout);
}

static void italic(const char *text) {
  (void)fputs(" \\fI", stdout);
  text_put(text);
  (void)fputs("\\fR", stdout);
}

static void paragraph(const char *text) {
  (void)puts(".PP");
  text_put(text);
  (void)putchar('\n');
}

static void options_put(const struct option *options, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char name[64];
    (void)snprintf(name, sizeof name, "--%s", options[i].name);
    (void)puts(".TP");
    bold(name);
    if (options[i].value) italic(options[i].value);
    (void)putchar('\n');
    text_put(options[i].help);
    (void)puts(options[i].required ? " (required)" : "");
  }
}

static void command_put(const struct command *c) {
  (void)fputs(".SS ", stdout);
  bold(c->name);
  if (*c->words) italic(c->words);
  (void)putchar('\n');
  text_put(c->summary);
  (void)puts(".");
  options_put(c->options, c->option_count);
  if (!c->example) return;
  (void)puts(".PP\n.nf");
  text_put(c->example);
  (void)puts(".fi");
}

static void settings_put(void) {
  for (size_t i = 0; i < SETTING_COUNT; i++) {
    (void)puts(".TP");
    bold(setting_table[i].name);
    (void)putchar('\n');
    text_put(setting_table[i].help);
    if (*setting_table[i].fallback) {
      (void)fputs("; default ", stdout);
      text_put(setting_table[i].fallback);
    }
    (void)putchar('\n');
  }
}

static void exits_put(void) {
#define X(name, code, means) (void)puts(".TP\n.B " #code "\n" means);
  EXITS(X)
#undef X
}

int man_run(struct invocation *in) {
  (void)in;
  size_t common_count;
  const struct option *common = command_common(&common_count);
  (void)puts(".TH TOLLGATE 1 \"\" \"tollgate " TOLLGATE_VERSION "\" \"Tollgate\"\n.SH NAME\ntollgate \\- prepaid, metered AI calls\n.SH SYNOPSIS\n"
             ".B tollgate\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION");
  text_put("Puts a price on AI calls: they are checked, metered and paid from prepaid credits; usage from elsewhere is reported or held for.\n");
  paragraph("Commands that say nothing else talk to the server at TOLLGATE_URL with the operator's key in TOLLGATE_ADMIN_KEY.");
  (void)puts(".SH OPTIONS OF EVERY COMMAND");
  options_put(common, common_count);
  (void)puts(".SH COMMANDS");
  for (size_t i = 0; i < command_count; i++) command_put(&command_table[i]);
  (void)puts(".SH ENVIRONMENT");
  settings_put();
  (void)puts(".SH EXIT STATUS");
  exits_put();
  return EXIT_FINE;
}
