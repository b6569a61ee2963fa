/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/record.h"
#include "audit/telemetry.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ear.h"
#include "peer.h"

#define WALL_MS UINT64_C(1795221861853)
#define THREADS 4
#define TOLD_BY_EACH 1000

static struct place place;
static struct ear *ear;
static struct telemetry *t;
static uint64_t now_ms;

/* ---- the scene ---- */

static void
pass(uint64_t ms)
{
	now_ms += ms;
	clock_test_set(now_ms * 1000, (WALL_MS + now_ms) * 1000);
}

static void
open_as(const char *instance)
{
	const struct telemetry_options o = {
		.component = "authd", .instance = instance,
		.address = place.address, .max_message = PEER_MAX_MESSAGE,
		.reconnect_max_ms = 50, .group = (unsigned)-1 };
	struct err err;

	if (telemetry_open(&t, &o, &err) != 0)
		fail_msg("%s", err.text);
}

static int
set_up(void **state)
{
	(void)state;
	now_ms = 0;
	pass(5000);
	place_init(&place);
	open_as("host-1");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	telemetry_close(&t);
	telemetry_close(&t);	/* harmless */
	ear_close(&ear);
	clock_test_reset();
	place_fini(&place);
	return 0;
}

static void
tell(const char *key)
{
	telemetry_tell(t, TELEMETRY_guessing_detected, str_from(key), key,
	    NULL);
}

static void
assert_counts(uint64_t sent, uint64_t folded, uint64_t dropped)
{
	struct telemetry_counts n = telemetry_counts(t);

	assert_int_equal(n.sent, sent);
	assert_int_equal(n.folded, folded);
	assert_int_equal(n.dropped, dropped);
}

/* Somebody hears; what was told before is a second ago, and is all that the
 * ear has: one record. How often it was told in vain: */
static uint64_t
begin_to_hear(void)
{
	ear = ear_open(place.address);
	while (telemetry_counts(t).sent == 0) {
		telemetry_tell(t, TELEMETRY_backend_down, STR("first"), "",
		    NULL);
		poll(NULL, 0, 1);
	}
	ear_wait(ear, 1);
	pass(1000);
	return telemetry_counts(t).dropped;
}

static void
assert_text(struct str s, const char *wanted)
{
	if (!str_eq(s, str_from(wanted)))
		fail_msg("'%.*s' is not '%s'", (int)s.len, s.ptr, wanted);
}

/* The record is an event. */
static const struct record_event *
event_at(unsigned i)
{
	const struct heard *h = ear_at(ear, i);

	assert_int_equal(h->record->type, RECORD_EVENT);
	return &h->record->event;
}

/* ---- what is told ---- */

static void
test_all_of_it_arrives(void **state)
{
	const struct record_event *e;
	const struct heard *h;

	(void)state;
	(void)begin_to_hear();
	telemetry_tell(t, TELEMETRY_guessing_detected, STR("alice"),
	    "too many of them", json_pack("{s:s, s:i}", "user", "alice",
	    "delay_ms", 7));
	ear_wait(ear, 2);
	h = ear_at(ear, 1);
	assert_string_equal(h->proxy, "host-1");
	assert_int_equal(h->together, 1);
	e = event_at(1);
	assert_int_equal(id_ms(&e->id), WALL_MS + now_ms);
	assert_int_equal(e->severity, SEVERITY_WARNING);
	assert_text(e->category, "security");
	assert_text(e->event, "guessing_detected");
	assert_text(e->message, "too many of them");
	assert_text(e->component, "authd");
	assert_text(e->details, "{\"user\":\"alice\",\"delay_ms\":7}");
	assert_int_equal(e->suppressed, 0);
	e = event_at(0);
	assert_int_equal(e->severity, SEVERITY_ERROR);
	assert_text(e->category, "auth");
	assert_text(e->event, "backend_down");
	assert_text(e->message, "");
	assert_text(e->details, "");
}

