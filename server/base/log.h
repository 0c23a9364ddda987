// The log: one JSON object a line on stderr (logfmt-like text on a terminal). Every value is escaped. Low code does not
// log: the edge does, once. Nothing that a prompt or a secret could be in is ever passed here.
#pragma once

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
void log_open(enum log_level least, _Bool json);
// event: a stable dotted name, "server.started". format: the message for people.
void log_write(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Names the request that this thread works on in every line that follows; NULL ends that.
void log_context(const char *request_id);
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
// An invariant does not hold: says where and aborts. On in every build.
#define ASSERT(expr) ((expr) ? (void)0 : log_assert_failed(#expr, __FILE__, __LINE__))
_Noreturn void log_assert_failed(const char *expr, const char *file, int line);
