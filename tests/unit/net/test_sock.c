/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/sock.h"

/* Nobody else is here: a port that was given back is still free. */
#define LONELY "127.31.41.59:0"
#define TRIES 10

static struct endpoint
endpoint(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(&e, str_from(text)));
	return e;
}

/* Listens on a free port of `text` and says which. */
static int
listen_on(const char *text, bool reuseport, struct endpoint *at)
{
	struct endpoint any = endpoint(text);
	struct err err = { "" };
	int fd = sock_listen(&any, reuseport, 16, &err);

	if (fd < 0)
		fail_msg("%s", err.text);
	assert_true(sock_local(fd, at));
	assert_int_not_equal(at->port, 0);
	return fd;
}

static int
dial(const struct endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static bool
has_v6(void)
{
	struct addr own[64];
	size_t n = sock_own_addresses(own, ARRAY_LEN(own));

	for (size_t i = 0; i < n; i++)
		if (!addr_is_v4(&own[i]))
			return true;
	return false;
}

static void
listens_and_names_both_ends(void **state)
{
	struct endpoint at, client, peer;
	int fd = listen_on("127.0.0.1:0", false, &at), c, s;
	struct pollfd p = { fd, POLLIN, 0 };

	(void)state;
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	c = dial(&at);
	assert_int_equal(poll(&p, 1, 5000), 1);
	s = accept(fd, NULL, NULL);
	assert_true(s >= 0);
	assert_true(sock_local(c, &client));
	assert_true(sock_peer(s, &peer));
	assert_true(endpoint_eq(&client, &peer));
	assert_true(sock_peer(c, &peer));
	assert_true(endpoint_eq(&at, &peer));
	close(s);
	close(c);
	close(fd);
}

static void
in_use_is_an_error(void **state)
{
	char want[ENDPOINT_TEXT_SIZE + 64];
	struct err err = { "" };
	struct endpoint at;
	int fd = listen_on(LONELY, false, &at), again;

	(void)state;
	endpoint_format(want, &at);
	strcat(want, ": Address already in use");
	assert_int_equal(sock_listen(&at, false, 16, &err), -1);
	assert_string_equal(err.text, want);
	err.text[0] = '\0';
	assert_int_equal(sock_probe(&at, &err), -1);
	assert_string_equal(err.text, want);
	close(fd);
	/* The probe leaves nothing behind. */
	assert_int_equal(sock_probe(&at, &err), 0);
	assert_int_equal(sock_probe(&at, &err), 0);
	again = sock_listen(&at, false, 16, &err);
	assert_true(again >= 0);
	close(again);
}

static void
reuseport_shares_but_the_probe_sees_it(void **state)
{
	struct err err = { "" };
	struct endpoint at;
	int first = listen_on("127.0.0.1:0", true, &at), second;

	(void)state;
	second = sock_listen(&at, true, 16, &err);
	assert_true(second >= 0);
	assert_int_equal(sock_probe(&at, &err), -1);
	assert_int_equal(sock_listen(&at, false, 16, &err), -1);
	close(second);
	close(first);
}

static void
a_finished_connection_is_not_in_use(void **state)
{
	struct err err = { "" };
	struct endpoint at;
	int fd = listen_on(LONELY, false, &at), c = dial(&at), s;
	struct pollfd p = { fd, POLLIN, 0 };

	(void)state;
	assert_int_equal(poll(&p, 1, 5000), 1);
	s = accept(fd, NULL, NULL);
	assert_true(s >= 0);
	close(s);	/* first: TIME_WAIT stays on our side */
	close(c);
	close(fd);
	assert_int_equal(sock_probe(&at, &err), 0);
}

static void
v4_and_v6_stand_side_by_side(void **state)
{
	struct endpoint at, v6 = endpoint("[::]:0");
	struct err err = { "" };
	int four = -1, six = -1;

	(void)state;
	if (!has_v6())
		skip();
	/* Somebody may have that port of IPv6. */
	for (unsigned i = 0; six < 0 && i < TRIES; i++) {
		if (four >= 0)
			close(four);
		four = listen_on("0.0.0.0:0", false, &at);
		v6.port = at.port;
		six = sock_listen(&v6, false, 16, &err);
	}
	if (six < 0)
		fail_msg("%s", err.text);
	assert_true(sock_local(six, &at));
	assert_true(endpoint_eq(&at, &v6));
	close(six);
	close(four);
}

static void
refuses_what_is_not_ours(void **state)
{
	struct endpoint at = endpoint("192.0.2.1:0"), e;
	struct err err = { "" };
	int unix_fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(sock_listen(&at, false, 16, &err), -1);
	assert_string_equal(err.text,
	    "192.0.2.1:0: Cannot assign requested address");
	assert_int_equal(sock_probe(&at, &err), -1);
	assert_false(sock_local(-1, &e));
	assert_false(sock_peer(-1, &e));
	assert_false(sock_local(unix_fd, &e));
	assert_false(sock_peer(unix_fd, &e));
	close(unix_fd);
}

static void
own_addresses_hold_loopback(void **state)
{
	struct addr own[64];
	size_t n = sock_own_addresses(own, ARRAY_LEN(own));
	bool loopback = false;

	(void)state;
	assert_in_range(n, 1, ARRAY_LEN(own));
	for (size_t i = 0; i < n; i++)
		loopback |= addr_is_loopback(&own[i]);
	assert_true(loopback);
	assert_int_equal(sock_own_addresses(own, 1), 1);
	assert_int_equal(sock_own_addresses(own, 0), 0);
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* An accepted socket has it from the one that listened. */
static void
patience_is_inherited(void **state)
{
	struct endpoint at;
	int l = listen_on("127.0.0.1:0", false, &at), c, s;
	struct pollfd p = { l, POLLIN, 0 };

	(void)state;
	sock_set_patience(l, 1500, 7000);
	c = dial(&at);
	assert_int_equal(poll(&p, 1, 5000), 1);
	s = accept(l, NULL, NULL);
	assert_true(s >= 0);
	assert_int_equal(option(s, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(s, IPPROTO_TCP, TCP_KEEPIDLE), 2);
	assert_int_equal(option(s, IPPROTO_TCP, TCP_KEEPINTVL), 2);
	assert_int_equal(option(s, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(option(s, IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
	/* Given up again, as a reload may. */
	sock_set_patience(s, 0, 0);
	assert_int_equal(option(s, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option(s, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	close(s);
	close(c);
	close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listens_and_names_both_ends),
		cmocka_unit_test(in_use_is_an_error),
		cmocka_unit_test(reuseport_shares_but_the_probe_sees_it),
		cmocka_unit_test(a_finished_connection_is_not_in_use),
		cmocka_unit_test(v4_and_v6_stand_side_by_side),
		cmocka_unit_test(refuses_what_is_not_ours),
		cmocka_unit_test(own_addresses_hold_loopback),
		cmocka_unit_test(patience_is_inherited),
	};

	return cmocka_run_group_tests_name("net_sock", tests, NULL, NULL);
}
