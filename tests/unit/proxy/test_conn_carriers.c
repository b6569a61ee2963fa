/* SPDX-License-Identifier: MIT */
/*
 * SOCKS4 and CONNECT of HTTP on the port of SOCKS5 (conformance.md sections 9
 * and 11): what the client sees, what the target gets, and what is recorded,
 * the same at every split.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "conn_rig.h"

/* ---- what a client sends ---- */

/* %P: the target's port in decimal; %p: its two bytes. */
static size_t
fill_in(const struct rig *r, char out[static SPLIT_MAX], const char *in,
    size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		ASSERT(n + 6 < SPLIT_MAX);
		if (in[i] == '%' && in[i + 1] == 'P') {
			n += (size_t)sprintf(out + n, "%u",
			    (unsigned)r->target_at.port);
			i++;
		} else if (in[i] == '%' && in[i + 1] == 'p') {
			out[n++] = (char)(r->target_at.port >> 8);
			out[n++] = (char)r->target_at.port;
			i++;
		} else {
			out[n++] = in[i];
		}
	}
	return n;
}

static void
serve(struct rig *r, bool anonymous, bool password)
{
	struct terms *t = &r->listener.terms;

	t->n_methods = 0;
	t->login = password ? AUTH_USERPASS : AUTH_NONE;
	t->login_optional = anonymous;
	if (password)
		t->methods[t->n_methods++] = SOCKS5_METHOD_USERPASS;
	if (anonymous)
		t->methods[t->n_methods++] = SOCKS5_METHOD_NONE;
}

enum listener_kind { LOGIN_ONLY, LOGIN_OPTIONAL, ANONYMOUS_ONLY };

struct split_case {
	const char *name;
	enum listener_kind kind;
	const char *in;
	size_t len;
	const char *seen;
	size_t n_seen;
	const char *passed;
	size_t n_records;
	const char *records;
};

#define CASE(name, kind, in, seen, passed, n, records) \
	{ name, kind, in, sizeof(in) - 1, seen, sizeof(seen) - 1, passed, n, \
	    records }

static void
check_case(struct rig *r, const struct split_case *c)
{
	struct outcome o;
	char in[SPLIT_MAX];

	print_message("%s\n", c->name);
	serve(r, c->kind != LOGIN_ONLY, c->kind != ANONYMOUS_ONLY);
	check_splits(r, in, fill_in(r, in, c->in, c->len), c->n_records, &o);
	assert_string_equal(o.records, c->records);
	assert_int_equal(o.n_seen, c->n_seen);
	assert_memory_equal(o.seen, c->seen, o.n_seen);
	assert_int_equal(o.n_passed, strlen(c->passed));
	assert_memory_equal(o.passed, c->passed, o.n_passed);
}

static void
check_cases(struct rig *r, const struct split_case *cases, size_t n)
{
	struct id instance = peers_instance(r->peers);

	policy_view_hear(&r->proxy.view, &instance,
	    peers_generation(r->peers), clock_mono_ms() + 3600000);
	for (size_t i = 0; i < n; i++)
		check_case(r, &cases[i]);
}

/* ---- SOCKS4 ---- */

#define REFUSED4 "\0\x5b\0\0\0\0\0\0"

static const struct split_case socks4[] = {
	CASE("connect", LOGIN_OPTIONAL, "\4\1%p\177\0\0\1bob\0payload",
	    "\0\x5a\0\0\177\0\0\1bye", "payload", 2,
	    "1 anonymous  0 0 0;3 anonymous client_closed 90 7 3;"),
	CASE("case 27: 4a, a literal", ANONYMOUS_ONLY,
	    "\4\1%p\0\0\0\1\000127.0.0.1\0hi", "\0\x5a\0\0\177\0\0\1bye", "hi",
	    2, "1 anonymous  0 0 0;3 anonymous client_closed 90 2 3;"),
	CASE("case 78: a login is required", LOGIN_ONLY,
	    "\4\1%p\177\0\0\1root\0", REFUSED4, "", 1,
	    "4  no_method 91 0 0;"),
	CASE("case 77: 0.0.0.0", ANONYMOUS_ONLY, "\4\1\0\120\0\0\0\0\0",
	    REFUSED4, "", 2,
	    "1 anonymous  0 0 0;3 anonymous hard_deny 91 0 0;"),
	CASE("no such name", ANONYMOUS_ONLY,
	    "\4\1\0\120\0\0\0\1\0x.invalid\0", REFUSED4, "", 1,
	    "4 anonymous dns_not_found 91 0 0;"),
	CASE("a malformed name", ANONYMOUS_ONLY,
	    "\4\1\0\120\0\0\0\1\0a b\0", REFUSED4, "", 1,
	    "4  invalid_name 91 0 0;"),
	CASE("port 0", ANONYMOUS_ONLY, "\4\1\0\0\1\2\3\4\0", REFUSED4, "", 1,
	    "4  invalid_request 91 0 0;"),
	CASE("command 3", ANONYMOUS_ONLY, "\4\3\0\120\1\2\3\4\0", REFUSED4, "",
	    1, "4  command_unknown 91 0 0;"),
};