/* Nothing but events, which could be missed: no end of a stream, either. */
static void
test_no_stream(void **state)
{
	(void)state;
	(void)begin_to_hear();
	tell("a");
	tell("b");
	ear_wait(ear, 3);	/* or closing might drop them */
	telemetry_close(&t);
	assert_null(t);
	open_as("host-1");
	while (telemetry_counts(t).sent == 0) {
		tell("c");
		poll(NULL, 0, 1);
	}
	ear_wait(ear, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(id_is_zero(&ear_at(ear, i)->stream));
		(void)event_at(i);
	}
}

static void
test_instance(void **state)
{
	static char name[BATCH_PROXY_MAX + 2];
	char host[256];

	(void)state;
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	telemetry_close(&t);
	open_as(NULL);
	(void)begin_to_hear();
	assert_string_equal(ear_at(ear, 0)->proxy, host);
	ear_close(&ear);
	telemetry_close(&t);
	memset(name, 'n', sizeof(name) - 1);
	open_as(name);
	(void)begin_to_hear();
	name[BATCH_PROXY_MAX] = '\0';
	assert_string_equal(ear_at(ear, 0)->proxy, name);
}

/* ---- what is not ---- */

static void
test_alike_ones_are_folded(void **state)
{
	uint64_t lost;

	(void)state;
	lost = begin_to_hear();
	tell("alice");
	tell("alice");
	tell("alice");
	tell("bob");
	/* Another event of the same key is not alike. */
	telemetry_tell(t, TELEMETRY_source_throttled, STR("alice"), "", NULL);
	assert_counts(4, 2, lost);
	pass(TELEMETRY_FOLD_MS - 1);
	tell("alice");
	assert_counts(4, 3, lost);
	pass(1);
	tell("alice");
	tell("bob");
	tell("alice");
	assert_counts(6, 4, lost);
	pass(TELEMETRY_FOLD_MS);
	tell("alice");
	ear_wait(ear, 7);
	assert_int_equal(event_at(1)->suppressed, 0);
	assert_text(event_at(3)->event, "source_throttled");
	assert_int_equal(event_at(4)->suppressed, 3);
	assert_int_equal(event_at(5)->suppressed, 0);
	assert_int_equal(event_at(6)->suppressed, 1);
}

static void
test_rate(void **state)
{
	uint64_t lost;
	char key[16];

	(void)state;
	lost = begin_to_hear();
	for (unsigned i = 0; i < TELEMETRY_RATE + 5; i++) {
		snprintf(key, sizeof(key), "%u", i);
		tell(key);
		pass(50);
	}
	assert_counts(1 + TELEMETRY_RATE, 0, lost + 5);
	/* Ten in any second, whichever it is: the first is 750 ms old. */
	pass(250);
	tell("14");
	tell("13");
	assert_counts(2 + TELEMETRY_RATE, 0, lost + 6);
	pass(1000);
	tell("13");
	tell("0");
	ear_wait(ear, 3 + TELEMETRY_RATE);
	assert_int_equal(event_at(1 + TELEMETRY_RATE)->suppressed, 1);
	assert_int_equal(event_at(2 + TELEMETRY_RATE)->suppressed, 2);
	assert_counts(3 + TELEMETRY_RATE, 1, lost + 6);
}

/* It is told at once when somebody subscribes. */
static void
test_nobody_subscribes(void **state)
{
	uint64_t lost;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		telemetry_tell(t, TELEMETRY_backend_down, STR("first"), "",
		    NULL);
	assert_counts(0, 0, 3);
	lost = begin_to_hear();
	assert_true(lost >= 3);
	assert_int_equal(event_at(0)->suppressed, lost);
}

