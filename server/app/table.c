// The table of commands. What a line says is all there is: parsing, requests, printing, help and suggestions follow it.
#include "app/command.h"
#include "base/mem.h"
#include "standin/standin.h"

#define OPTIONS(...) (const struct option[]){__VA_ARGS__}, sizeof((const struct option[]){__VA_ARGS__}) / sizeof(struct option)
#define NO_OPTIONS NULL, 0
#define ONE(method, path) &(const struct endpoint){method, path, NULL, 0, NULL, false}
#define BARE(path) &(const struct endpoint){"POST", path, NULL, 0, NULL, true}
#define ASKED(method, path, asks) &(const struct endpoint){method, path, NULL, 0, asks, false}
#define LIST(path, columns) &(const struct endpoint){"GET", path, columns, ARRAY_LEN(columns), NULL, false}
#define API(name, words, summary, example, options, endpoint) {name, words, summary, example, options, endpoint_run, endpoint, NULL}
#define OWN(name, words, summary, example, options, run) {name, words, summary, example, options, run, NULL, NULL}

//  options that several commands share
#define CUSTOMER {"customer", OPTION_TEXT, "CUSTOMER", "customer", true, "cus_... or ext:<your id>"}
#define CUSTOMER_MAYBE {"customer", OPTION_TEXT, "CUSTOMER", "customer", false, "cus_... or ext:<your id>"}
#define DRY {"dry-run", OPTION_FLAG, NULL, NULL, false, "print the request and send nothing"}
#define YES {"yes", OPTION_FLAG, NULL, NULL, false, "do not ask"}
#define PAGES                                                                                                          \
  {"limit", OPTION_INT, "N", "limit", false, "rows of a page, 1 to 100"},                                              \
      {"cursor", OPTION_TEXT, "CURSOR", "cursor", false, "where the page before ended"},                               \
      {"all", OPTION_FLAG, NULL, NULL, false, "every page; with --json one page a line"}
#define PROFILE                                                                                                        \
  {"name", OPTION_TEXT, "NAME", "name", false, "for people"},                                                          \
      {"external-id", OPTION_TEXT, "ID", "external_id", false, "your app's own id; ext:ID stands for it everywhere"},  \
      {"time-zone", OPTION_TEXT, "ZONE", "time_zone", false, "of days and months in limits and reports: Europe/Berlin"}, \
      {"credit-limit", OPTION_TEXT, "AMOUNT", "credit_limit", false, "how far below zero the balance may go"},         \
      {"low-balance", OPTION_TEXT, "AMOUNT", "low_balance", false, "at or below it balance.low is told"},              \
      {"short-policy", OPTION_TEXT, "POLICY", "short_policy", false,                                                   \
       "where credits do not cover a call's bound: refuse, lower_cap or allow_debt"},                                  \
      {"short-debt", OPTION_TEXT, "AMOUNT", "short_debt", false, "the most debt of one call under allow_debt"},        \
      {"abort-charge", OPTION_TEXT, "POLICY", "abort_charge", false,                                                   \
       "where the client leaves: generated, delivered, input, or first_token (nothing before it)"},                    \
      {"abort-upstream", OPTION_TEXT, "POLICY", "abort_upstream", false,                                               \
       "where the client leaves: cancel the provider's answer, or drain it to its end"},                               \
      {"event-policy", OPTION_TEXT, "POLICY", "event_policy", false, "a usage event that credits do not cover: accept (into debt) or refuse"}, \
      {"metadata", OPTION_JSON, "JSON", "metadata", false, "an object of your own"}
#define PROVIDER                                                                                                       \
  {"base-url", OPTION_TEXT, "URL", "base_url", false, "https://api.openai.com"},                                       \
      {"secret-file", OPTION_FILE, "FILE", "secret", false, "the provider's key; - reads it from stdin"},              \
      {"secret-env", OPTION_ENV, "NAME", "secret", false, "the provider's key, from a variable of the environment"},   \
      {"settings", OPTION_JSON, "JSON", "settings", false, "of the plugin"},                                           \
      {"models", OPTION_JSON, "JSON", "models", false, "{\"model as sold\": \"the provider's name\"} where they differ"}, \
      {"priority", OPTION_INT, "N", "priority", false, "the lowest that prices a model serves it"}

#define HOLD_SIZE                                                                                                      \
  {"amount", OPTION_TEXT, "AMOUNT", "amount", false, "credits, such as 2.5"},                                          \
      {"model", OPTION_TEXT, "MODEL", "model", false, "whose price counts; with --usage"},                             \
      {"usage", OPTION_JSON, "JSON", "usage", false, "{METER: QUANTITY}, instead of --amount"}
#define HOLD_TTL(which) {"ttl", OPTION_INT, "SECONDS", "ttl_seconds", false, "until it is given back by itself; " which}

#define CODE                                                                                                           \
  {"amount", OPTION_TEXT, "AMOUNT", "amount", true, "credits that each customer gets who redeems it"},                 \
      {"max-redemptions", OPTION_INT, "N", "max_redemptions", false, "customers that may redeem it; default 1"},       \
      {"expires", OPTION_TEXT, "TIME", "expires_at", false, "when the code ends"},                                     \
      {"expires-after-days", OPTION_INT, "N", "expires_after_days", false, "how long the credits last once redeemed; default: for ever"}, \
      {"prefix", OPTION_TEXT, "TEXT", "prefix", false, "what it begins with: capital letters and digits, at most 12"}, \
      {"name", OPTION_TEXT, "NAME", "name", false, "for people"}

#define PRODUCT                                                                                                        \
  {"description", OPTION_TEXT, "TEXT", "description", false, "shown to the buyer"},                                    \
      {"bonus", OPTION_TEXT, "AMOUNT", "bonus", false, "credits given beside them, as a promotion"},                   \
      {"expires-after-days", OPTION_INT, "N", "expires_after_days", false, "how long the credits last; default for ever"}, \
      {"bonus-expires-after-days", OPTION_INT, "N", "bonus_expires_after_days", false, "how long the bonus lasts"},    \
      {"rollover", OPTION_TEXT, "POLICY", "rollover", false,                                                           \
       "a plan's credits end with their period (none), one_period later, or never (unlimited)"},                       \
      {"trial-credits", OPTION_FLAG, NULL, "trial_credits", false, "a period of a plan that cost nothing brings credits too"}, \
      {"stripe-price", OPTION_TEXT, "PRICE", "stripe_price", false, "the price at Stripe that this stands for: price_..."}, \
      {"tax-code", OPTION_TEXT, "CODE", "tax_code", false, "Stripe's: txcd_10000000"}

