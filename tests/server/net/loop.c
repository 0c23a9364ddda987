// The loop itself: order of tasks, timers, its thread, and its end.
#include "net/timers.h"
#include "wire.h"

#define POSTERS 4
#define POSTS 20000

struct poster {
  struct net_loop *loop;
  pthread_t thread;
  int next; // the loop's thread only
  struct posted {
    struct poster *poster;
    int number;
  } posts[POSTS];
};

static void take_post(void *arg) {
  struct posted *post = arg;
  assert_true(net_on_loop(post->poster->loop));
  if (post->poster->next++ != post->number) abort();
}

static void *post_all(void *arg) {
  struct poster *p = arg;
  for (int i = 0; i < POSTS; i++) {
    p->posts[i] = (struct posted){p, i};
    net_post(p->loop, take_post, &p->posts[i]);
  }
  return NULL;
}

static void tasks_of_each_thread_run_in_order_and_none_is_lost(void **state) {
  (void)state;
  struct net_loop *loop = net_loop_create("order");
  struct poster *posters = mem_alloc(POSTERS * sizeof(*posters));
  assert_false(net_on_loop(loop));
  for (int i = 0; i < POSTERS; i++) {
    posters[i].loop = loop;
    assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
  }
  for (int i = 0; i < POSTERS; i++) pthread_join(posters[i].thread, NULL);
  net_loop_destroy(loop); // runs what was posted
  for (int i = 0; i < POSTERS; i++) assert_int_equal(posters[i].next, POSTS);
  mem_free(posters);
}

static struct net_loop *the_loop;
static char written[16];
static sem_t over;

static void write_a(void *arg) {
  strcat(written, arg);
}

static void write_last(void *arg) {
  strcat(written, arg);
  sem_post(&over);
}

static void set_timers(void *arg) {
  (void)arg;
  static char a[] = "a", b[] = "b", c[] = "c", d[] = "d", e[] = "e", never[] = "!";
  net_after(the_loop, 60, write_last, e);
  net_after(the_loop, 40, write_a, c);
  net_after(the_loop, 0, write_a, a);
  net_after(the_loop, 20, write_a, b);
  net_after(the_loop, 40, write_a, d);
  net_after(the_loop, 1000000, write_a, never);
}

static void timers_run_in_order_of_their_time(void **state) {
  (void)state;
  the_loop = net_loop_create("timers");
  sem_init(&over, 0, 0);
  int64_t before = clock_mono_us();
  net_post(the_loop, set_timers, NULL);
  while (sem_wait(&over) != 0) {
  }
  assert_true(clock_mono_us() - before >= 60000);
  assert_string_equal(written, "abcde");
  net_loop_destroy(the_loop); // drops the one that is still to come
  sem_destroy(&over);
}

static void script_hang(struct wire_connection *c) {
  wire_hang(c);
}

static void script_stream(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\n\r\n");
  wire_pour(c, INT64_C(1) << 40);
}

static void a_loop_ends_with_exchanges_running(void **state) {
  (void)state;
  struct wire silent, loud;
  wire_start(&silent, script_hang);
  wire_start(&loud, script_stream);
  struct net_loop *loop = net_loop_create("end");
  struct probe *probes = mem_alloc(20 * sizeof(*probes));
  for (int i = 0; i < 20; i++) {
    probe_init(&probes[i], loop, i % 2 ? silent.port : loud.port);
    if (i == 0) probes[i].spec.url = "http://slow-name.invalid/";
    probe_start(&probes[i]);
  }
  poll(NULL, 0, 100);
  net_loop_destroy(loop);
  for (int i = 1; i < 20; i++) assert_int_equal(probes[i].dones, 0);
  for (int i = 0; i < 20; i++) probe_finish(&probes[i]);
  mem_free(probes);
  wire_stop(&silent);
  wire_stop(&loud);
}

static void cancel_probe(void *arg) {
  struct probe *p = arg;
  net_cancel(p->x);
}

static void what_was_posted_before_the_end_still_finds_its_exchange(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, script_hang);
  for (int i = 0; i < 20; i++) {
    struct net_loop *loop = net_loop_create("end");
    struct probe p;
    probe_init(&p, loop, w.port);
    probe_start(&p);
    net_post(loop, cancel_probe, &p);
    net_loop_destroy(loop);
    assert_int_equal(p.dones, 0);
    probe_finish(&p);
  }
  net_loop_destroy(NULL);
  wire_stop(&w);
}

static int64_t last_due;
static int fired;

static void fire(void *arg) {
  struct net_timer *timer = arg;
  assert_true(timer->due_us >= last_due);
  last_due = timer->due_us;
  fired++;
}

static void a_heap_of_timers_keeps_its_order_through_any_change(void **state) {
  (void)state;
  enum { COUNT = 500 };
  struct net_timers timers = {0};
  struct net_timer *all = mem_alloc(COUNT * sizeof(*all));
  unsigned seed = 1;
  for (int round = 0; round < 50; round++) {
    for (int i = 0; i < COUNT; i++) all[i] = (struct net_timer){.fn = fire, .arg = &all[i]};
    for (int i = 0; i < 3000; i++) {
      struct net_timer *timer = &all[(size_t)rand_r(&seed) % COUNT];
      if (rand_r(&seed) % 4)
        timers_arm(&timers, timer, rand_r(&seed) % 1000);
      else
        timers_disarm(&timers, timer);
    }
    int armed = 0;
    for (int i = 0; i < COUNT; i++) armed += all[i].place != 0;
    fired = 0;
    last_due = 0;
    timers_run(&timers, 500);
    assert_true(timers_next(&timers) > 500);
    timers_run(&timers, 1000);
    assert_int_equal(fired, armed);
    assert_int_equal(timers.count, 0);
  }
  timers_finish(&timers);
  mem_free(all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tasks_of_each_thread_run_in_order_and_none_is_lost),
      cmocka_unit_test(timers_run_in_order_of_their_time),
      cmocka_unit_test(a_loop_ends_with_exchanges_running),
      cmocka_unit_test(what_was_posted_before_the_end_still_finds_its_exchange),
      cmocka_unit_test(a_heap_of_timers_keeps_its_order_through_any_change),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
