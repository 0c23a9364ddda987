// The usage report as JSON and as CSV.
#include "json/write.h"
#include "base/log.h"
#include "report/usage.h"
#include <inttypes.h>

static const char *const group_names[] = {"day", "model", "key"};

// ---- JSON

static void row_json(struct json_writer *w, struct arena *arena, const struct report_row *row, unsigned groups,
                     bool costs) {
  json_object_begin(w);
  if (groups & REPORT_DAY) json_member_str(w, "day", row->day);
  if (groups & REPORT_MODEL) json_member_str(w, "model", row->model);
  if (groups & REPORT_KEY) json_member_id(w, "key", "key", row->key);
  json_member_int(w, "calls", row->calls);
  json_member_amount(w, "charge", row->charge);
  if (costs) json_member_amount(w, "cost", row->cost);
  json_key(w, "usage");
  json_object_begin(w);
  for (size_t i = 0; i < row->meter_count; i++)
    if (row->meters[i].quantity != 0)
      json_member_int(w, arena_strdup(arena, row->meters[i].name), row->meters[i].quantity);
  json_object_end(w);
  json_object_end(w);
}

void report_write_json(struct json_writer *w, struct arena *arena, const struct report *r, bool costs) {
  json_object_begin(w);
  json_member_text(w, "object", "report");
  json_member_id(w, "customer", "cus", r->customer);
  json_member_time(w, "from", r->from);
  json_member_time(w, "to", r->to);
  json_member_str(w, "time_zone", r->time_zone);
  json_key(w, "group_by");
  json_array_begin(w);
  for (unsigned i = 0; i < 3; i++)
    if (r->groups & 1u << i) json_put_text(w, group_names[i]);
  json_array_end(w);
  json_key(w, "rows");
  json_array_begin(w);
  for (size_t i = 0; i < r->row_count; i++) row_json(w, arena, &r->rows[i], r->groups, costs);
  json_array_end(w);
  json_key(w, "totals");
  row_json(w, arena, &r->totals, 0, costs);
  json_object_end(w);
}

// ---- CSV

static void cell_text(struct buf *out, struct str text) {
  bool quote = false;
  for (size_t i = 0; i < text.len; i++) quote |= strchr(",\"\r\n", text.ptr[i]) != NULL;
  if (quote) buf_putc(out, '"');
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == '"') buf_putc(out, '"');
    buf_putc(out, text.ptr[i]);
  }
  buf_puts(out, quote ? "\"," : ",");
}

static void cell_amount(struct buf *out, amount a) {
  char text[AMOUNT_TEXT_MAX];
  amount_print(a, text);
  buf_printf(out, "%s,", text);
}

static void line_end(struct buf *out) {
  ASSERT(out->len > 0 && out->data[out->len - 1] == ',');
  out->data[out->len - 1] = '\r';
  buf_putc(out, '\n');
}

static int64_t quantity_of(const struct report_row *row, struct str meter) {
  for (size_t i = 0; i < row->meter_count; i++)
    if (str_eq(row->meters[i].name, meter)) return row->meters[i].quantity;
  return 0;
}

// The totals name every meter that some row has.
static void headings_csv(struct buf *out, const struct report *r, bool costs) {
  for (unsigned i = 0; i < 3; i++)
    if (r->groups & 1u << i) buf_printf(out, "%s,", group_names[i]);
  buf_puts(out, costs ? "calls,charge,cost," : "calls,charge,");
  for (size_t i = 0; i < r->totals.meter_count; i++) cell_text(out, r->totals.meters[i].name);
  line_end(out);
}

static void row_csv(struct buf *out, const struct report *r, const struct report_row *row, bool costs) {
  char key[ID_TEXT_MAX];
  if (r->groups & REPORT_DAY) cell_text(out, row->day);
  if (r->groups & REPORT_MODEL) cell_text(out, row->model);
  if (r->groups & REPORT_KEY) {
    id_print("key", row->key, key);
    cell_text(out, str_from(key));
  }
  buf_printf(out, "%" PRId64 ",", row->calls);
  cell_amount(out, row->charge);
  if (costs) cell_amount(out, row->cost);
  for (size_t i = 0; i < r->totals.meter_count; i++)
    buf_printf(out, "%" PRId64 ",", quantity_of(row, r->totals.meters[i].name));
  line_end(out);
}

void report_write_csv(struct buf *out, const struct report *r, bool costs) {
  headings_csv(out, r, costs);
  for (size_t i = 0; i < r->row_count; i++) row_csv(out, r, &r->rows[i], costs);
}
