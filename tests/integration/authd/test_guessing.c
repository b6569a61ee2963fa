/* SPDX-License-Identifier: MIT */
/*
 * Guessing at full speed at a real authd, over nng, by one source and by ten
 * thousand; and who shall not notice it. Run with the path of the binary.
 */
#include "daemon.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "msg/rpc_client.h"
#include "net/addr.h"
#include "proto/auth.pb-c.h"

#define DEADLINE_MS 60000	/* more than any machine needs */
#define CANARY "canary-9Xw3"	/* the password */
/* Of each attack; there are two. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GUESSES 20000u
#else
#define GUESSES 100000u
#endif
#define IN_FLIGHT 64
#define PER_USER 10u
#define KNOWN "203.0.113.5"	/* where alice has logged in well */
#define UNSEEN "203.0.113.6"

#define OK SALLYPORT__PB__AUTH_REPLY__RESULT__OK
#define FAILED SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED
#define THROTTLED SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED
#define RESULTS (THROTTLED + 1)

static char hash[PASSHASH_MAX];	/* of CANARY, at a low cost */
static struct daemon d;

/* ---- the daemon ---- */

static void
configure(const char *cache_ttl, unsigned per_user, const char *delay)
{
	char *path = xasprintf("%s/sallyport.toml", d.dir);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fprintf(f, "[authd]\nuser = \"\"\ngroup = \"\"\n"
	    "run_dir = \"%s/run\"\nstate_dir = \"%s/state\"\n"
	    "users_file = \"%s/users.toml\"\nadmin_listen = \"127.0.0.1:0\"\n"
	    "hash_workers = 2\ngroup_sources = \"file\"\ndeadline = \"60s\"\n"
	    "cache_ttl = \"%s\"\n"
	    "[authd.guessing]\nper_user = %u\ndelay_base = \"%s\"\n"
	    "[log]\nformat = \"logfmt\"\n", d.dir, d.dir, d.dir, cache_ttl,
	    per_user, delay) > 0);
	assert_int_equal(fclose(f), 0);
	free(path);
}

static void
start(const char *cache_ttl, unsigned per_user, const char *delay)
{
	char *users = xasprintf("[[users]]\nusername = \"alice\"\n"
	    "password_hash = \"%s\"\n", hash);

	daemon_init(&d, users);
	free(users);
	configure(cache_ttl, per_user, delay);
	daemon_start(&d);
}

static int
tear_down(void **state)
{
	(void)state;
	assert_false(daemon_said(&d, CANARY));
	daemon_fini(&d);
	return 0;
}

/* A counter of the daemon's, by how its line begins. */
static unsigned
metric(const char *line)
{
	char *all = daemon_get(&d, "/metrics"), *at = strstr(all, line);
	unsigned n;

	assert_non_null(at);
	n = (unsigned)strtoul(at + strlen(line), NULL, 10);
	free(all);
	return n;
}

#define COUNTED(result)                                            \
	metric("sallyport_authd_requests_total{method=\"userpass\"," \
	       "result=\"" result "\"} ")

/* ---- asking ---- */

struct answer {
	int result;
	uint32_t delay_ms;
};

static size_t
pack(uint8_t room[static 256], const char *password, const struct addr *from)
{
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;

	m.method = (char *)"userpass";
	m.listener = (char *)"main";
	m.user = (ProtobufCBinaryData){ 5, (uint8_t *)"alice" };
	m.password = (ProtobufCBinaryData){ strlen(password),
		(uint8_t *)password };
	m.source = (ProtobufCBinaryData){ sizeof(from->b),
		(uint8_t *)from->b };
	ASSERT(sallyport__pb__auth_request__get_packed_size(&m) <= 256);
	return sallyport__pb__auth_request__pack(&m, room);
}

static struct answer
unpacked(struct str body)
{
	Sallyport__Pb__AuthReply *m = sallyport__pb__auth_reply__unpack(NULL,
	    body.len, (const uint8_t *)body.ptr);
	struct answer a;

	ASSERT(m != NULL);
	a = (struct answer){ (int)m->result, m->delay_ms };
	ASSERT(a.result > 0 && a.result < RESULTS);
	sallyport__pb__auth_reply__free_unpacked(m, NULL);
	return a;
}

static struct answer
login(const char *password, const char *source)
{
	struct bytes reply = { 0 };
	uint8_t room[256];
	struct addr from;
	struct answer a;
	size_t len;

	assert_true(addr_parse(&from, str_from(source)));
	len = pack(room, password, &from);
	assert_int_equal(rpc_ask(d.auth, KIND_AUTH,
	    (struct str){ (char *)room, len }, DEADLINE_MS, &reply, NULL),
	    RPC_OK);
	a = unpacked((struct str){ reply.ptr, reply.len });
	bytes_fini(&reply);
	return a;
}

