/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "crypt/digest.h"

static void
sha256_is(struct str in, const char *hex)
{
	char got[2 * DIGEST_SIZE + 1];
	uint8_t out[DIGEST_SIZE];

	digest_sha256(out, in.ptr, in.len);
	for (size_t i = 0; i < sizeof(out); i++)
		snprintf(got + 2 * i, 3, "%02x", out[i]);
	assert_string_equal(got, hex);
}

/* FIPS 180-4's examples, and nothing at all. */
static void
sha256_known_vectors(void **state)
{
	static char million[1000000];

	(void)state;
	memset(million, 'a', sizeof(million));
	sha256_is(STR("abc"), "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	sha256_is(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmno"
	    "mnopnopq"), "248d6a61d20638b8e5c026930c3e6039"
	    "a33ce45964ff2167f6ecedd419db06c1");
	sha256_is((struct str){ million, sizeof(million) },
	    "cdc76e5c9914fb9281a1c7e284d73e67"
	    "f1809a48a497200e046d39ccc7112cd0");
	sha256_is(STR(""), "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	sha256_is((struct str){ NULL, 0 }, "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
}

static void
compares(void **state)
{
	static const struct {
		struct str a, b;
		bool equal;
	} cases[] = {
		{ STR(""), STR(""), true },
		{ { NULL, 0 }, STR(""), true },
		{ STR("a"), STR("a"), true },
		{ STR("a"), STR("b"), false },
		{ STR("a"), STR(""), false },
		{ STR("a"), STR("ab"), false },
		{ STR("a\0b"), STR("a\0b"), true },
		{ STR("a\0b"), STR("a\0c"), false },
		{ STR("a"), STR("a\0"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str a = cases[i].a, b = cases[i].b;

		assert_int_equal(digest_equal_str(a, b), cases[i].equal);
		assert_int_equal(digest_equal_str(b, a), cases[i].equal);
	}
	assert_true(digest_equal("abc", "abc", 3));
	assert_true(digest_equal("abc", "abd", 2));
	assert_false(digest_equal("abc", "abd", 3));
	assert_false(digest_equal("xbc", "abc", 3));
	assert_true(digest_equal("a", "b", 0));
}

/* All of these are different questions and need different keys. */
static const struct {
	struct str part[3];
	size_t n;
} questions[] = {
	{ { { NULL, 0 } }, 0 },
	{ { STR("") }, 1 },
	{ { STR(""), STR("") }, 2 },
	{ { STR("a") }, 1 },
	{ { STR("a"), STR("") }, 2 },
	{ { STR(""), STR("a") }, 2 },
	{ { STR("ab"), STR("c") }, 2 },
	{ { STR("a"), STR("bc") }, 2 },
	{ { STR("abc") }, 1 },
	{ { STR("a"), STR("b"), STR("c") }, 3 },
	{ { STR("a\0b") }, 1 },
	{ { STR("a\0c") }, 1 },
	{ { STR("\1\0\0\0\0\0\0\0a") }, 1 },
	{ { STR("a\1\0\0\0\0\0\0\0b") }, 1 },
	{ { STR("a\0\0\0\0\0\0\0\0b") }, 1 },
	{ { STR("a"), STR("b") }, 2 },
};

/* By OpenSSL's own HMAC over the same bytes. */
static void
keyed_is_hmac(void **state)
{
	static char text[300];
	uint8_t key[DIGEST_SIZE], ours[DIGEST_SIZE], theirs[DIGEST_SIZE];
	char joined[sizeof(uint64_t) + sizeof(text)];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = 0; len < sizeof(text); len += 7) {
		struct str part = { text, len };
		uint64_t prefix = len;
		struct digest_keyed *k;

		memset(key, (int)len, sizeof(key));
		memcpy(joined, &prefix, sizeof(prefix));
		memcpy(joined + sizeof(prefix), text, len);
		assert_non_null(HMAC(EVP_sha256(), key, sizeof(key),
		    (uint8_t *)joined, sizeof(prefix) + len, theirs, NULL));
		k = digest_keyed_with(key);
		digest_keyed_parts(k, ours, &part, 1);
		assert_memory_equal(ours, theirs, sizeof(ours));
		digest_keyed_free(&k);
	}
}

static void
parts_never_run_together(void **state)
{
	uint8_t out[ARRAY_LEN(questions)][DIGEST_SIZE], again[DIGEST_SIZE];
	struct digest_keyed *k = digest_keyed_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		digest_keyed_parts(k, out[i], questions[i].part,
		    questions[i].n);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(out[i], out[j], DIGEST_SIZE);
	}
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		digest_keyed_parts(k, again, questions[i].part,
		    questions[i].n);
		assert_memory_equal(again, out[i], DIGEST_SIZE);
	}
	digest_keyed_free(&k);
}

static void
each_key_is_its_own(void **state)
{
	struct digest_keyed *a = digest_keyed_new(), *b = digest_keyed_new();
	const struct str part = STR("same");
	uint8_t of_a[DIGEST_SIZE], of_b[DIGEST_SIZE];

	(void)state;
	digest_keyed_parts(a, of_a, &part, 1);
	digest_keyed_parts(b, of_b, &part, 1);
	assert_memory_not_equal(of_a, of_b, DIGEST_SIZE);
	digest_sha256(of_b, part.ptr, part.len);
	assert_memory_not_equal(of_a, of_b, DIGEST_SIZE);
	digest_keyed_free(&a);
	assert_null(a);
	digest_keyed_free(&a);
	digest_keyed_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_known_vectors),
		cmocka_unit_test(compares),
		cmocka_unit_test(keyed_is_hmac),
		cmocka_unit_test(parts_never_run_together),
		cmocka_unit_test(each_key_is_its_own),
	};

	return cmocka_run_group_tests_name("crypt_digest", tests, NULL, NULL);
}