static const struct column customer_columns[] = {
    {"id", "ID", false},           {"external_id", "EXTERNAL ID", false}, {"name", "NAME", false},
    {"status", "STATUS", false},   {"balance.available", "AVAILABLE", true}, {"balance.held", "HELD", true},
    {"balance.debt", "DEBT", true}, {"created_at", "CREATED", false}};
static const struct column key_columns[] = {
    {"id", "ID", false},       {"customer", "CUSTOMER", false}, {"name", "NAME", false},      {"public_id", "PUBLIC ID", false},
    {"last4", "LAST4", false}, {"created_at", "CREATED", false}, {"expires_at", "EXPIRES", false}, {"revoked_at", "REVOKED", false}};
static const struct column grant_columns[] = {
    {"id", "ID", false},      {"source", "SOURCE", false},    {"priority", "PRIORITY", true},  {"amount", "AMOUNT", true},
    {"left", "LEFT", true},   {"consumed", "CONSUMED", true}, {"expires_at", "EXPIRES", false}, {"reason", "REASON", false}};
static const struct column provider_columns[] = {
    {"id", "ID", false},           {"name", "NAME", false},         {"plugin", "PLUGIN", false},  {"base_url", "BASE URL", false},
    {"has_secret", "SECRET", false}, {"priority", "PRIORITY", true}, {"enabled", "ENABLED", false}};
static const struct column price_columns[] = {
    {"id", "ID", false},          {"provider_name", "PROVIDER", false},  {"model", "MODEL", false},
    {"valid_from", "FROM", false}, {"valid_until", "UNTIL", false}, {"rates", "RATES", false}};
static const struct column meter_columns[] = {
    {"name", "NAME", false}, {"unit", "UNIT", false}, {"aggregation", "AGGREGATION", false}, {"description", "DESCRIPTION", false}, {"created_at", "CREATED", false}};
static const struct column hold_columns[] = {
    {"id", "ID", false},           {"created_at", "CREATED", false}, {"model", "MODEL", false}, {"amount", "HELD", true},
    {"charged", "CHARGED", true}, {"expires_at", "EXPIRES", false}};
static const struct column limit_columns[] = {
    {"id", "ID", false},       {"key", "KEY", false},   {"measure", "MEASURE", false}, {"period", "PERIOD", false},
    {"amount", "AMOUNT", true}, {"used", "USED", true}, {"held", "HELD", true}, {"left", "LEFT", true}, {"refills_at", "REFILLS", false}};
static const struct column product_columns[] = {
    {"id", "ID", false},           {"kind", "KIND", false},     {"name", "NAME", false},         {"price_text", "PRICE", true},
    {"credits", "CREDITS", true},  {"bonus", "BONUS", true},    {"period", "PERIOD", false},     {"enabled", "ON SALE", false}};
static const struct column order_columns[] = {
    {"id", "ID", false},           {"created_at", "CREATED", false}, {"kind", "KIND", false},  {"price_text", "PRICE", true},
    {"credits", "CREDITS", true},  {"state", "STATE", false},        {"paid_at", "PAID", false}, {"problem", "PROBLEM", false}};
static const struct column payment_columns[] = {
    {"id", "ID", false},          {"created_at", "CREATED", false}, {"customer", "CUSTOMER", false}, {"kind", "KIND", false},
    {"currency", "IN", false},    {"paid", "PAID", true},           {"refunded", "REFUNDED", true},  {"disputed", "DISPUTED", false},
    {"credits", "CREDITS", true}, {"problem", "PROBLEM", false}};
static const struct column subscription_columns[] = {
    {"id", "ID", false},        {"created_at", "CREATED", false}, {"product", "PRODUCT", false}, {"status", "STATUS", false},
    {"quantity", "TIMES", true}, {"current_period_end", "PERIOD ENDS", false}, {"cancel_at", "ENDS", false}};
static const struct column stripe_event_columns[] = {
    {"id", "ID", false},       {"received_at", "RECEIVED", false}, {"type", "TYPE", false}, {"object_id", "ABOUT", false},
    {"state", "STATE", false}, {"reason", "REASON", false}};
static const struct column call_columns[] = {
    {"id", "ID", false},         {"created_at", "CREATED", false}, {"model", "MODEL", false},
    {"state", "STATE", false},   {"charge", "CHARGE", true},       {"usage", "USAGE", false}};

static const struct column webhook_columns[] = {
    {"id", "ID", false},           {"url", "URL", false},         {"events", "EVENTS", false},           {"scheme", "SCHEME", false},
    {"enabled", "ENABLED", false}, {"disabled_reason", "WHY NOT", false}, {"failing_since", "FAILING SINCE", false}, {"failures", "FAILURES", true}};
static const struct column delivery_columns[] = {
    {"id", "EVENT", false},          {"type", "TYPE", false},         {"customer", "CUSTOMER", false}, {"state", "STATE", false},
    {"created_at", "TOLD", false}, {"ended_at", "ENDED", false}, {"next_attempt_at", "NEXT", false}};
#define WEBHOOK                                                                                                        \
  {"description", OPTION_TEXT, "TEXT", "description", false, "for people"},                                            \
      {"events", OPTION_WORDS, "TYPES", "events", false, "what it is told, such as key.revoked,balance.low; default * (everything)"}, \
      {"scheme", OPTION_TEXT, "SCHEME", "scheme", false, "standard (Standard Webhooks), or stripe: a Stripe-Signature too"}, \
      {"forward-stripe", OPTION_BOOL, "TRUTH", "forward_stripe", false, "true: it gets what Stripe sends here, byte for byte"}, \
      {"api-version", OPTION_TEXT, "VERSION", "api_version", false, "what its events say; default STRIPE_API_VERSION"}, \
      {"enabled", OPTION_BOOL, "TRUTH", "enabled", false, "true or false"}