static void
test_oldest_key_gives_way(void **state)
{
	uint64_t lost;
	char key[16];

	(void)state;
	lost = begin_to_hear();
	tell("alice");
	tell("bob");
	tell("bob");
	for (unsigned i = 0; i < TELEMETRY_KEYS - 2; i++) {
		snprintf(key, sizeof(key), "%u", i);
		tell(key);
	}
	tell("alice");
	assert_int_equal(telemetry_counts(t).sent, 1 + TELEMETRY_RATE);
	assert_int_equal(telemetry_counts(t).folded, 2);
	tell("one more");	/* in bob's place */
	pass(1000);
	tell("alice");
	tell("bob");
	assert_counts(2 + TELEMETRY_RATE, 3,
	    lost + TELEMETRY_KEYS - 2 - (TELEMETRY_RATE - 2) + 1);
	ear_wait(ear, 2 + TELEMETRY_RATE);
	assert_text(event_at(1 + TELEMETRY_RATE)->message, "bob");
	assert_int_equal(event_at(1 + TELEMETRY_RATE)->suppressed, 0);
}

static void
test_wants_counts_what_it_declines(void **state)
{
	uint64_t lost;

	(void)state;
	lost = begin_to_hear();
	for (unsigned i = 0; i < 3; i++)
		assert_true(telemetry_wants(t, TELEMETRY_worker_killed,
		    STR("k")));
	assert_counts(1, 0, lost);
	telemetry_tell(t, TELEMETRY_worker_killed, STR("k"), "", NULL);
	assert_false(telemetry_wants(t, TELEMETRY_worker_killed, STR("k")));
	assert_true(telemetry_wants(t, TELEMETRY_worker_killed, STR("l")));
	assert_counts(2, 1, lost);
	pass(TELEMETRY_FOLD_MS);
	telemetry_tell(t, TELEMETRY_worker_killed, STR("k"), "", NULL);
	ear_wait(ear, 3);
	assert_int_equal(event_at(2)->suppressed, 1);
}

/* ---- bytes of strangers ---- */

static void
test_keys_are_cut(void **state)
{
	static char key[TELEMETRY_KEY_MAX + 2];

	(void)state;
	(void)begin_to_hear();
	memset(key, 'k', sizeof(key) - 1);
	tell(key);
	key[TELEMETRY_KEY_MAX] = 'x';
	tell(key);
	assert_int_equal(telemetry_counts(t).folded, 1);
	key[TELEMETRY_KEY_MAX - 1] = 'x';
	tell(key);
	tell("");
	telemetry_tell(t, TELEMETRY_guessing_detected, (struct str){ 0 }, "",
	    NULL);
	telemetry_tell(t, TELEMETRY_guessing_detected, STR("\0"), "", NULL);
	assert_int_equal(telemetry_counts(t).folded, 2);
	assert_int_equal(telemetry_counts(t).sent, 5);
}

static void
test_text(void **state)
{
	static const struct { struct str given; const char *text; } cases[] = {
		{ STR(""), "" },
		{ STR("alice"), "alice" },
		{ STR("a\\b\"c"), "a\\\\b\"c" },
		{ STR("Zo\xc3\xab"), "Zo\xc3\xab" },
		{ STR("a\0b\xff\x7f\n"), "a\\x00b\\xff\\x7f\\x0a" },
		{ STR("\xe2\x80\xaex"), "\\xe2\\x80\\xaex" },
	};
	static const char junk[RECORD_USER_MAX] = { 1 };
	json_t *j;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		j = telemetry_text(cases[i].given);
		assert_string_equal(json_string_value(j), cases[i].text);
		json_decref(j);
	}
	j = telemetry_text((struct str){ junk, sizeof(junk) });
	assert_int_equal(json_string_length(j), RECORD_USER_MAX);
	json_decref(j);
}

static void
test_hostile_text_arrives_as_json(void **state)
{
	const struct record_event *e;
	json_t *details;

	(void)state;
	(void)begin_to_hear();
	telemetry_tell(t, TELEMETRY_guessing_detected, STR("\xff\n"),
	    "of \xff\n", json_pack("{s:o, s:s}", "user",
	    telemetry_text(STR("\"Zo\xc3\xab\n\xff")), "raw", "\xe2\x80\xae"));
	ear_wait(ear, 2);
	e = event_at(1);
	assert_text(e->message, "of \\xff\\x0a");
	details = json_loadb(e->details.ptr, e->details.len, 0, NULL);
	assert_non_null(details);
	assert_string_equal(json_string_value(json_object_get(details, "user")),
	    "\"Zo\xc3\xab\\x0a\\xff");
	assert_string_equal(json_string_value(json_object_get(details, "raw")),
	    "\xe2\x80\xae");
	json_decref(details);
}

