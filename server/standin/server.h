// The threads that serve: each has its own epoll set and timers, and all accept from one socket.
#pragma once
#include "standin/call.h"

struct worker;
struct worker *worker_create(const struct standin *standin, int listen_fd, int stop_fd);
void worker_destroy(struct worker *w); // after stop_fd became readable: joins its thread
