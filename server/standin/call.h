// One call: what the request asks for, and the answer to it as a sequence of steps. A step adds bytes to the output and
// says how to go on; the server sends them and comes back. Nothing here knows of sockets.
#pragma once
#include "base/buf.h"
#include "standin/http.h"
#include "standin/script.h"

struct standin { // the options; the same for all threads
  const char *host, *port_file, *log, *replay;
  int port, threads, latency_ms, chunk_ms, pause_ms;
  int log_fd; // -1: no log
  bool log_sync;
  uint64_t seed; // of ids
};

enum step {
  STEP_MORE,  // call again when the output is sent, or before
  STEP_WAIT,  // call again *ret_wait_ms after the output is sent
  STEP_END,   // the answer is whole once the output is sent
  STEP_CLOSE, // the answer breaks off there: close
  STEP_RESET, // the same, with a TCP reset
  STEP_HANG,  // nothing more, until the client leaves
};

struct call {
  const struct standin *standin;
  struct http_request request; // lent by the connection
  enum step (*step)(struct call *c, struct buf *out, int *ret_wait_ms);
  struct script_call script;
  char id[40], request_id[40];
  struct str model, named_script; // raw JSON
  bool stream, include_usage;
  bool started; // in the log
  bool chunked, waited;
  int status;
  const char *type, *encoding, *extra; // of the answer's head
  int drip_ms;                         // 0: as fast as it goes; else a byte at a time after head_len bytes
  size_t head_len;
  int64_t prompt_tokens, tokens; // tokens: in what was put out so far
  int64_t choices, words, token_each;
  int64_t at; // the next word, over all choices; or the next byte
  const char *finish_reason;
  struct str tool; // the name of the function to call, raw JSON; empty: none
  struct buf body, event, prefix;
};

void call_init(struct call *c, const struct standin *standin);
void call_finish(struct call *c);
// Decides how the request is answered; c->step is set. c->started is set where it deserves a line in the log.
void call_begin(struct call *c, const struct http_request *request);
enum step call_step(struct call *c, struct buf *out, int *ret_wait_ms);

// For the files that make answers.
void call_answer(struct call *c, int status, const char *type); // sends c->body, whole
void call_error(struct call *c, int status, const char *message, const char *fields);
void call_refuse(struct call *c, const char *message, const char *param, const char *code); // 400
void call_put_head(struct call *c, struct buf *out, int64_t length);                        // -1: chunked
void call_put(struct call *c, struct buf *out, struct str bytes);
void call_put_last(struct call *c, struct buf *out); // the end of a chunked body
void call_break(struct call *c, int *ret_wait_ms);   // after what is put out so far has surely arrived

void chat_begin(struct call *c, struct str body); // chat.c
void plain_begin(struct call *c);                 // plain.c: the whole answer at once
void stream_begin(struct call *c);                // stream.c
void stream_prefix(struct call *c);               // what each event begins with
void stream_role(struct call *c, struct buf *out, int64_t choice);
enum step stream_words(struct call *c, struct buf *out, int *ret_wait_ms); // from the word c->at on
void big_begin(struct call *c);                                            // big.c: one huge word
void bomb_begin(struct call *c);                                           // big.c
void usage_add(struct call *c, struct buf *out, int64_t completion);       // plain.c
void word_add(struct call *c, struct buf *out, int64_t number);            // plain.c: as JSON text
extern const char *const tool_pieces[3];                                   // plain.c: of the arguments, as JSON text
void embeddings_begin(struct call *c, struct str body);                    // embeddings.c
void models_begin(struct call *c);                                         // models.c
void replay_begin(struct call *c);                                         // replay.c