static json_t *
object_of(size_t bytes)
{
	char *text = xmalloc(bytes);
	json_t *o = json_object();

	memset(text, 'x', bytes);
	json_object_set_new(o, "k", json_stringn(text, bytes));
	free(text);
	return o;
}

static void
test_details_that_are_left_out(void **state)
{
	const size_t frame = strlen("{\"k\":\"\"}");

	(void)state;
	(void)begin_to_hear();
	telemetry_tell(t, TELEMETRY_backend_down, STR("1"), "1",
	    object_of(RECORD_DETAILS_MAX - frame));
	telemetry_tell(t, TELEMETRY_backend_down, STR("2"), "2",
	    object_of(RECORD_DETAILS_MAX - frame + 1));
	telemetry_tell(t, TELEMETRY_backend_down, STR("3"), "3",
	    json_array());
	telemetry_tell(t, TELEMETRY_backend_down, STR("4"), "4",
	    json_pack("{s:s}", "unprintable", "\x7f"));
	ear_wait(ear, 5);
	assert_int_equal(event_at(1)->details.len, RECORD_DETAILS_MAX);
	for (unsigned i = 2; i < 5; i++) {
		assert_text(event_at(i)->details, "");
		assert_int_equal(event_at(i)->message.ptr[0], '0' + i);
	}
}

/* ASan would tell of a reference that was not given back. */
static void
test_without_a_peer_or_an_emitter(void **state)
{
	(void)state;
	telemetry_tell(NULL, TELEMETRY_backend_down, STR("k"), "",
	    json_object());
	assert_false(telemetry_wants(NULL, TELEMETRY_backend_down, STR("k")));
	assert_int_equal(telemetry_counts(NULL).sent, 0);
	telemetry_tell(t, TELEMETRY_backend_down, STR("k"), "",
	    json_object());
	assert_counts(0, 0, 1);
}

static void
test_bad_address(void **state)
{
	const struct telemetry_options o = { .component = "authd",
		.address = "tcp://192.0.2.1:1", .max_message = 1 << 20,
		.reconnect_max_ms = 50, .group = (unsigned)-1 };
	struct telemetry *none = NULL;
	struct err err;

	(void)state;
	assert_int_equal(telemetry_open(&none, &o, &err), -1);
	assert_non_null(strstr(err.text, "loopback"));
	assert_null(none);
}

/* ---- threads ---- */

static void *
tell_many(void *arg)
{
	unsigned n = *(unsigned *)arg;
	char key[32];

	for (unsigned i = 0; i < TOLD_BY_EACH; i++) {
		snprintf(key, sizeof(key), "%u", (n + i) % 5);
		if (telemetry_wants(t, TELEMETRY_worker_killed, str_from(key)))
			telemetry_tell(t, TELEMETRY_worker_killed,
			    str_from(key), "", json_object());
	}
	return NULL;
}

static void
test_any_thread(void **state)
{
	unsigned numbers[THREADS];
	pthread_t threads[THREADS];
	uint64_t lost;

	(void)state;
	lost = begin_to_hear();
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, tell_many,
		    &numbers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_counts(1 + 5, THREADS * TOLD_BY_EACH - 5, lost);
	ear_wait(ear, 1 + 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_of_it_arrives),
		TEST(test_no_stream),
		TEST(test_instance),
		TEST(test_alike_ones_are_folded),
		TEST(test_rate),
		TEST(test_nobody_subscribes),
		TEST(test_oldest_key_gives_way),
		TEST(test_wants_counts_what_it_declines),
		TEST(test_keys_are_cut),
		TEST(test_text),
		TEST(test_hostile_text_arrives_as_json),
		TEST(test_details_that_are_left_out),
		TEST(test_without_a_peer_or_an_emitter),
		TEST(test_bad_address),
		TEST(test_any_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
