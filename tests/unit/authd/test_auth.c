/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "authd/auth.h"
#include "authd/groups.h"
#include "authd/users_backend.h"
#include "base/clock.h"

#define X10 "xxxxxxxxxx"
#define HASH(salt) "$y$j9T$" salt "$" X10 X10 X10 X10 "xxx"
#define USER(name) "[[users]]\nusername = \"" name "\"\npassword_hash = \"" \
	HASH(name) "\"\n"

#define NOW 1800000000000000	/* 2027-01-15 */

static const char users[] =
    USER("alice") "groups = [\"dev\", \"ops\"]\nlimits = \"staff\"\n"
    USER("off") "enabled = false\n"
    USER("gone") "expires = 2027-01-01T00:00:00Z\n"
    USER("staying") "expires = 2028-01-01T00:00:00Z\n"
    USER("office") "sources = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n"
    USER("both") "sources = [\"10.0.0.0/8\"]\nenabled = false\n";

static struct users_file *
parse(void)
{
	struct users_notes notes = { .n_errors = 0 };
	struct users_file *f;

	if (users_file_parse(&f, "u", STR(users), &notes) != 0)
		fail_msg("%s", notes.errors.v[0]);
	return f;
}

static struct addr
addr(const char *s)
{
	struct addr a;

	assert_true(addr_parse(&a, str_from(s)));
	return a;
}

