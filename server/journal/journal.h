// The journal: what was measured while the database could not be told, on this machine's disk. An entry is durable when
// `done` is called; it stays until its settlement is in the ledger, and is found again after a crash. Entries are opaque
// texts here (no byte of them is zero).
//
// Thread-safe. One process has a folder at a time. A write or fsync that fails breaks the journal until it is opened anew:
// what a failed fsync has done to the file nobody can tell, so it is never tried again.
#pragma once
#include "base/buf.h"
#include "base/limits.h"

struct journal;

// What was found at opening; each finding but the entries has a line.
struct journal_found {
  size_t entries;    // not settled yet, or not known to be
  size_t torn;       // records that were not wholly written: dropped, nobody was told that they were
  size_t flipped;    // places where a record was damaged: what else stood there is kept, the file is set aside
  size_t duplicates; // files that are copies of another: set aside
  size_t foreign;    // files that are none of this journal's
  struct buf lines;
};
void journal_found_finish(struct journal_found *f);

// folder is made where it is missing. NULL with a sentence in ret_error: not to be had, too little room, in use.
struct journal *journal_open(const char *folder, struct journal_found *ret_found, struct buf *ret_error);
void journal_close(struct journal *j); // writes what is queued, joins. NULL is fine

// Room for one entry, to be had before a call is begun. False: there is none, or the journal is broken.
bool journal_reserve(struct journal *j);
void journal_unreserve(struct journal *j);

struct journal_entry {
  struct str text; // at most LIMIT_JOURNAL_ENTRY bytes; lent until done
  void (*done)(struct journal_entry *e); // once, on the journal's thread, without blocking
  void *arg;
  int result;        // 0, or a fault: not written
  uint64_t sequence; // its name from then on; its writer owns it until journal_settled or journal_let_go
  struct journal_entry *next;
};
// FAULT_IO (broken), FAULT_CLOSED: done will not be called.
int journal_write(struct journal *j, struct journal_entry *e);

void journal_settled(struct journal *j, uint64_t sequence); // it is in the ledger: forgotten
void journal_let_go(struct journal *j, uint64_t sequence);  // to be taken by whoever replays
// It can never be settled: it is moved to the folder's refused.jsonl, for a human, and is an entry no more. Writes to the
// disk. FAULT_IO: it stays where it is, and is not taken again by this process.
int journal_refuse(struct journal *j, uint64_t sequence);

// For replay: takes up to max that nobody owns, oldest first. Each is settled, let go or refused afterwards.
size_t journal_take(struct journal *j, uint64_t *ret_sequences, size_t max);
int journal_read(struct journal *j, uint64_t sequence, struct buf *ret); // FAULT_IO, FAULT_CORRUPT

struct journal_state {
  bool ok;
  size_t entries, refused, room; // refused: lines in refused.jsonl; room: further entries
};
struct journal_state journal_state(struct journal *j);

// Reads a folder as it is, without taking it: for people. FAULT_IO with errno where it cannot be read.
struct journal_visit {
  void (*segment)(void *arg, const char *file, uint64_t number, size_t entries);
  void (*entry)(void *arg, uint64_t sequence, struct str text);
  void *arg;
};
int journal_look(const char *folder, const struct journal_visit *visit, struct journal_found *ret_found);
