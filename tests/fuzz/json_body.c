// Feeds: bodies and queries to the management API, through the HTTP server (pump.h) and the real endpoints, over the
// fakes of books.h. The first byte chooses the endpoint, the second the database's mood, the third who asks and how;
// the rest is the body, or the query of an endpoint that has none. Oracle: every request is answered once, with JSON; a
// refusal says what is wrong, in words and in a code, and nothing of it stays; each amount that is accepted is what a
// plain reading of its text says, prints as what reads back as itself, and is the number that reaches the database or
// the ledger.
#include "base/log.h"
#include "base/mem.h"
#include "books.h"
#include "fuzz.h"
#include "plugged.h"
#include "pump.h"
#include "rest/rest.h"
#include <jansson.h>
#include <time.h>

#define REQUEST_MAX (256 * 1024)
#define HOOK "/webhooks/stripe"
#define EVENTS "/api/v1/events" // whose members mean nothing where they are not known
#define HOOK_SECRET "whsec_of_a_fuzzer"

static struct rest_context context;
static const struct http_route *routes;
static size_t route_count;
static struct pump pump;
static struct crypto_keys keys;
static const struct net_ranges webhook_open;

static void ready(void *arg, struct rest_ready *ret) {
  (void)arg;
  *ret = (struct rest_ready){.database = true, .migrations = true, .plugins = true, .ledger = true, .journal = true};
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  log_open((enum log_level)(LOG_ERROR + 1), false); // the faults are our own
  FUZZ_CHECK(crypto_start(), "no randomness");
  FUZZ_CHECK(crypto_keys_derive(STR("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), &keys),
             "keys");
  context = (struct rest_context){
      .books = book_holder_create(), .plugins = plugged(), .keys = &keys, .receipts = receipt_ring_create(&keys), .metrics_open = true, .ready = ready,
      .webhook_open = &webhook_open, .stripe_version = "2026-09-30.endive"};
  context.stripe = stripe_create(NULL);
  context.stripe_secrets = (struct signature_secrets){.at = {STR(HOOK_SECRET)}, .count = 1};
  context.stripe_tolerance_s = 300;
  context.events_batch_max = 10;
  context.open_holds_max = 10;
  context.events_late_us = INT64_C(35) * 86400 * 1000000;
  struct book *book = NULL;
  books_clear(0, false);
  FUZZ_CHECK(book_load(NULL, &book) == 0, "a book");
  book_put(context.books, book);
  routes = rest_routes(&context, &route_count);
  pump_init(&pump, routes, route_count);
  return 0;
}

// ---- the request

static const char *id_prefix(const char *path) {
  static const char *const kinds[][2] = {{"customers", "cus"}, {"keys", "key"},   {"grants", "grt"}, {"limits", "lim"},
                                         {"providers", "prv"}, {"prices", "prc"}, {"calls", "call"},  {"webhook-endpoints", "we"}, {"codes", "cod"},
                                         {"products", "prd"},  {"orders", "ord"}, {"payments", "pay"}, {"meters", "mtr"}, {"holds", "call"}};
  for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
    if (strstr(path, kinds[i][0])) return kinds[i][1];
  return "x";
}

static void path_write(struct buf *out, const char *path) {
  const char *prefix = id_prefix(path);
  for (const char *open; (open = strchr(path, '{')); path = strchr(open, '}') + 1) {
    (void)buf_add(out, path, (size_t)(open - path));
    buf_printf(out, "%s_01h455vb4pex5vsknk084sn02q", strncmp(open, "{event}", 7) == 0 ? "evt" : prefix);
  }
  buf_puts(out, path);
}

// As Stripe signs it, so that more than the signature is looked at.
static void signature_write(struct buf *out, struct str body) {
  char now[24], text[65];
  unsigned char mac[32];
  (void)snprintf(now, sizeof now, "%lld", (long long)time(NULL));
  const struct str parts[] = {str_from(now), STR("."), body};
  crypto_hmac_sha256(STR(HOOK_SECRET), parts, 3, mac);
  crypto_hex(mac, sizeof mac, text);
  buf_printf(out, "Stripe-Signature: t=%s,v1=%s\r\n", now, text);
}

static void request_write(struct buf *out, const struct http_route *route, uint8_t how, struct str rest) {
  bool body = route->body_max > 0;
  buf_printf(out, "%s ", route->method);
  path_write(out, route->path);
  if (!body && rest.len) {
    buf_putc(out, '?');
    for (size_t i = 0; i < rest.len && i < 2000; i++)
      if (rest.ptr[i] > 0x20 && rest.ptr[i] < 0x7F && rest.ptr[i] != '#') buf_putc(out, rest.ptr[i]);
  }
  buf_puts(out, " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
  buf_printf(out, "Authorization: Bearer %s\r\n", how % 16 == 15 ? "none" : "tlg");
  if (how & 16) buf_puts(out, "Idempotency-Key: k\r\n");
  if (how & 32) buf_puts(out, "Content-Type: application/json; charset=utf-8\r\n");
  if (strcmp(route->path, HOOK) == 0) signature_write(out, rest);
  if (body) buf_printf(out, "Content-Length: %zu\r\n", rest.len);
  buf_puts(out, "\r\n");
  if (body) (void)buf_add_str(out, rest);
}

// ---- amounts

static bool plain_amount(const char *text, amount *ret) {
  bool negative = text[0] == '-', point = false;
  amount_wide value = 0;
  int decimals = 0;
  for (const char *c = text + negative; *c; c++) {
    if (*c == '.') {
      if (point) return false;
      point = true;
      continue;
    }
    if (*c < '0' || *c > '9' || (decimals += point) > 9) return false;
    if (value < (amount_wide)1 << 100) value = value * 10 + (*c - '0');
  }
  for (; decimals < 9; decimals++) value *= 10;
  if (value > INT64_MAX) return false;
  *ret = negative ? -(amount)value : (amount)value;
  return true;
}

// In PostgreSQL's binary format, or as the ledger was given it.
static bool reached(amount a) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)a >> (56 - 8 * i));
  bool stored = books.written.len && memmem(books.written.data, books.written.len, bytes, sizeof bytes);
  return stored || books.given.grant.amount == a || books.given.hold == a || books.given.charge == a;
}

