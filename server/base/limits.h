// Every maximum in one place: this page is the capacity plan. What an operator may change is read from the configuration
// (app/config.h) with these as defaults or hard caps.
#pragma once

// HTTP in
#define LIMIT_REQUEST_LINE (8 * 1024)
#define LIMIT_HEADER_BLOCK (16 * 1024)
#define LIMIT_HEADERS 64
#define LIMIT_BODY_API (1024 * 1024)
#define LIMIT_BODY_GATEWAY (8 * 1024 * 1024)
#define LIMIT_DRAIN_REFUSED (64 * 1024)      // bytes of a refused body read for politeness
#define LIMIT_HEADER_DEADLINE_MS 10000       // absolute, from accept or from the end of the previous answer's reading
#define LIMIT_BODY_DEADLINE_MS 10000         // absolute, plus one second for each 16 KiB announced
#define LIMIT_BODY_BYTES_PER_SECOND (16 * 1024)
#define LIMIT_IDLE_MS 30000                  // keep-alive
#define LIMIT_WRITE_STALL_MS 20000           // no byte taken by the client for so long: gone
#define LIMIT_CONNECTIONS_PER_IP 1024        // default; TOLLGATE_MAX_CONNECTIONS_PER_IP
#define LIMIT_HTTP_THREADS 2                 // never 1: one epoll thread can lose suspended connections

// JSON
#define LIMIT_JSON_DEPTH 64
#define LIMIT_JSON_NODES 200000

// Gateway
#define LIMIT_ANSWER_HELD (1024 * 1024)      // plain answers up to this are held back until settled
#define LIMIT_SSE_LINE (1024 * 1024)
#define LIMIT_STREAM_BUFFER (64 * 1024)      // bytes between upstream and client; above: upstream is paused
#define LIMIT_STREAM_BYTES (256LL * 1024 * 1024)
#define LIMIT_FIRST_BYTE_MS 60000
#define LIMIT_BETWEEN_CHUNKS_MS 60000
#define LIMIT_UPSTREAM_TOTAL_MS (15 * 60 * 1000)
#define LIMIT_CONNECT_MS 5000
#define LIMIT_RUNNING_CALLS 8192
#define LIMIT_EVIDENCE (64 * 1024)
#define LIMIT_USUAL_KINDS 4096               // keys and models whose usual output a lane remembers
#define LIMIT_RETRY_WINDOW_MS 60000          // how long a charged answer that was lost blocks the client's own retry of it

// Ledger
#define LIMIT_LEDGER_QUEUE 16384
#define LIMIT_LEDGER_BATCH 512
#define LIMIT_LEDGER_WAIT_MS 5000            // an operation not begun by then is answered with 503; a stream waits no longer for its hold
#define LIMIT_DRAWS 16                       // buckets one call may draw from, beside the credits

// Explicit holds
#define LIMIT_HOLD_TTL_S (7 * 24 * 3600)     // from when it is taken or extended
#define LIMIT_OPEN_HOLDS 1000000             // of a customer: the most that TOLLGATE_OPEN_HOLDS_MAX allows

// Usage events
#define LIMIT_EVENT (64 * 1024)              // bytes of one
#define LIMIT_EVENTS_BODY (4 * 1024 * 1024)  // of a JSON batch
#define LIMIT_EVENTS_LINES (32 * 1024 * 1024) // of a batch that comes as lines
#define LIMIT_EVENTS_BATCH 10000             // the most that TOLLGATE_EVENTS_BATCH_MAX allows
#define LIMIT_EVENTS_OF_LINES 100000         // of a batch that comes as lines; so many are taken at a time as a JSON batch may have
#define LIMIT_EVENT_AHEAD_MS (5 * 60 * 1000) // an event's time may be so far in the future
#define LIMIT_NAMES_CACHE 65536              // apps' own ids of customers

// Journal: of settlements that the database could not take. Preallocated; each running call owns room for one entry
#define LIMIT_JOURNAL_ENTRY 8192             // bytes; evidence that does not fit is left out, the charge always fits
#define LIMIT_JOURNAL_SEGMENT (8 * 1024 * 1024)
#define LIMIT_JOURNAL_SEGMENTS 9             // 1,016 entries each: more than LIMIT_RUNNING_CALLS
#define LIMIT_JOURNAL_AFTER_MS 1000          // a settlement that takes longer is written to the journal

// Database jobs (everything but the ledger's writer)
#define LIMIT_JOB_THREADS 4
#define LIMIT_JOB_QUEUE 1024
#define LIMIT_STRIPE_THREADS 2               // of requests that wait for Stripe
#define LIMIT_STRIPE_QUEUE 64
#define LIMIT_OPEN_ORDERS 100                // of a customer: whose pages are still open

// Webhooks
#define LIMIT_WEBHOOK_ENDPOINTS 256
#define LIMIT_WEBHOOK_RUNNING 1024           // attempts at once of one instance; each endpoint has its share
#define LIMIT_WEBHOOK_RUNNING_EACH 64        // of one endpoint where they are few; LIMIT_WEBHOOK_RUNNING / endpoints where many
#define LIMIT_WEBHOOK_HAND 8192              // deliveries that an instance has taken and not yet ended, likewise shared
#define LIMIT_WEBHOOK_HAND_EACH 1024         // of one endpoint
#define LIMIT_WEBHOOK_BYTES (64 * 1024 * 1024) // of their events, all endpoints; each has its share, and at least one event
#define LIMIT_WEBHOOK_FAN_OUT 1000           // events handed to endpoints in one commit
#define LIMIT_WEBHOOK_ANSWER (64 * 1024)     // bytes of an endpoint's answer that are read
#define LIMIT_WEBHOOK_EXCERPT 2048           // and kept
#define LIMIT_WEBHOOK_ATTEMPTS 40            // kept of one delivery, the last ones
#define LIMIT_WEBHOOK_REPLAY 10000           // deliveries that one request sends again

// API
#define LIMIT_PAGE_DEFAULT 20
#define LIMIT_PAGE_MAX 100
#define LIMIT_REPORT_ROWS 10000
#define LIMIT_NAME 200                       // characters of one to four bytes
#define LIMIT_METADATA_KEYS 50
#define LIMIT_RECEIPT_KEYS 200               // versions of the key that receipts are signed with; all stay published
#define LIMIT_REQUEST_ARENA (64 * 1024 * 1024)

// Caches
#define LIMIT_PRINCIPAL_CACHE 65536
#define LIMIT_UNKNOWN_KEY_CACHE 4096
#define LIMIT_TRUST_MS 2000                  // a cache entry not confirmed within this serves nothing but paid calls
