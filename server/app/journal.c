// `tollgate journal check`: what a journal holds and whether it is sound, read from its folder without a server.
#include "app/command.h"
#include "app/out.h"
#include "base/mem.h"
#include "meter/settlement.h"
#include "json/write.h"
#include <errno.h>

#define LINE_MAX (16 * 1024)

struct showing {
  bool json;
  size_t unreadable; // entries that are no settlement
  struct out_table table;
};

static void segment_tell(void *arg, const char *file, uint64_t number, size_t entries) {
  const struct showing *s = arg;
  if (!s->json) {
    (void)printf("%-12s number %llu, %zu entries\n", file, (unsigned long long)number, entries);
    return;
  }
  CLEANUP(buf_finish) struct buf line;
  buf_init(&line, LINE_MAX);
  struct json_writer w = json_writer(&line);
  json_object_begin(&w);
  json_member_text(&w, "segment", file);
  json_member_int(&w, "number", (int64_t)number);
  json_member_int(&w, "entries", (int64_t)entries);
  json_object_end(&w);
  (void)puts(buf_cstr(&line));
}

static void entry_write(uint64_t sequence, const struct ledger_op *op) {
  CLEANUP(buf_finish) struct buf line;
  buf_init(&line, LINE_MAX);
  struct json_writer w = json_writer(&line);
  json_object_begin(&w);
  json_member_int(&w, "entry", (int64_t)sequence);
  json_member_id(&w, "customer", "cus", op->customer);
  json_member_id(&w, "call", "call", op->id);
  json_member_text(&w, "state", call_state_name(op->state));
  json_member_amount(&w, "charge", op->charge);
  json_object_end(&w);
  (void)puts(buf_cstr(&line));
}

static void entry_row(struct showing *s, uint64_t sequence, const struct ledger_op *op) {
  char text[32], charge[AMOUNT_TEXT_MAX], customer[ID_TEXT_MAX], call[ID_TEXT_MAX];
  (void)snprintf(text, sizeof text, "%llu", (unsigned long long)sequence);
  amount_print(op->charge, charge);
  id_print("cus", op->customer, customer);
  id_print("call", op->id, call);
  const char *const cells[] = {text, call, customer, call_state_name(op->state), charge};
  for (size_t i = 0; i < ARRAY_LEN(cells); i++) out_table_cell(&s->table, cells[i]);
}

static void entry_tell(void *arg, uint64_t sequence, struct str text) {
  struct showing *s = arg;
  struct arena arena;
  struct ledger_op op;
  arena_init(&arena, LIMIT_REQUEST_ARENA);
  if (settlement_read(text, &arena, &op) != 0)
    s->unreadable++;
  else if (s->json)
    entry_write(sequence, &op);
  else
    entry_row(s, sequence, &op);
  arena_finish(&arena);
}

static void verdict_tell(const struct showing *s, const struct journal_found *f, bool sound) {
  struct str rest = buf_str(&f->lines), line;
  while (str_split(&rest, '\n', &line)) out_note("%.*s", STR_ARG(line));
  if (s->unreadable > 0) out_note("%zu entries are no settlements", s->unreadable);
  const char *verdict = sound ? "sound" : "damaged";
  if (s->json)
    (void)printf("{\"verdict\":\"%s\",\"entries\":%zu,\"torn\":%zu,\"damaged\":%zu,\"duplicates\":%zu,\"foreign\":%zu}\n", verdict,
                 f->entries, f->torn, f->flipped, f->duplicates, f->foreign);
  else
    (void)printf("%s: %zu entries, %zu torn, %zu damaged, %zu duplicates, %zu foreign\n", verdict, f->entries, f->torn, f->flipped,
                 f->duplicates, f->foreign);
}

int journal_check_run(struct invocation *in) {
  static const char *const headings[] = {"ENTRY", "CALL", "CUSTOMER", "STATE", "CHARGE"};
  struct journal_found found;
  struct showing s = {.json = in->json};
  const char *folder = args_text(&in->args, "dir");
  if (!folder) folder = config_text(&in->config, SETTING_JOURNAL_DIR);
  out_table_init(&s.table);
  for (size_t i = 0; i < ARRAY_LEN(headings); i++) out_table_column(&s.table, headings[i], i == 0 || i == 4);
  struct journal_visit visit = {.segment = segment_tell, .entry = entry_tell, .arg = &s};
  if (journal_look(folder, &visit, &found) != 0) {
    out_error("%s cannot be read: %s", folder, strerror(errno));
    journal_found_finish(&found);
    out_table_finish(&s.table);
    return EXIT_FAILED;
  }
  bool sound = found.flipped == 0 && found.duplicates == 0 && found.foreign == 0 && s.unreadable == 0;
  if (s.table.count > 0) out_table_print(&s.table, stdout, "");
  verdict_tell(&s, &found, sound);
  out_table_finish(&s.table);
  journal_found_finish(&found);
  return sound ? EXIT_FINE : EXIT_FAILED;
}