static void
gets(const char *password, const char *source, int result)
{
	assert_int_equal(login(password, source).result, result);
}

/* ---- an attack, on a thread of its own ---- */

struct attack {
	unsigned sources;
	struct rpc_client *client;
	struct rpc_desk *desk;
	unsigned asked, answered;
	unsigned results[RESULTS];
	uint64_t ms;		/* it took */
	bool done;	/* guarded by m */
	pthread_mutex_t m;
	pthread_t thread;
};

static void guess(struct attack *x);

static void
on_answer(void *arg, enum rpc_result result, struct str body)
{
	struct attack *x = arg;

	ASSERT(result == RPC_OK);
	x->results[unpacked(body).result]++;
	x->answered++;
	if (x->asked < GUESSES)
		guess(x);
}

/* No two alike. */
static void
guess(struct attack *x)
{
	const unsigned n = x->asked % x->sources;
	const struct addr from = addr_from_v4((uint8_t[]){ 10, 0,
	    (uint8_t)(n >> 8), (uint8_t)n });
	char password[32];
	uint8_t room[256];
	size_t len;

	snprintf(password, sizeof(password), "guess-%u", x->asked++);
	len = pack(room, password, &from);
	ASSERT(rpc_call_start(x->desk, KIND_AUTH,
	    (struct str){ (char *)room, len }, DEADLINE_MS, false, on_answer,
	    x) != NULL);
}

static void *
attacker(void *arg)
{
	struct attack *x = arg;
	struct mailbox *mailbox = mailbox_new();
	struct pollfd p = { .fd = mailbox_fd(mailbox), .events = POLLIN };
	uint64_t begun = clock_mono_ms();
	struct err err;

	ASSERT(rpc_desk_new(&x->desk, x->client, mailbox, IN_FLIGHT + 1,
	    &err) == 0);
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		guess(x);
	while (x->answered < GUESSES) {
		ASSERT(poll(&p, 1, DEADLINE_MS) > 0);
		mailbox_deliver(mailbox);
	}
	x->ms = clock_mono_ms() - begun;
	rpc_desk_free(&x->desk);
	mailbox_free(&mailbox);
	pthread_mutex_lock(&x->m);
	x->done = true;
	pthread_mutex_unlock(&x->m);
	return NULL;
}

static bool
goes_on(struct attack *x)
{
	bool done;

	pthread_mutex_lock(&x->m);
	done = x->done;
	pthread_mutex_unlock(&x->m);
	return !done;
}

static void
attack(struct attack *x, unsigned sources)
{
	char *address = xasprintf("ipc://%s/run/auth.sock", d.dir);
	const struct rpc_client_options o = { .address = address,
		.name = "attack", .max_message = 65536,
		.reconnect_max_ms = 100, .unconnected_ms = DEADLINE_MS };
	struct err err;

	*x = (struct attack){ .sources = sources };
	pthread_mutex_init(&x->m, NULL);
	assert_int_equal(rpc_client_new(&x->client, &o, &err), 0);
	free(address);
	assert_int_equal(pthread_create(&x->thread, NULL, attacker, x), 0);
}

/* Its end: what was looked at is below a burst and what the time brings. */
static void
repelled(struct attack *x)
{
	unsigned most;

	pthread_join(x->thread, NULL);
	rpc_client_free(&x->client);
	pthread_mutex_destroy(&x->m);
	most = PER_USER + (unsigned)(PER_USER * x->ms / 60000) + 1;
	print_message("%u guesses by %u in %u ms: %u were looked at\n",
	    x->answered, x->sources, (unsigned)x->ms, x->results[FAILED]);
	assert_true(x->results[FAILED] >= 1 && x->results[FAILED] <= most);
	assert_int_equal(x->results[FAILED] + x->results[THROTTLED], GUESSES);
	assert_int_equal(COUNTED("failed"), x->results[FAILED]);
	assert_int_equal(COUNTED("throttled"), x->results[THROTTLED]);
}

/* Logs in again and again while the attack goes on; the quickest, in ms. */
static uint64_t
logs_in_during(struct attack *x, const char *source)
{
	uint64_t quickest = UINT64_MAX;

	do {
		uint64_t begun = clock_mono_us(), us;

		gets(CANARY, source, OK);
		us = clock_mono_us() - begun;
		if (us < quickest)
			quickest = us;
	} while (goes_on(x));
	return quickest / 1000;
}

/* Guesses, from so many sources, until the next one will not be looked at for
 * four seconds and more. */
static void
guess_until_refused(unsigned sources)
{
	struct answer a;
	char password[32], source[16];
	unsigned n = 0;

	do {
		snprintf(password, sizeof(password), "more-%u", n);
		snprintf(source, sizeof(source), "10.0.0.%u", n++ % sources);
		a = login(password, source);
	} while (a.result != THROTTLED || a.delay_ms < 4000);
}

