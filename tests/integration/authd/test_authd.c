/* SPDX-License-Identifier: MIT */
/* A real authd, asked over nng; run with the path of its binary. */
#include "daemon.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "net/addr.h"
#include "proto/auth.pb-c.h"
#include "users/users_edit.h"

#define DEADLINE_MS 60000	/* more than any machine needs */
#define CANARY "canary-9Xw3"	/* in every password */
#define FLOOD 200
/* Of no password; a check takes a quarter of a second. */
#define SLOW_HASH "$6$rounds=500000$slow$"                    \
	"..........................................."         \
	"..........................................."

static char hash[PASSHASH_MAX];	/* of CANARY, at a low cost */
static struct daemon d;

/* ---- asking ---- */

struct login {
	const char *method;
	struct str user, password;
	const char *source;
	size_t source_len;
};

struct reply {
	enum rpc_result rpc;
	int result;
	size_t n_groups;
	uint64_t expires_us;
	bool source_bound;
	size_t len;		/* of the body */
};

/* The request's body; free() it. */
static struct bytes
packed(const struct login *l)
{
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;
	struct bytes b = { 0 };
	struct addr a;
	size_t len;

	assert_true(addr_parse(&a, str_from(l->source)));
	m.method = (char *)l->method;
	m.listener = (char *)"main";
	m.user = (ProtobufCBinaryData){ l->user.len, (uint8_t *)l->user.ptr };
	m.password = (ProtobufCBinaryData){ l->password.len,
		(uint8_t *)l->password.ptr };
	m.source = (ProtobufCBinaryData){ l->source_len, a.b };
	len = sallyport__pb__auth_request__get_packed_size(&m);
	b.ptr = xmalloc(len + 1);
	b.cap = len + 1;
	b.len = sallyport__pb__auth_request__pack(&m, (uint8_t *)b.ptr);
	return b;
}

static struct reply
ask_raw(struct str body)
{
	struct bytes answer = { 0 };
	struct reply r = { .rpc = rpc_ask(d.auth, KIND_AUTH, body,
	    DEADLINE_MS, &answer, NULL) };
	Sallyport__Pb__AuthReply *m;

	if (r.rpc == RPC_OK) {
		m = sallyport__pb__auth_reply__unpack(NULL, answer.len,
		    (const uint8_t *)answer.ptr);
		assert_non_null(m);
		r.result = (int)m->result;
		r.n_groups = m->n_groups;
		r.expires_us = m->expires_us;
		r.source_bound = m->source_bound;
		r.len = answer.len;
		sallyport__pb__auth_reply__free_unpacked(m, NULL);
	}
	bytes_fini(&answer);
	return r;
}

static struct reply
ask_login(const struct login *l)
{
	struct bytes b = packed(l);
	struct reply r = ask_raw((struct str){ b.ptr, b.len });

	bytes_fini(&b);
	return r;
}

static struct reply
ask_from(const char *user, const char *password, const char *source)
{
	const struct login l = { "userpass", str_from(user),
		str_from(password), source, 16 };

	return ask_login(&l);
}

#define OK SALLYPORT__PB__AUTH_REPLY__RESULT__OK
#define FAILED SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED
#define BUSY SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY

static void
gets(const char *user, const char *password, int result)
{
	struct reply r = ask_from(user, password, "192.0.2.1");

	assert_int_equal(r.rpc, RPC_OK);
	assert_int_equal(r.result, result);
}

/* ---- the users file ---- */

/* Users of that name with CANARY and some more keys each: pairs, then NULL. */
static char *
users(const char *name, ...)
{
	struct bytes b = { 0 };
	va_list ap;

	va_start(ap, name);
	for (; name != NULL; name = va_arg(ap, const char *))
		bytes_fmt(&b, "[[users]]\nusername = \"%s\"\n"
		    "password_hash = \"%s\"\n%s\n", name, hash,
		    va_arg(ap, const char *));
	va_end(ap);
	bytes_add(&b, "", 1);
	return b.ptr;
}

static void
start_with(char *text)
{
	daemon_init(&d, text);
	free(text);
	daemon_start(&d);
}

