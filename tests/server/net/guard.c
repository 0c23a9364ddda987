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
      cmocka_unit_test(ends_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
