/* SPDX-License-Identifier: MIT */
/*
 * What an association does with the rulings it asks for.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "assoc_rig.h"

/* Case 68: refused, unresolved; dropped, asked once. */
static void
test_refused(void **state)
{
	struct rig *r = *state;

	begin(r);
	script.kind = RULING_REFUSED;
	for (int i = 0; i < 3; i++)
		send_to(r, &r->target_at, "no");
	turn(r);
	expect_silence(r->target);
	assert_int_equal(count(r, UDP_UP, UDP_REFUSED), 3);
	assert_int_equal(script.asked, 1);
	assert_int_equal(assoc_destinations(r->assoc), 0);
	assert_int_equal(r->firsts, 0);
	script.kind = RULING_UNRESOLVED;
	r->target_at.port ^= 1;
	send_to(r, &r->target_at, "no");
	turn(r);
	assert_int_equal(count(r, UDP_UP, UDP_UNRESOLVED), 1);
}

/* What comes meanwhile waits, in order, and then goes, or is dropped. */
static void
test_held(void **state)
{
	struct rig *r = *state;
	char text[16];

	begin(r);
	script.wait = true;
	for (int i = 0; i < 70; i++) {
		snprintf(text, sizeof(text), "%d", i);
		send_to(r, &r->target_at, text);
		turn(r);
	}
	expect_silence(r->target);
	assert_int_equal(script.asked, 1);
	play_answer();
	for (int i = 0; i < 70; i++) {
		snprintf(text, sizeof(text), "%d", i);
		(void)expect_text(r->target, text);
	}
	r->target_at.port ^= 1;
	send_to(r, &r->target_at, "x");
	turn(r);
	script.kind = RULING_REFUSED;
	play_answer();
	assert_int_equal(count(r, UDP_UP, UDP_REFUSED), 1);
	assert_int_equal(count(r, UDP_UP, UDP_RELAYED), 70);
}

static void
test_held_is_bounded(void **state)
{
	struct rig *r = *state;
	static char big[40000], out[40100];
	size_t len;

	begin(r);
	script.wait = true;
	len = wrap(out, &r->target_at, big, sizeof(big));
	for (int i = 0; i < 5; i++) {
		send_from(r, r->client, out, len);
		turn(r);
	}
	assert_int_equal(count(r, UDP_UP, UDP_HELD_FULL), 2);
	/* What is asked when it ends is asked no more. */
	assoc_free(&r->assoc, false);
	assert_int_equal(script.cancelled, 1);
}

/* The lease runs out under a running flow: asked again, nothing lost. */
static void
test_lease_runs_out(void **state)
{
	struct rig *r = *state;
	uint64_t now = clock_mono_us();

	clock_test_set(now, 1);
	hear_policy(r);
	begin(r);
	send_to(r, &r->target_at, "1");
	turn(r);
	(void)expect_text(r->target, "1");
	clock_test_set(now + 4999000, 1);
	hear_policy(r);
	send_to(r, &r->target_at, "2");
	turn(r);
	(void)expect_text(r->target, "2");
	assert_int_equal(script.asked, 1);
	clock_test_set(now + 5000000, 1);
	hear_policy(r);
	script.wait = true;
	send_to(r, &r->target_at, "3");
	send_to(r, &r->target_at, "4");
	turn(r);
	expect_silence(r->target);
	assert_int_equal(script.asked, 2);
	play_answer();
	(void)expect_text(r->target, "3");
	(void)expect_text(r->target, "4");
	assert_int_equal(assoc_destinations(r->assoc), 1);
	assert_int_equal(r->firsts, 1);
}

/* D-6: a new policy counts with the next datagram, and who is refused by it
 * may not answer any more; no heartbeat counts as run out (D-5). */
