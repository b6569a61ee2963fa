/* SPDX-License-Identifier: MIT */
/*
 * Ranges are taken on an address of 127/8 that is drawn for this run, below
 * the kernel's own range: no other test is there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

#include "base/id.h"
#include "config/value.h"
#include "io_fixture.h"
#include "proxy/ports.h"

typedef int open_fn(const struct addr *at, uint16_t low, uint16_t high,
    struct err *err);

static int
open_tcp(const struct addr *at, uint16_t low, uint16_t high, struct err *err)
{
	return ports_listen(at, low, high, 8, err);
}

static int
open_udp(const struct addr *at, uint16_t low, uint16_t high, struct err *err)
{
	return ports_datagram(at, low, high, err);
}

static open_fn *const both[] = { open_tcp, open_udp };

static struct addr
own_loopback(void)
{
	uint8_t b[4];

	random_bytes(b, sizeof(b));
	b[0] = 127;
	b[1] = (uint8_t)(1 + b[1] % 250);
	b[3] = (uint8_t)(1 + b[3] % 250);
	return addr_from_v4(b);
}

static struct addr
addr_of(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, str_from(text)));
	return a;
}

static uint16_t
port_of(int fd)
{
	struct endpoint e;

	assert_true(fd >= 0);
	assert_true(sock_local(fd, &e));
	return e.port;
}

static void
test_a_port_of_the_kernels_choice(void **state)
{
	static const char *const at[] = { "127.0.0.1", "::1", "0.0.0.0",
		"::" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(at) * 2; i++) {
		struct addr a = addr_of(at[i / 2]);
		int fd = both[i % 2](&a, 0, 0, NULL);
		struct endpoint e;

		assert_true(port_of(fd) > 0);
		assert_true(sock_local(fd, &e));
		assert_true(addr_eq(&e.addr, &a));
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
}

static void
test_listens(void **state)
{
	struct addr a = own_loopback();
	int l = ports_listen(&a, 20000, 20999, 8, NULL), c;
	struct endpoint at;
	struct sockaddr_storage sa;
	socklen_t len;

	(void)state;
	assert_true(sock_local(l, &at));
	assert_true(at.port >= 20000 && at.port <= 20999);
	len = endpoint_to_sockaddr(&at, &sa);
	c = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(c, (struct sockaddr *)&sa, len), 0);
	close(c);
	close(l);
}

/* Every port of a range is found, once; then the range is full. */
static void
exhaust(open_fn *open, const struct addr *a, uint16_t low, uint16_t high)
{
	unsigned n = high - low + 1u, seen = 0;
	char want[128];
	struct err err;
	int fd[8], again;

	assert_true(n <= ARRAY_LEN(fd));
	for (unsigned i = 0; i < n; i++) {
		fd[i] = open(a, low, high, NULL);
		assert_true(port_of(fd[i]) >= low && port_of(fd[i]) <= high);
		seen |= 1u << (port_of(fd[i]) - low);
	}
	assert_int_equal(seen, (1u << n) - 1);
	assert_int_equal(open(a, low, high, &err), -1);
	assert_int_equal(errno, EADDRINUSE);
	snprintf(want, sizeof(want), "no free port from %u to %u at 127.",
	    (unsigned)low, (unsigned)high);
	assert_memory_equal(err.text, want, strlen(want));
	assert_non_null(strstr(err.text, ": Address already in use"));
	close(fd[n / 2]);
	again = open(a, low, high, NULL);
	assert_true(again >= 0);
	fd[n / 2] = again;
	for (unsigned i = 0; i < n; i++)
		close(fd[i]);
}

static void
test_range_is_searched_whole(void **state)
{
	struct addr a = own_loopback();
	size_t fds = io_count_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		exhaust(both[i], &a, 20000, 20000);
		exhaust(both[i], &a, 20001, 20008);
		exhaust(both[i], &a, 65530, 65535);
	}
	assert_int_equal(io_count_fds(), fds);
}

/* That 40 draws of 1,000 are all equal happens once in 10^117 runs. */
static void
test_start_is_random(void **state)
{
	struct addr a = own_loopback();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		unsigned differ = 0;
		uint16_t first = 0;

		for (unsigned k = 0; k < 40; k++) {
			int fd = both[i](&a, 20000, 20999, NULL);

			first = k == 0 ? port_of(fd) : first;
			differ += port_of(fd) != first;
			close(fd);
		}
		assert_true(differ > 0);
	}
}

/* A port is free again though its last session is in TIME_WAIT, or lives. */
static void
test_port_is_free_after_its_sessions(void **state)
{
	struct addr a = own_loopback();
	struct sockaddr_storage sa;
	struct endpoint at = { a, 20010 };
	socklen_t len = endpoint_to_sockaddr(&at, &sa);
	int live[4], n = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		int l = ports_listen(&a, 20010, 20010, 8, NULL);
		int c = socket(AF_INET, SOCK_STREAM, 0), s;

		assert_true(l >= 0);
		assert_int_equal(connect(c, (struct sockaddr *)&sa, len), 0);
		s = accept(l, NULL, NULL);
		assert_true(s >= 0);
		close(l);
		if (i == 0) {	/* this end closes first */
			close(s);
			close(c);
		} else {
			live[n++] = s;
			live[n++] = c;
		}
	}
	close(ports_listen(&a, 20010, 20010, 8, NULL));
	while (n > 0)
		close(live[--n]);
}

