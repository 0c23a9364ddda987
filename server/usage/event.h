// A usage event as it is understood: who used how much of what, when, and what makes it known again. Read from a CloudEvent
// (1.0) or from the shapes that other systems have for the same; nothing here knows prices, customers' rows or HTTP.
#pragma once
#include "base/arena.h"
#include "meter/call.h"

#define USAGE_TEXT_MAX 500 // characters of a source, an id, a type or a model
#define USAGE_SOURCE_DEFAULT "api"

struct usage_event {
  struct str source, id, type;
  struct str customer;       // as it is named: "cus_…", "ext:…" or the app's own id; len 0: by nothing
  const char *customer_from; // the member that names it
  int64_t time;              // microseconds; 0: not said
  struct str model;          // what is priced: a model or a product, "provider/model" forces one
  struct meter_quantity quantities[METER_LINES_MAX]; // of known meters, each once; names are the words' (below)
  size_t quantity_count;
  struct str more; // a JSON object of what else its data says, in one order; len 0: nothing
};

// Which meters there are. Lent; a book's meters live as long as the book.
struct plugin_registry;
struct book;
struct usage_words {
  const struct plugin_registry *plugins;
  const struct book *book;
};

struct usage_error {
  char param[96]; // the member at fault, "" for the event as a whole
  char message[512];
};

// What an event may leave out and still be one.
enum usage_form {
  USAGE_CLOUDEVENT, // specversion, id, source and type are needed, under these names
  USAGE_PLAIN,      // specversion and source may be missing, other systems' names are understood
};
// Reads the JSON text of one event. 0, or 1 with what is wrong. Texts live in the arena.
int usage_read(struct arena *arena, const struct usage_words *words, enum usage_form form, struct str text,
               struct usage_event *ret, struct usage_error *ret_error);

// Binary mode: the attributes come apart from the data. Values as the HTTP headers have them; ptr NULL: not given.
struct usage_attributes {
  struct str specversion, id, source, type, subject, time;
  const char *twice; // one whose header stands there more than once; NULL: none
};
int usage_read_binary(struct arena *arena, const struct usage_words *words, const struct usage_attributes *attributes,
                      struct str data, struct usage_event *ret, struct usage_error *ret_error);

// The quantities of an object of meters alone, {"images": 2}, that stands at `param`. The rest of *ret is empty.
struct json;
int usage_quantities(struct arena *arena, const struct usage_words *words, const char *param, struct json *usage, struct usage_event *ret,
                     struct usage_error *ret_error);

// Walks over a batch: the texts of an array's elements, or of the lines that are not blank. *at begins at 0. 0 with the next
// element; 1: there is no more; 2: this is no such batch (*ret_why).
struct usage_walk {
  struct str text;
  size_t at;
  bool lines;
  size_t count; // elements so far
};
int usage_walk_next(struct usage_walk *walk, struct str *ret, const char **ret_why);

// What an event is known by among its customer's; and a fingerprint of what it says: type, model, quantities and what else its data
// holds, not when.
struct uuid usage_identity(const struct usage_event *e);
struct uuid usage_content(struct arena *arena, const struct usage_event *e);
