/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "msg/envelope.h"
#include "proto/envelope.pb-c.h"

static const struct id an_id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
	14, 15, 16 } };

static const struct envelope samples[] = {
	{ .kind = 1 },
	{ .kind = 16, .deadline_ms = 1000, .body = { "body", 4 } },
	{ .kind = UINT32_MAX, .deadline_ms = UINT32_MAX,
	    .status = RPC_STATUS_FAILED, .error = { "it is \xc3\xbc", 8 } },
	{ .kind = 33, .body = { "\0\xff\0", 3 }, .bundle = 64 },
};

static struct envelope
sample(size_t i)
{
	struct envelope e = samples[i];

	e.id = an_id;
	return e;
}

static struct str
pack(const struct envelope *e, char out[static 256])
{
	assert_true(envelope_size(e) <= 256);
	envelope_pack(e, out);
	return (struct str){ out, envelope_size(e) };
}

static void
assert_same(const struct envelope *a, const struct envelope *b)
{
	assert_true(id_eq(&a->id, &b->id));
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->deadline_ms, b->deadline_ms);
	assert_int_equal(a->status, b->status);
	assert_true(str_eq(a->error, b->error));
	assert_true(str_eq(a->body, b->body));
	assert_int_equal(a->bundle, b->bundle);
}

static void
test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		struct envelope in = sample(i), out;
		char b[256];

		assert_int_equal(envelope_unpack(&out, pack(&in, b)), 0);
		assert_same(&in, &out);
	}
}

static void
test_agrees_with_protobuf(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		Sallyport__Pb__Envelope m = SALLYPORT__PB__ENVELOPE__INIT;
		struct envelope e = sample(i);
		char ours[256], error[64];
		uint8_t theirs[256];
		struct str s = pack(&e, ours);

		m.id.data = e.id.b;
		m.id.len = sizeof(e.id.b);
		m.kind = e.kind;
		m.deadline_ms = e.deadline_ms;
		m.status = e.status;
		m.bundle = e.bundle;
		assert_true(str_copy(error, sizeof(error), e.error));
		m.error = error;
		m.body.data = (uint8_t *)(uintptr_t)e.body.ptr;
		m.body.len = e.body.len;
		assert_int_equal(sallyport__pb__envelope__pack(&m, theirs),
		    s.len);
		assert_memory_equal(ours, theirs, s.len);
	}
}

#define ID "\x0a\x10" "0123456789abcdef"

static const struct {
	const char *what;
	struct str bytes;
	int result;
} hostile[] = {
	{ "only an id", { ID, 18 }, 0 },
	{ "nothing", { "", 0 }, -1 },
	{ "no id", { "\x10\x01", 2 }, -1 },
	{ "id of 15", { "\x0a\x0f" "0123456789abcde", 17 }, -1 },
	{ "id of 17", { "\x0a\x11" "0123456789abcdefg", 19 }, -1 },
	{ "id as a number", { "\x08\x01", 2 }, -1 },
	{ "kind as bytes", { ID "\x12\x01x", 21 }, -1 },
	{ "kind as fixed32", { ID "\x15\1\2\3\4", 23 }, -1 },
	{ "kind of 33 bits", { ID "\x10\x80\x80\x80\x80\x10", 24 }, -1 },
	{ "error with NUL", { ID "\x2a\x03" "a\0b", 23 }, -1 },
	{ "error with a newline", { ID "\x2a\x03" "a\nb", 23 }, -1 },
	{ "error that is no UTF-8", { ID "\x2a\x02\xc3(", 22 }, -1 },
	{ "error that turns the text",
	    { ID "\x2a\x03\xe2\x80\xae", 23 }, -1 },
	{ "a field of a later release", { ID "\x42\x01x", 21 }, 0 },
	{ "bundle as bytes", { ID "\x3a\x01x", 21 }, -1 },
	{ "bundle of 33 bits", { ID "\x38\x80\x80\x80\x80\x10", 24 }, -1 },
	{ "a number of a later release", { ID "\x48\x01", 20 }, 0 },
	{ "a later fixed64", { ID "\x41" "12345678", 27 }, 0 },
	{ "cut in the body", { ID "\x32\x05" "abcd", 24 }, -1 },
	{ "garbage", { "GET / HTTP/1.1\r\n", 16 }, -1 },
};

static void
test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct envelope e;

		if (envelope_unpack(&e, hostile[i].bytes) != hostile[i].result)
			fail_msg("%s", hostile[i].what);
	}
}

static void
test_status_of_a_later_release(void **state)
{
	struct envelope e;

	(void)state;
	assert_int_equal(envelope_unpack(&e,
	    (struct str){ ID "\x20\x63", 20 }), 0);
	assert_int_equal(e.status, RPC_STATUS_FAILED);
}

static void
test_error_of_any_length(void **state)
{
	char text[ENVELOPE_ERROR_MAX];
	char b[ENVELOPE_ERROR_MAX + 64];
	struct envelope out;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = sizeof(text) - 1; len <= sizeof(text); len++) {
		struct envelope e = { .id = an_id, .kind = 1,
			.status = RPC_STATUS_FAILED, .error = { text, len } };
		struct str s = { b, envelope_size(&e) };

		envelope_pack(&e, b);
		assert_int_equal(envelope_unpack(&out, s),
		    len < ENVELOPE_ERROR_MAX ? 0 : -1);
	}
}

/* Every prefix and every changed byte ends well; each try has memory of its
 * exact size, for ASan. */
static void
test_cut_and_changed(void **state)
{
	struct envelope e = sample(2), out;
	char b[256];
	struct str s = pack(&e, b);

	(void)state;
	for (size_t len = 0; len <= s.len; len++) {
		for (unsigned change = 0; change < 256; change++) {
			char *m = xmemdup0(b, len);

			if (len > 0)
				m[len - 1] = (char)change;
			(void)!envelope_unpack(&out, (struct str){ m, len });
			free(m);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_agrees_with_protobuf),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_status_of_a_later_release),
		cmocka_unit_test(test_error_of_any_length),
		cmocka_unit_test(test_cut_and_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
