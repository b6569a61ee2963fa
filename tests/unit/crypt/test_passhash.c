/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "crypt/passhash.h"

#define X10 "xxxxxxxxxx"
#define X31 X10 X10 X10 "x"
#define X43 X10 X10 X10 X10 "xxx"
#define X86 X43 X43

/* Published by the authors of each method, except $gy$ (made here). */
static const struct {
	const char *password, *hash;
} vectors[] = {
	{ "Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/"
	    "O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1" },
	{ "Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8Q"
	    "VeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOa"
	    "w5v." },
	{ "Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/"
	    "GNooZaBBGWEc5" },
	{ "U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe"
	    "W" },
	{ "U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe"
	    "W" },
	{ "pleaseletmein", "$7$06..../....SodiumChloride$ENlyo6fGw4PCcDBOFepf"
	    "SZjFUnVatHzCcW55.ZGz3B0" },
	{ "passw0rd", "$y$j9T$IZUrEbc9oo9gZ28EqoVjI.$HVWJnkX89URubQkrksozeEoBw"
	    "resP91xRowRD4ynRE9" },
	{ "pleaseletmein", "$gy$j75$LdJMENpBABJJ3hIHjB1Bi.$DFeQcmRiMM1ZhJ7ucq"
	    "wvYLMj56sGp/durhpnAg/nVu2" },
};

static void
known_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const char *hash = vectors[i].hash;
		char wrong[PASSHASH_MAX], *last;
		struct err err = { "" };

		if (passhash_check(str_from(hash), &err) != 0)
			fail_msg("%s: %s", hash, err.text);
		if (passhash_verify(str_from(vectors[i].password), hash) !=
		    PASSHASH_RIGHT)
			fail_msg("%s", hash);
		assert_int_equal(passhash_verify(STR("wrong"), hash),
		    PASSHASH_WRONG);
		/* One other character at the end of the hash. */
		assert_true(str_copy(wrong, sizeof(wrong), str_from(hash)));
		last = &wrong[strlen(wrong) - 1];
		*last = *last == 'A' ? 'B' : 'A';
		assert_int_equal(passhash_verify(
		    str_from(vectors[i].password), wrong), PASSHASH_WRONG);
	}
}