static void
rewrite(char *text)
{
	daemon_write_users(&d, text);
	free(text);
}

/* Asks for a reload; what is wrong goes to `err`. */
static enum rpc_result
reload(unsigned *n, struct err *err)
{
	struct bytes answer = { 0 };
	enum rpc_result r = rpc_ask(d.admin, KIND_USERS_RELOAD, STR(""),
	    DEADLINE_MS, &answer, err);
	Sallyport__Pb__UsersReloadReply *m;

	if (r == RPC_OK) {
		m = sallyport__pb__users_reload_reply__unpack(NULL,
		    answer.len, (const uint8_t *)answer.ptr);
		assert_non_null(m);
		*n = m->users;
		sallyport__pb__users_reload_reply__free_unpacked(m, NULL);
	}
	bytes_fini(&answer);
	return r;
}

static int
tear_down(void **state)
{
	(void)state;
	daemon_fini(&d);
	return 0;
}

/* ---- who gets in ---- */

static const struct {
	const char *user, *password, *source;
	int result;
	unsigned groups;
	bool bound;
} logins[] = {
	{ "alice", CANARY, "192.0.2.1", OK, 2, false },
	{ "alice", CANARY, "192.0.2.2", OK, 2, false },	/* remembered */
	{ "alice", CANARY "x", "192.0.2.1", FAILED, 0, false },
	{ "alice", "c", "192.0.2.1", FAILED, 0, false },
	{ "Alice", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "alice ", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "nobody", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "../../etc/passwd", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "%n%n%s", CANARY "%n", "192.0.2.1", FAILED, 0, false },
	{ "*)(uid=*", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "\xff\xfe", CANARY "\xff", "192.0.2.1", FAILED, 0, false },
	{ "a\nevent=forged", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "off", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "gone", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "staying", CANARY, "192.0.2.1", OK, 0, false },
	{ "office", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "office", CANARY, "10.1.2.3", OK, 0, true },
	{ "office", CANARY, "10.1.2.4", OK, 0, true },
	{ "office", CANARY, "11.1.2.3", FAILED, 0, false },
	{ "", CANARY, "192.0.2.1", FAILED, 0, false },
	{ "alice", "", "192.0.2.1", FAILED, 0, false },
};

static void
who_gets_in(void **state)
{
	size_t refusal = ask_from("nobody", CANARY, "192.0.2.1").len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
		struct reply r = ask_from(logins[i].user, logins[i].password,
		    logins[i].source);

		if (r.rpc != RPC_OK || r.result != logins[i].result ||
		    r.n_groups != logins[i].groups ||
		    r.source_bound != logins[i].bound)
			fail_msg("%zu: %s gave %d, %d", i, logins[i].user,
			    r.rpc, r.result);
		/* All refusals are the same bytes: a result and no more. */
		if (r.result == FAILED)
			assert_int_equal(r.len, refusal);
	}
	assert_int_equal(ask_from("staying", CANARY, "::1").expires_us,
	    4070908800000000);
	assert_true(daemon_said(&d, "event=login_failed"));
	assert_true(daemon_said(&d, "user=nobody"));
	assert_false(daemon_said(&d, "\nevent=forged"));
}

static int
start_full(void **state)
{
	(void)state;
	start_with(users("alice", "groups = [\"dev\", \"ops\"]",
	    "off", "enabled = false", "gone", "expires = 2020-01-01T00:00:00Z",
	    "staying", "expires = 2099-01-01T00:00:00Z",
	    "office", "sources = [\"10.0.0.0/8\"]", NULL));
	return 0;
}

/* ---- what is not a question ---- */