static void
test_policy_changes(void **state)
{
	struct rig *r = *state;
	struct endpoint world;
	uint64_t now = clock_mono_us();

	clock_test_set(now, 1);
	hear_policy(r);
	begin(r);
	send_to(r, &r->target_at, "1");
	turn(r);
	world = expect_text(r->target, "1");
	script.generation++;
	hear_policy(r);
	script.kind = RULING_REFUSED;
	send_to(r, &r->target_at, "2");
	turn(r);
	expect_silence(r->target);
	answer(r->target, &world, "late");
	turn(r);
	expect_silence(r->client);
	assert_int_equal(count(r, UDP_DOWN, UDP_UNSOLICITED), 1);
	script.kind = RULING_OPEN;
	script.generation++;
	hear_policy(r);
	send_to(r, &r->target_at, "3");
	turn(r);
	(void)expect_text(r->target, "3");
	assert_int_equal(script.asked, 3);
	clock_test_set(now + POLICY_VIEW_FRESH_MS * 1000, 1);
	send_to(r, &r->target_at, "4");
	turn(r);
	assert_int_equal(script.asked, 4);
}

/* `out` gets a datagram to a name, `text` its payload; its length. */
static size_t
wrap_name(char *out, const char *name, uint16_t port, const char *text)
{
	size_t len = strlen(name), n = 5 + len;

	memcpy(out, "\0\0\0\3", 4);
	out[4] = (char)len;
	memcpy(out + 5, name, len);
	out[n++] = (char)(port >> 8);
	out[n++] = (char)port;
	memcpy(out + n, text, strlen(text));
	return n + strlen(text);
}

static struct judgement *
start_and_move(const struct judge *j, const struct judge_question *q,
    struct judge_answer *now, judge_done_fn *done, void *arg)
{
	struct rig *r = (struct rig *)j->gate;

	/* The one between them brings a new policy and a new address. */
	if (!q->dest->is_name) {
		script.generation++;
		hear_policy(r);
		script.addr.b[15] = 2;
	}
	return play_start(j, q, now, done, arg);
}

/* All of one batch: what was on its way out to the old address goes there,
 * though the contact is gone before it leaves. */
static void
test_name_moves_within_a_batch(void **state)
{
	struct rig *r = *state;
	struct endpoint old = { addr_from_v4((uint8_t[]){ 127, 0, 0, 1 }), 0 };
	struct endpoint here, there;
	int first = udp_at("127.0.0.1:0", &here), second;
	char at[ENDPOINT_TEXT_SIZE], out[64];
	struct judge moving = { .start = start_and_move,
		.cancel = play_cancel, .gate = (struct gate *)r };

	old.addr.b[15] = 2;
	old.port = here.port;
	endpoint_format(at, &old);
	second = udp_at(at, &there);
	r->judge = &moving;
	begin(r);
	script.addr = here.addr;
	send_from(r, r->client, out, wrap_name(out, "a.b", here.port, "1"));
	turn(r);
	(void)expect_text(first, "1");
	send_from(r, r->client, out, wrap_name(out, "a.b", here.port, "2"));
	send_to(r, &r->target_at, "x");
	send_from(r, r->client, out, wrap_name(out, "a.b", here.port, "3"));
	turn(r);
	(void)expect_text(first, "2");
	(void)expect_text(second, "3");
	(void)expect_text(r->target, "x");
	close(first);
	close(second);
}

/* U-3: as many destinations as may be, and no more of anything. */
static void
test_many_destinations(void **state)
{
	struct rig *r = *state;
	struct endpoint to = { addr_from_v4((uint8_t[]){ 127, 9, 0, 1 }), 9 };
	uint64_t now = clock_mono_us();

	script.kind = RULING_REFUSED;
	clock_test_set(now, 1);
	hear_policy(r);
	begin(r);
	for (unsigned i = 0; i < 100000; i++) {
		to.addr.b[13] = (uint8_t)(i >> 16);
		to.addr.b[14] = (uint8_t)(i >> 8);
		to.addr.b[15] = (uint8_t)i;
		send_to(r, &to, "scan");
		if (i % 64 == 63)
			turn(r);
	}
	turn(r);
	assert_int_equal(script.asked, 256);
	assert_int_equal(count(r, UDP_UP, UDP_REFUSED), 256);
	assert_int_equal(count(r, UDP_UP, UDP_DESTINATIONS), 100000 - 256);
	clock_test_set(now + PEERS_SILENT_S * 1000000ull, 1);
	hear_policy(r);
	script.kind = RULING_OPEN;
	check_round_trip(r);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(test_refused), T(test_held), T(test_held_is_bounded),
		T(test_lease_runs_out), T(test_policy_changes),
		T(test_name_moves_within_a_batch), T(test_many_destinations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
