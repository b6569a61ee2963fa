/* SPDX-License-Identifier: MIT */
/*
 * What happens at the bounds: descriptors, clients that do not log in, users
 * with many sessions; and that nothing is lost on the way.
 *
 * usage: test_limits SALLYPORT-PROXY
 */
#include "rig.h"

#include <linux/filter.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define ACCEPTED "proxy_connections_total{result=\"accepted\"}"

/* ---- descriptors ---- */

static rlim_t
set_descriptors(struct rig *r, rlim_t soft)
{
	struct rlimit old, new;

	assert_int_equal(prlimit(r->pid, RLIMIT_NOFILE, NULL, &old), 0);
	new = old;
	new.rlim_cur = soft;
	assert_int_equal(prlimit(r->pid, RLIMIT_NOFILE, &new, NULL), 0);
	return old.rlim_cur;
}

/* By the log: nobody is served on the admin address either. */
static unsigned
pauses(const struct rig *r)
{
	char *log = rig_log(r);
	unsigned n = 0;

	for (char *at = log; (at = strstr(at, "accept_paused")) != NULL; at++)
		n++;
	free(log);
	return n;
}

static void
wait_pauses(const struct rig *r, unsigned n)
{
	uint64_t end = clock_mono_ms() + PEERS_WAIT_MS;

	while (pauses(r) < n) {
		assert_true(clock_mono_ms() < end);
		poll(NULL, 0, 20);
	}
}

/* out of descriptors it pauses instead of spinning, what runs goes on,
 * and those who waited are served when there are some again. */
static void
test_out_of_descriptors(void **state)
{
	struct rig *r = *state;
	uint64_t began, cpu;
	int fd[20], target, session;
	unsigned n;
	rlim_t before;

	rig_start(r, NULL);
	session = rig_session(r, "alice", &target);
	before = set_descriptors(r, rig_descriptors(r) + 4);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = rig_connect(r, NULL);
		rig_send_lit(fd[i], "\5\1\2");
	}
	wait_pauses(r, 1);
	began = clock_mono_ms();
	cpu = rig_cpu_ms(r);
	n = pauses(r);
	wait_pauses(r, n + 5);
	assert_true((rig_cpu_ms(r) - cpu) * 2 < clock_mono_ms() - began);
	rig_send_lit(session, "still here");
	rig_expect_lit(target, "still here");
	set_descriptors(r, before);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		rig_expect_lit(fd[i], "\5\2");
		close(fd[i]);
	}
	rig_wait_metric(r, ACCEPTED, 1 + ARRAY_LEN(fd));
	assert_true(rig_metric(r, "proxy_accept_pauses_total") >= n + 5);
	rig_wait_metric(r, "proxy_connections{state=\"auth_read\"}", 0);
	close(session);
	close(target);
}

/* None left for the target: that client is told, and the next is served. */
static void
test_no_descriptor_for_the_target(void **state)
{
	struct rig *r = *state;
	rlim_t before;
	int fd, target;

	rig_start(r, NULL);
	fd = rig_connect(r, NULL);
	rig_login(fd, "alice");
	before = set_descriptors(r, 3);
	rig_request(fd, &r->target_at);
	rig_expect_refusal(fd, 1);
	set_descriptors(r, before);
	close(fd);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "out_of_resources");
	fd = rig_session(r, "alice", &target);
	close(fd);
	close(target);
}

/* One turn of everything a client may do. */
static void
one_of_each(struct rig *r, unsigned i)
{
	int fd = rig_connect(r, NULL), target;

	switch (i % 8) {
	case 0:		/* a session that the client ends */
	case 1:		/* … the target ends */
	case 2:		/* … breaks */
		rig_login(fd, "alice");
		rig_request(fd, &r->target_at);
		(void)rig_expect_success(fd);
		target = rig_accept(r->target);
		if (i % 8 == 2) {
			rig_reset(fd);
			(void)rig_expect_end(target);
			close(target);
		} else {
			close(i % 8 == 0 ? fd : target);
			(void)rig_expect_end(i % 8 == 0 ? target : fd);
			close(i % 8 == 0 ? target : fd);
		}
		return;
	case 3:		/* refused by the fence */
		rig_login(fd, "alice");
		rig_request(fd, &r->listen);
		rig_expect_refusal(fd, 2);
		break;
	case 4:
		rig_send_login(fd, "alice", "wrong");
		rig_expect_lit(fd, "\5\2\1\1");
		break;
	case 5:
		rig_send_lit(fd, "\3");
		(void)rig_expect_end(fd);
		break;
	case 6:		/* leaves in the middle */
		rig_send_lit(fd, "\5\1\2\1\5al");
		rig_reset(fd);
		return;
	case 7:
		break;
	}
	close(fd);
}