static void
malformed_questions(void **state)
{
	char big[256];
	struct str large = { big, sizeof(big) }, most = { big, 255 };
	const struct {
		struct login l;
		enum rpc_result rpc;
	} table[] = {
		{ { "pam", STR("alice"), STR(CANARY), "::1", 16 },
		    RPC_REFUSED },
		{ { "", STR("alice"), STR(CANARY), "::1", 16 }, RPC_REFUSED },
		{ { "userpass", STR("alice"), STR(CANARY), "::1", 15 },
		    RPC_REFUSED },
		{ { "userpass", STR("alice"), STR(CANARY), "::1", 0 },
		    RPC_REFUSED },
		{ { "userpass", large, STR(CANARY), "::1", 16 },
		    RPC_REFUSED },
		{ { "userpass", STR("alice"), large, "::1", 16 },
		    RPC_REFUSED },
		{ { "userpass", most, most, "::1", 16 }, RPC_OK },
		{ { "userpass", STR("alice\0x"), STR(CANARY), "::1", 16 },
		    RPC_OK },
		{ { "userpass", STR("alice"), STR(CANARY "\0"), "::1", 16 },
		    RPC_OK },
	};

	(void)state;
	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct reply r = ask_login(&table[i].l);

		if (r.rpc != table[i].rpc ||
		    (r.rpc == RPC_OK && r.result != FAILED))
			fail_msg("%zu gave %d, %d", i, r.rpc, r.result);
	}
	gets("alice", CANARY, OK);
}

/* Bytes that are no message, or hide something in one. */
static void
malformed_bytes(void **state)
{
	static const struct str bodies[] = {
		STR(""), STR("\xff"), STR("\x0a"), STR("\x0a\xff\xff\xff\x7f"),
		STR("\x0a\x08userpass\x1a\xff"), STR("\x08\x01"),
		STR("\x0a\x0auserpass\0x"), STR("\x0b\x0c"),
	};
	const struct login l = { "userpass", STR("alice"), STR(CANARY), "::1",
		16 };
	struct bytes good = packed(&l);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_int_equal(ask_raw(bodies[i]).rpc, RPC_REFUSED);
	/* Cut anywhere, it is no question or not that one. */
	for (size_t n = 0; n < good.len; n++) {
		struct reply r = ask_raw((struct str){ good.ptr, n });

		assert_true(r.rpc == RPC_REFUSED ||
		    (r.rpc == RPC_OK && n + 6 == good.len));
	}
	assert_int_equal(ask_raw((struct str){ good.ptr, good.len }).result,
	    OK);
	assert_int_equal(rpc_ask(d.admin, KIND_USERS_RELOAD, STR("\xff"),
	    DEADLINE_MS, &good, NULL), RPC_REFUSED);
	assert_int_equal(rpc_ask(d.auth, KIND_USERS_RELOAD, STR(""),
	    DEADLINE_MS, &good, NULL), RPC_REFUSED);
	bytes_fini(&good);
	gets("alice", CANARY, OK);
}

/* ---- reload ---- */

static int
start_alice(void **state)
{
	(void)state;
	start_with(users("alice", "", NULL));
	return 0;
}

/* A change is in force though the old answer was remembered. */
static void
reload_by_admin(void **state)
{
	struct err err = { "" };
	unsigned n = 0;

	(void)state;
	gets("alice", CANARY, OK);
	rewrite(users("alice", "enabled = false", "bob", "", NULL));
	assert_int_equal(reload(&n, &err), RPC_OK);
	assert_int_equal(n, 2);
	gets("alice", CANARY, FAILED);
	gets("bob", CANARY, OK);
	rewrite(users("alice", "scopes = [\"read\"]", NULL));
	assert_int_equal(reload(&n, &err), RPC_REFUSED);
	assert_non_null(strstr(err.text, "users.toml:4:1: scopes is not"));
	gets("bob", CANARY, OK);
	gets("alice", CANARY, FAILED);
	assert_true(daemon_said(&d, "event=users_rejected"));
}

static void
reload_by_signal(void **state)
{
	(void)state;
	rewrite(users("bob", "", NULL));
	assert_int_equal(kill(d.pid, SIGHUP), 0);
	daemon_wait_said(&d, "event=users_loaded", 2);
	gets("alice", CANARY, FAILED);
	gets("bob", CANARY, OK);
}

