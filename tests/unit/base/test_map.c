/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/map.h"

#define ITEMS 1000

struct item {
	struct map_node node;
	char key[16];
	bool in, seen;
};

static struct item items[ITEMS];

/* Appendix A of the SipHash paper, and vectors of its reference code: the key
 * is 00 01 .. 0f, the message its first bytes 00 01 .. */
static void
test_siphash_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} cases[] = {
		{ 0, UINT64_C(0x726fdb47dd0e0e31) },
		{ 1, UINT64_C(0x74f839c593dc67fd) },
		{ 2, UINT64_C(0x0d6c8009d9a94f5a) },
		{ 7, UINT64_C(0xab0200f58b01d137) },
		{ 8, UINT64_C(0x93f5f5799a932462) },
		{ 15, UINT64_C(0xa129ca6149be45e5) },
		{ 63, UINT64_C(0x958a324ceb064572) },
	};
	uint8_t bytes[64];
	uint64_t seed[2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	memcpy(seed, bytes, sizeof(seed));
	seed[0] = le64toh(seed[0]);
	seed[1] = le64toh(seed[1]);
	for (i = 0; i < ARRAY_LEN(cases); i++)
		assert_true(siphash(seed, bytes, cases[i].len)
		    == cases[i].hash);
}

static void
test_empty(void **state)
{
	struct map m;

	(void)state;
	map_init(&m);
	assert_null(map_find(&m, STR("x")));
	assert_null(map_next(&m, NULL));
	map_fini(&m);
	assert_null(map_find(&m, STR("x")));
	assert_null(map_next(&m, NULL));
	map_fini(&m);
}

static void
test_keys_are_bytes(void **state)
{
	struct map_node a, b, empty;
	struct map m;

	(void)state;
	map_init(&m);
	map_insert(&m, &a, STR("k\0a"));
	map_insert(&m, &b, STR("k\0b"));
	map_insert(&m, &empty, (struct str){ NULL, 0 });
	assert_ptr_equal(map_find(&m, STR("k\0a")), &a);
	assert_ptr_equal(map_find(&m, STR("k\0b")), &b);
	assert_ptr_equal(map_find(&m, STR("")), &empty);
	assert_null(map_find(&m, STR("k")));
	map_fini(&m);
}

static void
test_seeds_differ(void **state)
{
	struct map a, b;

	(void)state;
	map_init(&a);
	map_init(&b);
	assert_memory_not_equal(a.seed, b.seed, sizeof(a.seed));
	map_fini(&a);
	map_fini(&b);
}

/* What a walk finds is what the flags say, each once. */
static void
check_walk(const struct map *m)
{
	struct map_node *n;
	size_t count = 0, i;

	for (i = 0; i < ITEMS; i++)
		items[i].seen = false;
	for (n = map_next(m, NULL); n != NULL; n = map_next(m, n), count++) {
		struct item *it = container_of(n, struct item, node);

		assert_true(it->in && !it->seen);
		it->seen = true;
	}
	assert_int_equal(count, m->count);
}

static void
toggle(struct map *m, struct item *it)
{
	struct str key = str_from(it->key);

	assert_ptr_equal(map_find(m, key), it->in ? &it->node : NULL);
	if (it->in)
		map_remove(m, &it->node);
	else
		map_insert(m, &it->node, key);
	it->in = !it->in;
}

static void
test_agrees_with_flags(void **state)
{
	size_t count = 0, i;
	uint32_t seed = 7;
	struct map m;

	(void)state;
	map_init(&m);
	for (i = 0; i < ITEMS; i++)
		snprintf(items[i].key, sizeof(items[i].key), "key%zu", i);
	for (i = 0; i < 20 * ITEMS; i++) {
		seed = seed * 1664525 + 1013904223;
		toggle(&m, &items[(seed >> 8) % ITEMS]);
		if (i % ITEMS == 0)
			check_walk(&m);
	}
	check_walk(&m);
	for (i = 0; i < ITEMS; i++)
		count += items[i].in;
	assert_int_equal(m.count, count);
	/* Grown with its content: load at most 1, a power of two. */
	assert_true(m.nbuckets >= count);
	assert_int_equal(m.nbuckets & (m.nbuckets - 1), 0);
	for (i = 0; i < ITEMS; i++) {
		if (items[i].in)
			toggle(&m, &items[i]);
	}
	assert_int_equal(m.count, 0);
	assert_null(map_next(&m, NULL));
	map_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_vectors),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_keys_are_bytes),
		cmocka_unit_test(test_seeds_differ),
		cmocka_unit_test(test_agrees_with_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
