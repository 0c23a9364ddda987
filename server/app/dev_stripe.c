// `tollgate dev --stripe`: credits are bought in a browser, without an account at Stripe and without money.
#include "app/dev.h"
#include "app/out.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "json/read.h"

#define TEXT_MAX (64 * 1024)
#define PACK "{\"kind\":\"pack\",\"name\":\"20 credits\",\"currency\":\"usd\",\"price\":2000,\"credits\":\"20\",\"bonus\":\"2\"}"

bool stripe_start(struct dev *d, const char *program, int64_t port) {
  char ready[DEV_PATH + 32], hook[96];
  unsigned char bytes[16];
  char hex[33];
  CLEANUP(buf_finish) struct buf answer;
  buf_init(&answer, 1024);
  crypto_random(bytes, sizeof bytes);
  crypto_hex(bytes, sizeof bytes, hex);
  (void)snprintf(d->stripe_hook, sizeof d->stripe_hook, "whsec_%s", hex);
  (void)snprintf(ready, sizeof ready, "%s/stripe.ready", d->folder);
  (void)snprintf(hook, sizeof hook, "http://127.0.0.1:%lld/webhooks/stripe", (long long)port);
  const char *const argv[] = {program, "--webhook-url", hook, "--webhook-secret", d->stripe_hook, "--ready-file", ready, NULL};
  if (!program_start(d, &d->stripe, "stand-in for Stripe", argv, NULL, ready, &answer)) return false;
  struct str rest = buf_str(&answer), url, key;
  if (!str_split(&rest, '\n', &url) || !str_split(&rest, '\n', &key)) {
    out_error("%s does not say where it answers", program);
    return false;
  }
  (void)snprintf(d->stripe_url, sizeof d->stripe_url, "%.*s", STR_ARG(url));
  (void)snprintf(d->stripe_key, sizeof d->stripe_key, "%.*s", STR_ARG(key));
  step_tell(d, "payments", "a stand-in for Stripe at %s: no money moves", d->stripe_url);
  return true;
}

static struct json *pack_ensure(struct dev *d) {
  CLEANUP(buf_finish) struct buf body;
  buf_init(&body, TEXT_MAX);
  buf_puts(&body, PACK);
  struct json *list = seed_ask(d, "GET", "/api/v1/products?limit=1&enabled=true", NULL, true);
  if (json_count(json_get(list, "data")) > 0) return list;
  json_finish(list);
  return seed_ask(d, "POST", "/api/v1/products", &body, false);
}

// A stand-in that was started anew has forgotten the customer: the first refusal says so, and the next try makes another.
static struct json *page_make(struct dev *d, struct str product) {
  CLEANUP(buf_finish) struct buf body;
  buf_init(&body, TEXT_MAX);
  buf_printf(&body, "{\"customer\":\"%s\",\"product\":\"%.*s\",\"success_url\":\"%s/paid\",\"cancel_url\":\"%s/cancelled\"}", d->customer_id,
             STR_ARG(product), d->stripe_url, d->stripe_url);
  struct json *made = seed_ask(d, "POST", "/api/v1/checkout-sessions", &body, true);
  return made ? made : seed_ask(d, "POST", "/api/v1/checkout-sessions", &body, false);
}

void stripe_page_tell(struct dev *d) {
  struct str product, url;
  CLEANUP(json_finishp) struct json *pack = pack_ensure(d);
  struct json *of = json_get(pack, "data") ? json_at(json_get(pack, "data"), 0) : pack;
  if (!json_text(json_get(of, "id"), &product)) return;
  CLEANUP(json_finishp) struct json *page = page_make(d, product);
  if (!json_text(json_get(page, "url"), &url)) return;
  (void)fprintf(d->say, "\n  %sBuy credits%s\n    %.*s\n", out_style(d->say, OUT_BOLD), out_reset(d->say), STR_ARG(url));
  (void)fprintf(d->say, "    %s# open it in a browser; then: tollgate balance --customer ext:demo%s\n", out_style(d->say, OUT_DIM), out_reset(d->say));
  (void)fflush(d->say);
}