static const struct column code_columns[] = {
    {"id", "ID", false},          {"prefix", "PREFIX", false},       {"last4", "LAST4", false},   {"name", "NAME", false},
    {"amount", "AMOUNT", true},   {"redeemed", "REDEEMED", true},    {"max_redemptions", "OF", true}, {"enabled", "ENABLED", false},
    {"expires_at", "EXPIRES", false}, {"created_at", "CREATED", false}};
static const struct column rerate_columns[] = {
    {"id", "ID", false},          {"created_at", "CREATED", false}, {"state", "STATE", false},   {"calls", "CALLS", true},
    {"customers", "CUSTOMERS", true}, {"charge_before", "BEFORE", true}, {"charge_after", "AFTER", true}, {"posted_calls", "POSTED", true},
    {"reason", "REASON", false}};
static const struct column rerate_customer_columns[] = {
    {"customer", "CUSTOMER", false},  {"calls", "CALLS", true},           {"charge_before", "BEFORE", true}, {"charge_after", "AFTER", true},
    {"difference", "DIFFERENCE", true}, {"posted_calls", "POSTED", true}, {"skipped_calls", "SKIPPED", true}};
static const struct column batch_columns[] = {{"code", "CODE", false}, {"id", "ID", false}, {"amount", "AMOUNT", true}};
static const struct column redemption_columns[] = {
    {"customer", "CUSTOMER", false}, {"grant", "GRANT", false},        {"amount", "AMOUNT", true},
    {"state", "STATE", false},       {"created_at", "REDEEMED", false}, {"expires_at", "CREDITS EXPIRE", false}};

