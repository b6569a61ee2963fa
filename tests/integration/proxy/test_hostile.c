/* SPDX-License-Identifier: MIT */
/*
 * threats.md P-4: credentials as no client of good will sends them, by every
 * carrier that has a login. authd is played: it knows one user, compares bytes,
 * and would say yes to that one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"

#include "base/mem.h"

#define ATTEMPTS 5000
#define USER "admin"

struct credentials {
	char user[256], password[256];	/* 255 bytes at most */
	size_t user_len, password_len;
};

static void
set(char *out, size_t *len, const char *text)
{
	*len = strlen(text);
	memcpy(out, text, *len);
}

static void
insert(char *text, size_t *len, size_t at, char byte)
{
	memmove(text + at + 1, text + at, *len - at);
	text[at] = byte;
	++*len;
}

/* Up to 255 bytes: what is cut to fewer, or taken for a C string, is right. */
static void
pad(char *text, size_t *len, size_t to, bool terminated)
{
	if (terminated)
		text[(*len)++] = '\0';
	while (*len < to)
		text[(*len)++] = (char)(1 + random() % 255);
}

static char
control(unsigned i)
{
	return (char)(i % 33 == 32 ? 127 : i % 33);
}

static const char *const words[] = { "../../etc/shadow", "admin/../admin",
	"%n%n%n%s", "admin%00", "admin%n", "*", "admin*",
	"*)(uid=*))(|(uid=*", "admin)(&)", "admin)(|(password=*))",
	"admin\\2a", "' OR '1'='1", "admin'--", "\xc3\x28", "\xff\xfe" "admin",
	"admin\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc1\xa1" "dmin", "Admin",
	"ADMIN", " admin", "admin ", "admin@", "admin@localhost",
	"DOMAIN\\admin", "admin\xcc\x81", "\xd0\xb0" "dmin",
	"\xef\xbb\xbf" "admin", "$(admin)", "`admin`", "|admin", "admin;id",
	"admin:", "anonymous", "nobody", "root" };

/* Number `i` of what must not be accepted; all else about it is right. */
static void
make(struct credentials *c, unsigned i)
{
	unsigned n = i / 8;

	set(c->user, &c->user_len, USER);
	set(c->password, &c->password_len, PEERS_PASSWORD);
	switch (i % 8) {
	case 0:
		insert(c->user, &c->user_len, n % 6, control(n / 6));
		break;
	case 1:
		insert(c->password, &c->password_len, n % 6, control(n / 6));
		break;
	case 2:
		pad(c->user, &c->user_len, 7 + n % 249, true);
		break;
	case 3:
		pad(c->password, &c->password_len, 7 + n % 249, true);
		break;
	case 4:
		pad(c->user, &c->user_len, n % 2 == 0 ? 255 : 6, false);
		break;
	case 5:
		pad(c->password, &c->password_len, n % 2 == 0 ? 255 : 6,
		    false);
		break;
	case 6:
		set(c->user, &c->user_len, words[n % ARRAY_LEN(words)]);
		if (n >= ARRAY_LEN(words))
			pad(c->user, &c->user_len, c->user_len + 1, false);
		break;
	default:
		if (n % 3 != 1)
			c->user_len = 0;
		if (n % 3 != 2)
			c->password_len = 0;
	}
}

/* Is the name, as that carrier says it, the one that authd knows? Basic ends it
 * at a colon. */
static bool
names_admin(const struct credentials *c, bool http)
{
	const char *colon = http ? memchr(c->user, ':', c->user_len) : NULL;
	size_t len = colon != NULL ? (size_t)(colon - c->user) : c->user_len;

	return len == strlen(USER) && memcmp(c->user, USER, len) == 0;
}

/* ---- what is sent ---- */