/* `says` NULL: good. */
static const struct {
	struct str hash;
	const char *says;
} checks[] = {
	{ STR("$y$j75$salt$" X43), NULL },
	{ STR("$y$jFT$salt$" X43), NULL },
	{ STR("$y$j9T$$" X43), NULL },
	{ STR("$y$j9T$" X86 "$" X43), NULL },
	{ STR("$gy$j9T$salt$" X43), NULL },
	{ STR("$7$CU..../....salt$" X43), NULL },
	{ STR("$2b$04$" X10 X10 "xx" X31), NULL },
	{ STR("$2y$16$" X10 X10 "xx" X31), NULL },
	{ STR("$6$s$" X86), NULL },
	{ STR("$6$rounds=1000$salt$" X86), NULL },
	{ STR("$5$rounds=5000000$salt$" X43), NULL },
	/* Not a kind that we would verify. */
	{ STR(""), "known strong" },
	{ STR("plain password"), "known strong" },
	{ STR("$"), "known strong" },
	{ STR("$y"), "known strong" },
	{ STR("!"), "known strong" },
	{ STR("*"), "known strong" },
	{ STR("!$6$salt$" X86), "known strong" },
	{ STR("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/"), "known strong" },
	{ STR("abJnggxhB/yWI"), "known strong" },
	{ STR("_J9..CCCCXBrJUJV154M"), "known strong" },
	{ STR("$sha1$1$salt$x"), "known strong" },
	{ STR("$md5$salt$x"), "known strong" },
	{ STR("$3$$8846f7eaee8fb117ad06bdd830b7586c"), "known strong" },
	{ STR("$2a$05$" X10 X10 "xx" X31), "known strong" },
	{ STR("$2x$05$" X10 X10 "xx" X31), "known strong" },
	{ STR("$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$" X43), "known strong" },
	{ STR(" $6$s$" X86), "known strong" },
	/* Costs. */
	{ STR("$y$"), "cost" },
	{ STR("$y$j9T"), "cost" },
	{ STR("$y$jGT$salt$" X43), "cost" },
	{ STR("$y$jzT$salt$" X43), "cost" },
	{ STR("$y$j9z$salt$" X43), "cost" },
	{ STR("$y$x9T$salt$" X43), "cost" },
	{ STR("$y$jD5.7$salt$" X43), "cost" },
	{ STR("$y$j\0T$salt$" X43), "cost" },
	{ STR("$7$"), "cost" },
	{ STR("$7$zU..../....salt$" X43), "cost" },
	{ STR("$7$.U..../....salt$" X43), "cost" },
	{ STR("$7$Cz..../....salt$" X43), "cost" },
	{ STR("$7$C...../....salt$" X43), "cost" },
	{ STR("$7$CU.../z....salt$" X43), "cost" },
	{ STR("$2b$"), "cost" },
	{ STR("$2b$03$" X10 X10 "xx" X31), "cost" },
	{ STR("$2b$17$" X10 X10 "xx" X31), "cost" },
	{ STR("$2b$31$" X10 X10 "xx" X31), "cost" },
	{ STR("$2b$xx$" X10 X10 "xx" X31), "cost" },
	{ STR("$2b$5$" X10 X10 "xx" X31), "cost" },
	{ STR("$6$rounds=999$salt$" X86), "cost" },
	{ STR("$6$rounds=5000001$salt$" X86), "cost" },
	{ STR("$6$rounds=999999999$salt$" X86), "cost" },
	{ STR("$6$rounds=99999999999999999999$salt$" X86), "cost" },
	{ STR("$6$rounds=01000$salt$" X86), "cost" },
	{ STR("$6$rounds=$salt$" X86), "cost" },
	{ STR("$6$rounds=-1$salt$" X86), "cost" },
	{ STR("$6$rounds="), "cost" },
	{ STR("$6$rounds=1000"), "cost" },
	/* Cut off, damaged. */
	{ STR("$y$j9T$salt"), "damaged" },
	{ STR("$y$j9T$salt$"), "damaged" },
	{ STR("$y$j9T$salt$" X43 "x"), "damaged" },
	{ STR("$y$j9T$salt$" X10 X10 X10 X10 "xx"), "damaged" },
	{ STR("$y$j9T$" X86 "x$" X43), "damaged" },
	{ STR("$y$j9T$sa$lt$" X43), "damaged" },
	{ STR("$y$j9T$salt$" X43 "\0"), "damaged" },
	{ STR("$y$j9T$sa\0t$" X43), "damaged" },
	{ STR("$y$j9T$salt$" X43 "\n"), "damaged" },
	{ STR("$y$j9T$salt:" X43), "damaged" },
	{ STR("$2b$05$" X10 X10 "x" X31), "damaged" },
	{ STR("$2b$05$" X10 X10 "xx" X31 "x"), "damaged" },
	{ STR("$2b$05$" X10 X10 "x$" X31), "damaged" },
	{ STR("$6$$" X86), "damaged" },
	{ STR("$6$seventeen-letters$" X86), "damaged" },
	{ STR("$6$salt$" X43), "damaged" },
	{ STR("$6$salt"), "damaged" },
	{ STR("$6$rounds=1000$"), "damaged" },
	{ STR("$6$salt!$" X86), "damaged" },
	{ STR("$5$salt$" X86), "damaged" },
};

