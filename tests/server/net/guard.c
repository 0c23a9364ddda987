// Which addresses and URLs an outbound connection may reach.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/guard.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static bool allowed(enum net_trust trust, const char *ip) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET, ip, &in.sin_addr) == 1) return net_address_allowed(trust, (struct sockaddr *)&in);
  assert_int_equal(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
  return net_address_allowed(trust, (struct sockaddr *)&in6);
}

// Operator, foreign.
static const struct {
  const char *ip;
  bool own, foreign;
} table[] = {
    {"8.8.8.8", true, true},
    {"1.1.1.1", true, true},
    {"0.0.0.0", false, false},
    {"0.255.255.255", false, false},
    {"1.0.0.0", true, true},
    {"10.0.0.0", true, false},
    {"10.255.255.255", true, false},
    {"9.255.255.255", true, true},
    {"11.0.0.0", true, true},
    {"100.63.255.255", true, true},
    {"100.64.0.0", true, false},
    {"100.127.255.255", true, false},
    {"100.128.0.0", true, true},
    {"100.100.100.200", false, false},
    {"127.0.0.1", true, false},
    {"127.255.255.255", true, false},
    {"126.255.255.255", true, true},
    {"128.0.0.0", true, true},
    {"168.63.129.16", false, false},
    {"169.253.255.255", true, true},
    {"169.254.0.0", false, false},
    {"169.254.169.254", false, false},
    {"169.254.255.255", false, false},
    {"169.255.0.0", true, true},
    {"172.15.255.255", true, true},
    {"172.16.0.0", true, false},
    {"172.31.255.255", true, false},
    {"172.32.0.0", true, true},
    {"192.0.0.0", true, false},
    {"192.0.0.192", false, false},
    {"192.0.0.255", true, false},
    {"192.0.1.0", true, true},
    {"192.0.2.1", true, false},
    {"192.88.99.1", true, false},
    {"192.167.255.255", true, true},
    {"192.168.0.0", true, false},
    {"192.168.255.255", true, false},
    {"192.169.0.0", true, true},
    {"198.17.255.255", true, true},
    {"198.18.0.0", true, false},
    {"198.19.255.255", true, false},
    {"198.20.0.0", true, true},
    {"198.51.100.7", true, false},
    {"203.0.113.7", true, false},
    {"223.255.255.255", true, true},
    {"224.0.0.0", false, false},
    {"239.1.2.3", false, false},
    {"240.0.0.0", false, false},
    {"255.255.255.255", false, false},

    {"::", false, false},
    {"::1", true, false},
    {"::2", false, false},
    {"::127.0.0.1", false, false},
    {"2001:4860:4860::8888", true, true},
    {"2606:4700:4700::1111", true, true},
    {"2001::1", true, false},
    {"2001:1ff:ffff::1", true, false},
    {"2001:200::1", true, true},
    {"2001:db8::1", true, false},
    {"3fff::1", true, false},
    {"4000::1", true, false},
    {"1fff::1", true, false},
    {"fc00::1", true, false},
    {"fd12:3456::1", true, false},
    {"fdff:ffff::1", true, false},
    {"fd00:ec2::254", false, false},
    {"fd20:ce::254", false, false},
    {"fe80::1", false, false},
    {"febf:ffff::1", false, false},
    {"fec0::1", true, false},
    {"ff02::1", false, false},
    {"100::1", true, false},
    {"5f00::1", true, false},

    {"::ffff:8.8.8.8", true, true},
    {"::ffff:127.0.0.1", true, false},
    {"::ffff:10.0.0.1", true, false},
    {"::ffff:169.254.169.254", false, false},
    {"::ffff:0.0.0.0", false, false},
    {"::ffff:0:8.8.8.8", true, true},
    {"::ffff:0:127.0.0.1", true, false},
    {"::ffff:0:169.254.169.254", false, false},
    {"64:ff9b::8.8.8.8", true, true},
    {"64:ff9b::10.0.0.1", true, false},
    {"64:ff9b::169.254.169.254", false, false},
    {"64:ff9b:1::8.8.8.8", true, false},
    {"64:ff9b:1::127.0.0.1", true, false},
    {"2001::7f00:1", true, false}, // Teredo
    {"2002:808:808::1", true, false},
    {"2002:a00:1::1", true, false},
    {"2002:a9fe:a9fe::1", false, false},
};

