/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "msg/bus.h"
#include "peer.h"

static struct place place;

static int
setup(void **state)
{
	(void)state;
	place_init(&place);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	place_fini(&place);
	return 0;
}

static struct bus_options
options(enum bus_role role, bool listen)
{
	return (struct bus_options){ .role = role, .address = place.address,
		.name = "test", .listen = listen,
		.max_message = PEER_MAX_MESSAGE, .reconnect_max_ms = 50,
		.queue = 16, .group = (unsigned)-1 };
}

static struct bus *
started(const struct bus_options *o)
{
	struct bus *b;
	struct err err = { "" };

	if (bus_open(&b, o, &err) != 0 || bus_start(b, &err) != 0)
		fail_msg("%s", err.text);
	return b;
}

static void
assert_refused(const struct bus_options *o, const char *why)
{
	struct err err = { "" };
	struct bus *b;
	int rc = bus_open(&b, o, &err);

	if (rc == 0) {
		rc = bus_start(b, &err);
		bus_free(&b);
	}
	assert_int_equal(rc, -1);
	if (strstr(err.text, why) == NULL)
		fail_msg("'%s' does not say '%s'", err.text, why);
}

#define TEN "0123456789"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void
test_addresses(void **state)
{
	static const struct { const char *address, *why; } cases[] = {
		{ "", "expected ipc://PATH or tcp://" },
		{ "/run/bus", "expected ipc://PATH" },
		{ "inproc://bus", "expected ipc://PATH" },
		{ "tls+tcp://127.0.0.1:1", "expected ipc://PATH" },
		{ "ipc://", "path is missing" },
		{ "ipc:///tmp/" LONG, "has 115 bytes, at most 107 fit" },
		{ "tcp://127.0.0.1", "expected tcp://ADDRESS:PORT" },
		{ "tcp://localhost:9", "expected tcp://ADDRESS:PORT" },
		{ "tcp://0.0.0.0:9", "for loopback only" },
		{ "tcp://[::]:9", "for loopback only" },
		{ "tcp://192.0.2.1:9", "for loopback only" },
		{ "ipc:///nonexistent-directory/bus", "cannot listen" },
	};
	struct bus_options o = options(BUS_REP, true);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		o.address = cases[i].address;
		assert_refused(&o, cases[i].why);
	}
}

static void
test_tcp_on_loopback(void **state)
{
	static const char *const good[] = {
		"tcp://127.0.0.1:0", "tcp://127.9.9.9:0",
	};
	struct bus_options o = options(BUS_REP, true);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct bus *b;

		o.address = good[i];
		b = started(&o);
		bus_free(&b);
		assert_null(b);
	}
}

static void
test_mode_and_group_of_the_socket(void **state)
{
	struct bus_options o = options(BUS_REP, true);
	struct bus *b;
	struct stat st;

	(void)state;
	o.group = getgid();
	b = started(&o);
	assert_int_equal(stat(place.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, getgid());
	bus_free(&b);
	assert_int_equal(access(place.path, F_OK), -1);
}

static void
test_stale_socket_is_replaced(void **state)
{
	struct bus_options o = options(BUS_REP, true);
	struct bus *b;

	(void)state;
	close(sp_listen(place.path));
	assert_int_equal(access(place.path, F_OK), 0);
	b = started(&o);
	close(sp_connect(place.path, SP_REQ));
	bus_free(&b);
}

static void
test_live_socket_is_not(void **state)
{
	struct bus_options o = options(BUS_REP, true);
	int fd = sp_listen(place.path);

	(void)state;
	assert_refused(&o, "address in use by another process");
	assert_int_equal(access(place.path, F_OK), 0);
	close(fd);
}

static void
test_file_is_not_replaced(void **state)
{
	struct bus_options o = options(BUS_REP, true);
	int fd = open(place.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	close(fd);
	assert_refused(&o, "exists and is no socket");
	assert_int_equal(access(place.path, F_OK), 0);
}

static void
test_dialling_needs_nobody(void **state)
{
	struct bus_options l = options(BUS_REP, true);
	struct bus_options d = options(BUS_REQ, false);
	struct bus *listener, *dialler = started(&d);

	(void)state;
	assert_int_equal(bus_peers(dialler), 0);
	listener = started(&l);
	WAIT_FOR(bus_peers(dialler) == 1 && bus_peers(listener) == 1);
	bus_free(&listener);
	WAIT_FOR(bus_peers(dialler) == 0);
	listener = started(&l);
	WAIT_FOR(bus_peers(dialler) == 1);
	bus_free(&dialler);
	WAIT_FOR(bus_peers(listener) == 0);
	bus_free(&listener);
}

static void
test_peers_are_limited(void **state)
{
	struct bus_options o = options(BUS_REP, true);
	struct bus *b = started(&o);
	int fds[BUS_PEERS_MAX], more;
	char c;

	(void)state;
	for (unsigned i = 0; i < BUS_PEERS_MAX; i++)
		fds[i] = sp_connect(place.path, SP_REQ);
	WAIT_FOR(bus_peers(b) == BUS_PEERS_MAX);
	more = sp_connect(place.path, SP_REQ);
	assert_int_equal(read(more, &c, 1), 0);
	close(more);
	/* One that leaves makes room for another. */
	close(fds[0]);
	WAIT_FOR(bus_peers(b) == BUS_PEERS_MAX - 1);
	fds[0] = sp_connect(place.path, SP_REQ);
	WAIT_FOR(bus_peers(b) == BUS_PEERS_MAX);
	for (unsigned i = 0; i < BUS_PEERS_MAX; i++)
		close(fds[i]);
	WAIT_FOR(bus_peers(b) == 0);
	bus_free(&b);
}

static void
test_wrong_protocol_is_refused(void **state)
{
	struct bus_options o = options(BUS_REP, true);
	struct bus *b = started(&o);
	int fd = sp_connect(place.path, SP_SUB);
	char c;

	(void)state;
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
	WAIT_FOR(bus_peers(b) == 0);
	bus_free(&b);
}

static void
test_free_of_nothing(void **state)
{
	struct bus *b = NULL;

	(void)state;
	bus_free(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_addresses),
		CASE(test_tcp_on_loopback),
		CASE(test_mode_and_group_of_the_socket),
		CASE(test_stale_socket_is_replaced),
		CASE(test_live_socket_is_not),
		CASE(test_file_is_not_replaced),
		CASE(test_dialling_needs_nobody),
		CASE(test_peers_are_limited),
		CASE(test_wrong_protocol_is_refused),
		CASE(test_free_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
