// An incremental JSON scanner of fixed size. Bytes are pushed in any split; it holds to the grammar, refuses what nests
// deeper than SCAN_DEPTH, and tells of the paths it was asked to watch: how often a value stood there, of what kind, where,
// how long its text is, and its own bytes where the watcher has room for them. Whole and split input give the same answers.
//
// It allocates nothing, calls nothing, and keeps no byte but what a watch asked for.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_DEPTH 64
#define SCAN_WATCHES 32 // watches of one scanner
#define SCAN_PATH 8     // segments of one path
#define SCAN_KEY 40     // a longer member name matches no watch

enum scan_kind { SCAN_NOTHING, SCAN_NULL, SCAN_TRUE, SCAN_FALSE, SCAN_NUMBER, SCAN_STRING, SCAN_ARRAY, SCAN_OBJECT };

enum {
  SCAN_TEXT = 1 << 0, // count the text where the value is a string
  SCAN_DEEP = 1 << 1, // count every byte of text below the value, names and punctuation too. The innermost counting watch
                      // takes a string's text; the outer ones do not see it
  SCAN_KEEP = 1 << 2, // keep the raw value: `room` bytes at `at` of the store. Of nested ones the outermost is kept
  SCAN_EACH = 1 << 3, // call `each` for every value
};

// A path: member names, "[]" for the elements of an array, "*" for any member. An empty path is the whole text.
struct scan_watch {
  const char *path[SCAN_PATH + 1]; // ends with NULL
  uint16_t flags, at, room;
};

// What was seen at a watched path. Offsets count from the first byte pushed; the value is [start, end), and until it has
// ended, end is start and what was kept means nothing.
struct scan_hit {
  uint64_t start, end;  // of the last value
  uint64_t items;       // elements or members of the last array or object
  uint64_t ascii, wide; // counted text so far, decoded: ASCII bytes, and bytes of UTF-8 beyond ASCII
  uint64_t filled;      // of its strings those that were not empty
  uint32_t count;       // values so far
  uint16_t kept;        // bytes in the store
  uint8_t kind;         // enum scan_kind of the last value
  bool cut;             // it did not fit in the room; `kept` is 0
};

enum scan_fault {
  SCAN_FINE,
  SCAN_SYNTAX,
  SCAN_TOO_DEEP,
  SCAN_NOT_UTF8,
  SCAN_NUL,       // \u0000
  SCAN_SURROGATE, // half of a surrogate pair
};

struct scan;
typedef void scan_each(void *context, size_t watch, uint64_t start, uint64_t end);

struct scan {
  const struct scan_watch *watches;
  size_t watch_count;
  struct scan_hit *hits; // one for each watch
  char *store;
  scan_each *each;
  void *context;
  bool lenient; // strings may hold \u0000, lone surrogates and bytes that are not UTF-8: for answers, which must be metered
                // whatever a model wrote in them

  uint64_t offset; // bytes pushed; after SCAN_BAD, up to where it was wrong
  uint8_t state, fault, kind, number, utf_left, utf_low, utf_high, hex_left, depth;
  bool in_key, filled;
  int8_t owner, kept; // the counting watch of the value now read; the watch whose value is being kept. -1: none
  uint16_t hex, high; // of \u; the first half of a pair, 0: none
  const char *literal;
  uint8_t kept_depth, key_len;
  char key[SCAN_KEY];
  uint32_t next;               // watches that the coming value may match
  uint32_t here;               // watches that the value now read has hit
  uint64_t objects;            // bit d: container d is an object
  uint32_t below[SCAN_DEPTH];  // watches that match this far
  uint32_t hit[SCAN_DEPTH];    // watches that the container itself has hit
  int8_t owners[SCAN_DEPTH];
  const char *piece, *from; // while scan_push runs: the bytes it was given, and where in them the kept value begins
};

enum scan_answer { SCAN_MORE = 0, SCAN_DONE = 1, SCAN_BAD = 2 };

// Strict, without `each`: set the fields afterwards. `hits` is cleared; `store` may be NULL where nothing is kept.
void scan_init(struct scan *s, const struct scan_watch *watches, size_t count, struct scan_hit *hits, char *store);
// SCAN_DONE: a whole value has been read, and nothing but white space after it.
enum scan_answer scan_push(struct scan *s, const char *bytes, size_t len);
// No more bytes come: a number at the top ends here. SCAN_DONE or SCAN_BAD.
enum scan_answer scan_finish(struct scan *s);
const char *scan_fault_text(enum scan_fault fault);
// A character in UTF-8: how many bytes it is. Half of a surrogate pair is written like any other.
size_t scan_utf_write(uint32_t c, char ret[4]);