const struct command command_table[] = {
    OWN("serve", "", "Run the service",
        "  DATABASE_URL=postgresql:///tollgate TOLLGATE_MASTER_KEY=$(openssl rand -hex 32) tollgate serve\n",
        OPTIONS({"ready-file", OPTION_TEXT, "FILE", NULL, false, "write {\"url\",\"port\",\"pid\"} there once it answers"}),
        serve_command_run),
    OWN("dev", "", "Run everything on this machine: database, provider, prices, a customer, a demo",
        "  tollgate dev\n  tollgate dev --port 8081 --data ./data --no-demo\n  OPENAI_API_KEY=sk-... tollgate dev\n",
        OPTIONS({"data", OPTION_TEXT, "DIR", NULL, false,
                 "where everything is kept; default ~/.local/share/tollgate, as root /var/lib/tollgate"},
                {"port", OPTION_INT, "N", NULL, false, "port of the service; 0: any free one; default 8080"},
                {"ready-file", OPTION_TEXT, "FILE", NULL, false, "write addresses and keys there as JSON once everything answers"},
                {"stripe", OPTION_TEXT, "PROGRAM", NULL, false, "sell credits too, through a stand-in for Stripe: tests/stripe/serve"},
                {"no-demo", OPTION_FLAG, NULL, NULL, false, "make no calls"}),
        dev_run),
    OWN("migrate", "", "Bring the database to this version's shape", "  tollgate migrate --status\n",
        OPTIONS({"status", OPTION_FLAG, NULL, NULL, false, "only say what is applied and what is pending"}), migrate_command_run),
    OWN("journal check", "", "Show what an instance's journal holds, and whether it is sound", "  tollgate journal check --dir /var/lib/tollgate/journal\n",
        OPTIONS({"dir", OPTION_TEXT, "DIR", NULL, false, "the folder; default: TOLLGATE_JOURNAL_DIR's"}), journal_check_run),
    OWN("audit", "", "Check every invariant of the books", "  tollgate audit --json\n", NO_OPTIONS, audit_command_run),
    OWN("rollups rebuild", "", "Make the sums that usage reports are read from anew, while servers run", "  tollgate rollups rebuild\n", NO_OPTIONS,
        rollups_rebuild_run),
    OWN("doctor", "", "Show the effective settings and check what they lead to", "  tollgate doctor\n", NO_OPTIONS, doctor_run),
    OWN("version", "", "Print the version", NULL, NO_OPTIONS, version_run),

    API("customers create", "", "Create a customer", "  tollgate customers create --name Acme --external-id u1\n",
        OPTIONS(PROFILE, DRY), ONE("POST", "/api/v1/customers")),
    API("customers list", "", "List customers", "  tollgate customers list\n",
        OPTIONS({"external-id", OPTION_TEXT, "ID", "external_id", false, "only the one with this id of yours"}, PAGES),
        LIST("/api/v1/customers", customer_columns)),
    API("customers show", "CUSTOMER", "Show a customer with its balance", "  tollgate customers show ext:u1\n", NO_OPTIONS,
        ONE("GET", "/api/v1/customers/{}")),
    API("customers update", "CUSTOMER", "Change or suspend a customer", "  tollgate customers update ext:u1 --status suspended\n",
        OPTIONS(PROFILE, {"status", OPTION_TEXT, "STATUS", "status", false, "active or suspended"}, DRY),
        ONE("PATCH", "/api/v1/customers/{}")),

    API("keys create", "", "Create an API key; its secret is shown once",
        "  tollgate keys create --customer ext:u1 --name server\n  tollgate keys create --operator --name ops\n",
        OPTIONS(CUSTOMER_MAYBE, {"operator", OPTION_FLAG, NULL, "operator", false, "an operator's key: it may do everything"},
                {"name", OPTION_TEXT, "NAME", "name", false, "for people"},
                {"expires", OPTION_TEXT, "TIME", "expires_at", false, "when it ends: 2027-01-31T00:00:00Z"}, DRY),
        ONE("POST", "/api/v1/keys")),
    API("keys list", "", "List keys", "  tollgate keys list --customer ext:u1\n", OPTIONS(CUSTOMER_MAYBE, PAGES),
        LIST("/api/v1/keys", key_columns)),
    API("keys show", "KEY", "Show a key", NULL, NO_OPTIONS, ONE("GET", "/api/v1/keys/{}")),
    API("keys revoke", "KEY", "Revoke a key: no paid call starts after this has answered", "  tollgate keys revoke key_... --yes\n",
        OPTIONS(YES, DRY), ASKED("DELETE", "/api/v1/keys/{}", "Revoke")),
    OWN("keys bootstrap", "", "Make the first operator key, straight in the database", "  tollgate keys bootstrap\n",
        OPTIONS({"name", OPTION_TEXT, "NAME", NULL, false, "for people"},
                {"force", OPTION_FLAG, NULL, NULL, false, "even where there is an operator key already"}),
        bootstrap_run),

    API("grants create", "", "Give a customer credits", "  tollgate grants create --customer ext:u1 --amount 10\n",
        OPTIONS(CUSTOMER, {"amount", OPTION_TEXT, "AMOUNT", "amount", true, "credits, such as 12.5"},
                {"source", OPTION_TEXT, "SOURCE", "source", false, "purchase (default), promotion, subscription or adjustment"},
                {"priority", OPTION_INT, "N", "priority", false, "the lowest burns first; default 100"},
                {"expires", OPTION_TEXT, "TIME", "expires_at", false, "when what is left of it ends"},
                {"reason", OPTION_TEXT, "TEXT", "reason", false, "for the books"}, DRY),
        ONE("POST", "/api/v1/grants")),
    API("grants list", "", "List a customer's grants", NULL, OPTIONS(CUSTOMER, PAGES), LIST("/api/v1/grants", grant_columns)),
    API("grants show", "GRANT", "Show a grant", NULL, OPTIONS(CUSTOMER), ONE("GET", "/api/v1/grants/{}")),

    API("codes create", "", "Make a redeem code; its text is shown once", "  tollgate codes create --amount 5 --max-redemptions 100 --prefix LAUNCH\n",
        OPTIONS(CODE, DRY), ONE("POST", "/api/v1/codes")),
    API("codes batch", "", "Make up to 1000 codes at once; their texts are shown once",
        "  tollgate codes batch --count 200 --amount 5 --prefix GIFT --expires 2027-12-31\n",
        OPTIONS({"count", OPTION_INT, "N", "count", true, "how many"}, CODE, DRY),
        (&(const struct endpoint){"POST", "/api/v1/codes/batch", batch_columns, ARRAY_LEN(batch_columns), NULL, false})),
    API("codes list", "", "List codes", "  tollgate codes list --batch bat_...\n",
        OPTIONS({"batch", OPTION_TEXT, "BATCH", "batch", false, "only those made in this one"}, PAGES), LIST("/api/v1/codes", code_columns)),
    API("codes show", "CODE", "Show a code", NULL, NO_OPTIONS, ONE("GET", "/api/v1/codes/{}")),
    OWN("codes disable", "CODE", "Take a code out of use; what was redeemed stays", "  tollgate codes disable cod_...\n",
        OPTIONS({"undo", OPTION_FLAG, NULL, NULL, false, "take it into use again"}), codes_disable_run),
    API("codes redeem", "", "Redeem a code for a customer", "  tollgate codes redeem --customer ext:u1 --code LAUNCH-7Q2MX-04KTB-ZZ9RD-E51HV\n",
        OPTIONS(CUSTOMER, {"code", OPTION_TEXT, "TEXT", "code", true, "the code's text"}, DRY), ONE("POST", "/api/v1/codes/redeem")),
    API("codes redemptions", "CODE", "List who has redeemed a code", NULL, OPTIONS(PAGES),
        LIST("/api/v1/codes/{}/redemptions", redemption_columns)),

    API("providers create", "", "Name an upstream: a plugin, an address and a secret",
        "  tollgate providers create --name openai --plugin openai --base-url https://api.openai.com --secret-env OPENAI_API_KEY\n",
        OPTIONS({"name", OPTION_TEXT, "NAME", "name", true, "what NAME/model forces"},
                {"plugin", OPTION_TEXT, "PLUGIN", "plugin", true, "openai, ...; none: only priced, and reported as events"}, PROVIDER, DRY),
        ONE("POST", "/api/v1/providers")),
    API("providers list", "", "List providers", NULL, OPTIONS(PAGES), LIST("/api/v1/providers", provider_columns)),
    API("providers show", "PROVIDER", "Show a provider", NULL, NO_OPTIONS, ONE("GET", "/api/v1/providers/{}")),
    API("providers update", "PROVIDER", "Change a provider", NULL, OPTIONS(PROVIDER, DRY), ONE("PATCH", "/api/v1/providers/{}")),

    API("prices set", "", "Price a model; the price before it ends when this one begins",
        "  tollgate prices set --provider openai --model gpt-4o-mini --rate input_tokens=0.165/0.15 --rate output_tokens=0.66/0.60\n",
        OPTIONS({"provider", OPTION_TEXT, "PROVIDER", "provider", true, "its name or prv_..."},
                {"model", OPTION_TEXT, "MODEL", "model", true, "as sold"},
                {"rate", OPTION_RATE, "METER=CHARGE[/COST][@PER]", "rates", true,
                 "credits (and what it costs you) for PER units, 1000000 if not told; many times"},
                {"from", OPTION_TEXT, "TIME", "valid_from", false, "two seconds from now or later"},
                {"correction", OPTION_FLAG, NULL, "correction", false, "--from may lie in the past; see rerates create"},
                {"max-input", OPTION_INT, "N", "max_input_tokens", false, "the model's own bound"},
                {"max-output", OPTION_INT, "N", "max_output_tokens", false, "the model's own bound"}, DRY),
        ONE("POST", "/api/v1/prices")),
    API("prices list", "", "List prices", "  tollgate prices list --current\n",
        OPTIONS({"provider", OPTION_TEXT, "PROVIDER", "provider", false, "only of this one"},
                {"model", OPTION_TEXT, "MODEL", "model", false, "only of this one"},
                {"current", OPTION_FLAG, NULL, "current", false, "only those that hold now"}, PAGES),
        LIST("/api/v1/prices", price_columns)),
    API("prices show", "PRICE", "Show a price", NULL, NO_OPTIONS, ONE("GET", "/api/v1/prices/{}")),

    API("limits create", "", "Limit a customer or one of its keys",
        "  tollgate limits create --customer ext:u1 --measure requests --period minute --amount 60\n"
        "  tollgate limits create --customer ext:u1 --key key_... --measure spend --period month --amount 25\n",
        OPTIONS(CUSTOMER, {"key", OPTION_TEXT, "KEY", "key", false, "only this key of the customer"},
                {"measure", OPTION_TEXT, "MEASURE", "measure", true, "requests or spend"},
                {"period", OPTION_TEXT, "PERIOD", "period", true, "minute, day, month or total"},
                {"amount", OPTION_MEASURED, "AMOUNT", "amount", true, "requests, or credits"}, DRY),
        ONE("POST", "/api/v1/limits")),
    API("limits list", "", "List a customer's limits with what is left", NULL, OPTIONS(CUSTOMER, PAGES),
        LIST("/api/v1/limits", limit_columns)),
    API("limits update", "LIMIT", "Change a limit's amount", NULL,
        OPTIONS(CUSTOMER, {"measure", OPTION_TEXT, "MEASURE", NULL, true, "what it counts: requests or spend"},
                {"amount", OPTION_MEASURED, "AMOUNT", "amount", true, "requests, or credits"}, DRY),
        ONE("PATCH", "/api/v1/limits/{}")),
    API("limits delete", "LIMIT", "Remove a limit", NULL, OPTIONS(CUSTOMER, YES, DRY),
        ASKED("DELETE", "/api/v1/limits/{}", "Remove")),

    API("webhooks create", "", "Tell an address what happens; its secret is shown once",
        "  tollgate webhooks create --url https://hooks.example.com/tollgate --events key.revoked,balance.low\n",
        OPTIONS({"url", OPTION_TEXT, "URL", "url", true, "https://hooks.example.com/tollgate"}, WEBHOOK, DRY), ONE("POST", "/api/v1/webhook-endpoints")),
    API("webhooks list", "", "List webhook endpoints and how they do", NULL, OPTIONS(PAGES), LIST("/api/v1/webhook-endpoints", webhook_columns)),
    API("webhooks show", "HOOK", "Show a webhook endpoint", NULL, NO_OPTIONS, ONE("GET", "/api/v1/webhook-endpoints/{}")),
    API("webhooks update", "HOOK", "Change, enable or disable a webhook endpoint", "  tollgate webhooks update we_... --enabled false\n",
        OPTIONS({"url", OPTION_TEXT, "URL", "url", false, "https://hooks.example.com/tollgate"}, WEBHOOK, DRY),
        ONE("PATCH", "/api/v1/webhook-endpoints/{}")),
    API("webhooks delete", "HOOK", "Remove a webhook endpoint, and what waits for it", NULL, OPTIONS(YES, DRY),
        ASKED("DELETE", "/api/v1/webhook-endpoints/{}", "Remove")),
    API("webhooks rotate", "HOOK", "Give a webhook endpoint a new secret; the old one signs too for a day",
        "  tollgate webhooks rotate we_... --overlap-hours 0\n",
        OPTIONS({"overlap-hours", OPTION_INT, "N", "overlap_hours", false, "how long the old one signs too, 0 to 168; default 24"}, DRY),
        ONE("POST", "/api/v1/webhook-endpoints/{}/rotate-secret")),
    API("webhooks test", "HOOK", "Send a webhook endpoint a test event", NULL, OPTIONS(DRY), BARE("/api/v1/webhook-endpoints/{}/test")),
    API("webhooks deliveries", "HOOK", "What a webhook endpoint was told, and what came of it", "  tollgate webhooks deliveries we_... --state failed\n",
        OPTIONS({"state", OPTION_TEXT, "STATE", "state", false, "waiting, delivered or failed"}, PAGES),
        LIST("/api/v1/webhook-endpoints/{}/deliveries", delivery_columns)),
    API("webhooks delivery", "HOOK EVENT", "Show one delivery: its body, and each attempt", "  tollgate webhooks delivery we_... evt_...\n", NO_OPTIONS,
        ONE("GET", "/api/v1/webhook-endpoints/{}/deliveries/{}")),
    API("webhooks resend", "HOOK EVENT", "Send an event again, now", "  tollgate webhooks resend we_... evt_...\n", OPTIONS(DRY),
        BARE("/api/v1/webhook-endpoints/{}/deliveries/{}/resend")),
    API("webhooks replay", "HOOK", "Send again what failed since a time, or everything", "  tollgate webhooks replay we_... --from 2026-11-21\n",
        OPTIONS({"from", OPTION_TEXT, "TIME", "from", true, "told at or after it"}, {"until", OPTION_TEXT, "TIME", "until", false, "and before it; default now"},
                {"only", OPTION_TEXT, "WORD", "only", false, "failed (default) or all"}, DRY),
        ONE("POST", "/api/v1/webhook-endpoints/{}/replay")),

    API("events send", "", "Report usage that has happened", "  tollgate events send --customer ext:u1 --id job-7 --type gpu_seconds --data '{\"model\": \"a100\", \"value\": 90}'\n",
        OPTIONS({"customer", OPTION_TEXT, "CUSTOMER", "subject", true, "cus_... or your app's own id"},
                {"id", OPTION_TEXT, "ID", "id", true, "sent again it is charged once"},
                {"source", OPTION_TEXT, "SOURCE", "source", false, "where the id is unique; default api"},
                {"type", OPTION_TEXT, "TYPE", "type", true, "what happened; the model, or the meter, where the data names none"},
                {"time", OPTION_TEXT, "TIME", "time", false, "when; default now"},
                {"data", OPTION_JSON, "JSON", "data", false, "{\"model\": ..., \"usage\": {METER: QUANTITY}}"}, DRY),
        ONE("POST", "/api/v1/events")),
    OWN("events import", "FILE", "Report usage from a file of one JSON event a line; - reads stdin", "  tollgate events import usage.jsonl\n", NO_OPTIONS, events_import_run),
    API("meters create", "", "Define a meter", "  tollgate meters create --name pages_scanned --unit page --aggregation sum\n",
        OPTIONS({"name", OPTION_TEXT, "NAME", "name", true, "small letters, digits and _"},
                {"aggregation", OPTION_TEXT, "WORD", "aggregation", true, "in reports: sum, max, count, last or unique; sum and count may have a price"},
                {"unit", OPTION_TEXT, "UNIT", "unit", false, "for people"},
                {"description", OPTION_TEXT, "TEXT", "description", false, "for people"}, DRY),
        ONE("POST", "/api/v1/meters")),
    API("meters list", "", "List the defined meters", NULL, NO_OPTIONS, LIST("/api/v1/meters", meter_columns)),
    API("meters show", "METER", "Show a meter", NULL, NO_OPTIONS, ONE("GET", "/api/v1/meters/{}")),
    API("meters update", "METER", "Change what is said of a meter", NULL,
        OPTIONS({"unit", OPTION_TEXT, "UNIT", "unit", false, "for people"}, {"description", OPTION_TEXT, "TEXT", "description", false, "for people"}, DRY),
        ONE("PATCH", "/api/v1/meters/{}")),
    API("meters delete", "METER", "Remove a meter that no price names", NULL, OPTIONS(YES, DRY), ASKED("DELETE", "/api/v1/meters/{}", "Remove")),

    API("holds create", "", "Set credits aside for work that is no call through the gateway",
        "  tollgate holds create --customer ext:u1 --amount 2.5 --ttl 600\n"
        "  tollgate holds create --customer ext:u1 --model gpt-4o-mini --usage '{\"input_tokens\": 1200, \"output_tokens\": 4000}'\n",
        OPTIONS(CUSTOMER, HOLD_SIZE, HOLD_TTL("default 300"), {"metadata", OPTION_JSON, "JSON", "metadata", false, "an object of your own"}, DRY),
        ONE("POST", "/api/v1/holds")),
    API("holds list", "", "List a customer's open holds", "  tollgate holds list --customer ext:u1\n", OPTIONS(CUSTOMER, PAGES), LIST("/api/v1/holds", hold_columns)),
    API("holds show", "HOLD", "Show a hold, open or ended, with its parts", "  tollgate holds show call_...\n", NO_OPTIONS, ONE("GET", "/api/v1/holds/{}")),
    API("holds extend", "HOLD", "Hold more, or for longer", "  tollgate holds extend call_... --amount 5 --ttl 600\n",
        OPTIONS({"amount", OPTION_TEXT, "AMOUNT", "amount", false, "what is to be held in all"}, HOLD_TTL("from now"), DRY),
        ONE("POST", "/api/v1/holds/{}/extend")),
    API("holds settle", "HOLD", "Charge what was used, less or more than is held, and give back the rest",
        "  tollgate holds settle call_... --amount 1.25\n"
        "  tollgate holds settle call_... --usage '{\"input_tokens\": 1100, \"output_tokens\": 900}' --final false\n",
        OPTIONS(HOLD_SIZE, {"final", OPTION_BOOL, "TRUTH", "final", false, "false: it is a part, and the hold goes on with the rest"}, DRY),
        ONE("POST", "/api/v1/holds/{}/settle")),
    API("holds release", "HOLD", "Give back what is held; nothing more was used", "  tollgate holds release call_...\n", OPTIONS(DRY),
        BARE("/api/v1/holds/{}/release")),
    API("check", "", "Say whether a call or hold would be admitted now; nothing is taken", "  tollgate check --customer ext:u1 --amount 2.5\n",
        OPTIONS(CUSTOMER, HOLD_SIZE, DRY), ONE("POST", "/api/v1/check")),

    API("balance", "", "Show a customer's balance", "  tollgate balance --customer ext:u1\n", OPTIONS(CUSTOMER_MAYBE),
        ONE("GET", "/api/v1/balance")),
    API("calls list", "", "List calls", "  tollgate calls list --customer ext:u1\n",
        OPTIONS(CUSTOMER_MAYBE, {"key", OPTION_TEXT, "KEY", "key", false, "only of this key"},
                {"state", OPTION_TEXT, "STATE", "state", false, "settled, released, expired, unrated or voided"},
                {"from", OPTION_TEXT, "TIME", "created[gte]", false, "not older"},
                {"to", OPTION_TEXT, "TIME", "created[lt]", false, "older"}, PAGES),
        LIST("/api/v1/calls", call_columns)),
    API("calls show", "CALL", "Explain a call: usage, price, each line's arithmetic, who paid", "  tollgate calls show call_...\n",
        NO_OPTIONS, ONE("GET", "/api/v1/calls/{}")),
    API("calls void", "CALL", "Undo a settled call: its charge goes back; one that waits for a price is given away", "  tollgate calls void call_... --reason \"test call\" --yes\n",
        OPTIONS({"reason", OPTION_TEXT, "TEXT", "reason", true, "for the books"}, YES, DRY),
        ASKED("POST", "/api/v1/calls/{}/void", "Undo")),

    API("rerates create", "", "Price calls of a range again: simulated first, posted when you say so",
        "  tollgate rerates create --from 2027-01-01T00:00:00Z --model gpt-4o-mini --reason \"the price was wrong\"\n",
        OPTIONS({"from", OPTION_TEXT, "TIME", "from", true, "calls of this time and later"},
                {"to", OPTION_TEXT, "TIME", "to", false, "calls before it; default now"}, CUSTOMER_MAYBE,
                {"key", OPTION_TEXT, "KEY", "key", false, "only of this key"}, {"model", OPTION_TEXT, "MODEL", "model", false, "only of this one"},
                {"provider", OPTION_TEXT, "PROVIDER", "provider", false, "only of this one"},
                {"unrated", OPTION_FLAG, NULL, "unrated", false, "only calls that wait for a price"},
                {"prices", OPTION_TEXT, "WHICH", "prices", false, "at_call (default): those in force at each call's time; current: those in force now"},
                {"reason", OPTION_TEXT, "TEXT", "reason", true, "for the books"}, DRY),
        ONE("POST", "/api/v1/rerates")),
    API("rerates list", "", "List re-rates", NULL, OPTIONS(PAGES), LIST("/api/v1/rerates", rerate_columns)),
    API("rerates get", "RERATE", "Show a re-rate: how far it is, what it found, what was posted", "  tollgate rerates get rrt_...\n", NO_OPTIONS,
        ONE("GET", "/api/v1/rerates/{}")),
    API("rerates customers", "RERATE", "List whom a re-rate changes, and by how much", NULL, OPTIONS(PAGES),
        LIST("/api/v1/rerates/{}/customers", rerate_customer_columns)),
    API("rerates post", "RERATE", "Post what was simulated, as corrections", "  tollgate rerates post rrt_... --yes\n", OPTIONS(YES, DRY),
        (&(const struct endpoint){"POST", "/api/v1/rerates/{}/post", NULL, 0, "Post", true})),
    API("rerates cancel", "RERATE", "Leave everything as it is", NULL, OPTIONS(DRY), BARE("/api/v1/rerates/{}/cancel")),
    OWN("receipt get", "CALL", "Get a charged call's receipt: one signed line", "  tollgate receipt get call_... > receipt.jws\n", NO_OPTIONS,
        receipt_get_run),
    OWN("receipt verify", "FILE", "Check a receipt; - reads it from stdin",
        "  tollgate receipt verify receipt.jws --keys https://tollgate.example.com/.well-known/jwks.json\n"
        "  tollgate receipt verify - --keys jwks.json < receipt.jws\n",
        OPTIONS({"keys", OPTION_TEXT, "FILE|URL", NULL, false, "the public keys, a JSON Web Key Set; default: TOLLGATE_URL's"}), receipt_verify_run),
    OWN("receipt rotate", "", "Make a new key to sign receipts with, straight in the database", "  tollgate receipt rotate\n", NO_OPTIONS,
        receipt_rotate_run),
    API("products create", "", "Put a pack of credits or a plan on sale",
        "  tollgate products create --kind pack --name \"20 credits\" --currency usd --price 2000 --credits 20\n"
        "  tollgate products create --kind plan --name Pro --currency usd --price 4900 --credits 60 --period month\n",
        OPTIONS({"kind", OPTION_TEXT, "KIND", "kind", true, "pack or plan"},
                {"name", OPTION_TEXT, "NAME", "name", true, "shown to the buyer"},
                {"currency", OPTION_TEXT, "CODE", "currency", true, "usd, eur, jpy, ..."},
                {"price", OPTION_INT, "N", "price", true, "in minor units, as Stripe counts them: 2000 is 20.00 USD"},
                {"credits", OPTION_TEXT, "AMOUNT", "credits", true, "what it brings; of a plan each period"},
                {"period", OPTION_TEXT, "PERIOD", "period", false, "of a plan: month or year"}, PRODUCT, DRY),
        ONE("POST", "/api/v1/products")),
    API("products list", "", "List products", "  tollgate products list --on-sale\n",
        OPTIONS({"on-sale", OPTION_FLAG, NULL, "enabled", false, "without those that are archived"}, PAGES),
        LIST("/api/v1/products", product_columns)),
    API("products show", "PRODUCT", "Show a product", NULL, NO_OPTIONS, ONE("GET", "/api/v1/products/{}")),
    API("products update", "PRODUCT", "Change a product; orders that were made stay as they are", "  tollgate products update prd_... --price 1900\n",
        OPTIONS({"name", OPTION_TEXT, "NAME", "name", false, "shown to the buyer"},
                {"price", OPTION_INT, "N", "price", false, "in minor units"},
                {"credits", OPTION_TEXT, "AMOUNT", "credits", false, "what it brings"}, PRODUCT,
                {"on-sale", OPTION_FLAG, NULL, "enabled", false, "put it on sale again"}, DRY),
        ONE("PATCH", "/api/v1/products/{}")),
    API("products archive", "PRODUCT", "Take a product off sale", NULL, OPTIONS(DRY), BARE("/api/v1/products/{}/archive")),
    API("checkout create", "", "Order a product, or the saving of a card, and print the page where it is paid",
        "  tollgate checkout create --customer ext:u1 --product prd_... --success-url https://example.com/paid\n"
        "  tollgate checkout create --customer ext:u1 --mode setup --success-url https://example.com/saved\n",
        OPTIONS(CUSTOMER, {"product", OPTION_TEXT, "PRODUCT", "product", false, "prd_...: what is bought"},
                {"mode", OPTION_TEXT, "MODE", "mode", false, "payment, subscription or setup; default: as the product is sold"},
                {"success-url", OPTION_TEXT, "URL", "success_url", true, "where the buyer goes afterwards"},
                {"cancel-url", OPTION_TEXT, "URL", "cancel_url", false, "where the buyer goes instead"},
                {"quantity", OPTION_INT, "N", "quantity", false, "1 to 100; default 1"},
                {"currency", OPTION_TEXT, "CODE", "currency", false, "of a setup; default usd"},
                {"save-payment-method", OPTION_FLAG, NULL, "save_payment_method", false, "also for later payments"},
                {"promotion-codes", OPTION_FLAG, NULL, "allow_promotion_codes", false, "let the buyer enter one"},
                {"automatic-tax", OPTION_FLAG, NULL, "automatic_tax", false, "Stripe adds the tax"}, DRY),
        ONE("POST", "/api/v1/checkout-sessions")),
    API("checkout portal", "", "Print the page at Stripe where a customer sees its payments, cards and plans",
        "  tollgate checkout portal --customer ext:u1 --return-url https://example.com/account\n",
        OPTIONS(CUSTOMER, {"return-url", OPTION_TEXT, "URL", "return_url", true, "where it goes back to"}, DRY),
        ONE("POST", "/api/v1/portal-sessions")),
    API("orders list", "", "List a customer's orders", "  tollgate orders list --customer ext:u1\n", OPTIONS(CUSTOMER, PAGES),
        LIST("/api/v1/orders", order_columns)),
    API("orders show", "ORDER", "Show an order", NULL, OPTIONS(CUSTOMER), ONE("GET", "/api/v1/orders/{}")),
    API("billing", "", "Show what is known of how a customer pays", "  tollgate billing --customer ext:u1\n", OPTIONS(CUSTOMER),
        ONE("GET", "/api/v1/billing")),
    API("payments list", "", "List what was paid for a customer's credits", "  tollgate payments list --customer ext:u1\n", OPTIONS(CUSTOMER, PAGES),
        LIST("/api/v1/payments", payment_columns)),
    API("payments problems", "", "List the payments of all customers that somebody has to look at", "  tollgate payments problems\n", OPTIONS(PAGES),
        LIST("/api/v1/payments/problems", payment_columns)),
    API("payments show", "PAYMENT", "Show a payment with its refunds and disputes", "  tollgate payments show pay_... --customer ext:u1\n", OPTIONS(CUSTOMER),
        ONE("GET", "/api/v1/payments/{}")),
    API("payments seen", "PAYMENT", "Say that a payment's problem was looked at", "  tollgate payments seen pay_... --customer ext:u1\n", OPTIONS(CUSTOMER, DRY),
        BARE("/api/v1/payments/{}/seen")),
    API("subscriptions list", "", "List a customer's subscriptions as Stripe has them", "  tollgate subscriptions list --customer ext:u1\n", OPTIONS(CUSTOMER),
        LIST("/api/v1/subscriptions", subscription_columns)),
    API("top-ups set", "", "Have credits bought for a customer whenever they run low",
        "  tollgate top-ups set --customer ext:u1 --product prd_... --threshold 5 --daily-count 3 --monthly-cap 20000 \\\n"
        "    --return-url https://example.com/account --consent-text \"terms of 2026-11\"\n",
        OPTIONS(CUSTOMER, {"product", OPTION_TEXT, "PRODUCT", "product", true, "prd_...: the pack that is bought"},
                {"threshold", OPTION_TEXT, "AMOUNT", "threshold", true, "what is available at or below it makes it buy"},
                {"target", OPTION_TEXT, "AMOUNT", "target", false, "as many packs as bring it there; default: one"},
                {"packs-at-once", OPTION_INT, "N", "packs_at_once", false, "the most for one payment"},
                {"daily-count", OPTION_INT, "N", "daily_count", true, "payments of a day, failed ones too"},
                {"monthly-cap", OPTION_INT, "N", "monthly_cap", true, "of a calendar month, in minor units: 20000 is 200.00 USD"},
                {"return-url", OPTION_TEXT, "URL", "return_url", true, "where the customer goes from a page of Stripe's"},
                {"consent-text", OPTION_TEXT, "TEXT", "consent_text", true, "the version of the text that the customer agreed to"},
                {"enabled", OPTION_BOOL, "TRUTH", "enabled", false, "true (default) or false"}, DRY),
        ONE("POST", "/api/v1/top-ups")),
    API("top-ups show", "", "Show a customer's top-up, what was agreed to, and how it does", "  tollgate top-ups show --customer ext:u1\n", OPTIONS(CUSTOMER),
        ONE("GET", "/api/v1/top-ups")),
    API("top-ups release", "", "Let a top-up that is suspended, or waits for its customer, try again",
        "  tollgate top-ups release --customer ext:u1\n", OPTIONS(CUSTOMER, DRY), BARE("/api/v1/top-ups/release")),
    API("top-ups delete", "", "Have nothing bought for a customer any more", "  tollgate top-ups delete --customer ext:u1\n", OPTIONS(CUSTOMER, YES, DRY),
        ASKED("DELETE", "/api/v1/top-ups", "Remove its top-up")),
    API("stripe-events list", "", "List what Stripe has sent", "  tollgate stripe-events list --state parked\n",
        OPTIONS({"state", OPTION_TEXT, "STATE", "state", false, "received, done, ignored or parked"},
                {"type", OPTION_TEXT, "TYPE", "type", false, "as Stripe names it: charge.refunded"}, PAGES),
        LIST("/api/v1/stripe-events", stripe_event_columns)),
    API("stripe-events show", "EVENT", "Show what became of an event of Stripe's, and why", NULL, NO_OPTIONS,
        ONE("GET", "/api/v1/stripe-events/{}")),
    API("stripe-events retry", "EVENT", "Act anew on an event that is parked", NULL, OPTIONS(DRY), BARE("/api/v1/stripe-events/{}/retry")),

    OWN("report usage", "", "What a customer used, by day, model and key",
        "  tollgate report usage --customer ext:u1 --from 2026-11-01 --to 2026-12-01 --group-by day,model\n",
        OPTIONS(CUSTOMER_MAYBE, {"from", OPTION_TEXT, "TIME", "from", false, "from this time on"},
                {"to", OPTION_TEXT, "TIME", "to", false, "up to this time, exclusive"},
                {"group-by", OPTION_TEXT, "WORDS", "group_by", false, "any of day,model,key"},
                {"csv", OPTION_FLAG, NULL, NULL, false, "print CSV"}),
        report_run),
    OWN("report books", "", "The books by day and currency: deferred revenue, what was sold, used, expired, refunded and disputed",
        "  tollgate report books --from 2026-11-01 --until 2026-12-01\n  tollgate report books --csv > books.csv\n",
        OPTIONS({"from", OPTION_TEXT, "DAY", "from", false, "the first day; default: of this month"},
                {"until", OPTION_TEXT, "DAY", "until", false, "up to this day, exclusive; default: the end of that month"},
                {"time-zone", OPTION_TEXT, "ZONE", "time_zone", false, "whose days; default UTC"},
                {"csv", OPTION_FLAG, NULL, NULL, false, "print CSV; money in minor units"}),
        books_run),
    {"stand-in", "", "Run the stand-in provider alone", NULL, NO_OPTIONS, NULL, NULL, standin_main},
    {"completion", "SHELL", "Print what completes commands and options in bash, zsh or fish",
     "  source <(tollgate completion bash)\n  tollgate completion zsh > ~/.zfunc/_tollgate\n  tollgate completion fish > ~/.config/fish/completions/tollgate.fish\n",
     NO_OPTIONS, NULL, NULL, completion_main},
    OWN("man", "", "Print the manual page", "  tollgate man | man -l -\n", NO_OPTIONS, man_run),
    OWN("help", "[COMMAND]", "Explain the commands", "  tollgate help keys create\n", NO_OPTIONS, help_run),
};
const size_t command_count = ARRAY_LEN(command_table);