static void
reload_by_watch(void **state)
{
	char *path = daemon_users_path(&d);
	struct err err;

	(void)state;
	gets("alice", CANARY, OK);
	assert_int_equal(users_edit_delete(path, STR("alice"), &err),
	    USERS_EDIT_DONE);
	daemon_wait_said(&d, "event=users_loaded", 2);
	gets("alice", CANARY, FAILED);
	rewrite(xstrdup("[[users]]\nusername = \n"));
	daemon_wait_said(&d, "event=users_rejected", 1);
	gets("alice", CANARY, FAILED);
	assert_int_equal(remove(path), 0);
	daemon_wait_said(&d, "event=users_rejected", 2);
	rewrite(users("alice", "", NULL));
	daemon_wait_said(&d, "event=users_loaded", 3);
	gets("alice", CANARY, OK);
	free(path);
}

/* ---- start and end ---- */

static void
bad_files_at_start(void **state)
{
	static const char *const bad[] = {
		NULL, "[[users]]\nenabled = true\n", "[[users]\n",
		"[[users]]\nusername = \"a\"\npassword_hash = \"secret\"\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		daemon_init(&d, bad[i]);
		assert_int_equal(daemon_run(&d, NULL), 78);
		assert_true(daemon_said(&d, "users.toml:"));
		assert_false(daemon_said(&d, "secret"));
		assert_int_equal(daemon_run(&d, "--check"), 78);
		daemon_fini(&d);
	}
	daemon_init(&d, "");
	assert_int_equal(daemon_run(&d, "--check"), 0);
	daemon_fini(&d);
}

static void
nobody_gets_in_without_users(void **state)
{
	(void)state;
	daemon_init(&d, "");
	daemon_start(&d);
	assert_true(daemon_said(&d, "no users"));
	gets("alice", CANARY, FAILED);
	daemon_fini(&d);
}

static void
killed_and_back(void **state)
{
	(void)state;
	gets("alice", CANARY, OK);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(daemon_end(&d, SIGKILL), 128 + SIGKILL);
		daemon_start(&d);
		gets("alice", CANARY, OK);
		gets("alice", "wrong", FAILED);
	}
}

static void
metrics_and_readiness(void **state)
{
	char *page;

	(void)state;
	gets("alice", CANARY, OK);
	gets("alice", CANARY, OK);
	gets("alice", "wrong", FAILED);
	page = daemon_get(&d, "/readyz");
	assert_non_null(strstr(page, " 200 "));
	free(page);
	page = daemon_get(&d, "/metrics");
	assert_non_null(strstr(page, "sallyport_authd_users 1\n"));
	assert_non_null(strstr(page, "sallyport_authd_requests_total"
	    "{method=\"userpass\",result=\"ok\"} 2\n"));
	assert_non_null(strstr(page, "sallyport_authd_requests_total"
	    "{method=\"userpass\",result=\"failed\"} 1\n"));
	assert_non_null(strstr(page, "sallyport_authd_cache_requests_total"
	    "{result=\"hit\"} 1\n"));
	assert_non_null(strstr(page, "sallyport_authd_cache_entries 1\n"));
	assert_non_null(strstr(page, "sallyport_authd_queue_depth 0\n"));
	free(page);
}

/* ---- many at once ---- */

/* Guesses that are on their way, and what became of them. */
static struct {
	unsigned answered, failed, busy;
} flood;

static void
on_guess(void *arg, enum rpc_result result, struct str body)
{
	Sallyport__Pb__AuthReply *m;

	(void)arg;
	flood.answered++;
	if (result != RPC_OK)
		return;
	m = sallyport__pb__auth_reply__unpack(NULL, body.len,
	    (const uint8_t *)body.ptr);
	flood.failed += m->result == FAILED;
	flood.busy += m->result == BUSY;
	sallyport__pb__auth_reply__free_unpacked(m, NULL);
}

static void
start_guesses(struct rpc_desk *desk, const char *user)
{
	for (unsigned i = 0; i < FLOOD; i++) {
		char password[32];
		struct login l = { "userpass", str_from(user),
			{ password, 0 }, "::1", 16 };
		struct bytes b;

		l.password.len = (size_t)snprintf(password, sizeof(password),
		    CANARY "%u", i);
		b = packed(&l);
		assert_non_null(rpc_call_start(desk, KIND_AUTH,
		    (struct str){ b.ptr, b.len }, DEADLINE_MS, false, on_guess,
		    NULL));
		bytes_fini(&b);
	}
}