static void every_range_is_judged(void **state) {
  (void)state;
  for (size_t i = 0; i < ARRAY_LEN(table); i++) {
    if (allowed(NET_OPERATOR, table[i].ip) != table[i].own) fail_msg("operator's %s", table[i].ip);
    if (allowed(NET_FOREIGN, table[i].ip) != table[i].foreign) fail_msg("foreign %s", table[i].ip);
  }
}

static void other_families_are_not_allowed(void **state) {
  (void)state;
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  assert_false(net_address_allowed(NET_OPERATOR, (struct sockaddr *)&un));
  assert_false(net_address_allowed(NET_FOREIGN, (struct sockaddr *)&un));
}

static void check_url(enum net_trust trust, const char *url, int expected) {
  CLEANUP(buf_finish) struct buf error;
  buf_init(&error, 1000);
  int answer = net_url_check(trust, url, &error);
  if (answer != expected) fail_msg("%s: %d", url, answer);
  assert_int_equal(error.len > 0, expected != 0);
}

static void urls_are_http_with_a_host_and_nothing_odd(void **state) {
  (void)state;
  check_url(NET_OPERATOR, "https://api.example.com", 0);
  check_url(NET_OPERATOR, "https://api.example.com:8443/v1?x=1", 0);
  check_url(NET_OPERATOR, "http://127.0.0.1:4010/v1", 0);
  check_url(NET_OPERATOR, "http://[::1]:4010/v1", 0);
  static const char *const bad[] = {
      "",
      "api.example.com/v1",
      "/v1",
      "ftp://example.com/",
      "file:///etc/passwd",
      "gopher://example.com/",
      "https://",
      "https://:443/v1",
      "https://u@example.com/",
      "https://u:p@example.com/",
      "https://example.com/#x",
      "javascript:alert(1)",
      "https://exa mple.com/",
      "https://example.com/a\r\nb",
      "https://example.com:99999/",
      "dict://example.com/",
  };
  for (size_t i = 0; i < ARRAY_LEN(bad); i++) check_url(NET_OPERATOR, bad[i], 1);
}

static void foreign_urls_are_https(void **state) {
  (void)state;
  check_url(NET_FOREIGN, "https://hooks.example.com/x", 0);
  check_url(NET_FOREIGN, "http://hooks.example.com/x", 1);
}

static struct net_ranges ranges(const char *text) {
  CLEANUP(buf_finish) struct buf error;
  struct net_ranges r;
  buf_init(&error, 1000);
  if (!net_ranges_parse(str_from(text), &r, &error)) fail_msg("%s: %s", text, buf_cstr(&error));
  return r;
}

static bool have(const struct net_ranges *r, const char *ip) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET, ip, &in.sin_addr) == 1) return net_ranges_have(r, (struct sockaddr *)&in);
  assert_int_equal(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
  return net_ranges_have(r, (struct sockaddr *)&in6);
}

static void ranges_have_what_they_cover(void **state) {
  (void)state;
  struct net_ranges r = ranges("127.0.0.0/8, 10.20.0.0/15 ,192.168.7.9,fd00:1::/33,::1");
  static const char *const inside[] = {"127.0.0.1",   "127.255.255.255", "10.20.0.0",    "10.21.255.255",       "192.168.7.9",
                                       "fd00:1::5",   "fd00:1:7fff::",   "::1",          "::ffff:127.0.0.1",    "::ffff:10.21.3.4"};
  static const char *const outside[] = {"126.255.255.255", "128.0.0.0", "10.19.255.255", "10.22.0.0", "192.168.7.8", "192.168.7.10",
                                        "fd00:1:8000::",   "fd00:2::",  "::2",           "::",        "8.8.8.8"};
  for (size_t i = 0; i < ARRAY_LEN(inside); i++)
    if (!have(&r, inside[i])) fail_msg("%s", inside[i]);
  for (size_t i = 0; i < ARRAY_LEN(outside); i++)
    if (have(&r, outside[i])) fail_msg("%s", outside[i]);
  struct net_ranges none = ranges(""), all = ranges("0.0.0.0/0,::/0");
  assert_int_equal(none.count, 0);
  assert_false(have(&none, "127.0.0.1"));
  assert_true(have(&all, "1.2.3.4") && have(&all, "fe80::1"));
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  assert_false(net_ranges_have(&all, (struct sockaddr *)&un));
}