/* 0.0.0.0 and :: are two things, so that each can be had at one port. */
static void
test_families_are_apart(void **state)
{
	struct addr v4 = addr_of("0.0.0.0"), v6 = addr_of("::");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		int four = both[i](&v4, 20100, 20899, NULL);
		uint16_t port = port_of(four);
		int six = both[i](&v6, port, port, NULL);

		assert_int_equal(port_of(six), port);
		close(four);
		close(six);
	}
}

static void
test_failures_are_told(void **state)
{
	struct addr a = own_loopback(), far = addr_of("192.0.2.1");
	struct rlimit old, none;
	struct err err;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		int fd, error;

		assert_int_equal(both[i](&far, 0, 0, &err), -1);
		assert_int_equal(errno, EADDRNOTAVAIL);
		assert_string_equal(err.text, "no port at 192.0.2.1: "
		    "Cannot assign requested address");
		/* No other port would help: not 1,000 tries. */
		assert_int_equal(both[i](&far, 20000, 20999, &err), -1);
		assert_int_equal(errno, EADDRNOTAVAIL);
		setrlimit(RLIMIT_NOFILE, &none);
		fd = both[i](&a, 20000, 20999, NULL);
		error = errno;
		setrlimit(RLIMIT_NOFILE, &old);
		assert_int_equal(fd, -1);
		assert_int_equal(error, EMFILE);
	}
}

/* Workers that want the one port at the same time: at most one has it. */
#define RACERS 4
#define ROUNDS 300

static struct race {
	struct addr at;
	pthread_barrier_t begin, end;
	int fd[RACERS];
	int error[RACERS];
} race;

static void *
racer(void *arg)
{
	int *mine = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&race.begin);
		*mine = ports_listen(&race.at, 20050, 20050, 8, NULL);
		race.error[mine - race.fd] = *mine < 0 ? errno : 0;
		pthread_barrier_wait(&race.end);
	}
	return NULL;
}

static void
check_round(void)
{
	unsigned winners = 0;

	for (unsigned k = 0; k < RACERS; k++) {
		winners += race.fd[k] >= 0;
		if (race.fd[k] >= 0)
			close(race.fd[k]);
		else
			assert_int_equal(race.error[k], EADDRINUSE);
	}
	assert_true(winners <= 1);
}

static void
test_one_of_many_wins(void **state)
{
	pthread_t thread[RACERS];
	size_t fds;

	(void)state;
	race.at = own_loopback();
	pthread_barrier_init(&race.begin, NULL, RACERS + 1);
	pthread_barrier_init(&race.end, NULL, RACERS + 1);
	fds = io_count_fds();
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, racer,
		    &race.fd[i]), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&race.begin);
		pthread_barrier_wait(&race.end);
		check_round();
	}
	for (unsigned i = 0; i < RACERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(io_count_fds(), fds);
	pthread_barrier_destroy(&race.begin);
	pthread_barrier_destroy(&race.end);
}

/* NETWORK=ADDRESS, or ADDRESS for everyone, as the configuration has it. */
static const char *const told[] = {
	"10.0.0.0/8=10.0.0.1", "10.9.0.0/16=10.9.0.1", "fd00::/8=fd00::1",
	"203.0.113.7", "2001:db8::7",
};

static const struct {
	const char *client, *local, *says;
} tellings[] = {
	{ "10.1.1.1", "192.0.2.1", "10.0.0.1" },
	{ "10.9.1.1", "192.0.2.1", "10.0.0.1" },	/* the first */
	{ "198.51.100.1", "192.0.2.1", "203.0.113.7" },
	{ "fd00::5", "2001:db8::1", "fd00::1" },
	{ "2001:db8::5", "2001:db8::1", "2001:db8::7" },
	/* The socket's family is the one that is told. */
	{ "10.1.1.1", "2001:db8::1", "2001:db8::7" },
	{ "fd00::5", "192.0.2.1", "203.0.113.7" },
};

static void
test_what_a_client_is_told(void **state)
{
	const struct value_ops *ops = &value_types[VALUE_ADVERTISED];
	union value v = { 0 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		assert_int_equal(ops->parse(&v, str_from(told[i]), NULL, &err),
		    0);
	for (size_t i = 0; i < ARRAY_LEN(tellings); i++) {
		struct addr client = addr_of(tellings[i].client);
		struct addr local = addr_of(tellings[i].local);
		struct addr want = addr_of(tellings[i].says), got;

		got = ports_advertise(&v.advertised, &client, &local);
		assert_true(addr_eq(&got, &want));
	}
	ops->free(&v);
}

static void
test_who_tells_nothing_tells_its_own(void **state)
{
	const struct value_ops *ops = &value_types[VALUE_ADVERTISED];
	struct addr client = addr_of("198.51.100.1"), got;
	struct addr local = addr_of("192.0.2.1");
	union value v = { 0 };

	(void)state;
	got = ports_advertise(&v.advertised, &client, &local);
	assert_true(addr_eq(&got, &local));
	assert_int_equal(ops->parse(&v, STR("10.0.0.0/8=10.0.0.1"), NULL,
	    NULL), 0);
	got = ports_advertise(&v.advertised, &client, &local);
	assert_true(addr_eq(&got, &local));
	ops->free(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_port_of_the_kernels_choice),
		cmocka_unit_test(test_listens),
		cmocka_unit_test(test_range_is_searched_whole),
		cmocka_unit_test(test_start_is_random),
		cmocka_unit_test(test_port_is_free_after_its_sessions),
		cmocka_unit_test(test_families_are_apart),
		cmocka_unit_test(test_failures_are_told),
		cmocka_unit_test(test_one_of_many_wins),
		cmocka_unit_test(test_what_a_client_is_told),
		cmocka_unit_test(test_who_tells_nothing_tells_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
