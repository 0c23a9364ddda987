// The stand-in provider: a small HTTP server of its own that answers in OpenAI's wire format, and breaks every rule of
// it on request. `tollgate dev` starts it where there is no real provider; tests and benchmarks run against it.
//
//   tollgate stand-in [--host 127.0.0.1] [--port 0] [--port-file FILE] [--threads 2] [--latency-ms 0] [--chunk-ms 0]
//                     [--log FILE [--log-sync]] [--replay DIR [--pause-ms 2]]
//
// Port 0 takes any free one; FILE holds its number once it listens. Ends with 0 on SIGTERM or SIGINT.
//
// What is served: POST /v1/chat/completions (plain, stream, n, max_tokens, max_completion_tokens, tools), POST
// /v1/embeddings (float, base64), GET /v1/models, GET /v1/models/{model}. Any bearer token is good but "wrong".
//
// Usage is a function of the request, so that tests can say it beforehand:
//   prompt_tokens      chat: 8 + words in all texts of all messages + 85 for each part that is not text.
//                      embeddings: words in all inputs; an input of token numbers counts its numbers. At least 1.
//   completion_tokens  one for each word of each choice. The answer has 12 words; max_tokens cuts it ("length").
//                      A call to a tool costs 9. It comes when tools are given, tool_choice is not "none", and the last
//                      message is the user's and has "weather" in it.
// A word is a run of characters other than space, \n, \r and \t, as they stand in the JSON text.
//
// The model's name may ask for something else (plain and streamed alike unless said; <n> are numbers):
//   stand-in:hang             reads the request, never answers
//   stand-in:hang-head        the head, then nothing
//   stand-in:slow-<n>         n ms before each chunk (plain: before the answer)
//   stand-in:drip             the body at one byte a second; drip-<n>: a byte every n ms
//   stand-in:reset            TCP reset instead of an answer
//   stand-in:reset-mid        TCP reset after three words (plain: after half of the body)
//   stand-in:cut              the connection is closed there instead, the last HTTP chunk missing
//   stand-in:truncate         the stream ends after its words: no finish_reason, usage or [DONE]; plain: as cut
//   stand-in:garbage          200 with a body that is no JSON
//   stand-in:html-error       502 with an HTML page
//   stand-in:error-<n>        OpenAI's error for that status (400, 401, 403, 404, 429 with retry-after, 500, 503, ...)
//   stand-in:error-mid        an error event after three words, then the end (plain: 500)
//   stand-in:line-100mb       one word of 100 MiB: one line of a stream
//   stand-in:huge             the same (the name for a plain answer)
//   stand-in:big-<n>          one word of n KiB
//   stand-in:endless          words for ever; plain: one word without end, in chunks
//   stand-in:bomb             Content-Encoding: gzip, 256 KiB that inflate to 269 MB
//   stand-in:redirect-<n>     0: 301 to a cloud's metadata, 1: 307 to a file, 2: 308 to an FTP server
//   stand-in:nul              a raw NUL and a byte that is no UTF-8 in each word
//   stand-in:no-usage         no usage, asked for or not
//   stand-in:usage-twice      usage twice; the first has half of the completion tokens
//   stand-in:usage-first      the usage before the words, not after them (plain: as ever)
//   stand-in:bad-usage        completion_tokens is no count; bad-usage-<n>: 0 negative, 1 a string, 2 1e400, 3 2^63,
//                             4 null, 5 a fraction, 6 an object, 7 a list
//   stand-in:long-<n>         n words
//   replay:<endpoint>/<name>  on any POST: the recording in DIR/<endpoint>/<name> (meta.json tells status, type, file);
//                             @<offset> sends the body in two pieces split there, !<offset> closes the connection there
// Every other model answers ordinarily. The same may be asked for by the request's metadata, {"metadata":{"script":
// "stand-in:hang"}}: then the model keeps a name that has a price.
//
// Each line of --log is one JSON object:
//   {"state":"started","id":"chatcmpl-…","call":"","path":"/v1/chat/completions","model":"…","status":200,
//    "prompt_tokens":11,"completion_tokens":0,"script":"stand-in:slow-5"}
// id is the one in the answer; call is the request's x-tollgate-call header; script stands there where one was named. "started" is written when the request has
// been read and found good; then "finished", or "aborted" where the client left or the script broke the answer off:
// with the tokens that really went out.
#pragma once

int standin_main(int argc, char **argv);
