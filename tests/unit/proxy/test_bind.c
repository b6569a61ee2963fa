/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "io_fixture.h"
#include "proxy/bind.h"

/* One bind, and what its judge and its end were. */
struct room {
	struct event_base *base;
	struct bind *bind;
	struct endpoint at;
	enum bind_verdict verdict;	/* of the judge */
	struct bind_peer *judged[64];
	struct endpoint from[64];
	unsigned n_judged;
	unsigned reset[3];		/* by enum bind_reset */
	bool all_reset;			/* as many as were waited for */
	unsigned wanted;
	bool done;
	enum bind_result result;
	int fd;
	struct endpoint peer;
};

static enum bind_verdict
on_judge(void *arg, struct bind_peer *p)
{
	struct room *r = arg;

	assert_true(r->n_judged < ARRAY_LEN(r->judged));
	assert_ptr_equal(p->arg, r);
	r->from[r->n_judged] = p->from;
	r->judged[r->n_judged++] = p;
	return r->verdict;
}

static void
on_turned_away(void *arg, enum bind_reset why)
{
	struct room *r = arg;

	r->reset[why]++;
	r->all_reset = r->reset[0] + r->reset[1] + r->reset[2] >= r->wanted;
}

static void
on_done(void *arg, enum bind_result result, int fd,
    const struct endpoint *from)
{
	struct room *r = arg;

	assert_false(r->done);
	r->done = true;
	r->result = result;
	r->fd = fd;
	r->bind = NULL;
	if (from != NULL)
		r->peer = *from;
}

static const struct bind_ops ops = { on_judge, on_turned_away, on_done };

static struct bind_plan
plan_for(const char *at, const char *const *asked, unsigned n)
{
	struct bind_plan p = { .timeout_ms = 60000, .n_asked = n,
		.any = n == 0 };

	assert_true(addr_parse(&p.at, str_from(at)));
	for (unsigned i = 0; i < n; i++)
		assert_true(addr_parse(&p.asked[i], str_from(asked[i])));
	return p;
}

static void
room_open(struct room *r, const struct bind_plan *plan)
{
	*r = (struct room){ .base = io_base(), .verdict = BIND_ADMIT,
		.fd = -1 };
	r->bind = bind_start(r->base, plan, &ops, r, NULL);
	assert_non_null(r->bind);
	r->at = bind_at(r->bind);
	assert_true(addr_eq(&r->at.addr, &plan->at));
	assert_true(r->at.port > 0);
}

static void
room_close(struct room *r)
{
	bind_cancel(&r->bind);
	if (r->fd >= 0)
		close(r->fd);
	event_base_free(r->base);
}