static void what_is_no_range_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {",",           "10.0.0.0/8,",   ",10.0.0.0/8",  "10.0.0.0/",   "10.0.0.0/33", "::/129",     "10.0.0.0/-1",
                                    "10.0.0.0/8/9", "10.0.0.1/8",    "fd00::1/8",    "localhost",   "10.0.0",      "10.0.0.0 /8", "[::1]",
                                    "10.0.0.0/8 10.0.0.0/8", "10.0.0.0/0008", "0x7f000001"};
  struct net_ranges r;
  for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
    CLEANUP(buf_finish) struct buf error;
    buf_init(&error, 1000);
    if (net_ranges_parse(str_from(bad[i]), &r, &error)) fail_msg("%s", bad[i]);
    assert_true(error.len > 0);
  }
  CLEANUP(buf_finish) struct buf many;
  CLEANUP(buf_finish) struct buf error;
  buf_init(&many, 1000);
  buf_init(&error, 1000);
  for (int i = 0; i < NET_RANGES_MAX; i++) buf_printf(&many, "%s10.0.0.%d", i ? "," : "", i);
  assert_true(net_ranges_parse(buf_str(&many), &r, &error));
  buf_puts(&many, ",10.0.1.0");
  assert_false(net_ranges_parse(buf_str(&many), &r, &error));
}

static void foreign_url(const char *open, const char *url, int expected) {
  CLEANUP(buf_finish) struct buf error;
  buf_init(&error, 1000);
  struct net_ranges r = ranges(open);
  int answer = net_foreign_url_check(&r, url, &error);
  if (answer != expected) fail_msg("%s with %s: %d %s", url, open, answer, buf_cstr(&error));
}

static void foreign_urls_name_a_host_and_an_ordinary_port(void **state) {
  (void)state;
  foreign_url("", "https://hooks.example.com/x?y=1", 0);
  foreign_url("", "https://hooks.example.com:443/", 0);
  foreign_url("", "https://hooks.example.com:8443/", 0);
  foreign_url("", "https://hooks.example.com:22/", 1);
  foreign_url("", "https://hooks.example.com:80/", 1);
  foreign_url("", "https://hooks.example.com:1023/", 1);
  foreign_url("", "https://localhost/", 0); // judged when it is resolved
  static const char *const literals[] = {"https://8.8.8.8/", "https://127.0.0.1/", "https://2130706433/", "https://0x7f.1/",
                                         "https://[::1]/",   "https://[2001:4860:4860::8888]/"};
  for (size_t i = 0; i < ARRAY_LEN(literals); i++) foreign_url("", literals[i], 1);
  foreign_url("127.0.0.0/8,::1", "http://127.0.0.1:4010/x", 0);
  foreign_url("127.0.0.0/8,::1", "http://127.1/x", 0);
  foreign_url("127.0.0.0/8,::1", "https://[::1]:4010/x", 0);
  foreign_url("127.0.0.0/8,::1", "http://hooks.internal/x", 0);
  foreign_url("127.0.0.0/8,::1", "http://10.0.0.1:4010/x", 1);
  foreign_url("127.0.0.0/8,::1", "http://127.0.0.1:25/x", 1);
  foreign_url("0.0.0.0/0", "http://169.254.169.254/latest", 1); // never, whatever is open
  char longest[NET_FOREIGN_URL_MAX + 2] = "https://hooks.example.com/";
  memset(longest + strlen(longest), 'x', sizeof longest - 1 - strlen(longest));
  foreign_url("", longest, 1);
  longest[NET_FOREIGN_URL_MAX] = '\0';
  foreign_url("", longest, 0);
}

static void ends_have_names(void **state) {
  (void)state;
  assert_string_equal(net_end_name(NET_DONE), "done");
  assert_string_equal(net_end_name(NET_TOO_LARGE), "too_large");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_range_is_judged),
      cmocka_unit_test(other_families_are_not_allowed),
      cmocka_unit_test(urls_are_http_with_a_host_and_nothing_odd),
      cmocka_unit_test(foreign_urls_are_https),
      cmocka_unit_test(ranges_have_what_they_cover),
      cmocka_unit_test(what_is_no_range_is_refused),
      cmocka_unit_test(foreign_urls_name_a_host_and_an_ordinary_port),
      cmocka_unit_test(ends_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
