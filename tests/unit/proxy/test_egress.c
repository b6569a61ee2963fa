/* SPDX-License-Identifier: MIT */
/* Where outgoing sockets leave from; everything on loopback. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/settings.h"
#include "net/sock.h"
#include "proxy/egress.h"

struct sources {
	struct proxy_config cfg;
	struct cidr v[2];
};

/* `list` ends with NULL. */
static void
configure(struct sources *s, char *interface, const char *const *list)
{
	size_t n = 0;

	*s = (struct sources){ .cfg.egress_interface = interface };
	for (; list[n] != NULL; n++)
		assert_int_equal(cidr_parse(&s->v[n], str_from(list[n]), NULL),
		    0);
	s->cfg.source_address = (struct cidr_list){ s->v, n };
}

#define NOWHERE (const char *[]){ NULL }

static int
new_socket(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static void
expect_bound(int fd, const char *text)
{
	char got[ENDPOINT_TEXT_SIZE];
	struct endpoint at;

	assert_true(sock_local(fd, &at));
	endpoint_format(got, &at);
	assert_string_equal(got, text);
}

/* A descriptor that is none proves that no call is made. */
static void
test_nothing_configured(void **state)
{
	struct sources s;

	(void)state;
	configure(&s, "", NOWHERE);
	assert_int_equal(egress_bind(&s.cfg, -1, true), 0);
	assert_int_equal(egress_bind(&s.cfg, -1, false), 0);
	assert_int_equal(egress_check(&s.cfg, NULL), 0);
	/* the other family has none either */
	configure(&s, "", (const char *[]){ "::1", NULL });
	assert_int_equal(egress_bind(&s.cfg, -1, true), 0);
	assert_int_equal(egress_bind(&s.cfg, -1, false), -1);
}

/* The address is taken at once, the port is not. */
static void
test_source(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	struct sources s;

	(void)state;
	configure(&s, "", (const char *[]){ "::1", "127.0.0.5", NULL });
	assert_int_equal(egress_check(&s.cfg, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		int fd4 = new_socket(AF_INET, types[i]);
		int fd6 = new_socket(AF_INET6, types[i]);

		assert_int_equal(egress_bind(&s.cfg, fd4, true), 0);
		expect_bound(fd4, "127.0.0.5:0");
		assert_int_equal(egress_bind(&s.cfg, fd6, false), 0);
		expect_bound(fd6, "[::1]:0");
		close(fd4);
		close(fd6);
	}
}

/* What the other end sees, by TCP and by UDP. */
static void
test_the_target_sees_it(void **state)
{
	struct endpoint any, at, from;
	struct sockaddr_storage sa;
	struct sources s;
	socklen_t len;
	int l, fd, c;
	char byte;

	(void)state;
	configure(&s, "lo", (const char *[]){ "127.0.0.5", NULL });
	assert_true(endpoint_parse(&any, STR("127.0.0.1:0")));
	l = sock_listen(&any, false, 1, NULL);
	assert_true(sock_local(l, &at));
	len = endpoint_to_sockaddr(&at, &sa);
	fd = new_socket(AF_INET, SOCK_STREAM);
	assert_int_equal(egress_bind(&s.cfg, fd, true), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	c = accept(l, NULL, NULL);
	assert_true(sock_peer(c, &from));
	assert_true(addr_eq(&from.addr, &s.v[0].base));
	close(c);
	close(fd);
	close(l);

	l = new_socket(AF_INET, SOCK_DGRAM);
	len = endpoint_to_sockaddr(&any, &sa);
	assert_int_equal(bind(l, (struct sockaddr *)&sa, len), 0);
	assert_true(sock_local(l, &at));
	len = endpoint_to_sockaddr(&at, &sa);
	fd = new_socket(AF_INET, SOCK_DGRAM);
	assert_int_equal(egress_bind(&s.cfg, fd, true), 0);
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len), 1);
	len = sizeof(sa);
	assert_int_equal(recvfrom(l, &byte, 1, 0, (struct sockaddr *)&sa,
	    &len), 1);
	assert_true(endpoint_from_sockaddr(&from, (struct sockaddr *)&sa));
	assert_true(addr_eq(&from.addr, &s.v[0].base));
	assert_int_not_equal(from.port, 0);
	close(fd);
	close(l);
}

static void
test_interface(void **state)
{
	int fd = new_socket(AF_INET, SOCK_STREAM);
	char name[IFNAMSIZ] = "";
	socklen_t len = sizeof(name);
	struct sources s;

	(void)state;
	configure(&s, "lo", NOWHERE);
	assert_int_equal(egress_check(&s.cfg, NULL), 0);
	assert_int_equal(egress_bind(&s.cfg, fd, true), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name,
	    &len), 0);
	assert_string_equal(name, "lo");
	close(fd);
}

/* What is not there is said at the start, and fails if it goes later. */
static void
test_not_there(void **state)
{
	int fd4 = new_socket(AF_INET, SOCK_STREAM);
	int fd6 = new_socket(AF_INET6, SOCK_STREAM);
	struct sources s;
	struct err err;

	(void)state;
	configure(&s, "", (const char *[]){ "127.0.0.5", "2001:db8::1", NULL });
	assert_int_equal(egress_check(&s.cfg, &err), -1);
	assert_string_equal(err.text, "proxy.source_address: 2001:db8::1 is "
	    "not an address of this machine; see: ip address");
	assert_int_equal(egress_bind(&s.cfg, fd6, false), -1);
	assert_int_equal(errno, EADDRNOTAVAIL);
	configure(&s, "no-such-one", NOWHERE);
	assert_int_equal(egress_check(&s.cfg, &err), -1);
	assert_string_equal(err.text, "proxy.egress_interface: this machine "
	    "has no interface no-such-one; see: ip link");
	assert_int_equal(egress_bind(&s.cfg, fd4, true), -1);
	assert_int_equal(errno, ENODEV);
	close(fd4);
	close(fd6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_configured),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_the_target_sees_it),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
