/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"

static void
test_v7_layout(void **state)
{
	uint64_t now = clock_wall_us() / 1000;
	struct id id = id_new_v7();

	(void)state;
	assert_int_equal(id.b[6] >> 4, 7);
	assert_int_equal(id.b[8] >> 6, 2);
	assert_true(id_ms(&id) >= now);
	assert_true(id_ms(&id) <= clock_wall_us() / 1000);
	assert_false(id_is_zero(&id));
}

static void
check_rising(unsigned n)
{
	struct id last = id_new_v7();

	while (n-- > 0) {
		struct id id = id_new_v7();

		assert_true(memcmp(&last, &id, sizeof(id)) < 0);
		last = id;
	}
}

/* Within a millisecond, beyond the counter, and when the clock goes back. */
static void
test_v7_rises(void **state)
{
	uint64_t ms = clock_wall_us() / 1000;
	struct id id;

	(void)state;
	check_rising(1000);
	clock_test_set(0, (ms + 1000) * 1000);
	check_rising(20000);
	clock_test_set(0, ms * 1000);
	check_rising(100);
	id = id_new_v7();
	assert_true(id_ms(&id) >= ms + 1000);
	clock_test_set(0, (ms + 5000) * 1000 + 999);
	id = id_new_v7();
	assert_true(id_ms(&id) == ms + 5000);
	clock_test_reset();
}

static void *
make_many(void *arg)
{
	struct id *ids = arg;
	int i;

	for (i = 0; i < 1000; i++)
		ids[i] = i % 2 ? id_random() : id_new_v7();
	return NULL;
}

static void
test_threads_differ(void **state)
{
	static struct id ids[2][1000];
	pthread_t thread;
	int i, j;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, make_many, ids[0]), 0);
	make_many(ids[1]);
	pthread_join(thread, NULL);
	for (i = 0; i < 1000; i++)
		for (j = 0; j < 1000; j++)
			assert_false(id_eq(&ids[0][i], &ids[1][j]));
}

static void
test_forms(void **state)
{
	struct id id = { { 0x01, 0x8f, 0xab, 0xcd, 0xef, 0x01, 0x70, 0x02, 0x80,
		0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0xff } };
	char text[ID_TEXT_SIZE], hex[ID_HEX_SIZE];

	(void)state;
	id_format(text, &id);
	assert_string_equal(text, "018fabcd-ef01-7002-8003-0405060708ff");
	id_hex(hex, &id);
	assert_string_equal(hex, "018fabcdef01700280030405060708ff");
	assert_true(id_ms(&id) == UINT64_C(0x018fabcdef01));
}

static void
test_parse(void **state)
{
	static const char *const bad[] = { "", "0", "-",
		"018fabcd-ef01-7002-8003-0405060708f",
		"018fabcd-ef01-7002-8003-0405060708fff",
		"018fabcd-ef01-7002-8003-0405060708fg",
		"018fabcdef-01-7002-8003-0405060708ff",
		"018fabcd-ef01-7002-80030-405060708ff",
		"018fabcd ef01 7002 8003 0405060708ff",
		"018fabcdef0170028003040506070 ff",
		"018fabcdef01700280030405060708f\n",
		"018fabcdef0170028003-0405060708f",
		"{018fabcd-ef01-7002-8003-04050607}" };
	struct id id, back;
	char text[ID_TEXT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(id_parse(&id, str_from(bad[i])));
	for (i = 0; i < 100; i++) {
		id = i % 2 ? id_random() : id_new_v7();
		id_format(text, &id);
		assert_true(id_parse(&back, str_from(text)));
		assert_true(id_eq(&id, &back));
		id_hex(text, &id);
		text[i % 32] = (char)toupper(text[i % 32]);
		assert_true(id_parse(&back, str_from(text)));
		assert_true(id_eq(&id, &back));
	}
}

static void
test_random_bytes(void **state)
{
	uint8_t a[600] = { 0 }, b[600] = { 0 };

	(void)state;
	random_bytes(a, sizeof(a) - 1);
	random_bytes(b, sizeof(b) - 1);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(a[599], 0);
	random_bytes(NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v7_layout),
		cmocka_unit_test(test_v7_rises),
		cmocka_unit_test(test_threads_differ),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
