/* SPDX-License-Identifier: MIT */
/*
 * Each limit reached, told, counted and released; and limits that change while
 * connections come and go. Beside test_limits.c, whose limits are older.
 *
 * usage: test_admit SALLYPORT-PROXY
 */
#include "rig.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define RESULT(what) "proxy_connections_total{result=\"" what "\"}"
#define REASON(what) "proxy_sessions_closed_total{reason=\"" what "\"}"
#define RELAYS "proxy_connections{state=\"relay\"}"

/* As `user` from `from`; 02 must come. */
static void
expect_limit(struct rig *r, const char *from, const char *user,
    const char *reason)
{
	const struct record_session *s;
	int fd = rig_connect(r, from);

	rig_login(fd, user);
	rig_request(fd, &r->target_at);
	rig_expect_refusal(fd, 2);
	assert_int_equal(rig_expect_end(fd), RIG_FIN);
	close(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, reason);
	assert_true(str_eq(s->user, str_from(user)));
	assert_int_equal(s->status, STATUS_REJECTED);
}

static int
session_from(struct rig *r, const char *from, const char *user, int *target)
{
	int fd = rig_connect(r, from);

	rig_login(fd, user);
	rig_request(fd, &r->target_at);
	(void)rig_expect_success(fd);
	*target = rig_accept(r->target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	return fd;
}

static void
end_session(struct rig *r, int fd, int target)
{
	close(fd);
	(void)rig_expect_end(target);
	close(target);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
}

/* ---- sessions now ---- */

static void
test_sessions_per_source(void **state)
{
	struct rig *r = *state;
	int fd[2], target[2], other, last;

	rig_configure(r, "workers = 2\n");
	rig_start(r, (const char *[]){ "proxy.limits.sessions_per_source=2",
	    NULL });
	for (size_t i = 0; i < 2; i++)
		fd[i] = session_from(r, "127.0.0.2:0", i == 0 ? "alice" : "bob",
		    &target[i]);
	for (unsigned i = 0; i < 4; i++)
		expect_limit(r, "127.0.0.2:0", "alice", "limit_source");
	other = session_from(r, "127.0.0.3:0", "alice", &last);
	end_session(r, other, last);
	end_session(r, fd[0], target[0]);
	fd[0] = session_from(r, "127.0.0.2:0", "alice", &target[0]);
	expect_limit(r, "127.0.0.2:0", "alice", "limit_source");
	for (size_t i = 0; i < 2; i++)
		end_session(r, fd[i], target[i]);
}

static void
test_sessions_per_destination(void **state)
{
	struct rig *r = *state;
	int fd, target, other;

	rig_start(r, (const char *[]){
	    "proxy.limits.sessions_per_destination=1", NULL });
	fd = session_from(r, NULL, "alice", &target);
	expect_limit(r, "127.0.0.2:0", "bob", "limit_destination");
	/* another port is another destination */
	other = rig_connect(r, NULL);
	rig_login(other, "alice");
	rig_request(other, &r->target6_at);
	(void)rig_expect_success(other);
	close(rig_accept(r->target6));
	close(other);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
	end_session(r, fd, target);
	fd = session_from(r, "127.0.0.2:0", "bob", &target);
	end_session(r, fd, target);
}

/* ---- new ones a minute ---- */

static void
test_new_per_minute_user(void **state)
{
	struct rig *r = *state;
	int fd, target;

	rig_configure(r, "workers = 2\n");
	rig_start(r, (const char *[]){ "proxy.limits.new_per_minute_user=3",
	    NULL });
	for (unsigned i = 0; i < 3; i++) {
		fd = session_from(r, NULL, "alice", &target);
		end_session(r, fd, target);
	}
	expect_limit(r, NULL, "alice", "limit_rate");
	expect_limit(r, "127.0.0.2:0", "alice", "limit_rate");
	fd = session_from(r, NULL, "bob", &target);
	end_session(r, fd, target);
	assert_int_equal(rig_metric(r, REASON("limit_rate")), 2);
}

/* At the door: closed without a word, since none was said; all are counted,
 * and so many recorded that nobody fills the disk (L-6). */
static void
test_new_per_minute_source(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int64_t unrecorded;
	int fd, target;

	rig_configure(r, "workers = 2\n");
	rig_start(r, (const char *[]){ "proxy.limits.new_per_minute_source=2",
	    NULL });
	for (unsigned i = 0; i < 2; i++) {
		fd = session_from(r, "127.0.0.2:0", "alice", &target);
		end_session(r, fd, target);
	}
	fd = rig_connect(r, "127.0.0.2:0");
	(void)rig_expect_end(fd);
	close(fd);
	s = peers_next_session(r->peers, RECORD_REJECT, "limit_rate");
	assert_int_equal(s->user.len, 0);
	assert_int_equal(s->reply_code, RECORD_NO_REPLY);
	assert_int_equal(s->source.addr.b[15], 2);
	assert_int_not_equal(s->listener.len, 0);
	for (unsigned i = 1; i < 1000; i++) {
		fd = rig_connect(r, "127.0.0.2:0");
		(void)rig_expect_end(fd);
		close(fd);
	}
	rig_wait_metric(r, RESULT("limit_rate"), 1000);
	assert_int_equal(rig_metric(r, REASON("limit_rate")), 1000);
	/* A hundred at once, then a hundred a second. */
	unrecorded = rig_metric(r, "proxy_refusals_unrecorded_total");
	assert_int_equal(rig_metric(r, "proxy_records_total") + unrecorded,
	    2 * 2 + 1000);
	fd = rig_session(r, "alice", &target);
	close(fd);
	close(target);
}

/* ---- reload ---- */

/* The workers take it over in their next turn: a session later they have. */
static void
reload_with(struct rig *r, const char *lines)
{
	int fd, target;

	rig_reload(r, lines);
	for (unsigned i = 0; i < 2; i++) {
		fd = session_from(r, "127.0.0.9:0", "bob", &target);
		end_session(r, fd, target);
	}
}

/* Limits go on, off, up and down while sessions of before, between and after
 * end: nothing is given back that was not taken, and the last state counts. */
static void
test_limits_change_under_load(void **state)
{
	static const char *const turns[] = {
		"workers = 2\n",
		"workers = 2\nlimits.sessions_per_user = 50\n"
		    "limits.sessions_per_source = 50\n"
		    "limits.pre_login_per_source = 50\n",
		"workers = 2\nlimits.sessions_per_user = 0\n"
		    "limits.sessions_per_destination = 60\n"
		    "limits.pre_login_per_source = 0\n",
		"workers = 2\nlimits.sessions_per_user = 70\n"
		    "limits.new_per_minute_source = 0\n"
		    "limits.sessions_per_destination = 0\n",
	};
	struct rig *r = *state;
	int fd[16], target[16];

	rig_configure(r, turns[0]);
	rig_start(r, NULL);
	for (unsigned i = 0; i < 40; i++) {
		unsigned at = i % 16;

		if (i >= 16)
			end_session(r, fd[at], target[at]);
		if (i % 3 == 2)
			reload_with(r, turns[i / 3 % 4]);
		fd[at] = session_from(r, NULL, "alice", &target[at]);
	}
	/* sixteen run; whatever they hold, the next limit is exact */
	for (unsigned i = 0; i < 16; i++)
		end_session(r, fd[i], target[i]);
	rig_wait_metric(r, RELAYS, 0);
	reload_with(r, "workers = 2\nlimits.sessions_per_user = 1\n");
	fd[0] = session_from(r, NULL, "alice", &target[0]);
	expect_limit(r, NULL, "alice", "limit_user");
	end_session(r, fd[0], target[0]);
	fd[0] = session_from(r, NULL, "alice", &target[0]);
	end_session(r, fd[0], target[0]);
}

/* ---- a thousand descriptors, five thousand clients ---- */

#define CLIENTS 5000

static void
want_descriptors(rlim_t n)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	if (l.rlim_cur >= n)
		return;
	l.rlim_cur = n < l.rlim_max ? n : l.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
	assert_true(l.rlim_cur >= n);
}

