/* SPDX-License-Identifier: MIT */
/* What a proxy and its successor say: bytes, descriptors, bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proxy/takeover_wire.h"

#define SOON (clock_mono_ms() + 10000)

static struct takeover_message
example(void)
{
	struct takeover_message m = { .kind = TAKEOVER_READY, .value = 7,
		.text = "0.1.0", .n_kept = TAKEOVER_KEPT_MAX };

	for (unsigned i = 0; i < m.n_kept; i++) {
		m.kept[i].addr.b[15] = (uint8_t)i;
		m.kept[i].port = (uint16_t)(60000 + i);
	}
	return m;
}

static void
test_round_trip(void **state)
{
	struct takeover_message m = example(), got;
	uint8_t bytes[TAKEOVER_MESSAGE_MAX];

	(void)state;
	for (m.n_kept = 0; m.n_kept <= TAKEOVER_KEPT_MAX; m.n_kept++) {
		size_t len = takeover_pack(bytes, &m);

		assert_true(takeover_unpack(&got, (struct str){
			(char *)bytes, len }));
		assert_int_equal(got.kind, m.kind);
		assert_int_equal(got.value, m.value);
		assert_string_equal(got.text, m.text);
		assert_int_equal(got.n_kept, m.n_kept);
		for (unsigned i = 0; i < m.n_kept; i++)
			assert_true(endpoint_eq(&got.kept[i], &m.kept[i]));
	}
}

/* The longest text fits beside all addresses. */
static void
test_longest(void **state)
{
	struct takeover_message m = example(), got;
	uint8_t bytes[TAKEOVER_MESSAGE_MAX];
	size_t len;

	(void)state;
	memset(m.text, 'x', sizeof(m.text) - 1);
	len = takeover_pack(bytes, &m);
	assert_true(takeover_unpack(&got, (struct str){ (char *)bytes, len }));
	assert_int_equal(strspn(got.text, "x"), strlen(got.text));
	assert_true(strlen(got.text) > 200);
}

/* Too short at every length, too long, kinds and counts that are none. */
static void
test_bad(void **state)
{
	struct takeover_message m = example(), got;
	uint8_t bytes[TAKEOVER_MESSAGE_MAX + 1] = { 0 };
	size_t len = takeover_pack(bytes, &m);

	(void)state;
	for (size_t n = 0; n < len; n++)
		assert_false(takeover_unpack(&got, (struct str){
			(char *)bytes, n }));
	assert_false(takeover_unpack(&got, (struct str){ (char *)bytes,
		len + 1 }));
	bytes[0] = 0;
	assert_false(takeover_unpack(&got, (struct str){ (char *)bytes, len }));
	bytes[0] = TAKEOVER_KINDS;
	assert_false(takeover_unpack(&got, (struct str){ (char *)bytes, len }));
	bytes[0] = TAKEOVER_READY;
	bytes[3 + strlen(m.text)] = TAKEOVER_KEPT_MAX + 1;
	assert_false(takeover_unpack(&got, (struct str){ (char *)bytes, len }));
}

/* What comes is text for a log. */
static void
test_text_is_escaped(void **state)
{
	static const char bytes[] = "\6\0\3a\nb";
	struct takeover_message got;

	(void)state;
	assert_true(takeover_unpack(&got, (struct str){ bytes,
		sizeof(bytes) }));
	assert_string_equal(got.text, "a\\x0ab");
}

static void
pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fd), 0);
}

static void
test_descriptors(void **state)
{
	struct takeover_message m = { .kind = TAKEOVER_SOCKETS,
		.value = TAKEOVER_ADMIN, .n_fds = TAKEOVER_FDS_MAX }, got;
	int fd[2], given = eventfd(0, EFD_CLOEXEC);
	eventfd_t n;

	(void)state;
	pair(fd);
	for (unsigned i = 0; i < m.n_fds; i++)
		m.fds[i] = given;
	assert_int_equal(takeover_send(fd[0], &m, -1, SOON), TAKEOVER_OK);
	assert_int_equal(takeover_receive(fd[1], &got, true, -1, SOON),
	    TAKEOVER_OK);
	assert_int_equal(got.value, TAKEOVER_ADMIN);
	assert_int_equal(got.n_fds, TAKEOVER_FDS_MAX);
	for (unsigned i = 0; i < got.n_fds; i++) {
		assert_true(fcntl(got.fds[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(eventfd_write(got.fds[i], 1), 0);
		close(got.fds[i]);
	}
	assert_int_equal(eventfd_read(given, &n), 0);
	assert_int_equal(n, TAKEOVER_FDS_MAX);
	/* where they are not welcome, or come with another word */
	assert_int_equal(takeover_send(fd[0], &m, -1, SOON), TAKEOVER_OK);
	assert_int_equal(takeover_receive(fd[1], &got, false, -1, SOON),
	    TAKEOVER_BAD);
	m.kind = TAKEOVER_END;
	assert_int_equal(takeover_send(fd[0], &m, -1, SOON), TAKEOVER_OK);
	assert_int_equal(takeover_receive(fd[1], &got, true, -1, SOON),
	    TAKEOVER_BAD);
	assert_int_equal(got.n_fds, 0);
	close(given);
	close(fd[0]);
	close(fd[1]);
}

/* What ends the waiting. */
static void
test_waiting(void **state)
{
	struct takeover_message m = { .kind = TAKEOVER_END }, got;
	int fd[2], stop = eventfd(1, EFD_CLOEXEC);

	(void)state;
	pair(fd);
	assert_int_equal(takeover_receive(fd[1], &got, true, -1, 0),
	    TAKEOVER_LATE);
	assert_int_equal(takeover_receive(fd[1], &got, true, stop, SOON),
	    TAKEOVER_STOPPED);
	while (takeover_send(fd[0], &m, -1, 0) == TAKEOVER_OK)
		;	/* until there is no room */
	assert_int_equal(takeover_send(fd[0], &m, stop, SOON),
	    TAKEOVER_STOPPED);
	close(fd[0]);
	while (takeover_receive(fd[1], &got, true, -1, SOON) == TAKEOVER_OK)
		assert_int_equal(got.kind, TAKEOVER_END);
	assert_int_equal(takeover_receive(fd[1], &got, true, -1, SOON),
	    TAKEOVER_GONE);
	assert_int_equal(takeover_send(fd[1], &m, -1, SOON), TAKEOVER_GONE);
	for (unsigned r = TAKEOVER_OK; r <= TAKEOVER_BAD; r++)
		assert_true(*takeover_result_text((enum takeover_result)r));
	close(fd[1]);
	close(stop);
}

static void
test_address(void **state)
{
	struct sockaddr_un sa;
	char path[120];

	(void)state;
	assert_true(takeover_address(&sa, "/run/sallyport", TAKEOVER_SOCKET));
	assert_string_equal(sa.sun_path, "/run/sallyport/takeover.sock");
	memset(path, 'r', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_false(takeover_address(&sa, path, TAKEOVER_SOCKET));
	path[90] = '\0';	/* the longest run_dir */
	assert_true(takeover_address(&sa, path, TAKEOVER_SOCKET));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_text_is_escaped),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
