// Which Stripe-Signature headers are believed: Stripe's own vector, headers of every kind that libraries have disagreed
// about, and, where they are there, the recorded ones beside this checkout.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/crypto.h"
#include "stripe/signature.h"
#include "json/read.h"
#include <stdio.h>

#define NOW 1700000000
#define SECRET "whsec_test_secret"
#define BODY "{\"id\":\"evt_1\",\"object\":\"event\"}"
#define VECTOR "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static struct signature_secrets secrets_of(const char *text) {
  struct signature_secrets s;
  assert_true(signature_secrets_read(str_from(text), &s));
  return s;
}

static enum signature_verdict judged(const char *secrets, struct str body, const char *header) {
  struct signature_secrets s = secrets_of(secrets);
  return signature_check(str_from(header), body, &s, NOW, 300);
}

static void mac_of(const char *secret, const char *time, struct str body, char ret[65]) {
  const struct str parts[] = {str_from(time), STR("."), body};
  unsigned char mac[32];
  crypto_hmac_sha256(str_from(secret), parts, 3, mac);
  crypto_hex(mac, sizeof mac, ret);
}

// What a row says, with the signatures filled in: $ stands for the right one over $'s time, which the row names; ^ for
// the same in upper case.
static const char *filled(const char *row, const char *time) {
  static char out[8192];
  char mac[65];
  size_t len = 0;
  mac_of(SECRET, time, STR(BODY), mac);
  for (; *row; row++) {
    if (*row != '$' && *row != '^') {
      out[len++] = *row;
      continue;
    }
    for (size_t i = 0; i < 64; i++) out[len++] = *row == '^' && mac[i] >= 'a' ? (char)(mac[i] - 'a' + 'A') : mac[i];
  }
  out[len] = '\0';
  return out;
}

static void stripes_own_vector_is_believed(void **state) {
  (void)state;
  assert_int_equal(judged(SECRET, STR(BODY), "t=1700000000,v1=" VECTOR), SIGNATURE_SOUND);
}

