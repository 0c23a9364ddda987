/* tollgate/plugin.h: how a provider plugin and the server meet. Version 0.1: until every provider is in, minor versions
 * may still break.
 *
 * A plugin turns bytes into numbers and says how its provider is spoken to. It never sees money, does no I/O, keeps
 * nothing between calls, has no writable globals and calls nothing of the server. Whatever it is given is lent for that
 * one function call; whatever it gives points into its own constants, into the request it was lent, or into the state
 * that the server lent. It must not trust a byte of the request or of the answer.
 *
 * The life of a call, and who is asked what:
 *
 *   inspect   which model, streamed or not, what caps: read from the request
 *   bound     how much usage it can cause at most, and how much such calls usually cause
 *   build     the upstream request: address, headers, body. The secret is lent here, for signing too
 *   begin     status and headers of the answer have come
 *   bytes     a piece of the answer: update the running totals, hand on what the client shall see
 *   totals    at any time: the usage so far. A cut stream is settled with this
 *   end       the answer is over: hand on what was kept back (a terminator)
 *   fail      the server must end a stream early: write a last, well-formed event in the provider's own shape
 *   follow    only where usage comes later (a job that is polled): the request that asks for it
 *
 * A plugin is one shared object <name>.so with one visible symbol: const struct tollgate_plugin tollgate_plugin.
 * Fields are only ever added at the end of a struct; `size` members tell which exist. A plugin built for another major
 * version is refused; one built for an older minor version is loaded.
 */
#ifndef TOLLGATE_PLUGIN_H
#define TOLLGATE_PLUGIN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOLLGATE_ABI_MAJOR 0
#define TOLLGATE_ABI_MINOR 1
#define TOLLGATE_COUNTS_MAX 16 /* different meters one call can have */
#define TOLLGATE_ERROR_MAX 256

/* Borrowed bytes, not NUL-terminated. */
struct tollgate_slice {
  const char *ptr;
  size_t len;
};

/* Memory the server lends for output. The plugin appends at ptr + len, never beyond cap. Where it does not fit it leaves
 * what it wrote, sets `need` to the whole size that would do, and returns TOLLGATE_ROOM: the server asks the same
 * again with more and len 0. A plugin function that returned TOLLGATE_ROOM must not have changed its state. */
struct tollgate_out {
  char *ptr;
  size_t cap, len, need;
};

struct tollgate_header {
  struct tollgate_slice name, value; /* names compare without case */
};

enum tollgate_result {
  TOLLGATE_OK = 0,
  TOLLGATE_ROOM = 1,    /* an output was too small, see struct tollgate_out */
  TOLLGATE_REFUSED = 2, /* the caller's request is at fault: error says what and what would be right -> 400 */
  TOLLGATE_BROKEN = 3,  /* the provider's bytes make no sense; what was metered so far stands */
};

/* A kind of usage that has a price. Meters of one call are disjoint: they add up and nothing is counted twice. */
struct tollgate_meter {
  const char *name;   /* "input_tokens"; the words of the field, lower case with underscores */
  const char *parent; /* whose rate applies where this meter has none of its own; NULL: none */
  uint32_t total;     /* which inclusive total it is a part of: TOLLGATE_TOTAL_…; the server checks the sum */
};
enum { TOLLGATE_TOTAL_NONE = 0, TOLLGATE_TOTAL_INPUT = 1, TOLLGATE_TOTAL_OUTPUT = 2, TOLLGATE_TOTALS = 3 };

struct tollgate_count {
  uint32_t meter;   /* index into the plugin's meters */
  int64_t quantity; /* whole units, >= 0. Seconds and the like are declared in thousandths by the meter's name (…_ms) */
};

