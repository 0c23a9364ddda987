// See payments.h. A secret key without a signing secret would sell what nobody then hears was paid, and a signing
// secret alone would hear of what nobody sold.
#include "app/payments.h"
#include "stripe/client.h"

bool payments_check(const struct config *c, struct buf *ret_error) {
  struct str key = str_from(config_text(c, SETTING_STRIPE_KEY)), hooks = str_from(config_text(c, SETTING_STRIPE_HOOKS));
  const char *base = config_text(c, SETTING_STRIPE_BASE);
  if (key.len == 0 && hooks.len == 0) return true;
  if (!config_require(c, SETTING_STRIPE_KEY, ret_error) || !config_require(c, SETTING_STRIPE_HOOKS, ret_error))
    return false;
  if (!stripe_key_is_live(key) || str_starts(str_from(base), STR("https://"))) return true;
  buf_printf(ret_error,
             "STRIPE_API_BASE is not https, and STRIPE_SECRET_KEY is of real money. Example: STRIPE_API_BASE=%s\n",
             setting_table[SETTING_STRIPE_BASE].example);
  return false;
}

struct stripe *payments_client(const struct config *c) {
  const char *key = config_text(c, SETTING_STRIPE_KEY);
  if (!*key) return NULL;
  return stripe_create(&(struct stripe_config){.base = config_text(c, SETTING_STRIPE_BASE),
                                               .key = key,
                                               .version = config_text(c, SETTING_STRIPE_VERSION),
                                               .timeout_ms = (int)config_number(c, SETTING_STRIPE_TIMEOUT_MS)});
}