static void
test_no_descriptor_is_lost(void **state)
{
	struct rig *r = *state;
	size_t before;

	rig_start(r, NULL);
	for (unsigned i = 0; i < 8; i++)
		one_of_each(r, i);
	rig_wait_metric(r, ACCEPTED, 8);
	rig_wait_idle(r);
	before = rig_descriptors(r);
	for (unsigned i = 0; i < 2000; i++)
		one_of_each(r, i);
	rig_wait_metric(r, ACCEPTED, 2008);
	rig_wait_idle(r);
	while (rig_descriptors(r) > before)	/* /metrics has one, too */
		rig_wait_idle(r);
	/* Three of eight are sessions, each left an OPEN and a CLOSE; so did
	 * those that the fence refused. A silent client leaves nothing. */
	assert_int_equal(rig_metric(r, "proxy_sessions_total"), 251 * 3);
	assert_int_equal(rig_metric(r, "proxy_records_total"),
	    251 * (3 * 2 + 2 + 3));
}

/* ---- before the request ---- */

static void
expect_method(int fd)
{
	rig_send_lit(fd, "\5\1\2");
	rig_expect_lit(fd, "\5\2");
}

#define PUT_OUT(limit) "proxy_put_out_total{limit=\"" limit "\"}"

/* one source has too many that do not ask. The oldest of them goes, who
 * comes from elsewhere or has asked stays. */
static void
test_the_oldest_of_a_source_goes(void **state)
{
	struct rig *r = *state;
	int fd[3], other, asked, target;

	rig_configure(r, "workers = 2\n");
	rig_start(r, (const char *[]){
		"proxy.limits.pre_login_per_source=3", NULL });
	other = rig_connect(r, "127.0.0.3:0");
	expect_method(other);
	asked = rig_connect(r, "127.0.0.2:0");
	rig_login(asked, "alice");
	rig_request(asked, &r->target_at);
	(void)rig_expect_success(asked);
	target = rig_accept(r->target);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	for (size_t i = 0; i < 3; i++) {
		fd[i] = rig_connect(r, "127.0.0.2:0");
		expect_method(fd[i]);
	}
	for (size_t i = 0; i < 30; i++) {
		const struct record_session *s;
		int newcomer = rig_connect(r, "127.0.0.2:0");

		expect_method(newcomer);
		(void)rig_expect_end(fd[i % 3]);
		close(fd[i % 3]);
		fd[i % 3] = newcomer;
		s = peers_next_session(r->peers, RECORD_REJECT,
		    "limit_source");
		assert_int_equal(s->dest_port, 0);
		assert_int_equal(s->reply_code, RECORD_NO_REPLY);
	}
	rig_wait_metric(r, PUT_OUT("pre_login_per_source"), 30);
	rig_wait_metric(r, "proxy_connections{state=\"auth_read\"}", 4);
	for (size_t i = 0; i < 3; i++)
		rig_expect_silence(fd[i]);
	rig_expect_silence(other);
	rig_send_lit(asked, "still here");
	rig_expect_lit(target, "still here");
	/* the newest goes on to ask */
	rig_send_lit(fd[2], "\1\5alice\5right");
	rig_expect_lit(fd[2], "\1\0");
	for (size_t i = 0; i < 3; i++)
		close(fd[i]);
	close(other);
	close(asked);
	close(target);
}

