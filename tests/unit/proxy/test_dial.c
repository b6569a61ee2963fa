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
#include "proxy/dial.h"

struct outcome {
	bool done;
	enum dial_result result;
	int fd;
	struct endpoint to;
	bool has_local;
	struct endpoint local;
};

static void
on_done(void *arg, enum dial_result result, int fd, const struct endpoint *to,
    const struct endpoint *local)
{
	struct outcome *o = arg;

	assert_false(o->done);
	*o = (struct outcome){ true, result, fd, *to, local != NULL,
		local != NULL ? *local : (struct endpoint){ .port = 0 } };
}

static const struct dial_fence open_fence = { 0 };

static struct proxy_config
config(void)
{
	return (struct proxy_config){
		.timeouts_connect = 5000, .timeouts_connect_attempt = 5000,
		.dns_eyeballs_delay = 5000, .egress_interface = "",
	};
}

static struct permit
permit_of(uint16_t port, const char *const *addrs, uint8_t n)
{
	struct permit p = { .port = port, .n = n };

	for (uint8_t i = 0; i < n; i++) {
		assert_true(addr_parse(&p.addrs[i], str_from(addrs[i])));
		p.internal_ok[i] = true;
	}
	return p;
}

static struct outcome
dial(const struct proxy_config *cfg, const struct dial_fence *fence,
    const struct permit *p)
{
	struct event_base *base = io_base();
	struct outcome o = { .fd = -1 };
	struct dial *d = dial_start(base, cfg, fence, p, on_done, &o);

	assert_non_null(d);
	assert_false(o.done);	/* never from within */
	io_run(base, &o.done);
	event_base_free(base);
	return o;
}

/* A port of 127.0.0.0/8 that nobody listens on, kept bound. */
static int
closed_port(struct endpoint *out)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sa = { .sin_family = AF_INET };

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_true(sock_local(fd, out));
	return fd;
}

