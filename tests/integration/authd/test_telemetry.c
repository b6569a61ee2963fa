/* SPDX-License-Identifier: MIT */
/*
 * What a real authd tells sessiond, whose place an ear takes; run with the path
 * of its binary and of the test module.
 */
#include "daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/record.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "ear.h"
#include "net/addr.h"
#include "proto/auth.pb-c.h"

#define PATIENCE_MS 60000	/* more than any machine needs */
#define HANG_MS 300
#define GUESSES 100
#define CANARY "canary-9Xw3"	/* in every password */

#define FAILED SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED
#define THROTTLED SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED
#define NO_ANSWER (THROTTLED + 1)

static char *module;		/* pam_test.so */
static char hash[PASSHASH_MAX];	/* of CANARY, at a low cost */
static struct daemon d;
static struct ear *ear;

/* ---- asking ---- */

static unsigned
result_of(struct str body)
{
	Sallyport__Pb__AuthReply *m = sallyport__pb__auth_reply__unpack(NULL,
	    body.len, (const uint8_t *)body.ptr);
	unsigned result;

	assert_non_null(m);
	result = m->result;
	sallyport__pb__auth_reply__free_unpacked(m, NULL);
	return result;
}

/* With a password that is wrong; NO_ANSWER: not before `ms` were over. */
static unsigned
guess(const char *method, const char *user, const char *source, uint32_t ms)
{
	static unsigned number;
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;
	struct bytes reply = { 0 };
	uint8_t room[1024];
	unsigned result = NO_ANSWER;
	char password[32];
	struct addr from;

	snprintf(password, sizeof(password), CANARY "-%u", ++number);
	assert_true(addr_parse(&from, str_from(source)));
	m.method = (char *)method;
	m.listener = (char *)"main";
	m.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
	m.password = (ProtobufCBinaryData){ strlen(password),
		(uint8_t *)password };
	m.source = (ProtobufCBinaryData){ sizeof(from.b), from.b };
	assert_true(sallyport__pb__auth_request__get_packed_size(&m) <=
	    sizeof(room));
	if (rpc_ask(d.auth, KIND_AUTH, (struct str){ (char *)room,
	    sallyport__pb__auth_request__pack(&m, room) }, ms, &reply,
	    NULL) == RPC_OK)
		result = result_of((struct str){ reply.ptr, reply.len });
	bytes_fini(&reply);
	return result;
}

/* ---- set-up ---- */

static void
set(const char *key, const char *value)
{
	char *name = xasprintf("SALLYPORT_AUTHD__%s", key);

	setenv(name, value, 1);
	free(name);
}

/* Logins by PAM hang. */
static void
write_service(void)
{
	char *dir = xasprintf("%s/pam", d.dir);
	char *path = xasprintf("%s/sallyport", dir);
	FILE *f;

	assert_int_equal(mkdir(dir, 0755), 0);
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "auth required %s hang\naccount required pam_permit.so\n",
	    module);
	assert_int_equal(fclose(f), 0);
	set("PAM__CONFDIR", dir);
	free(path);
	free(dir);
}

static void
start(const char *per_user, const char *per_source)
{
	char *users = xasprintf("[[users]]\nusername = \"alice\"\n"
	    "password_hash = \"%s\"\n", hash), *address;

	daemon_init(&d, users);
	free(users);
	write_service();
	set("GUESSING__PER_USER", per_user);
	set("GUESSING__PER_SOURCE", per_source);
	set("GROUP_SOURCES", "file");
	set("WORKERS", "1");
	daemon_start(&d);
	address = xasprintf("ipc://%s/run/events.sock", d.dir);
	ear = ear_open(address);
	free(address);
}

static int
tear_down(void **state)
{
	(void)state;
	assert_false(daemon_said(&d, CANARY));
	ear_close(&ear);
	daemon_fini(&d);
	return 0;
}