/* All of them, silent. */
static void
crowd_in(struct rig *r, int *fd)
{
	char from[32];

	for (unsigned i = 0; i < CLIENTS; i++) {
		snprintf(from, sizeof(from), "127.0.%u.%u:0", 1 + i / 200,
		    1 + i % 200);
		fd[i] = rig_connect(r, from);
	}
}

static void
expect_recovery(struct rig *r, size_t descriptors)
{
	uint64_t end = clock_mono_ms() + PEERS_WAIT_MS;
	int fd, target;

	rig_wait_idle(r);
	while (rig_descriptors(r) > descriptors) {
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 10);
	}
	rig_wait_metric(r, "proxy_accept_paused", 0);
	fd = rig_session(r, "alice", &target);
	close(fd);
	close(target);
}

/* As it computes its bounds itself: it never runs out. */
static void
test_few_descriptors(void **state)
{
	static int fd[CLIENTS];
	struct rig *r = *state;
	size_t before;

	want_descriptors(CLIENTS + 200);
	r->descriptors = 1024;
	rig_configure(r, "workers = 2\n");
	/* Nobody is to leave by the clock: that counts as neither. */
	rig_start(r, (const char *[]){ "proxy.timeouts.handshake=120s", NULL });
	rig_wait_idle(r);
	before = rig_descriptors(r);
	crowd_in(r, fd);
	/* Put out, or not let in while another worker has yet to make room; or
	 * its own worker has none as long as the other one is not running. */
	rig_wait_sum_from(r, (const char *[]){
	    "proxy_put_out_total{limit=\"pre_login\"}",
	    "proxy_connections_total{result=\"limit_global\"}",
	    "proxy_connections_total{result=\"no_memory\"}", NULL },
	    CLIENTS - 512);
	assert_int_equal(rig_metric(r, "proxy_accept_pauses_total"), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		close(fd[i]);
	expect_recovery(r, before);
}

/* As somebody configured more than there is: accepting pauses, ten times a
 * second at most for each listening socket, and goes on by itself. */
static void
test_more_than_there_is(void **state)
{
	static int fd[CLIENTS];
	struct rig *r = *state;
	uint64_t began, pauses;
	size_t before;

	want_descriptors(CLIENTS + 200);
	r->descriptors = 1024;
	rig_configure(r, "workers = 2\n");
	rig_start(r, (const char *[]){ "proxy.limits.sessions=10000",
	    "proxy.limits.pre_login=10000", NULL });
	rig_wait_log(r, "descriptors_short");
	rig_wait_idle(r);
	before = rig_descriptors(r);
	began = clock_mono_ms();
	crowd_in(r, fd);
	rig_wait_log(r, "accept_paused");
	for (unsigned i = 0; i < CLIENTS; i++)
		close(fd[i]);
	expect_recovery(r, before);
	pauses = (uint64_t)rig_metric(r, "proxy_accept_pauses_total");
	assert_in_range(pauses, 1,
	    2 * ((clock_mono_ms() - began) / 100 + 1));
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(sessions_per_source), T(sessions_per_destination),
		T(new_per_minute_user), T(new_per_minute_source),
		T(limits_change_under_load), T(few_descriptors),
		T(more_than_there_is),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
