// libmicrohttpd 0.9.75 takes its thread off the listening socket when accept meets a lack of descriptors or memory, and
// puts it back when a connection of that thread closes; a thread without connections goes on trying. Each of ours has
// one that never closes, its pulse: with no client about it would stay deaf for ever. So once a second a connection of
// our own comes and goes on each thread.
#include "http/internal.h"
#include "http/pair.h"
#include <unistd.h>

#define KNOCK_US INT64_C(1000000)

// Without a descriptor for it there is another second.
static void knock(struct http_server *s, unsigned thread) {
  int fd = pair_open(s, thread);
  if (fd >= 0) close(fd);
}

void knock_pass(struct http_server *s, int64_t now_us) {
  if (!atomic_load(&s->ready) || now_us < s->knock_us) return;
  s->knock_us = now_us + KNOCK_US;
  pthread_mutex_lock(&s->adding);
  for (unsigned thread = 0; !s->closed && thread < s->threads; thread++) knock(s, thread);
  pthread_mutex_unlock(&s->adding);
}
