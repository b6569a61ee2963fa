/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "msg/bundle.h"
#include "proto/envelope.pb-c.h"

#define ITEM_ID "\x0a\x10" "0123456789abcdef"	/* 18 bytes */

static struct envelope
sample(unsigned i)
{
	struct envelope e = { .kind = i, .deadline_ms = i * 1000,
		.body = { "0123456789", i % 11 } };

	memset(e.id.b, (int)i + 1, sizeof(e.id.b));
	if (i % 3 == 1)
		e = (struct envelope){ .id = e.id, .kind = i,
			.status = RPC_STATUS_ALONE };
	return e;
}

static void
test_round_trip(void **state)
{
	char room[4096];
	struct writer w = writer_on(room, sizeof(room));
	struct str rest;
	struct envelope e;
	size_t size = 0;

	(void)state;
	for (unsigned i = 0; i < BUNDLE_ITEMS_MAX; i++) {
		e = sample(i);
		bundle_put(&w, &e);
		size += bundle_item_size(&e);
	}
	assert_false(w.failed);
	assert_int_equal(w.len, size);
	rest = (struct str){ room, w.len };
	for (unsigned i = 0; i < BUNDLE_ITEMS_MAX; i++) {
		struct envelope in = sample(i);

		assert_int_equal(bundle_next(&rest, &e), BUNDLE_ITEM);
		assert_true(id_eq(&e.id, &in.id));
		assert_int_equal(e.kind, in.kind);
		assert_int_equal(e.deadline_ms, in.deadline_ms);
		assert_int_equal(e.status, in.status);
		assert_true(str_eq(e.body, in.body));
	}
	assert_int_equal(bundle_next(&rest, &e), BUNDLE_END);
}

static void
test_agrees_with_protobuf(void **state)
{
	Sallyport__Pb__Bundle *m;
	char room[256];
	struct writer w = writer_on(room, sizeof(room));
	struct envelope a = sample(5), b = sample(1);

	(void)state;
	bundle_put(&w, &a);
	bundle_put(&w, &b);
	m = sallyport__pb__bundle__unpack(NULL, w.len, (uint8_t *)room);
	assert_non_null(m);
	assert_int_equal(m->n_items, 2);
	assert_int_equal(m->items[0]->kind, a.kind);
	assert_int_equal(m->items[0]->body.len, a.body.len);
	assert_memory_equal(m->items[0]->id.data, a.id.b, sizeof(a.id.b));
	assert_int_equal(m->items[1]->status, RPC_STATUS_ALONE);
	sallyport__pb__bundle__free_unpacked(m, NULL);
}

/* What does not fit is not begun, and nothing comes after it. */
static void
test_no_room(void **state)
{
	struct envelope e = sample(5);
	size_t size = bundle_item_size(&e);
	char room[128];

	(void)state;
	for (size_t n = 0; n <= size; n++) {
		struct writer w = writer_on(room, n);

		bundle_put(&w, &e);
		assert_int_equal(w.failed, n < size);
		assert_int_equal(w.len, n < size ? 0 : size);
		bundle_put(&w, &e);
		assert_true(w.failed);
	}
}

static void
test_hostile(void **state)
{
	static const struct {
		const char *what;
		struct str bytes;
		enum bundle_result result;
	} cases[] = {
		{ "nothing", { "", 0 }, BUNDLE_END },
		{ "an item", { "\x0a\x12" ITEM_ID, 20 }, BUNDLE_ITEM },
		{ "a later field first", { "\x12\x01x" "\x0a\x12" ITEM_ID,
		    23 }, BUNDLE_ITEM },
		{ "only a later field", { "\x10\x01", 2 }, BUNDLE_END },
		{ "item as a number", { "\x08\x01", 2 }, BUNDLE_BAD },
		{ "item without id", { "\x0a\x02\x10\x01", 4 }, BUNDLE_BAD },
		{ "empty item", { "\x0a\x00", 2 }, BUNDLE_BAD },
		{ "cut item", { "\x0a\x12" ITEM_ID, 19 }, BUNDLE_BAD },
		{ "endless item", { "\x0a\xff\xff\xff\xff\x0f" ITEM_ID, 24 },
		    BUNDLE_BAD },
		{ "garbage", { "GET / HTTP/1.1\r\n", 16 }, BUNDLE_BAD },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str rest = cases[i].bytes;
		struct envelope e;

		if (bundle_next(&rest, &e) != cases[i].result)
			fail_msg("%s", cases[i].what);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_agrees_with_protobuf),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