static void
checks_without_work(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct err err = { "" };
		int rc = passhash_check(checks[i].hash, &err);

		if ((rc == 0) != (checks[i].says == NULL))
			fail_msg("%s: '%s'", checks[i].hash.ptr, err.text);
		if (checks[i].says == NULL)
			continue;
		if (strstr(err.text, checks[i].says) == NULL)
			fail_msg("%s: '%s'", checks[i].hash.ptr, err.text);
		/* An error goes to a log: no part of the hash with it. */
		assert_null(strstr(err.text, X10));
		/* As a C string it may be whole: then it is another one. */
		if (!str_has_nul(checks[i].hash))
			assert_int_equal(passhash_verify(STR("x"),
			    checks[i].hash.ptr), PASSHASH_FAILED);
	}
}

static void
makes_what_it_verifies(void **state)
{
	char longest[256], hash[PASSHASH_MAX], other[PASSHASH_MAX];
	const struct str passwords[] = { STR("p"), STR("correct horse"),
		STR("p\xc3\xa4ss \x01\xff"), { longest, 255 } };
	struct err err = { "" };

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < ARRAY_LEN(passwords); i++) {
		assert_int_equal(passhash_make(hash, passwords[i], 1, &err),
		    0);
		assert_int_equal(strncmp(hash, "$y$j75$", 7), 0);
		assert_int_equal(passhash_check(str_from(hash), &err), 0);
		assert_int_equal(passhash_verify(passwords[i], hash),
		    PASSHASH_RIGHT);
		assert_int_equal(passhash_verify(STR("wrong"), hash),
		    PASSHASH_WRONG);
		assert_int_equal(passhash_make(other, passwords[i], 1, &err),
		    0);
		assert_string_not_equal(hash, other);
	}
	/* All 255 bytes count. */
	longest[254] = 'y';
	assert_int_equal(passhash_verify(passwords[3], hash), PASSHASH_WRONG);
}

static void
each_cost_is_one_that_check_takes(void **state)
{
	char hash[PASSHASH_MAX];
	struct err err = { "" };

	(void)state;
	assert_int_equal(passhash_make(hash, STR("p"), 0, &err), 0);
	assert_int_equal(strncmp(hash, "$y$j9T$", 7), 0);
	assert_int_equal(passhash_check(str_from(hash), &err), 0);
	for (unsigned cost = 1; cost <= 3; cost++) {
		assert_int_equal(passhash_make(hash, STR("p"), cost, &err), 0);
		assert_int_equal(passhash_check(str_from(hash), &err), 0);
	}
	assert_int_equal(passhash_make(hash, STR("p"), 12, &err), -1);
	assert_non_null(strstr(err.text, "0 to 11"));
}

/* No password of this kind can be set, and none is ever right. */
static void
impossible_passwords(void **state)
{
	static char big[70000];
	const struct str impossible[] = { STR(""), { NULL, 0 }, STR("\0"),
		STR("p\0"), STR("p\0q"), { big, 256 }, { big, sizeof(big) } };
	char hash[PASSHASH_MAX], of_p[PASSHASH_MAX], of_x[PASSHASH_MAX];
	struct err err;

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_int_equal(passhash_make(of_p, STR("p"), 1, &err), 0);
	/* What is hashed in their place must not let them in. */
	assert_int_equal(passhash_make(of_x, STR("x"), 1, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(impossible); i++) {
		err.text[0] = '\0';
		assert_int_equal(passhash_make(hash, impossible[i], 1, &err),
		    -1);
		assert_non_null(strstr(err.text, "1 to 255 bytes"));
		assert_int_equal(passhash_verify(impossible[i], of_p),
		    PASSHASH_WRONG);
		assert_int_equal(passhash_verify(impossible[i], of_x),
		    PASSHASH_WRONG);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_vectors),
		cmocka_unit_test(checks_without_work),
		cmocka_unit_test(makes_what_it_verifies),
		cmocka_unit_test(each_cost_is_one_that_check_takes),
		cmocka_unit_test(impossible_passwords),
	};

	return cmocka_run_group_tests_name("crypt_passhash", tests, NULL,
	    NULL);
}