enum {
  TOLLGATE_ENDPOINT_STREAMS = 1 << 0,   /* the request can ask for a stream */
  TOLLGATE_ENDPOINT_STOPPABLE = 1 << 1, /* output is seen as it comes, and cancelling stops the provider's bill */
  TOLLGATE_ENDPOINT_LATER = 1 << 2,     /* usage is known only after the answer: see follow */
};
struct tollgate_endpoint {
  const char *method, *path; /* as the provider's SDK calls it: "POST", "/v1/chat/completions"; "{model}" takes a segment */
  const char *operation;     /* "chat", "embeddings", … : for logs and evidence */
  uint32_t flags;
};

struct tollgate_request {
  size_t size;
  uint32_t endpoint; /* index into the plugin's endpoints */
  struct tollgate_slice path, query, body;
  const struct tollgate_header *headers; /* the caller's, without credentials */
  size_t header_count;
  struct tollgate_out *text; /* memory that lives as long as the request, for names that inspect had to unescape; or NULL */
};

/* What inspect read from the request. */
struct tollgate_facts {
  size_t size;
  struct tollgate_slice model; /* as the caller means it: without escapes. In the request, or in the text lent with it */
  bool stream;
  bool wants_usage;        /* the caller asked for usage in the stream */
  bool stoppable;          /* this very request: visible output, a cancel ends the bill */
  int64_t output_cap;      /* the caller's own cap for one choice, in output units; 0: none */
  int64_t choices;         /* how many answers are asked for, >= 1: output and its cap count for each */
  int64_t input_units;     /* upper bound of the input */
  int64_t input_likely;    /* what it probably is; the input of an estimated settlement */
  struct tollgate_slice object; /* an upstream object the request names (a stored answer, a file, …); len 0: none. The server
                                   refuses it unless this customer's own call created it */
  struct tollgate_slice user;   /* the caller's own end-user id, where the provider has a field for it */
  char error[TOLLGATE_ERROR_MAX], error_param[64]; /* after TOLLGATE_REFUSED */
  uint64_t plugin_data[8]; /* the plugin's own, handed back untouched */
};

/* What the operator's catalogue says of the model. 0: not told. */
struct tollgate_model {
  size_t size;
  int64_t max_input, max_output;
};

/* Inclusive bounds by meter: a count of a parent meter covers its children, and is priced at the dearest of them. */
struct tollgate_bound {
  size_t size;
  uint32_t count;
  struct tollgate_count upper[TOLLGATE_COUNTS_MAX]; /* at most this much can be used */
  struct tollgate_count likely[TOLLGATE_COUNTS_MAX]; /* same meters, same order: what such a call usually uses */
};

/* The provider as configured, and what the server wants changed in the request. */
struct tollgate_upstream {
  size_t size;
  struct tollgate_slice base_url; /* without a trailing slash */
  struct tollgate_slice secret;   /* lent for this call of build or follow only */
  struct tollgate_slice model;    /* the upstream's name of the model */
  struct tollgate_slice settings; /* the provider's settings, a JSON object */
  int64_t output_cap;             /* > 0: write this cap for one choice into the request, whatever the caller wrote */
  int64_t now_s;                  /* Unix time, for signatures */
};

struct tollgate_built {
  size_t size;
  struct tollgate_out url;     /* absolute, and sent as it is: a signature may cover its bytes */
  struct tollgate_out headers; /* "Name: value\n" lines, content type and credentials included */
  struct tollgate_out body;
  struct tollgate_slice method; /* where it is not the endpoint's own; from follow: empty is GET */
};

struct tollgate_answer {
  size_t size;
  int32_t status;
  const struct tollgate_header *headers;
  size_t header_count;
  struct tollgate_slice handle; /* the answer to a request of follow: for what was asked. len 0: to that of build */
};