static bool
accepted_by_socks5(struct rig *r, const struct credentials *c)
{
	const char user_len = (char)c->user_len;
	const char password_len = (char)c->password_len;
	struct bytes b = { NULL, 0, 0 };
	char reply[4] = "";
	int fd = rig_connect(r, NULL);

	bytes_add(&b, "\5\1\2\1", 4);
	bytes_add(&b, &user_len, 1);
	bytes_add(&b, c->user, c->user_len);
	bytes_add(&b, &password_len, 1);
	bytes_add(&b, c->password, c->password_len);
	rig_send(fd, b.ptr, b.len);
	bytes_fini(&b);
	assert_int_equal(recv(fd, reply, 4, MSG_WAITALL), 4);
	assert_memory_equal(reply, "\5\2\1", 3);
	close(fd);
	return reply[3] == 0;
}

static void
add_base64(struct bytes *b, const uint8_t *in, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		unsigned v = (unsigned)in[i] << 16 |
		    (i + 1 < len ? (unsigned)in[i + 1] << 8 : 0) |
		    (i + 2 < len ? in[i + 2] : 0);
		char out[4] = { digits[v >> 18], digits[v >> 12 & 63],
			i + 1 < len ? digits[v >> 6 & 63] : '=',
			i + 2 < len ? digits[v & 63] : '=' };

		bytes_add(b, out, sizeof(out));
	}
}

static bool
accepted_by_http(struct rig *r, const struct credentials *c)
{
	static const char before[] = "CONNECT 127.0.0.1:1 HTTP/1.1\r\n"
	    "Proxy-Authorization: Basic ";
	static const char after[] = "\r\nConnection: close\r\n\r\n";
	struct bytes pair = { NULL, 0, 0 }, b = { NULL, 0, 0 };
	char head[RIG_HEAD_MAX];
	int fd = rig_connect(r, NULL);

	bytes_add(&pair, c->user, c->user_len);
	bytes_add(&pair, ":", 1);
	bytes_add(&pair, c->password, c->password_len);
	bytes_add(&b, before, strlen(before));
	add_base64(&b, (const uint8_t *)pair.ptr, pair.len);
	bytes_add(&b, after, strlen(after));
	rig_send(fd, b.ptr, b.len);
	bytes_fini(&pair);
	bytes_fini(&b);
	rig_read_head(fd, head);
	close(fd);
	return strncmp(head, "HTTP/1.1 407 ", 13) != 0 &&
	    strncmp(head, "HTTP/1.1 400 ", 13) != 0;
}

static void
test_malformed_credentials(void **state)
{
	struct rig *r = *state;
	struct credentials c;
	unsigned asked = 0;

	rig_configure(r, "workers = 1\ntimeouts.drain = \"0s\"\n"
	    "limits.new_per_minute_source = 0\n");
	rig_start(r, NULL);
	peers_script_login(r->peers, &(struct peers_login){ .only = USER });
	srandom(5);
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		struct peers_asked q;
		bool http = i / 8 % 4 == 3;

		make(&c, i);
		if (http ? accepted_by_http(r, &c) : accepted_by_socks5(r, &c))
			fail_msg("number %u was accepted", i);
		if (peers_logins(r->peers) == asked)
			continue;
		/* what was asked about is what was sent, all of it */
		asked = peers_logins(r->peers);
		q = peers_asked_login(r->peers);
		if (!http)
			assert_int_equal(q.user_len, c.user_len);
		assert_int_equal(q.user_len == strlen(USER) &&
		    strcmp(q.user, USER) == 0, names_admin(&c, http));
	}
	assert_in_range(asked, 1, ATTEMPTS - 1);
	assert_int_equal(peers_decisions(r->peers), 0);
	/* and who means well gets in */
	set(c.user, &c.user_len, USER);
	set(c.password, &c.password_len, PEERS_PASSWORD);
	assert_true(accepted_by_socks5(r, &c));
	assert_true(accepted_by_http(r, &c));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_malformed_credentials,
		    rig_setup, rig_teardown),
	};

	if (argc != 2)
		return 2;
	rig_binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