/* Every reason to refuse, and the only way in. */
static const struct {
	const char *user, *source;
	enum passhash_result verdict;
	uint64_t now;
	enum auth_result result;
	bool bound;
} cases[] = {
	{ "alice", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_OK, false },
	{ "alice", "192.0.2.1", PASSHASH_WRONG, NOW, AUTH_FAILED, false },
	{ "alice", "192.0.2.1", PASSHASH_FAILED, NOW, AUTH_BUSY, false },
	{ "nobody", "192.0.2.1", PASSHASH_WRONG, NOW, AUTH_FAILED, false },
	{ "nobody", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
	{ "nobody", "192.0.2.1", PASSHASH_FAILED, NOW, AUTH_BUSY, false },
	{ "Alice", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
	{ "alic", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
	{ "alice2", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
	{ "off", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
	{ "gone", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
	{ "gone", "192.0.2.1", PASSHASH_RIGHT, 1798761599999999, AUTH_OK,
	    false },
	{ "gone", "192.0.2.1", PASSHASH_RIGHT, 1798761600000000, AUTH_FAILED,
	    false },
	{ "staying", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_OK, false },
	{ "office", "192.0.2.1", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
	{ "office", "10.1.2.3", PASSHASH_RIGHT, NOW, AUTH_OK, true },
	{ "office", "::ffff:10.1.2.3", PASSHASH_RIGHT, NOW, AUTH_OK, true },
	{ "office", "2001:db8::1", PASSHASH_RIGHT, NOW, AUTH_OK, true },
	{ "office", "2001:db9::1", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
	{ "office", "10.1.2.3", PASSHASH_WRONG, NOW, AUTH_FAILED, false },
	{ "both", "10.1.2.3", PASSHASH_RIGHT, NOW, AUTH_FAILED, false },
};

static void
decisions(void **state)
{
	struct users_file *f = parse();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr source = addr(cases[i].source);
		struct auth_answer a;

		auth_decide(users_file_find(f, str_from(cases[i].user)),
		    &source, cases[i].verdict, cases[i].now, &a);
		if (a.result != cases[i].result ||
		    a.source_bound != cases[i].bound)
			fail_msg("%zu: %s from %s", i, cases[i].user,
			    cases[i].source);
		/* A refusal tells nothing at all. */
		if (a.result != AUTH_OK) {
			assert_int_equal(a.groups.n, 0);
			assert_int_equal(a.expires_us, 0);
		}
		auth_answer_fini(&a);
	}
	users_file_free(&f);
}

/* Who has none, or is nobody, takes as much work and gets nowhere. */
static void
hash_to_work_on(void **state)
{
	static const char text[] = USER("a") "[[users]]\nusername = \"b\"\n";
	struct users_notes notes = { .n_errors = 0 };
	struct users_file *f;
	const struct user *a, *b;

	(void)state;
	assert_int_equal(users_file_parse(&f, "u", STR(text), &notes), 0);
	a = users_file_find(f, STR("a"));
	b = users_file_find(f, STR("b"));
	assert_ptr_equal(auth_hash(f, a), a->hash);
	assert_ptr_equal(auth_hash(f, b), users_file_decoy(f));
	assert_ptr_equal(auth_hash(f, NULL), users_file_decoy(f));
	users_file_free(&f);
}

static void
what_an_answer_holds(void **state)
{
	struct users_file *f = parse();
	struct addr source = addr("192.0.2.1");
	struct auth_answer a;

	(void)state;
	auth_decide(users_file_find(f, STR("alice")), &source, PASSHASH_RIGHT,
	    NOW, &a);
	assert_int_equal(a.groups.n, 2);
	assert_string_equal(a.groups.v[1], "ops");
	assert_string_equal(a.limits, "staff");
	assert_int_equal(a.expires_us, 0);
	auth_answer_fini(&a);
	auth_decide(users_file_find(f, STR("staying")), &source,
	    PASSHASH_RIGHT, NOW, &a);
	assert_int_equal(a.expires_us, 1830297600000000);
	users_file_free(&f);	/* the answer is its own */
	assert_int_equal(a.groups.n, 0);
	auth_answer_fini(&a);
	auth_answer_fini(&a);	/* harmless */
}

/* What stands in the log, and in no answer to a client. */
static void
why_not(void **state)
{
	static const struct {
		const char *user;
		enum passhash_result verdict;
		const char *why;
	} table[] = {
		{ "alice", PASSHASH_RIGHT, "" },
		{ "alice", PASSHASH_WRONG, "wrong password" },
		{ "nobody", PASSHASH_WRONG, "no such user" },
		{ "off", PASSHASH_RIGHT, "the account is disabled" },
		{ "off", PASSHASH_WRONG, "wrong password" },
		{ "gone", PASSHASH_RIGHT, "the account has expired" },
		{ "office", PASSHASH_RIGHT,
		    "the account may not be used from this address" },
		{ "alice", PASSHASH_FAILED,
		    "the password could not be checked" },
	};
	struct users_file *f = parse();
	struct addr source = addr("192.0.2.1");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct auth_answer a;

		auth_decide(users_file_find(f, str_from(table[i].user)),
		    &source, table[i].verdict, NOW, &a);
		assert_string_equal(a.why, table[i].why);
		auth_answer_fini(&a);
	}
	users_file_free(&f);
}

/* ---- what the file says of those whom PAM lets in ---- */

static struct auth_answer
let_in(void)
{
	struct auth_answer a = { .result = AUTH_OK, .source_bound = true };

	assert_true(groups_add(&a.groups, STR("Dev")));
	return a;
}

static void
the_file_joins(void **state)
{
	struct users_file *f = parse();
	struct addr source = addr("192.0.2.1");
	struct auth_answer a = let_in();

	(void)state;
	auth_join(users_file_find(f, STR("alice")), &source, NOW, &a);
	assert_int_equal(a.result, AUTH_OK);
	assert_int_equal(a.groups.n, 2);	/* Dev is dev */
	assert_string_equal(a.groups.v[1], "ops");
	assert_string_equal(a.limits, "staff");
	assert_true(a.source_bound);
	auth_answer_fini(&a);
	a = let_in();
	auth_join(NULL, &source, NOW, &a);
	assert_int_equal(a.result, AUTH_OK);
	assert_int_equal(a.groups.n, 1);
	auth_answer_fini(&a);
	users_file_free(&f);
}

static void
the_file_refuses(void **state)
{
	static const char *const names[] = { "off", "gone", "office", "both" };
	struct users_file *f = parse();
	struct addr source = addr("192.0.2.1");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct auth_answer a = let_in();

		auth_join(users_file_find(f, str_from(names[i])), &source,
		    NOW, &a);
		assert_int_equal(a.result, AUTH_FAILED);
		assert_int_equal(a.groups.n, 0);
		assert_false(a.source_bound);
		assert_true(a.why[0] != '\0');
		auth_answer_fini(&a);
	}
	users_file_free(&f);
}

static void
a_refusal_stays_one(void **state)
{
	struct users_file *f = parse();
	struct addr source = addr("192.0.2.1");
	struct auth_answer a = { .result = AUTH_FAILED, .why = "PAM" };

	(void)state;
	auth_join(users_file_find(f, STR("alice")), &source, NOW, &a);
	assert_int_equal(a.result, AUTH_FAILED);
	assert_string_equal(a.why, "PAM");
	assert_int_equal(a.groups.n, 0);
	users_file_free(&f);
}

/* A rule that blocks may be about the one that is left out. */
static void
not_with_some_of_the_groups(void **state)
{
	struct auth_answer a = { .result = AUTH_OK };
	struct string_list more = { 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < GROUPS_MAX; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		assert_true(groups_add(&a.groups, str_from(name)));
	}
	assert_true(groups_add(&more, STR("G7")));
	auth_add_groups(&a, &more);
	assert_int_equal(a.result, AUTH_OK);
	assert_true(groups_add(&more, STR("one more")));
	auth_add_groups(&a, &more);
	assert_int_equal(a.result, AUTH_BUSY);
	assert_int_equal(a.groups.n, 0);
	assert_string_equal(a.why, "more than 64 groups");
	groups_fini(&more);
	auth_answer_fini(&a);
}

static void
impossible_credentials(void **state)
{
	static const struct {
		struct str user, password;
		bool possible;
	} table[] = {
		{ STR("a"), STR("b"), true },
		{ STR("../../etc"), STR("%n%n*)(uid=*"), true },
		{ STR("\xff\xfe"), STR("\x01\r\n"), true },
		{ STR(""), STR("b"), false },
		{ STR("a"), STR(""), false },
		{ STR("admin\0x"), STR("b"), false },
		{ STR("a"), STR("b\0"), false },
		{ STR("\0"), STR("b"), false },
	};
	char long_one[256] = { 'x' };
	struct auth_question q = { .user = { long_one, 255 },
		.password = STR("b") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct auth_question t = { .user = table[i].user,
			.password = table[i].password };

		assert_int_equal(auth_is_possible(&t), table[i].possible);
	}
	for (size_t i = 0; i < sizeof(long_one); i++)
		long_one[i] = 'x';
	assert_true(auth_is_possible(&q));
	q.user.len++;
	assert_false(auth_is_possible(&q));
}

/* ---- the work, by a verifier that counts ---- */

static unsigned hashes;
static const char *hashed;

static enum passhash_result
count_hash(struct str password, const char *hash)
{
	hashes++;
	hashed = hash;
	return str_eq(password, STR("right")) ? PASSHASH_RIGHT : PASSHASH_WRONG;
}

static enum auth_result
ask(struct backend *b, const char *user, const char *password)
{
	struct auth_question q = { .user = str_from(user),
		.password = str_from(password), .source = addr("192.0.2.1") };
	const struct backend_turn turn = { .deadline_ms = UINT64_MAX };
	struct auth_answer a;
	enum auth_result r;

	hashes = 0;
	b->check(b->arg, &turn, &q, &a);
	r = a.result;
	auth_answer_fini(&a);
	return r;
}

/* One hash each, of the same method and cost, whoever is asked for. */
static void
same_work_for_all(void **state)
{
	static const struct {
		const char *user, *password;
		enum auth_result result;
	} questions[] = {
		{ "alice", "right", AUTH_OK },
		{ "alice", "wrong", AUTH_FAILED },
		{ "nobody", "right", AUTH_FAILED },
		{ "nobody", "wrong", AUTH_FAILED },
		{ "off", "right", AUTH_FAILED },
		{ "off", "wrong", AUTH_FAILED },
		{ "gone", "right", AUTH_FAILED },
		{ "gone", "wrong", AUTH_FAILED },
		{ "office", "right", AUTH_FAILED },
		{ "office", "wrong", AUTH_FAILED },
		{ "both", "right", AUTH_FAILED },
	};
	struct users_backend u = { roster_new(), count_hash };
	struct backend b = users_backend_ops(&u);
	struct users_file *f = parse();

	(void)state;
	clock_test_set(1, NOW);
	roster_replace(u.roster, &f);
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		assert_int_equal(ask(&b, questions[i].user,
		    questions[i].password), questions[i].result);
		assert_int_equal(hashes, 1);
		assert_memory_equal(hashed, "$y$j9T$", 7);
	}
	ask(&b, "nobody", "right");
	assert_non_null(strstr(hashed, "..............................."));
	ask(&b, "alice", "wrong");
	assert_string_equal(hashed, HASH("alice"));
	roster_free(&u.roster);
	clock_test_reset();
}

static void
no_table_is_busy(void **state)
{
	struct users_backend u = { roster_new(), count_hash };
	struct backend b = users_backend_ops(&u);

	(void)state;
	assert_int_equal(ask(&b, "alice", "right"), AUTH_BUSY);
	assert_false(b.uses_source(b.arg, STR("alice")));
	roster_free(&u.roster);
}

static void
who_uses_the_source(void **state)
{
	struct users_backend u = { roster_new(), count_hash };
	struct backend b = users_backend_ops(&u);
	struct users_file *f = parse();

	(void)state;
	roster_replace(u.roster, &f);
	assert_true(b.uses_source(b.arg, STR("office")));
	assert_false(b.uses_source(b.arg, STR("alice")));
	assert_false(b.uses_source(b.arg, STR("nobody")));
	roster_free(&u.roster);
}

static void
versions_live_while_pinned(void **state)
{
	struct roster *r = roster_new();
	const struct roster_version *old, *new;
	struct users_file *f = parse(), *g = parse();

	(void)state;
	roster_replace(r, &f);
	assert_null(f);
	old = roster_pin(r);
	roster_replace(r, &g);
	new = roster_pin(r);
	assert_ptr_not_equal(old, new);
	assert_non_null(users_file_find(old->file, STR("alice")));
	roster_unpin(r, &old);
	assert_null(old);
	roster_unpin(r, &old);	/* harmless */
	assert_non_null(users_file_find(new->file, STR("alice")));
	roster_unpin(r, &new);
	roster_free(&r);
	roster_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(hash_to_work_on),
		cmocka_unit_test(what_an_answer_holds),
		cmocka_unit_test(why_not),
		cmocka_unit_test(the_file_joins),
		cmocka_unit_test(the_file_refuses),
		cmocka_unit_test(a_refusal_stays_one),
		cmocka_unit_test(not_with_some_of_the_groups),
		cmocka_unit_test(impossible_credentials),
		cmocka_unit_test(same_work_for_all),
		cmocka_unit_test(no_table_is_busy),
		cmocka_unit_test(who_uses_the_source),
		cmocka_unit_test(versions_live_while_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