struct row {
  const char *time; // what is signed
  const char *header;
  enum signature_verdict verdict;
};
#define T "1700000000"
static const struct row rows[] = {
    {T, "t=" T ",v1=$", SIGNATURE_SOUND},
    {T, "v1=$,t=" T, SIGNATURE_SOUND},
    {T, "t=" T ",v1=$,v0=" ZEROS, SIGNATURE_SOUND},
    {T, "t=" T ",v0=" ZEROS ",v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",v2=abc,v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",v1=" ZEROS ",v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",v1=$,v1=" ZEROS, SIGNATURE_SOUND},
    {T, "t=" T ",v1=zz,v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",v1=abc,v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",v1=,v1=$", SIGNATURE_SOUND},
    {T, "", SIGNATURE_MALFORMED},
    {T, " ", SIGNATURE_MALFORMED},
    {T, ",", SIGNATURE_MALFORMED},
    {T, "nonsense", SIGNATURE_MALFORMED},
    {T, "v1=$", SIGNATURE_MALFORMED},
    {T, "t=" T, SIGNATURE_MALFORMED},
    {T, "t=" T ",v0=$", SIGNATURE_MALFORMED},
    {T, "t=" T ",V1=$", SIGNATURE_MALFORMED},
    {T, "T=" T ",v1=$", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1=", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1,v1=$", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1=$,v1", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1=^", SIGNATURE_MALFORMED},
    {T, "t=" T ",abc,v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",,v1=$", SIGNATURE_SOUND},
    {T, ",t=" T ",v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",v1=$,", SIGNATURE_SOUND},
    {T, "t=" T ", v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",  v1=$", SIGNATURE_SOUND},
    {T, " t=" T ",v1=$", SIGNATURE_SOUND},
    {T, "t=" T ",v1=$ ", SIGNATURE_MALFORMED},
    {T, "t=" T " ,v1=$", SIGNATURE_MALFORMED},
    {T, "t= " T ",v1=$", SIGNATURE_MALFORMED},
    {T, "t =" T ",v1=$", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1= $", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1=$=x", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1=$0", SIGNATURE_MALFORMED},
    {T, "t=" T ",v1=" ZEROS, SIGNATURE_WRONG},
    {"abc", "t=abc,v1=$", SIGNATURE_MALFORMED},
    {"", "t=,v1=$", SIGNATURE_MALFORMED},
    {"", "t,v1=$", SIGNATURE_MALFORMED},
    {T, "t,t=" T ",v1=$", SIGNATURE_MALFORMED},
    {"0x6553f100", "t=0x6553f100,v1=$", SIGNATURE_MALFORMED},
    {"17e8", "t=17e8,v1=$", SIGNATURE_MALFORMED},
    {T "abc", "t=" T "abc,v1=$", SIGNATURE_MALFORMED},
    {T ".0", "t=" T ".0,v1=$", SIGNATURE_MALFORMED},
    {"+" T, "t=+" T ",v1=$", SIGNATURE_MALFORMED},
    {T, "t=+" T ",v1=$", SIGNATURE_MALFORMED},
    {T, "t=0" T ",v1=$", SIGNATURE_MALFORMED},
    {"0" T, "t=0" T ",v1=$", SIGNATURE_MALFORMED},
    {"-5", "t=-5,v1=$", SIGNATURE_MALFORMED},
    {"0", "t=0,v1=$", SIGNATURE_MALFORMED},
    {"99999999999999999999", "t=99999999999999999999,v1=$", SIGNATURE_MALFORMED},
    {"1700000000000", "t=1700000000000,v1=$", SIGNATURE_MALFORMED},
    {T, "t=" T ",t=1,v1=$", SIGNATURE_MALFORMED},
    {T, "t=1,t=" T ",v1=$", SIGNATURE_MALFORMED},
    {T, "t=" T ",t=" T ",v1=$", SIGNATURE_MALFORMED},
    {"1699999700", "t=1699999700,v1=$", SIGNATURE_SOUND},
    {"1699999699", "t=1699999699,v1=$", SIGNATURE_STALE},
    {"1700000300", "t=1700000300,v1=$", SIGNATURE_SOUND},
    {"1700000301", "t=1700000301,v1=$", SIGNATURE_STALE},
    {"2015360000", "t=2015360000,v1=$", SIGNATURE_STALE},
    {"999999999999", "t=999999999999,v1=$", SIGNATURE_STALE},
    {"1", "t=1,v1=$", SIGNATURE_STALE},
    {T, "t=1,v1=$", SIGNATURE_WRONG},
    {T, "t=1699999000,v1=" ZEROS, SIGNATURE_WRONG},
};

static void headers_are_read_by_one_rule_where_libraries_differ(void **state) {
  (void)state;
  assert_true(ARRAY_LEN(rows) > 53);
  for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
    const char *header = filled(rows[i].header, rows[i].time);
    int got = (int)judged(SECRET, STR(BODY), header);
    if (got != (int)rows[i].verdict) fail_msg("\"%s\": %d", header, got);
  }
}

static void every_byte_of_the_body_is_signed(void **state) {
  (void)state;
  char body[] = BODY;
  for (size_t i = 0; i < sizeof body - 1; i++) {
    body[i] = (char)(body[i] ^ 1);
    assert_int_equal(judged(SECRET, (struct str){body, sizeof body - 1}, "t=1700000000,v1=" VECTOR), SIGNATURE_WRONG);
    body[i] = (char)(body[i] ^ 1);
  }
  assert_int_equal(judged(SECRET, STR(BODY "\n"), "t=1700000000,v1=" VECTOR), SIGNATURE_WRONG);
  assert_int_equal(judged(SECRET, (struct str){0}, "t=1700000000,v1=" VECTOR), SIGNATURE_WRONG);
}

static void a_body_is_bytes_and_not_text(void **state) {
  (void)state;
  struct str body = {"\xff\x00\xc3\x28{", 5};
  char header[128], mac[65];
  mac_of(SECRET, T, body, mac);
  (void)snprintf(header, sizeof header, "t=" T ",v1=%s", mac);
  assert_int_equal(judged(SECRET, body, header), SIGNATURE_SOUND);
}

static void any_of_up_to_four_secrets_will_do(void **state) {
  (void)state;
  char header[512], old[65];
  const char *good = "t=1700000000,v1=" VECTOR;
  mac_of("whsec_old", T, STR(BODY), old);
  assert_int_equal(judged("whsec_a," SECRET, STR(BODY), good), SIGNATURE_SOUND);
  assert_int_equal(judged("whsec_a, whsec_b ,whsec_c," SECRET, STR(BODY), good), SIGNATURE_SOUND);
  assert_int_equal(judged("whsec_a,whsec_b", STR(BODY), good), SIGNATURE_WRONG);
  assert_int_equal(judged("whsec_test_secre", STR(BODY), good), SIGNATURE_WRONG);
  (void)snprintf(header, sizeof header, "t=" T ",v1=%s,v1=" VECTOR, old);
  assert_int_equal(judged(SECRET, STR(BODY), header), SIGNATURE_SOUND);
  assert_int_equal(judged("whsec_old", STR(BODY), header), SIGNATURE_SOUND);
  assert_int_equal(judged("whsec_new,"
                          "whsec_old",
                          STR(BODY), header),
                   SIGNATURE_SOUND);
}

static void there_are_one_to_four_secrets(void **state) {
  (void)state;
  struct signature_secrets s;
  assert_false(signature_secrets_read(STR(""), &s));
  assert_false(signature_secrets_read(STR(" "), &s));
  assert_false(signature_secrets_read(STR("a,,b"), &s));
  assert_false(signature_secrets_read(STR("a,b,c,d,e"), &s));
  assert_true(signature_secrets_read(STR("a, b,c ,d"), &s));
  assert_int_equal(s.count, 4);
  assert_true(str_eq(s.at[1], STR("b")) && str_eq(s.at[2], STR("c")));
}

static void a_header_is_bounded(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf header;
  buf_init(&header, 8192);
  buf_puts(&header, "t=1700000000,v1=" VECTOR);
  for (int i = 2; i < SIGNATURE_ELEMENTS_MAX; i++) buf_puts(&header, ",v0=x");
  assert_int_equal(judged(SECRET, STR(BODY), buf_cstr(&header)), SIGNATURE_SOUND);
  buf_puts(&header, ",v0=x");
  assert_int_equal(judged(SECRET, STR(BODY), buf_cstr(&header)), SIGNATURE_MALFORMED);
  buf_clear(&header);
  buf_puts(&header, "t=1700000000,v1=" VECTOR ",v0=");
  while (header.len < SIGNATURE_HEADER_MAX) buf_putc(&header, 'x');
  assert_int_equal(judged(SECRET, STR(BODY), buf_cstr(&header)), SIGNATURE_SOUND);
  buf_putc(&header, 'x');
  assert_int_equal(judged(SECRET, STR(BODY), buf_cstr(&header)), SIGNATURE_MALFORMED);
}

static void the_tolerance_is_the_operators(void **state) {
  (void)state;
  struct signature_secrets s = secrets_of(SECRET);
  struct str header = STR("t=1700000000,v1=" VECTOR);
  assert_int_equal(signature_check(header, STR(BODY), &s, NOW + 1, 1), SIGNATURE_SOUND);
  assert_int_equal(signature_check(header, STR(BODY), &s, NOW + 2, 1), SIGNATURE_STALE);
  assert_int_equal(signature_check(header, STR(BODY), &s, NOW - 2, 1), SIGNATURE_STALE);
  assert_int_equal(signature_check(header, STR(BODY), &s, NOW + 3600, 3600), SIGNATURE_SOUND);
}

// ---- the recorded headers

static bool file_read(const char *name, struct buf *ret) {
  char path[512], piece[4096];
  size_t got;
  (void)snprintf(path, sizeof path, SOURCE_DIR "/../shared/fixtures/stripe/%s", name);
  FILE *f = fopen(path, "re");
  if (!f) return false;
  while ((got = fread(piece, 1, sizeof piece, f)) > 0) buf_add(ret, piece, got);
  (void)fclose(f);
  return true;
}

static struct str text_at(struct json *object, const char *name) {
  struct str text = {0};
  assert_true(json_text(json_get(object, name), &text));
  return text;
}

// Where libraries differ ("either") the rule is ours: capitals are refused, blanks and commas forgiven.
static bool has_to_be_believed(struct json *test, bool with_previous) {
  bool accept = false;
  struct str words = {0};
  if (json_bool(json_get(test, "accept"), &accept)) return accept;
  assert_true(json_text(json_get(test, "accept"), &words));
  return str_eq(words, STR("either")) ? !str_eq(text_at(test, "name"), STR("uppercase hex")) : with_previous;
}

static void cases_are_judged(struct json *root, struct str body, bool with_previous) {
  char secrets[512];
  struct json *cases = json_get(root, "header_cases"), *list = json_get(cases, "cases");
  int64_t now = 0, tolerance = 0;
  (void)snprintf(secrets, sizeof secrets, "%.*s%s%.*s", STR_ARG(text_at(root, "secret")), with_previous ? "," : "",
                 with_previous ? (int)text_at(root, "previous_secret").len : 0, text_at(root, "previous_secret").ptr);
  struct signature_secrets s = secrets_of(secrets);
  assert_true(json_int(json_get(cases, "now"), &now) && json_int(json_get(cases, "tolerance_seconds"), &tolerance));
  assert_true(json_count(list) >= 33);
  for (size_t i = 0; i < json_count(list); i++) {
    struct json *test = json_at(list, i);
    bool believed = signature_check(text_at(test, "header"), body, &s, now, tolerance) == SIGNATURE_SOUND;
    if (believed != has_to_be_believed(test, with_previous)) fail_msg("%.*s", STR_ARG(text_at(test, "name")));
  }
}

static int header_check(void *arg, const char *name, struct json *value) {
  struct signature_secrets *s = arg;
  CLEANUP(buf_finish) struct buf body;
  struct str header = {0};
  buf_init(&body, 1 << 20);
  assert_true(file_read(name, &body) && json_text(value, &header));
  if (signature_check(header, buf_str(&body), s, 1793700000, 300) != SIGNATURE_SOUND) fail_msg("%s", name);
  return 0;
}

static void recorded_headers_are_judged_as_recorded(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf text, body;
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  buf_init(&text, 1 << 20);
  buf_init(&body, 1 << 20);
  if (!file_read("signatures.json", &text)) skip();
  assert_int_equal(json_parse(buf_str(&text), &root, &error), 0);
  assert_true(file_read("checkout.session.completed.json", &body));
  cases_are_judged(root, buf_str(&body), false);
  cases_are_judged(root, buf_str(&body), true);
  CLEANUP(mem_freep) char *secret = mem_strndup(text_at(root, "secret").ptr, text_at(root, "secret").len);
  struct signature_secrets s = secrets_of(secret);
  assert_int_equal(json_each(json_get(root, "headers"), header_check, &s), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stripes_own_vector_is_believed),
      cmocka_unit_test(headers_are_read_by_one_rule_where_libraries_differ),
      cmocka_unit_test(every_byte_of_the_body_is_signed),
      cmocka_unit_test(a_body_is_bytes_and_not_text),
      cmocka_unit_test(any_of_up_to_four_secrets_will_do),
      cmocka_unit_test(there_are_one_to_four_secrets),
      cmocka_unit_test(a_header_is_bounded),
      cmocka_unit_test(the_tolerance_is_the_operators),
      cmocka_unit_test(recorded_headers_are_judged_as_recorded),
  };
  return crypto_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