static void
test_split_socks4(void **state)
{
	check_cases(*state, socks4, ARRAY_LEN(socks4));
}

/* Case 79: bound before terminator, closed without a word. */
static void
test_socks4_without_end(void **state)
{
	struct rig *r = *state;
	int fd = connect_client(r);
	char in[8 + 256] = { 4, 1, 0, 80, 1, 2, 3, 4 }, byte;

	memset(in + 8, 'u', 256);
	put(fd, in, sizeof(in) - 1);
	settle(r);
	assert_non_null(the_conn(r));
	put(fd, in + sizeof(in) - 1, 1);
	wait_gone(r);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "invalid_request");
}

static void
test_socks4_user_id_is_a_remark(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	int fd = connect_client(r);

	serve(r, true, true);
	put_lit(fd, "\4\1\0\0\1\2\3\4root\0");
	wait_state(r, CONN_LINGER);
	close(fd);
	wait_gone(r);
	s = peers_next_session(r->peers, RECORD_REJECT, "invalid_request");
	assert_true(str_eq(s->claimed_user, STR("root")));
	assert_int_equal(s->user.len, 0);
	assert_int_equal(s->carrier, CARRIER_SOCKS4);
	assert_int_equal(peers_logins(r->peers), 0);
}

/* ---- CONNECT ---- */

#define HEAD "CONNECT 127.0.0.1:%P HTTP/1.1\r\n"
#define RIGHT "Proxy-Authorization: Basic YWxpY2U6cmlnaHQ=\r\n"
#define WRONG "Proxy-Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"
#define OK200 "HTTP/1.1 200 Connection established\r\n\r\n"
#define ID "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define REFUSAL(status, error, details) "HTTP/1.1 " status "\r\n" \
	"Proxy-Status: sallyport; error=" error "; details=\"" details \
	"; session " ID "\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define CHALLENGE(reason, keep) \
	"HTTP/1.1 407 Proxy Authentication Required\r\n" \
	"Proxy-Authenticate: Basic realm=\"sallyport\"\r\n" \
	"Proxy-Status: sallyport; error=http_request_denied; details=\"" \
	reason "; session " ID "\"\r\nContent-Length: 0\r\n" keep "\r\n"
#define CLOSE "Connection: close\r\n"
#define SESSION(user, down) "1 " user "  0 0 0;3 " user \
	" client_closed 200 " down " 3;"

static const struct split_case http[] = {
	CASE("login at once, early data", LOGIN_ONLY,
	    HEAD RIGHT "\r\npayload", OK200 "bye", "payload", 2,
	    SESSION("alice", "7")),
	CASE("nobody has to log in", LOGIN_OPTIONAL, HEAD "\r\npayload",
	    OK200 "bye", "payload", 2, SESSION("anonymous", "7")),
	CASE("who does log in is somebody", LOGIN_OPTIONAL,
	    HEAD RIGHT "\r\npayload", OK200 "bye", "payload", 2,
	    SESSION("alice", "7")),
	CASE("nobody can log in", ANONYMOUS_ONLY, HEAD WRONG "\r\nhi",
	    OK200 "bye", "hi", 2, SESSION("anonymous", "2")),
	CASE("case 89: challenged, then logged in", LOGIN_ONLY,
	    HEAD "\r\n" HEAD RIGHT "\r\npayload",
	    CHALLENGE("no_method", "") OK200 "bye", "payload", 2,
	    SESSION("alice", "7")),
	CASE("a wrong login, then a right one", LOGIN_ONLY,
	    HEAD WRONG "\r\n" HEAD RIGHT "\r\nhi",
	    CHALLENGE("auth_failed", "") OK200 "bye", "hi", 3,
	    "4 alice auth_failed 407 0 0;" SESSION("alice", "2")),
	CASE("a login of another scheme", LOGIN_OPTIONAL,
	    HEAD "Proxy-Authorization: Bearer x\r\n\r\n",
	    CHALLENGE("auth_failed", ""), "", 1, "4  auth_failed 407 0 0;"),
	CASE("challenged, then gone", LOGIN_ONLY, HEAD "\r\n",
	    CHALLENGE("no_method", ""), "", 1, "4  no_method 407 0 0;"),
	CASE("challenged, but of HTTP/1.0", LOGIN_ONLY,
	    "CONNECT a.b:1 HTTP/1.0\r\n\r\n", CHALLENGE("no_method", CLOSE),
	    "", 1, "4  no_method 407 0 0;"),
	CASE("challenged, but it wants to close", LOGIN_ONLY,
	    HEAD WRONG CLOSE "\r\n", CHALLENGE("auth_failed", CLOSE), "", 1,
	    "4 alice auth_failed 407 0 0;"),
	CASE("three wrong logins", LOGIN_ONLY,
	    HEAD WRONG "\r\n" HEAD WRONG "\r\n" HEAD WRONG "\r\n" HEAD,
	    CHALLENGE("auth_failed", "") CHALLENGE("auth_failed", "")
	    CHALLENGE("auth_failed", CLOSE), "", 3,
	    "4 alice auth_failed 407 0 0;4 alice auth_failed 407 0 0;"
	    "4 alice auth_failed 407 0 0;"),
	CASE("no such name", ANONYMOUS_ONLY,
	    "CONNECT x.invalid:80 HTTP/1.1\r\n\r\n",
	    REFUSAL("502 Bad Gateway", "dns_error", "dns_not_found"), "", 1,
	    "4 anonymous dns_not_found 502 0 0;"),
	CASE("no port", ANONYMOUS_ONLY, "CONNECT a.b HTTP/1.1\r\n\r\n",
	    REFUSAL("400 Bad Request", "http_request_error",
		"invalid_request: the target is not host:port"), "", 1,
	    "4  invalid_request 400 0 0;"),
	CASE("another method", ANONYMOUS_ONLY, "GET / HTTP/1.1\r\n\r\n",
	    "HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\n"
	    "Proxy-Status: sallyport; error=http_request_denied; "
	    "details=\"command_unknown: this is a proxy for CONNECT only; "
	    "session " ID "\"\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n", "", 1,
	    "4  command_unknown 405 0 0;"),
};