enum {
  TOLLGATE_USAGE_KNOWN = 1 << 0,        /* the provider said it, and it is final as far as it has come */
  TOLLGATE_USAGE_ESTIMATED = 1 << 1,    /* computed from what was seen; the rule is in the plugin's documentation */
  TOLLGATE_USAGE_INCONSISTENT = 1 << 2, /* the provider's own numbers do not fit together; clamped, raw is kept */
  TOLLGATE_USAGE_FREE = 1 << 3,         /* an answer that is not charged (an error, a refusal without output) */
  TOLLGATE_USAGE_COMPLETE = 1 << 4,     /* the answer came to its proper end */
  TOLLGATE_USAGE_LATER = 1 << 5,        /* the real usage comes by follow; `handle` says for what to ask */
};
/* Slices point into the state. */
struct tollgate_usage {
  size_t size;
  uint32_t flags;
  uint32_t count;
  struct tollgate_count counts[TOLLGATE_COUNTS_MAX]; /* disjoint */
  int64_t totals[TOLLGATE_TOTALS]; /* inclusive totals as the provider stated them; -1: not stated */
  struct tollgate_slice model;       /* the model that served */
  struct tollgate_slice provider_id; /* the provider's id of this answer */
  struct tollgate_slice tier;        /* the service tier that served */
  struct tollgate_slice object;      /* an upstream object that this answer created, for later use by the same customer */
  struct tollgate_slice raw;         /* the provider's usage, byte for byte (JSON), or empty */
  struct tollgate_slice handle;      /* with TOLLGATE_USAGE_LATER: opaque to the server, at most 512 bytes */
};

enum tollgate_ending {
  TOLLGATE_ENDED = 0,     /* the provider ended the transfer in good order (its own terminator may still be missing) */
  TOLLGATE_CUT = 1,       /* the connection broke, timed out, or passed a limit */
  TOLLGATE_CANCELLED = 2, /* the server stopped it: client gone, credits exhausted, shutting down */
};

struct tollgate_plugin {
  uint32_t abi_major, abi_minor;
  size_t size; /* sizeof(struct tollgate_plugin) */
  const char *name, *version, *description;
  const char *base_url; /* the provider's public address, used where the operator gives none */
  const struct tollgate_endpoint *endpoints;
  size_t endpoint_count;
  const struct tollgate_meter *meters;
  size_t meter_count;
  size_t state_size; /* zeroed bytes lent for each answer, aligned for anything */

  enum tollgate_result (*inspect)(const struct tollgate_request *, struct tollgate_facts *ret);
  enum tollgate_result (*bound)(const struct tollgate_request *, const struct tollgate_facts *, const struct tollgate_model *,
                                struct tollgate_bound *ret);
  enum tollgate_result (*build)(const struct tollgate_request *, const struct tollgate_facts *, const struct tollgate_upstream *,
                                struct tollgate_built *ret);
  enum tollgate_result (*begin)(void *state, const struct tollgate_request *, const struct tollgate_facts *,
                                const struct tollgate_answer *);
  /* Appends to `relay` what the client shall see of this piece. Its terminator ("data: [DONE]") is kept back for end. */
  enum tollgate_result (*bytes)(void *state, struct tollgate_slice piece, struct tollgate_out *relay);
  enum tollgate_result (*end)(void *state, enum tollgate_ending, struct tollgate_out *relay);
  enum tollgate_result (*totals)(const void *state, struct tollgate_usage *ret);
  /* After a stream has begun: an error event with code and message, then the terminator. */
  enum tollgate_result (*fail)(const void *state, struct tollgate_slice type, struct tollgate_slice code,
                               struct tollgate_slice message, struct tollgate_out *relay);
  /* Optional (NULL): builds the request that asks for the usage of `handle`; its answer goes through begin, bytes, end on a
   * fresh state, and totals tells (USAGE_LATER again: ask once more). By then the caller's request is gone: begin gets its
   * endpoint, no body, and facts of zero. ret_wait_ms: how long to wait before. */
  enum tollgate_result (*follow)(struct tollgate_slice handle, const struct tollgate_upstream *, struct tollgate_built *ret,
                                 uint32_t *ret_wait_ms);
};

#endif