/* ---- tests ---- */

/* No cache: each of her logins asks the memory. */
static void
ten_thousand_sources(void **state)
{
	struct attack x;

	(void)state;
	start("0", PER_USER, "1s");
	gets(CANARY, KNOWN, OK);
	attack(&x, 10000);
	assert_true(logs_in_during(&x, KNOWN) < 1000);
	repelled(&x);
	/* Who she is cannot be told where nobody has seen her. */
	guess_until_refused(250);
	gets(CANARY, UNSEEN, THROTTLED);
	gets(CANARY, KNOWN, OK);
}

static void
one_source(void **state)
{
	struct attack x;

	(void)state;
	start("0", PER_USER, "1s");
	attack(&x, 1);
	/* It is slowed before it empties her bucket. */
	assert_true(logs_in_during(&x, UNSEEN) < 1000);
	repelled(&x);
	gets(CANARY, KNOWN, OK);
	guess_until_refused(1);
	gets(CANARY, "10.0.0.0", THROTTLED);
}

/* Where the attacker sits beside her, a remembered answer still is one. */
static void
remembered_answers_do_not_wait(void **state)
{
	(void)state;
	start("60s", PER_USER, "60s");
	gets(CANARY, KNOWN, OK);
	gets("wrong", KNOWN, FAILED);
	gets("another", KNOWN, THROTTLED);
	for (unsigned i = 0; i < 100; i++)
		gets(CANARY, KNOWN, OK);
	assert_int_equal(COUNTED("ok"), 101);
	assert_int_equal(metric("sallyport_authd_throttled_total"
	    "{scope=\"pair\"} "), 1);
}

static unsigned
unlock(const char *user)
{
	Sallyport__Pb__UsersUnlock m = SALLYPORT__PB__USERS_UNLOCK__INIT;
	Sallyport__Pb__UsersUnlockReply *r;
	struct bytes reply = { 0 };
	uint8_t room[256];
	unsigned n;

	m.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
	assert_int_equal(rpc_ask(d.admin, KIND_USERS_UNLOCK,
	    (struct str){ (char *)room,
		sallyport__pb__users_unlock__pack(&m, room) }, DEADLINE_MS,
	    &reply, NULL), RPC_OK);
	r = sallyport__pb__users_unlock_reply__unpack(NULL, reply.len,
	    (const uint8_t *)reply.ptr);
	assert_non_null(r);
	n = (unsigned)r->cleared;
	sallyport__pb__users_unlock_reply__free_unpacked(r, NULL);
	bytes_fini(&reply);
	return n;
}

static void
unlocking_frees_at_once(void **state)
{
	(void)state;
	start("0", 2, "60s");
	guess_until_refused(250);
	gets(CANARY, UNSEEN, THROTTLED);
	/* Her bucket, and the pairs that emptied it. */
	assert_true(unlock("alice") >= 3);
	gets(CANARY, UNSEEN, OK);
	gets(CANARY, "10.0.0.0", OK);
	assert_int_equal(unlock("alice"), 0);
}

static void
reload_keeps_the_memory(void **state)
{
	struct bytes reply = { 0 };

	(void)state;
	start("60s", 2, "1s");
	gets(CANARY, KNOWN, OK);
	guess_until_refused(250);
	assert_int_equal(rpc_ask(d.admin, KIND_USERS_RELOAD, STR(""),
	    DEADLINE_MS, &reply, NULL), RPC_OK);
	bytes_fini(&reply);
	guess_until_refused(250);
	gets(CANARY, UNSEEN, THROTTLED);
	gets(CANARY, KNOWN, OK);	/* by what is known, not the cache */
	/* New limits hold at once, for what was counted under the old. */
	configure("60s", 1, "1s");
	assert_int_equal(kill(d.pid, SIGHUP), 0);
	daemon_wait_said(&d, "event=config_reloaded", 1);
	assert_true(login(CANARY, UNSEEN).delay_ms > 30000);
	configure("60s", 0, "1s");
	assert_int_equal(kill(d.pid, SIGHUP), 0);
	daemon_wait_said(&d, "event=config_reloaded", 2);
	gets(CANARY, UNSEEN, OK);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(ten_thousand_sources),
		TEST(one_source),
		TEST(remembered_answers_do_not_wait),
		TEST(unlocking_frees_at_once),
		TEST(reload_keeps_the_memory),
	};
	struct err err;

	if (argc != 2)
		die("usage: test_integration_authd_guessing AUTHD");
	daemon_binary = argv[1];
	if (passhash_make(hash, STR(CANARY), 1, &err) != 0)
		die("%s", err.text);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