static void
test_split_http(void **state)
{
	check_cases(*state, http, ARRAY_LEN(http));
}

/* The same without leases: each login is asked, and the FIN may come first. */
static void
test_split_http_with_questions(void **state)
{
	static const struct split_case asked[] = {
		CASE("login", LOGIN_ONLY, HEAD RIGHT "\r\npayload",
		    OK200 "bye", "payload", 2, SESSION("alice", "7")),
	};
	struct rig *r = *state;

	r->cfg.lease_login = r->cfg.lease_decision = 0;
	check_case(r, &asked[0]);
	assert_true(peers_logins(r->peers) > 30);
}

/* Reads what was answered, up to the empty line. */
static void
expect_answer(struct rig *r, int fd, const char *status)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	char got[1024] = "";
	size_t n = 0;

	while (strstr(got, "\r\n\r\n") == NULL) {
		ssize_t k = recv(fd, got + n, sizeof(got) - 1 - n,
		    MSG_DONTWAIT);

		n += k > 0 ? (size_t)k : 0;
		got[n] = '\0';
		assert_true(k != 0 && clock_mono_ms() < end);
		turn(r);
	}
	assert_memory_equal(got, status, strlen(status));
}

static void
put_head(struct rig *r, int fd, const char *head)
{
	char in[SPLIT_MAX];

	put(fd, in, fill_in(r, in, head, strlen(head)));
}

/* A refusal that authd holds back is held back here too, and the time of the
 * handshake goes on where it stood. */
static void
test_http_delay_then_retry(void **state)
{
	struct rig *r = *state;
	const struct record_session *s;
	struct id first;
	int fd = connect_client(r);

	hold(r, false, false);		/* with a delay of 50 ms */
	put_head(r, fd, HEAD WRONG "\r\n");
	wait_state(r, CONN_AUTH_DELAY);
	feed_flush(r->w.feed);
	s = peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	first = s->id;
	assert_int_equal(s->reply_code, 407);
	expect_answer(r, fd, "HTTP/1.1 407 ");
	assert_int_equal(the_conn(r)->state, CONN_REQUEST);
	assert_in_range(the_conn(r)->h->left_ms, 1, 20000);
	assert_true(event_pending(&the_conn(r)->h->clock, EV_TIMEOUT, NULL));
	put_head(r, fd, HEAD RIGHT "\r\n");
	expect_answer(r, fd, "HTTP/1.1 200 ");
	reset(fd);
	wait_gone(r);
	s = peers_next_session(r->peers, RECORD_OPEN, NULL);
	assert_false(id_eq(&s->id, &first));
	assert_int_equal(s->carrier, CARRIER_HTTP);
	peers_next_session(r->peers, RECORD_CLOSE, "client_reset");
}

/* Case 89: no other deadline for the retry; and no record more for one who
 * never comes back. */