/* All together: the oldest of all goes, whosever it is, in whichever worker. */
static void
test_the_oldest_of_all_goes(void **state)
{
	struct rig *r = *state;
	char from[32];
	int fd[8];

	rig_configure(r, "workers = 2\n");
	rig_start(r, (const char *[]){ "proxy.limits.pre_login=8", NULL });
	for (unsigned i = 0; i < 40; i++) {
		int newcomer;

		snprintf(from, sizeof(from), "127.0.1.%u:0", i + 1);
		newcomer = rig_connect(r, from);
		expect_method(newcomer);
		if (i >= ARRAY_LEN(fd)) {
			(void)rig_expect_end(fd[i % ARRAY_LEN(fd)]);
			close(fd[i % ARRAY_LEN(fd)]);
			peers_next_session(r->peers, RECORD_REJECT,
			    "limit_global");
		}
		fd[i % ARRAY_LEN(fd)] = newcomer;
	}
	rig_wait_metric(r, PUT_OUT("pre_login"), 32);
	rig_wait_metric(r, ACCEPTED, 40);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		rig_expect_silence(fd[i]);
		close(fd[i]);
	}
}

/* A-1 in small: somebody from the very address of those who flood it with
 * silent connections gets through, again and again. */
static void
test_login_in_a_flood(void **state)
{
	struct rig *r = *state;
	int silent[200], fd, target;
	size_t n = 0;

	rig_configure(r, "workers = 2\n");
	rig_start(r, (const char *[]){
		"proxy.limits.pre_login_per_source=16",
		"proxy.timeouts.handshake=120s", NULL });
	for (unsigned turn = 0; turn < 10; turn++) {
		for (unsigned i = 0; i < 20; i++)
			silent[n++] = rig_connect(r, "127.0.0.1:0");
		/* Else a worker that is late takes in the rest of them
		 * after him, who is the oldest of all then. */
		rig_wait_metric(r, ACCEPTED, (int64_t)n + turn);
		fd = rig_session(r, "alice", &target);
		close(fd);
		close(target);
	}
	rig_wait_metric(r, "proxy_sessions_total", 10);
	/* All places are taken, but for that of the last session. */
	rig_wait_metric(r, "proxy_connections{state=\"greeting\"}", 15);
	for (size_t i = 0; i < n; i++)
		close(silent[i]);
}

/* ---- sessions ---- */

static void
test_all_sessions(void **state)
{
	struct rig *r = *state;
	int fd[2], target[2], other;

	rig_start(r, (const char *[]){ "proxy.limits.sessions=2",
	    "proxy.limits.pre_login=2", NULL });
	for (size_t i = 0; i < 2; i++) {
		fd[i] = rig_session(r, "alice", &target[i]);
		peers_next_session(r->peers, RECORD_OPEN, NULL);
	}
	other = rig_connect(r, NULL);
	(void)rig_expect_end(other);
	close(other);
	peers_next_session(r->peers, RECORD_REJECT, "limit_global");
	rig_wait_metric(r,
	    "proxy_connections_total{result=\"limit_global\"}", 1);
	close(fd[0]);
	(void)rig_expect_end(target[0]);
	close(target[0]);
	rig_wait_metric(r, "proxy_connections{state=\"relay\"}", 1);
	fd[0] = rig_session(r, "alice", &target[0]);
	for (size_t i = 0; i < 2; i++) {
		close(fd[i]);
		close(target[i]);
	}
}

/* Over the limit is 02 at the request (section 0), not a failed login; what
 * ended or was refused counts no longer. */