static void
deliver_all(struct mailbox *mailbox, struct rpc_desk *desk)
{
	struct pollfd fd = { mailbox_fd(mailbox), POLLIN, 0 };

	while (rpc_desk_in_flight(desk) > 0) {
		assert_int_equal(poll(&fd, 1, DEADLINE_MS), 1);
		mailbox_deliver(mailbox);
	}
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Shown, not judged: the machine may be busy. */
static void
show_cached_times(void)
{
	uint64_t us[100];

	for (size_t i = 0; i < ARRAY_LEN(us); i++) {
		uint64_t start = clock_mono_us();

		gets("alice", CANARY, OK);
		us[i] = clock_mono_us() - start;
	}
	qsort(us, ARRAY_LEN(us), sizeof(us[0]), by_value);
	print_message("cached logins beside %u guesses: median %u, p99 %u us\n",
	    FLOOD, (unsigned)us[ARRAY_LEN(us) / 2], (unsigned)us[98]);
}

/* Do guesses wait for a thread? */
static bool
checks_wait(void)
{
	char *page = daemon_get(&d, "/metrics");
	bool wait;

	assert_non_null(strstr(page, "\nsallyport_authd_queue_depth "));
	wait = strstr(page, "\nsallyport_authd_queue_depth 0\n") == NULL;
	free(page);
	return wait;
}

/* Checks of bob's password fill the queue for a while: whoever had to wait for
 * one of them at each login would find it empty in the end. */
static void
guesses_delay_no_cached_login(void **state)
{
	uint64_t end = clock_mono_ms() + DEADLINE_MS;
	struct mailbox *mailbox = mailbox_new();
	struct rpc_desk *desk;
	struct err err;

	(void)state;
	gets("alice", CANARY, OK);
	assert_int_equal(rpc_desk_new(&desk, d.auth, mailbox, FLOOD, &err), 0);
	start_guesses(desk, "bob");
	while (!checks_wait())
		assert_true(clock_mono_ms() < end);
	show_cached_times();
	assert_true(checks_wait());
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
	rpc_desk_free(&desk);
	mailbox_free(&mailbox);
}

static int
start_alice_and_slow_bob(void **state)
{
	char *alice = users("alice", "", NULL);

	(void)state;
	start_with(xasprintf("%s[[users]]\nusername = \"bob\"\n"
	    "password_hash = \"%s\"\n", alice, SLOW_HASH));
	free(alice);
	return 0;
}

static void
each_guess_is_answered(void **state)
{
	struct mailbox *mailbox = mailbox_new();
	struct rpc_desk *desk;
	struct err err;

	(void)state;
	memset(&flood, 0, sizeof(flood));
	assert_int_equal(rpc_desk_new(&desk, d.auth, mailbox, FLOOD, &err), 0);
	start_guesses(desk, "alice");
	deliver_all(mailbox, desk);
	assert_int_equal(flood.answered, FLOOD);
	assert_int_equal(flood.failed + flood.busy, FLOOD);
	assert_true(flood.failed > 0);
	rpc_desk_free(&desk);
	mailbox_free(&mailbox);
	gets("alice", CANARY, OK);
}

/* What a login in a bundle must come to. */
struct mixed {
	int expected;
	bool done;
};

static void
on_mixed(void *arg, enum rpc_result result, struct str body)
{
	struct mixed *mixed = arg;
	Sallyport__Pb__AuthReply *m;

	assert_int_equal(result, RPC_OK);
	assert_false(mixed->done);
	m = sallyport__pb__auth_reply__unpack(NULL, body.len,
	    (const uint8_t *)body.ptr);
	assert_non_null(m);
	assert_int_equal((int)m->result, mixed->expected);
	sallyport__pb__auth_reply__free_unpacked(m, NULL);
	mixed->done = true;
}

static void
start_mixed(struct rpc_desk *desk, struct mixed *mixed, unsigned i)
{
	char password[32];
	struct login l = { "userpass", STR("alice"), { password, 0 },
		"192.0.2.1", 16 };
	struct bytes b;

	*mixed = (struct mixed){ .expected = i % 3 == 0 ? FAILED : OK };
	l.password.len = (size_t)snprintf(password, sizeof(password),
	    CANARY "-%u", i);
	if (mixed->expected == OK)
		l.password.len = strlen(CANARY);
	b = packed(&l);
	assert_non_null(rpc_call_start(desk, KIND_AUTH,
	    (struct str){ b.ptr, b.len }, DEADLINE_MS, false, on_mixed,
	    mixed));
	bytes_fini(&b);
}

/* The first one tells the desk that bundles are taken; what is not cached
 * cannot be answered in one. */
static void
each_in_a_bundle_gets_its_own(void **state)
{
	struct mailbox *mailbox = mailbox_new();
	struct mixed mixed[100];
	struct rpc_desk *desk;
	struct err err;

	(void)state;
	gets("alice", CANARY, OK);
	assert_int_equal(rpc_desk_new(&desk, d.auth, mailbox,
	    ARRAY_LEN(mixed), &err), 0);
	start_mixed(desk, &mixed[1], 1);
	deliver_all(mailbox, desk);
	for (unsigned i = 0; i < ARRAY_LEN(mixed); i++)
		start_mixed(desk, &mixed[i], i);
	deliver_all(mailbox, desk);
	for (unsigned i = 0; i < ARRAY_LEN(mixed); i++)
		assert_true(mixed[i].done);
	rpc_desk_free(&desk);
	mailbox_free(&mailbox);
}

static void
stopped_while_some_wait(void **state)
{
	struct mailbox *mailbox = mailbox_new();
	struct rpc_desk *desk;
	struct err err;

	(void)state;
	gets("alice", CANARY, OK);
	assert_int_equal(rpc_desk_new(&desk, d.auth, mailbox, FLOOD, &err), 0);
	start_guesses(desk, "alice");
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
	rpc_desk_free(&desk);
	mailbox_free(&mailbox);
}

/* ---- no password, no hash, in any line of any test ---- */

static void
no_password_in_the_log(void **state)
{
	(void)state;
	gets("alice", CANARY, OK);
	gets("alice", CANARY "wrong", FAILED);
	gets("nobody", CANARY, FAILED);
	assert_int_equal(ask_raw(STR("\x0a\x08userpass\x22\x0b" CANARY)).rpc,
	    RPC_REFUSED);
	daemon_write_users(&d, "[[users]]\npassword = \"" CANARY "\"\n"
	    "password_hash = \"" CANARY "\"\nusername = [\"" CANARY "\"]\n");
	daemon_wait_said(&d, "event=users_rejected", 1);
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
	assert_false(daemon_said(&d, CANARY));
	assert_false(daemon_said(&d, hash));
}

#define TEST(name, start) \
	cmocka_unit_test_setup_teardown(name, start, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(who_gets_in, start_full),
		TEST(malformed_questions, start_alice),
		TEST(malformed_bytes, start_alice),
		TEST(reload_by_admin, start_alice),
		TEST(reload_by_signal, start_alice),
		TEST(reload_by_watch, start_alice),
		cmocka_unit_test(bad_files_at_start),
		cmocka_unit_test(nobody_gets_in_without_users),
		TEST(killed_and_back, start_alice),
		TEST(metrics_and_readiness, start_alice),
		TEST(guesses_delay_no_cached_login, start_alice_and_slow_bob),
		TEST(each_guess_is_answered, start_alice),
		TEST(each_in_a_bundle_gets_its_own, start_alice),
		TEST(stopped_while_some_wait, start_alice),
		TEST(no_password_in_the_log, start_alice),
	};
	struct err err;

	if (argc != 2)
		die("usage: %s BINARY", argv[0]);
	daemon_binary = argv[1];
	if (passhash_make(hash, STR(CANARY), 1, &err) != 0)
		die("%s", err.text);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