static void
test_http_one_deadline(void **state)
{
	struct rig *r = *state;
	uint64_t due;
	int fd;

	set_handshake(r, 300);
	fd = connect_client(r);
	put_head(r, fd, HEAD WRONG "\r\n");
	expect_answer(r, fd, "HTTP/1.1 407 ");
	wait_gone(r);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "auth_failed");
	assert_int_equal(peers_sums(r->peers).records, 1);

	set_handshake(r, 1000);
	fd = connect_client(r);
	put_head(r, fd, HEAD "\r\n");
	expect_answer(r, fd, "HTTP/1.1 407 ");
	due = the_conn(r)->h->due_ms;
	put_head(r, fd, HEAD "\r\n");
	expect_answer(r, fd, "HTTP/1.1 407 ");
	assert_int_equal(the_conn(r)->h->due_ms, due);
	put_lit(fd, "CONN");
	wait_gone(r);
	close(fd);
	peers_next_session(r->peers, RECORD_REJECT, "handshake_timeout");
}

static void
test_http_silent_authd(void **state)
{
	struct rig *r = *state;
	int fd = connect_client(r);

	r->cfg.timeouts_login = 100;
	hold(r, true, false);
	put_head(r, fd, HEAD RIGHT "\r\n");
	expect_answer(r, fd, "HTTP/1.1 503 ");
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "auth_silent");
	hold(r, false, false);
	peers_release(r->peers);
}

/* A head much longer than the buffer, then data: nothing is lost or kept. */
static void
test_http_long_head(void **state)
{
	struct rig *r = *state;
	char cookies[3000];
	int fd = connect_client(r), target;

	memset(cookies, 'c', sizeof(cookies));
	put_head(r, fd, HEAD RIGHT "Cookie: ");
	for (unsigned i = 0; i < 2; i++) {
		put(fd, cookies, sizeof(cookies));
		settle(r);
	}
	put_lit(fd, "\r\n\r\nhello");
	expect_answer(r, fd, "HTTP/1.1 200 ");
	target = accept(r->target, NULL, NULL);
	assert_true(target >= 0);
	for (unsigned i = 0; i < 10; i++)
		settle(r);
	assert_int_equal(recv(target, cookies, sizeof(cookies), 0), 5);
	assert_memory_equal(cookies, "hello", 5);
	reset(fd);
	close(target);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_OPEN, NULL);
	peers_next_session(r->peers, RECORD_CLOSE, "client_reset");

	fd = connect_client(r);
	put_head(r, fd, HEAD "Cookie: ");
	for (unsigned i = 0; i < 3; i++) {
		put(fd, cookies, sizeof(cookies));
		settle(r);
	}
	expect_answer(r, fd, "HTTP/1.1 431 ");
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "invalid_request");
}

/* The login's bytes do not stay in memory that the next client gets. */
static void
test_http_password_is_wiped(void **state)
{
	struct rig *r = *state;
	struct handshake *h;
	int fd = connect_client(r);

	put_head(r, fd, HEAD WRONG "\r\n");
	expect_answer(r, fd, "HTTP/1.1 407 ");
	h = the_conn(r)->h;
	assert_int_equal(h->in_len, 0);
	assert_non_null(memmem(h, sizeof(*h), "alice", 5));
	assert_null(memmem(h, sizeof(*h), "wrong", 5));
	assert_null(memmem(h, sizeof(*h), "d3Jvbmc=", 8));
	reset(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "auth_failed");

	/* One that was never asked, since the head went wrong behind it. */
	fd = connect_client(r);
	put_head(r, fd, HEAD RIGHT "X : y\r\n\r\n");
	expect_answer(r, fd, "HTTP/1.1 400 ");
	h = the_conn(r)->h;
	assert_null(memmem(h, sizeof(*h), "right", 5));
	assert_null(memmem(h, sizeof(*h), "cmlnaHQ=", 8));
	close(fd);
	wait_gone(r);
	peers_next_session(r->peers, RECORD_REJECT, "invalid_request");
}

/* Case 13: a carrier that is not served is not answered. */
static void
test_carriers_off(void **state)
{
	static const char *const first[] = { "\4", "C" };
	struct rig *r = *state;
	char byte;

	r->listener.terms.carriers = 1u << CARRIER_SOCKS5;
	for (size_t i = 0; i < ARRAY_LEN(first); i++) {
		int fd = connect_client(r);

		put(fd, first[i], 1);
		wait_gone(r);
		assert_int_equal(recv(fd, &byte, 1, 0), 0);
		close(fd);
		peers_next_session(r->peers, RECORD_REJECT,
		    "invalid_request");
	}
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(split_socks4), T(socks4_without_end),
		T(socks4_user_id_is_a_remark), T(split_http),
		T(split_http_with_questions), T(http_delay_then_retry),
		T(http_one_deadline), T(http_silent_authd), T(http_long_head),
		T(http_password_is_wiped), T(carriers_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