static void amount_check(const char *name, const json_t *value) {
  char text[AMOUNT_TEXT_MAX];
  amount a = 0, back = 0;
  if (!json_is_string(value)) return;
  FUZZ_CHECK(plain_amount(json_string_value(value), &a), "%s: %s was accepted", name, json_string_value(value));
  amount_print(a, text);
  FUZZ_CHECK(amount_parse(str_from(text), &back) && back == a, "%s is printed as %s", json_string_value(value), text);
  FUZZ_CHECK(reached(a), "%s: %s is not what was written", name, json_string_value(value));
}

static void amounts_check(struct str body) {
  static const char *const plain[] = {"amount", "credit_limit", "short_debt", "credits", "bonus"}, *const rate[] = {"charge", "cost"};
  json_error_t error;
  json_t *root = json_loadb(body.ptr, body.len, 0, &error), *item;
  size_t i;
  FUZZ_CHECK(root, "a body was accepted that is no JSON");
  for (i = 0; i < ARRAY_LEN(plain); i++) amount_check(plain[i], json_object_get(root, plain[i]));
  json_array_foreach(json_object_get(root, "rates"), i, item) {
    amount_check(rate[0], json_object_get(item, rate[0]));
    amount_check(rate[1], json_object_get(item, rate[1]));
  }
  json_decref(root);
}

// ---- the answer

static const char *text_at(const json_t *root, const char *outer, const char *name) {
  const char *text = json_string_value(json_object_get(outer ? json_object_get(root, outer) : root, name));
  return text ? text : "";
}

static void refusal_check(const struct http_route *route, const json_t *root, int status) {
  if (strcmp(route->path, HOOK) == 0 && status == 400) { // told in one way
    FUZZ_CHECK(json_is_false(json_object_get(root, "received")) && json_object_size(root) == 1 && !books.open, "%s", HOOK);
    return;
  }
  FUZZ_CHECK(json_integer_value(json_object_get(root, "status")) == status, "status %d says another", status);
  FUZZ_CHECK(strlen(text_at(root, "error", "message")) > 10, "a refusal without a text");
  FUZZ_CHECK(strlen(text_at(root, "error", "code")) > 4, "a refusal without a code");
  FUZZ_CHECK(status < 500 || status == 503, "status %d", status);
  FUZZ_CHECK(!books.open, "a refusal leaves a transaction open");
}

static void answer_check(const struct http_route *route, struct str body) {
  const char *out = buf_cstr(&pump.out), *head = strstr(out, "\r\n\r\n");
  FUZZ_CHECK(head && pump.ended && strncmp(out, "HTTP/1.1 ", 9) == 0, "no answer: %.200s", out);
  int status = atoi(out + 9);
  struct str text = {head + 4, (size_t)(pump.out.data + pump.out.len - head - 4)};
  bool json = memmem(out, (size_t)(head - out), "json", 4) != NULL;
  if (status >= 400) FUZZ_CHECK(json, "a refusal that is no JSON");
  if (!json) return;
  json_error_t error;
  json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
  FUZZ_CHECK(root, "an answer that is no JSON: %s: %.*s", error.text, STR_ARG(text));
  if (status >= 400)
    refusal_check(route, root, status);
  else if (route->body_max && strcmp(route->path, EVENTS) != 0 && !memmem(out, (size_t)(head - out), "Idempotency-Replayed", 20))
    amounts_check(body);
  json_decref(root);
}

static const struct http_route *route_of(struct str line) {
  size_t sum = 0;
  for (size_t i = 0; i < route_count; i++) {
    struct str rest = line, method;
    if (str_split(&rest, ' ', &method) && str_eq(method, str_from(routes[i].method)) &&
        str_eq(rest, str_from(routes[i].path)))
      return &routes[i];
  }
  for (size_t i = 0; i < line.len; i++) sum += (uint8_t)line.ptr[i];
  return &routes[sum % route_count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  const struct http_route *route = route_of(fuzz_until(&in, '\n'));
  uint8_t mood = fuzz_byte(&in), how = fuzz_byte(&in);
  struct str rest = fuzz_rest(&in);
  struct buf request;
  buf_init(&request, REQUEST_MAX);
  books_clear(mood, how & 64);
  request_write(&request, route, how, rest);
  pump_exchange(&pump, buf_str(&request), 0);
  answer_check(route, rest);
  buf_finish(&request);
  return 0;
}