static unsigned
told(const char *result)
{
	char *text = daemon_get(&d, "/metrics"), *at;
	char *name = xasprintf("sallyport_authd_telemetry_events_total"
	    "{result=\"%s\"} ", result);
	unsigned n;

	at = strstr(text, name);
	assert_non_null(at);
	n = (unsigned)strtoul(at + strlen(name), NULL, 10);
	free(name);
	free(text);
	return n;
}

/* The daemon ends, and all that it told was one event of that text, up to a
 * number that is at most `most` where the text has none. */
static void
told_only(const char *text, unsigned long most)
{
	const struct heard *h;
	char host[256], *rest;

	assert_int_equal(told("sent"), 1);
	assert_int_equal(daemon_end(&d, SIGTERM), 0);
	assert_int_equal(ear_count(ear), 1);
	h = ear_at(ear, 0);
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_string_equal(h->proxy, host);
	if (strncmp(h->text, text, strlen(text)) != 0)
		fail_msg("told: %s", h->text);
	rest = h->text + strlen(text);
	if (most > 0)
		assert_in_range(strtoul(rest, &rest, 10), 1, most);
	assert_string_equal(rest, most > 0 ? "}" : "");
}

/* ---- tests ---- */

/* How many were refused. */
static unsigned
guess_at_alice(void)
{
	unsigned result = guess("userpass", "alice", "192.0.2.1", PATIENCE_MS);

	assert_true(result == FAILED || result == THROTTLED);
	return result == THROTTLED;
}

static void
guesses_are_told_once(void **state)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	unsigned refused = 0, before;

	(void)state;
	start("2", "0");
	while (ear_events(ear, "guessing_detected") == 0) {
		assert_true(clock_mono_ms() < end);
		refused += guess_at_alice();
	}
	before = refused;
	for (unsigned i = 0; i < GUESSES; i++)
		refused += guess_at_alice();
	assert_true(refused > before);
	assert_int_equal(told("sent") + told("folded") + told("dropped"),
	    refused);
	assert_true(told("folded") >= refused - before);
	told_only("warning security guessing_detected authd: "
	    "too many failed logins as alice {\"scope\":\"user\","
	    "\"user\":\"alice\",\"source\":\"192.0.2.1\",\"delay_ms\":",
	    60000);
}

/* Another address of its /64, and another name, each time. */
static void
sources_are_told_once(void **state)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	char user[16], source[32], *text;
	unsigned n = 0;

	(void)state;
	start("0", "2");
	while (ear_events(ear, "source_throttled") == 0 ||
	    told("folded") < 5) {
		assert_true(clock_mono_ms() < end);
		snprintf(user, sizeof(user), "user%u", n);
		snprintf(source, sizeof(source), "2001:db8::%x", ++n);
		(void)guess("userpass", user, source, PATIENCE_MS);
	}
	/* Two were looked at, and it is of the first that could be told. */
	snprintf(source, sizeof(source), "2001:db8::%x", (unsigned)
	    ear_event(ear, "source_throttled", 0)->suppressed + 3);
	text = xasprintf("warning security source_throttled authd: too many "
	    "failed logins from %s {\"source\":\"%s\",\"delay_ms\":", source,
	    source);
	told_only(text, 60000);
	free(text);
}

static void
hanging_modules_are_told(void **state)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	(void)state;
	start("0", "0");
	while (ear_events(ear, "worker_killed") == 0) {
		assert_true(clock_mono_ms() < end);
		(void)guess("pam.username", "alice", "192.0.2.1", HANG_MS);
	}
	told_only("warning auth worker_killed authd: "
	    "a worker process for pam.username did not answer in time "
	    "{\"method\":\"pam.username\",\"cause\":\"deadline\"}", 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(guesses_are_told_once),
		TEST(sources_are_told_once),
		TEST(hanging_modules_are_told),
	};
	struct err err;
	int failed;

	/* The worker stands in another directory. */
	if (argc != 3 || (module = realpath(argv[2], NULL)) == NULL)
		return 1;
	daemon_binary = argv[1];
	if (passhash_make(hash, STR(CANARY), 1, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(module);
	return failed;
}
