// The commands of `tollgate`: one table, used to find, run, suggest and explain them.
#pragma once
#include "app/args.h"
#include "app/config.h"
#include "app/exit.h"
#include <stdio.h>

struct command;
struct invocation {
  const struct command *command;
  struct args args;
  struct config config;
  bool json;
};

struct column {
  const char *path, *heading; // of a list's rows: the member's dotted path
  bool right;
};

// A command that is one request to the API: options become query parameters (GET, DELETE, what is bare) or members of
// the body.
struct endpoint {
  const char *method, *path; // each "{}" takes the next of the command's words
  const struct column *columns; // of a list; NULL: one object
  size_t column_count;
  const char *asks; // a question to be agreed to first, where it cannot be undone: "Revoke"; NULL: none
  bool bare;        // of a POST: it takes no body, so that options become query parameters
};

struct command {
  const char *name;    // "customers create"
  const char *words;   // what follows besides options: "CUSTOMER"; "" for none
  const char *summary; // one line
  const char *example; // whole lines
  const struct option *options;
  size_t option_count;
  int (*run)(struct invocation *in);
  const struct endpoint *endpoint;     // run by endpoint_run
  int (*raw)(int argc, char **argv);   // reads its own arguments
};
extern const struct command command_table[];
extern const size_t command_count;

// The command that argv begins with, and how many words name it; NULL: none.
const struct command *command_find(int argc, char *const *argv, int *ret_words);
int command_main(int argc, char **argv); // returns an exit code
void command_help(const struct command *c, FILE *stream);
void command_help_all(FILE *stream);

// The options that every command takes.
const struct option *command_common(size_t *ret_count);

int completion_main(int argc, char **argv); // completion.c
int man_run(struct invocation *in);         // man.c
int endpoint_run(struct invocation *in);  // endpoint.c
int report_run(struct invocation *in);    // report.c
int books_run(struct invocation *in);    // books.c
int receipt_get_run(struct invocation *in); // receipt.c
int receipt_verify_run(struct invocation *in);
int receipt_rotate_run(struct invocation *in);
int events_import_run(struct invocation *in); // events.c
int codes_disable_run(struct invocation *in); // codes.c
int bootstrap_run(struct invocation *in); // bootstrap.c
int migrate_command_run(struct invocation *in);
int audit_command_run(struct invocation *in);
int rollups_rebuild_run(struct invocation *in);
int journal_check_run(struct invocation *in); // journal.c
int doctor_run(struct invocation *in);
int serve_command_run(struct invocation *in);
int dev_run(struct invocation *in);
int version_run(struct invocation *in);
int help_run(struct invocation *in);