static void
test_connects(void **state)
{
	static const char *const addrs[][1] = { { "127.0.0.1" }, { "::1" } };
	static const char *const at[] = { "127.0.0.1:0", "[::1]:0" };
	struct proxy_config cfg = config();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct endpoint e, local;
		int l = io_listen(at[i], 8, &e), on = 0;
		struct permit p = permit_of(e.port, addrs[i], 1);
		struct outcome o = dial(&cfg, &open_fence, &p);
		socklen_t len = sizeof(on);

		assert_int_equal(o.result, DIAL_OK);
		assert_true(endpoint_eq(&o.to, &e));
		assert_true(sock_local(o.fd, &local));
		assert_true(o.has_local && endpoint_eq(&o.local, &local));
		assert_true(fcntl(o.fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(o.fd, F_GETFD) & FD_CLOEXEC);
		getsockopt(o.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
		assert_int_equal(on, 1);
		getsockopt(o.fd, SOL_SOCKET, SO_OOBINLINE, &on, &len);
		assert_int_equal(on, 1);
		close(o.fd);
		close(l);
	}
}

/* Where BND is masked, nobody asks for it. */
static void
test_local_is_not_shown(void **state)
{
	static const char *const addrs[] = { "127.0.0.1" };
	struct proxy_config cfg = config();
	struct endpoint e;
	int l = io_listen("127.0.0.1:0", 8, &e);
	struct permit p = permit_of(e.port, addrs, 1);
	struct outcome o;

	(void)state;
	p.masked = true;
	o = dial(&cfg, &open_fence, &p);
	assert_int_equal(o.result, DIAL_OK);
	assert_false(o.has_local);
	close(o.fd);
	close(l);
}

/* A target that speaks first makes the socket readable as well. */
static void
test_connects_to_one_who_speaks_first(void **state)
{
	const char *const addrs[] = { "127.0.0.1" };
	struct proxy_config cfg = config();
	struct event_base *base = io_base();
	struct outcome o = { 0 };
	struct endpoint e;
	int l = io_listen("127.0.0.1:0", 8, &e), c;
	struct permit p = permit_of(e.port, addrs, 1);
	struct dial *d = dial_start(base, &cfg, &open_fence, &p, on_done, &o);

	(void)state;
	assert_non_null(d);
	c = accept(l, NULL, NULL);
	assert_int_equal(write(c, "220", 3), 3);
	close(c);
	io_run(base, &o.done);
	assert_int_equal(o.result, DIAL_OK);
	close(o.fd);
	close(l);
	event_base_free(base);
}

static void
test_refused(void **state)
{
	const char *const addrs[] = { "127.0.0.1", "127.0.0.2" };
	struct proxy_config cfg = config();
	struct endpoint e;
	int hold = closed_port(&e);
	struct permit p = permit_of(e.port, addrs, 2);
	size_t fds = io_count_fds();
	struct outcome o = dial(&cfg, &open_fence, &p);

	(void)state;
	assert_int_equal(o.result, DIAL_REFUSED);
	assert_int_equal(o.fd, -1);
	assert_true(addr_eq(&o.to.addr, &p.addrs[0]));
	assert_int_equal(io_count_fds(), fds);
	close(hold);
}

/* The second starts at once when the first fails: the delay here is 5 s. */
static void
test_first_dead_second_alive(void **state)
{
	const char *const addrs[] = { "127.0.0.2", "127.0.0.1" };
	struct proxy_config cfg = config();
	struct endpoint e;
	int l = io_listen("127.0.0.1:0", 8, &e);
	struct permit p = permit_of(e.port, addrs, 2);
	struct outcome o = dial(&cfg, &open_fence, &p);

	(void)state;
	assert_int_equal(o.result, DIAL_OK);
	assert_true(endpoint_eq(&o.to, &e));
	close(o.fd);
	close(l);
}

/* A listener whose queue is full drops SYNs: like a host that is not there. */
struct deaf {
	int listener, queued[4];
	struct endpoint at;
};

static struct deaf
deaf_new(const char *at)
{
	struct sockaddr_storage sa;
	struct deaf d;
	socklen_t len;

	d.listener = io_listen(at, 0, &d.at);
	len = endpoint_to_sockaddr(&d.at, &sa);
	for (size_t i = 0; i < ARRAY_LEN(d.queued); i++) {
		d.queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(d.queued[i], (struct sockaddr *)&sa, len);
	}
	return d;
}

static void
deaf_free(struct deaf *d)
{
	for (size_t i = 0; i < ARRAY_LEN(d->queued); i++)
		close(d->queued[i]);
	close(d->listener);
}

static void
test_timeout_of_an_attempt(void **state)
{
	const char *const addrs[] = { "127.0.0.1" };
	struct proxy_config cfg = config();
	struct deaf deaf = deaf_new("127.0.0.1:0");
	struct permit p = permit_of(deaf.at.port, addrs, 1);
	struct outcome o;

	(void)state;
	cfg.timeouts_connect_attempt = 50;
	o = dial(&cfg, &open_fence, &p);
	assert_int_equal(o.result, DIAL_TIMEOUT);
	assert_true(endpoint_eq(&o.to, &deaf.at));
	cfg.timeouts_connect_attempt = 5000;
	cfg.timeouts_connect = 50;	/* in all is the tighter one */
	o = dial(&cfg, &open_fence, &p);
	assert_int_equal(o.result, DIAL_TIMEOUT);
	deaf_free(&deaf);
}

static void
test_timeout_of_all(void **state)
{
	const char *const addrs[] = { "127.0.0.1", "127.0.0.1", "127.0.0.1" };
	struct proxy_config cfg = config();
	struct deaf deaf = deaf_new("127.0.0.1:0");
	struct permit p = permit_of(deaf.at.port, addrs, 3);
	size_t fds = io_count_fds();
	struct outcome o;

	(void)state;
	cfg.dns_eyeballs_delay = 10;
	cfg.timeouts_connect = 80;
	o = dial(&cfg, &open_fence, &p);
	assert_int_equal(o.result, DIAL_TIMEOUT);
	assert_int_equal(io_count_fds(), fds);
	deaf_free(&deaf);
}

/* The head start is over: both are tried, the living one wins. */
static void
test_staggered(void **state)
{
	const char *const addrs[] = { "127.0.0.1", "127.0.0.2" };
	struct proxy_config cfg = config();
	struct deaf deaf = deaf_new("127.0.0.1:0");
	struct permit p = permit_of(deaf.at.port, addrs, 2);
	struct endpoint second = { p.addrs[1], deaf.at.port };
	int l = sock_listen(&second, false, 8, NULL);
	size_t fds;
	struct outcome o;

	(void)state;
	assert_true(l >= 0);
	fds = io_count_fds();
	cfg.dns_eyeballs_delay = 20;
	o = dial(&cfg, &open_fence, &p);
	assert_int_equal(o.result, DIAL_OK);
	assert_true(endpoint_eq(&o.to, &second));
	close(o.fd);
	assert_int_equal(io_count_fds(), fds);
	close(l);
	deaf_free(&deaf);
}

/* The failure nearest to success is told: refused, though it came first. */
static void
test_ranking(void **state)
{
	const char *const addrs[] = { "127.0.0.2", "127.0.0.1" };
	struct proxy_config cfg = config();
	struct deaf deaf = deaf_new("127.0.0.1:0");
	struct permit p = permit_of(deaf.at.port, addrs, 2);
	struct outcome o;

	(void)state;
	cfg.timeouts_connect_attempt = 50;
	o = dial(&cfg, &open_fence, &p);
	assert_int_equal(o.result, DIAL_REFUSED);
	assert_true(addr_eq(&o.to.addr, &p.addrs[0]));
	deaf_free(&deaf);
}

static void
test_cancel(void **state)
{
	const char *const addrs[] = { "127.0.0.1", "127.0.0.2" };
	struct proxy_config cfg = config();
	struct event_base *base = io_base();
	struct outcome o = { 0 };
	struct endpoint e;
	int l = io_listen("127.0.0.1:0", 8, &e);
	struct permit p = permit_of(e.port, addrs, 2);
	struct permit none = { .port = 1 };
	size_t fds = io_count_fds();
	struct dial *d = dial_start(base, &cfg, &open_fence, &p, on_done, &o);

	(void)state;
	dial_cancel(&d);
	assert_null(d);
	dial_cancel(&d);
	assert_int_equal(io_count_fds(), fds);
	/* An end that is already known is not told either. */
	d = dial_start(base, &cfg, &open_fence, &none, on_done, &o);
	dial_cancel(&d);
	io_turn(base, 3);
	assert_false(o.done);
	close(l);
	event_base_free(base);
}

/* No descriptor left: told by done, not from within dial_start. */
static void
test_out_of_descriptors(void **state)
{
	const char *const addrs[] = { "127.0.0.1" };
	struct proxy_config cfg = config();
	struct permit p = permit_of(9, addrs, 1);
	struct event_base *base = io_base();
	struct rlimit old, none;
	struct outcome o = { 0 };
	struct dial *d;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	d = dial_start(base, &cfg, &open_fence, &p, on_done, &o);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_non_null(d);
	assert_false(o.done);
	io_run(base, &o.done);
	assert_int_equal(o.result, DIAL_RESOURCES);
	event_base_free(base);
}

static void
test_fenced(void **state)
{
	const char *const addrs[] = { "127.0.0.1", "127.0.0.2" };
	struct proxy_config cfg = config();
	struct endpoint e;
	int l = io_listen("127.0.0.1:0", 8, &e);
	struct dial_fence fence = { .listeners = &e, .n_listeners = 1 };
	struct permit p = permit_of(e.port, addrs, 2), none = { .port = 1 };
	struct outcome o;

	(void)state;
	p.internal_ok[1] = false;
	o = dial(&cfg, &fence, &p);
	assert_int_equal(o.result, DIAL_FENCED);
	/* What was dialled and failed says more than what was not. */
	p.internal_ok[1] = true;
	o = dial(&cfg, &fence, &p);
	assert_int_equal(o.result, DIAL_REFUSED);
	o = dial(&cfg, &fence, &none);
	assert_int_equal(o.result, DIAL_FENCED);
	close(l);
}

struct fence_case {
	const char *to;
	bool internal_ok, permitted;
};

static const struct fence_case fences[] = {
	{ "93.184.216.34:443", false, true },
	{ "192.0.2.7:443", false, false },	/* own */
	{ "192.0.2.7:443", true, true },
	{ "[2001:db8::7]:443", false, false },
	{ "[2001:db8::7]:443", true, true },
	{ "127.0.0.1:443", false, false },
	{ "127.9.9.9:443", false, false },
	{ "127.9.9.9:443", true, true },
	{ "[::1]:443", false, false },
	{ "[::1]:443", true, true },
	{ "0.0.0.0:443", false, false },
	{ "0.0.0.0:443", true, false },
	{ "[::]:443", true, false },
	{ "127.0.0.1:1080", true, false },	/* a listener */
	{ "127.0.0.2:1080", true, true },
	{ "127.0.0.1:8080", true, false },	/* on 0.0.0.0 */
	{ "127.0.0.2:8080", true, false },
	{ "192.0.2.7:8080", true, false },
	{ "[::1]:8080", true, false },
	{ "93.184.216.34:8080", false, true },
	{ "10.1.1.1:5432", true, false },	/* elsewhere */
	{ "10.1.1.1:5433", true, true },
};

static void
test_fence_table(void **state)
{
	struct addr own[2];
	struct endpoint listeners[3];
	const struct dial_fence f = { own, 2, listeners, 3 };

	(void)state;
	assert_true(addr_parse(&own[0], STR("192.0.2.7")));
	assert_true(addr_parse(&own[1], STR("2001:db8::7")));
	assert_true(endpoint_parse(&listeners[0], STR("127.0.0.1:1080")));
	assert_true(endpoint_parse(&listeners[1], STR("0.0.0.0:8080")));
	assert_true(endpoint_parse(&listeners[2], STR("10.1.1.1:5432")));
	for (size_t i = 0; i < ARRAY_LEN(fences); i++) {
		struct endpoint to;

		assert_true(endpoint_parse(&to, str_from(fences[i].to)));
		if (dial_fence_permits(&f, &to, fences[i].internal_ok) !=
		    fences[i].permitted)
			fail_msg("%s, %d", fences[i].to,
			    fences[i].internal_ok);
	}
}

/*
 * A connection meets itself when the kernel gives it the very port it asks
 * for. Linux goes through the even ports of its range in turn.
 */
static void
test_does_not_meet_itself(void **state)
{
	const char *const addrs[] = { "127.0.0.1" };
	struct proxy_config cfg = config();
	struct event_base *base = io_base();
	struct endpoint e;

	(void)state;
	close(closed_port(&e));
	for (unsigned i = 0; i < 15000; i++) {
		struct permit p = permit_of(e.port & 0xfffe, addrs, 1);
		struct outcome o = { 0 };

		assert_non_null(dial_start(base, &cfg, &open_fence, &p,
		    on_done, &o));
		io_run(base, &o.done);
		assert_int_equal(o.result, DIAL_REFUSED);
	}
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connects),
		cmocka_unit_test(test_local_is_not_shown),
		cmocka_unit_test(test_connects_to_one_who_speaks_first),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_first_dead_second_alive),
		cmocka_unit_test(test_timeout_of_an_attempt),
		cmocka_unit_test(test_timeout_of_all),
		cmocka_unit_test(test_staggered),
		cmocka_unit_test(test_ranking),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_out_of_descriptors),
		cmocka_unit_test(test_fenced),
		cmocka_unit_test(test_fence_table),
		cmocka_unit_test(test_does_not_meet_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