static int
connect_from(const char *source, const struct endpoint *to)
{
	struct endpoint from = { .port = 0 };
	struct sockaddr_storage sa;
	socklen_t len;
	int fd, error;

	assert_true(addr_parse(&from.addr, str_from(source)));
	len = endpoint_to_sockaddr(&from, &sa);
	fd = socket(sa.ss_family, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	len = endpoint_to_sockaddr(to, &sa);
	error = connect(fd, (struct sockaddr *)&sa, len) == 0 ? 0 : errno;
	if (error == 0)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

static int
peer(struct room *r, const char *source)
{
	int fd = connect_from(source, &r->at);

	assert_true(fd >= 0);
	return fd;
}

static void
assert_reset(int fd)
{
	char byte;

	assert_int_equal(read(fd, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

static void
assert_gone(const struct endpoint *at)
{
	char text[ADDR_TEXT_SIZE];

	addr_format(text, &at->addr);
	assert_int_equal(connect_from(text, at), -1);
	assert_int_equal(errno, ECONNREFUSED);
}

/* Turns the loop until that many were reset since the room was opened. */
static void
wait_reset(struct room *r, unsigned n)
{
	r->wanted = n;
	r->all_reset = r->reset[0] + r->reset[1] + r->reset[2] >= n;
	io_run(r->base, &r->all_reset);
}

static void
wait_judged(struct room *r, unsigned n)
{
	while (r->n_judged < n)
		event_base_loop(r->base, EVLOOP_ONCE);
}

static const char *const one[] = { "127.0.0.1" };

static void
test_the_peer_comes(void **state)
{
	static const char *const at[] = { "127.0.0.1", "::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		struct bind_plan plan = plan_for(at[i], &at[i], 1);
		struct endpoint mine;
		struct room r;
		int on = 0, fd;
		socklen_t len = sizeof(on);
		char text[6];

		room_open(&r, &plan);
		fd = peer(&r, at[i]);
		assert_int_equal(write(fd, "early", 5), 5);
		io_run(r.base, &r.done);
		assert_int_equal(r.result, BIND_PEER);
		assert_true(sock_local(fd, &mine));
		assert_true(endpoint_eq(&r.peer, &mine));
		assert_true(endpoint_eq(&r.from[0], &mine));
		assert_true(fcntl(r.fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(r.fd, F_GETFD) & FD_CLOEXEC);
		getsockopt(r.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
		assert_int_equal(on, 1);
		getsockopt(r.fd, SOL_SOCKET, SO_OOBINLINE, &on, &len);
		assert_int_equal(on, 1);
		assert_int_equal(read(r.fd, text, sizeof(text)), 5);
		assert_memory_equal(text, "early", 5);
		assert_gone(&r.at);
		close(fd);
		room_close(&r);
	}
}

/* threats.md B-1. */
static void
test_a_thousand_wrong_peers(void **state)
{
	struct bind_plan plan = plan_for("127.0.0.1", one, 1);
	size_t fds;
	struct room r;
	int fd;

	(void)state;
	room_open(&r, &plan);
	fds = io_count_fds();
	for (unsigned i = 1; i <= 1000; i++) {
		fd = peer(&r, i % 2 == 0 ? "127.0.0.2" : "127.9.9.9");
		wait_reset(&r, i);
		assert_reset(fd);
	}
	assert_int_equal(io_count_fds(), fds);
	assert_int_equal(r.reset[BIND_WRONG_PEER], 1000);
	assert_int_equal(r.n_judged, 0);
	assert_false(r.done);
	fd = peer(&r, "127.0.0.1");
	io_run(r.base, &r.done);
	assert_int_equal(r.result, BIND_PEER);
	close(fd);
	room_close(&r);
}

/* They queue up before the loop turns once. */
static void
test_the_right_one_in_a_crowd(void **state)
{
	static const char *const asked[] = { "127.0.0.9", "127.0.0.7" };
	struct bind_plan plan = plan_for("127.0.0.1", asked, 2);
	struct room r;
	int fd[8];

	(void)state;
	room_open(&r, &plan);
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = peer(&r, i == 5 ? "127.0.0.7" : "127.0.0.2");
	io_run(r.base, &r.done);
	assert_int_equal(r.reset[BIND_WRONG_PEER], 5);
	assert_true(addr_eq(&r.peer.addr, &plan.asked[1]));
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++) {
		if (i == 5)
			close(fd[i]);
		else	/* the last two by the port that was closed */
			assert_reset(fd[i]);
	}
	room_close(&r);
}

static void
test_anybody_is_judged(void **state)
{
	struct bind_plan plan = plan_for("127.0.0.1", NULL, 0);
	struct room r;
	int no, yes;

	(void)state;
	room_open(&r, &plan);
	r.verdict = BIND_REFUSE;
	no = peer(&r, "127.0.0.5");
	wait_reset(&r, 1);
	assert_int_equal(r.reset[BIND_REFUSED], 1);
	assert_reset(no);
	r.verdict = BIND_ADMIT;
	yes = peer(&r, "127.0.0.6");
	io_run(r.base, &r.done);
	assert_int_equal(r.n_judged, 2);
	assert_int_equal(r.result, BIND_PEER);
	close(yes);
	room_close(&r);
}

static void
test_verdicts_that_come_later(void **state)
{
	struct bind_plan plan = plan_for("127.0.0.1", one, 1);
	struct room r;
	int fd[3];

	(void)state;
	room_open(&r, &plan);
	r.verdict = BIND_LATER;
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = peer(&r, "127.0.0.1");
	wait_judged(&r, 3);
	bind_judged(r.judged[0], false);
	assert_reset(fd[0]);
	assert_false(r.done);
	bind_judged(r.judged[2], true);
	assert_true(r.done);
	assert_true(endpoint_eq(&r.peer, &r.from[2]));
	/* The slower one of two is none any more. */
	assert_reset(fd[1]);
	assert_int_equal(r.reset[BIND_REFUSED], 1);
	assert_int_equal(r.reset[BIND_TOO_LATE], 1);
	assert_gone(&r.at);
	close(fd[2]);
	room_close(&r);
}

/* No more than so many at a time; the others wait their turn. */
static void
test_few_are_judged_at_once(void **state)
{
	struct bind_plan plan = plan_for("127.0.0.1", one, 1);
	struct room r;
	int fd[BIND_PEERS_MAX + 2];

	(void)state;
	room_open(&r, &plan);
	r.verdict = BIND_LATER;
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = peer(&r, "127.0.0.1");
	wait_judged(&r, BIND_PEERS_MAX);
	io_turn(r.base, 5);
	assert_int_equal(r.n_judged, BIND_PEERS_MAX);
	bind_judged(r.judged[0], false);
	wait_judged(&r, BIND_PEERS_MAX + 1);
	io_turn(r.base, 5);
	assert_int_equal(r.n_judged, BIND_PEERS_MAX + 1);
	bind_judged(r.judged[1], false);
	wait_judged(&r, BIND_PEERS_MAX + 2);
	bind_judged(r.judged[BIND_PEERS_MAX + 1], true);
	assert_true(r.done);
	assert_int_equal(r.reset[BIND_TOO_LATE], BIND_PEERS_MAX - 1);
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
	room_close(&r);
}

static void
test_nobody_comes_in_time(void **state)
{
	struct bind_plan plan = plan_for("127.0.0.1", one, 1);
	struct room r;
	int fd;

	(void)state;
	plan.timeout_ms = 30;
	room_open(&r, &plan);
	r.verdict = BIND_LATER;
	fd = peer(&r, "127.0.0.1");
	io_run(r.base, &r.done);
	assert_int_equal(r.result, BIND_TIMEOUT);
	assert_int_equal(r.fd, -1);
	assert_int_equal(r.reset[BIND_TOO_LATE], 1);
	assert_reset(fd);
	assert_gone(&r.at);
	room_close(&r);
}

static void
on_answer(struct lease_waiter *w, const void *value)
{
	(void)value;
	fail_msg("%p was cancelled", (void *)w);
}

/* The answer that a judge waits for is cancelled with its peer. */
static void
test_cancel(void **state)
{
	struct bind_plan plan = plan_for("127.0.0.1", one, 1);
	size_t fds = io_count_fds();
	struct list waiting;
	struct room r;
	int fd;

	(void)state;
	list_init(&waiting);
	room_open(&r, &plan);
	r.verdict = BIND_LATER;
	fd = peer(&r, "127.0.0.1");
	wait_judged(&r, 1);
	r.judged[0]->waiter.done = on_answer;
	list_push(&waiting, &r.judged[0]->waiter.link);
	bind_cancel(&r.bind);
	assert_null(r.bind);
	bind_cancel(&r.bind);
	assert_true(list_empty(&waiting));
	assert_reset(fd);
	assert_gone(&r.at);
	io_turn(r.base, 3);
	assert_false(r.done);
	assert_int_equal(r.reset[BIND_TOO_LATE], 1);
	room_close(&r);
	assert_int_equal(io_count_fds(), fds);
}

static int
count_watched(const struct event_base *base, const struct event *ev, void *arg)
{
	unsigned *n = arg;

	(void)base;
	*n += event_get_fd(ev) >= 0;
	return 0;
}

static unsigned
watched(const struct room *r)
{
	unsigned n = 0;

	event_base_foreach_event(r->base, count_watched, &n);
	return n;
}

/* Out of descriptors: it does not spin, and the peer is taken in the end. */
static void
test_pauses_when_descriptors_run_out(void **state)
{
	struct bind_plan plan = plan_for("127.0.0.1", one, 1);
	struct rlimit old, none;
	struct room r;
	int fd;

	(void)state;
	room_open(&r, &plan);
	assert_int_equal(watched(&r), 1);
	fd = peer(&r, "127.0.0.1");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	event_base_loop(r.base, EVLOOP_ONCE);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(watched(&r), 0);
	assert_false(r.done);
	io_run(r.base, &r.done);
	assert_int_equal(r.result, BIND_PEER);
	close(fd);
	room_close(&r);
}

static void
test_cannot_listen(void **state)
{
	struct bind_plan plan = plan_for("192.0.2.1", one, 1);
	struct event_base *base = io_base();
	size_t fds = io_count_fds();
	struct err err;

	(void)state;
	assert_null(bind_start(base, &plan, &ops, NULL, &err));
	assert_int_equal(errno, EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "no port at 192.0.2.1: "));
	assert_int_equal(io_count_fds(), fds);
	event_base_free(base);
}

static void
test_port_of_a_range(void **state)
{
	struct bind_plan plan = plan_for("127.0.0.1", one, 1);
	struct room r;

	(void)state;
	plan.ports = (struct port_range){ 20000, 29999 };
	room_open(&r, &plan);
	assert_true(r.at.port >= 20000 && r.at.port <= 29999);
	room_close(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_peer_comes),
		cmocka_unit_test(test_a_thousand_wrong_peers),
		cmocka_unit_test(test_the_right_one_in_a_crowd),
		cmocka_unit_test(test_anybody_is_judged),
		cmocka_unit_test(test_verdicts_that_come_later),
		cmocka_unit_test(test_few_are_judged_at_once),
		cmocka_unit_test(test_nobody_comes_in_time),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_pauses_when_descriptors_run_out),
		cmocka_unit_test(test_cannot_listen),
		cmocka_unit_test(test_port_of_a_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