static void
test_sessions_per_user(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int fd[2], target[2], other, last;

	rig_start(r, (const char *[]){ "proxy.limits.sessions_per_user=2",
	    NULL });
	for (size_t i = 0; i < 2; i++) {
		fd[i] = rig_session(r, "alice", &target[i]);
		peers_next_session(r->peers, RECORD_OPEN, NULL);
	}
	for (unsigned i = 0; i < 3; i++) {
		other = rig_connect(r, NULL);
		rig_login(other, "alice");
		rig_request(other, &r->target_at);
		rig_expect_refusal(other, 2);
		assert_int_equal(rig_expect_end(other), RIG_FIN);
		close(other);
		s = peers_next_session(r->peers, RECORD_REJECT, "limit_user");
		assert_true(str_eq(s->user, STR("alice")));
		assert_int_equal(s->dest_port, r->target_at.port);
		assert_int_equal(s->reply_code, 2);
		assert_int_equal(s->status, STATUS_REJECTED);
	}
	/* another user is another matter */
	other = rig_session(r, "bob", &last);
	close(other);
	close(last);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
	close(fd[0]);
	assert_int_equal(rig_expect_end(target[0]), RIG_FIN);
	close(target[0]);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
	fd[0] = rig_session(r, "alice", &target[0]);
	for (size_t i = 0; i < 2; i++) {
		close(fd[i]);
		close(target[i]);
	}
}

static void
test_anonymous(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int fd, target, other;

	rig_start(r, (const char *[]){ "proxy.socks_methods=userpass,none",
	    "proxy.allow_anonymous=true", "proxy.anonymous_user=guest",
	    "proxy.limits.sessions_per_user=1", NULL });
	/* case 12: password before none, whatever the client's order */
	fd = rig_connect(r, NULL);
	rig_send_lit(fd, "\5\2\0\2");
	rig_expect_lit(fd, "\5\2");
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "client_gone");
	fd = rig_connect(r, NULL);
	rig_send_lit(fd, "\5\1\0");
	rig_expect_lit(fd, "\5\0");
	rig_request(fd, &r->target_at);
	(void)rig_expect_success(fd);
	target = rig_accept(r->target);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_true(str_eq(s->user, STR("guest")));
	assert_int_equal(s->auth_method, AUTH_NONE);
	assert_int_equal(peers_logins(r->peers), 0);
	assert_string_equal(peers_asked_decision(r->peers).user, "guest");
	other = rig_connect(r, NULL);
	rig_send_lit(other, "\5\1\0");
	rig_expect_lit(other, "\5\0");
	rig_request(other, &r->target_at);
	rig_expect_refusal(other, 2);
	close(other);
	peers_next_session(r->peers, RECORD_REJECT, "limit_user");
	close(fd);
	close(target);
	peers_next_session(r->peers, RECORD_CLOSE, NULL);
}

/* From now on this socket hears nothing and so acknowledges nothing: to the
 * other end the network has swallowed it. */
static void
swallow(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { 1, &nothing };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER,
	    &program, sizeof(program)), 0);
}

/* Threats A-5: who is gone without a word is noticed on either side, with
 * bytes under way or without. */
static void
test_swallowed_peers(void **state)
{
	struct rig *r = *state;
	int fd[4], target[4];
	unsigned client_timeouts = 0;

	rig_start(r, (const char *[]){ "proxy.timeouts.keepalive=1s",
	    "proxy.timeouts.user_timeout=1s", NULL });
	for (unsigned i = 0; i < 4; i++) {
		fd[i] = rig_session(r, "alice", &target[i]);
		peers_next_session(r->peers, RECORD_OPEN, NULL);
	}
	for (unsigned i = 0; i < 4; i++) {
		swallow(i < 2 ? fd[i] : target[i]);
		if (i % 2 == 0)
			rig_send_lit(i < 2 ? target[i] : fd[i], "hello?");
	}
	for (unsigned i = 0; i < 4; i++) {
		const struct record_session *s =
		    peers_next_session(r->peers, RECORD_CLOSE, NULL);
		bool client = str_eq(s->close_reason, STR("client_timeout"));

		assert_true(client ||
		    str_eq(s->close_reason, STR("target_timeout")));
		client_timeouts += client;
	}
	assert_int_equal(client_timeouts, 2);
	for (unsigned i = 0; i < 4; i++) {
		close(fd[i]);
		close(target[i]);
	}
	rig_wait_idle(r);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(test_##name, rig_setup, rig_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(out_of_descriptors), T(no_descriptor_for_the_target),
		T(no_descriptor_is_lost), T(the_oldest_of_a_source_goes),
		T(the_oldest_of_all_goes), T(login_in_a_flood),
		T(all_sessions),
		T(sessions_per_user), T(anonymous), T(swallowed_peers),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
