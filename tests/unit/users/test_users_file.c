/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/passhash.h"
#include "users/users_file.h"

#define X10 "xxxxxxxxxx"
#define X43 X10 X10 X10 X10 "xxx"
#define Y "$y$j9T$salt$" X43
#define U "[[users]]\n"
#define NAME "username = \"a\"\n"
#define HASH "password_hash = \"" Y "\"\n"
#define GOOD U NAME HASH	/* lines 1 to 3 */
#define LONG16 "abcdefghijklmnop"
#define LONG256 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 \
	LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16

/* The only error begins with the place and has `says` in it. */
static const struct {
	const char *text, *at, *says;
} broken[] = {
	/* Not TOML. */
	{ "x", "1:", "" },
	{ "[[users]\n", "1:", "" },
	{ "[[users]]\nusername = alice\n", "2:", "" },
	{ "[[users]]\nusername = \"alice\n", "2:", "" },
	{ "[[users]]\nusername \"alice\"\n", "2:", "" },
	{ GOOD "username = \"b\"\n", "4:", "" },
	{ "users = []\n[[users]]\n", "2:", "" },
	{ U NAME HASH "groups = [\"x\"\n", "4:", "" },
	{ U "username = \"\xff\"\n" HASH, "2:", "" },
	{ U "username = \"a\\u0000b\"\n" HASH, "2:12", "NUL" },
	/* Keys of the file. */
	{ "user = []\n", "1:1", "unknown key user; did you mean users?" },
	{ "[[userz]]\n", "1:3", "did you mean users?" },
	{ "[global]\nx = 1\n", "1:2", "unknown key global" },
	{ "\"\\u0001\" = 1\n", "1:1", "unknown key \\x01" },
	{ GOOD "[[networks]]\ncidr = \"192.0.2.0/28\"\n", "4:3",
	    "unknown key networks" },
	/* The list of users. */
	{ "users = 1\n", "1:9", "a list of tables, not a number" },
	{ "users = \"a\"\n", "1:9", "not a string" },
	{ "[users]\nusername = \"a\"\n", "1:1", "not a table" },
	{ "users = [1]\n", "1:10", "expected a table, not a number" },
	{ "users = [[]]\n", "1:10", "expected a table, not a list" },
	/* Keys of a user. */
	{ U HASH, "1:1", "username is missing" },
	{ "\n\n" U HASH, "3:1", "username is missing" },
	{ GOOD "password = \"secret\"\n", "4:1", "clear text are not read" },
	{ GOOD "passwordhash = 1\n", "4:1", "did you mean password_hash?" },
	{ GOOD "name = 1\n", "4:1", "unknown key name" },
	{ GOOD "group = [\"x\"]\n", "4:1", "did you mean groups?" },
	{ GOOD "source = [\"10.0.0.0/8\"]\n", "4:1", "did you mean sources?" },
	{ GOOD "Enabled = true\n", "4:1", "did you mean enabled?" },
	{ GOOD "uid = 0\n", "4:1", "unknown key uid" },
	{ GOOD "scopes = [\"read\"]\n", "4:1", "scopes is not supported" },
	{ GOOD "certificate_names = [\"CN=a\"]\n", "4:1",
	    "certificate_names is not supported" },
	{ GOOD "groups.x = 1\n", "4:1", "expected a list of group names" },
	/* Names. */
	{ U "username = 1\n" HASH, "2:12", "expected a string, not a number" },
	{ U "username = [\"a\"]\n" HASH, "2:12", "not a list" },
	{ U "username = \"\"\n" HASH, "2:12", "expected a name" },
	{ U "username = \" a\"\n" HASH, "2:12", "spaces at its ends" },
	{ U "username = \"a \"\n" HASH, "2:12", "spaces at its ends" },
	{ U "username = \"a\\tb\"\n" HASH, "2:12", "control characters" },
	{ U "username = \"a\\nb\"\n" HASH, "2:12", "control characters" },
	{ U "username = \"a\\u007f\"\n" HASH, "2:12", "control characters" },
	{ U "username = \"" LONG256 "\"\n" HASH, "2:12", "1 to 255 bytes" },
	{ GOOD U NAME HASH, "5:12", "the user a is already in line 1" },
	/* Hashes. */
	{ U NAME "password_hash = 1\n", "3:17", "not a number" },
	{ U NAME "password_hash = \"\"\n", "3:17", "known strong" },
	{ U NAME "password_hash = \"secret\"\n", "3:17", "known strong" },
	{ U NAME "password_hash = \"!\"\n", "3:17", "known strong" },
	{ U NAME "password_hash = \"abJnggxhB/yWI\"\n", "3:17",
	    "known strong" },
	{ U NAME "password_hash = \"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/\"\n",
	    "3:17", "known strong" },
	{ U NAME "password_hash = \"$argon2id$v=19$m=65536,t=2,p=1$c$x\"\n",
	    "3:17", "known strong" },
	{ U NAME "password_hash = \"$y$jzT$salt$" X43 "\"\n", "3:17",
	    "cost" },
	{ U NAME "password_hash = \"$6$rounds=1$salt$" X43 X43 "\"\n",
	    "3:17", "cost" },
	{ U NAME "password_hash = \"$y$j9T$salt$" X10 "\"\n", "3:17",
	    "cut off" },
	{ U NAME "password_hash = \" " Y "\"\n", "3:17", "known strong" },
	{ U NAME "password_hash = \"" Y "\\n\"\n", "3:17", "cut off" },
	/* Groups. */
	{ GOOD "groups = \"x\"\n", "4:10", "expected a list of group names" },
	{ GOOD "groups = true\n", "4:10", "expected a list of group names" },
	{ GOOD "groups = [1]\n", "4:11", "expected a string, not a number" },
	{ GOOD "groups = [\"x\", \"\"]\n", "4:16", "expected a name" },
	{ GOOD "groups = [\"x\\r\"]\n", "4:11", "control characters" },
	{ GOOD "groups = [\"Dev\", \"dev\"]\n", "4:18", "here twice" },
	{ GOOD "groups = [\n  \"x\",\n  \"x\",\n]\n", "6:3", "here twice" },
	{ GOOD "groups = [\"" LONG256 "\"]\n", "4:11", "1 to 255 bytes" },
	/* Enabled. */
	{ GOOD "enabled = \"yes\"\n", "4:11", "expected true or false" },
	{ GOOD "enabled = 1\n", "4:11", "expected true or false" },
	{ GOOD "enabled = []\n", "4:11", "expected true or false" },
	/* Expires. */
	{ GOOD "expires = \"2027-01-01T00:00:00Z\"\n", "4:11", "unquoted" },
	{ GOOD "expires = 2027-01-01\n", "4:11", "with its offset" },
	{ GOOD "expires = 2027-01-01T00:00:00\n", "4:11", "with its offset" },
	{ GOOD "expires = 12:00:00\n", "4:11", "with its offset" },
	{ GOOD "expires = 1969-12-31T23:59:59Z\n", "4:11", "expected a time" },
	{ GOOD "expires = 1970-01-01T00:00:00Z\n", "4:11", "expected a time" },
	{ GOOD "expires = 0\n", "4:11", "expected a time" },
	{ GOOD "expires = 2027-13-01T00:00:00Z\n", "4:", "" },
	/* Sources. */
	{ GOOD "sources = \"10.0.0.0/8\"\n", "4:11", "expected a list" },
	{ GOOD "sources = []\n", "4:11", "leave the key out" },
	{ GOOD "sources = [1]\n", "4:12", "expected a string such as" },
	{ GOOD "sources = [\"\"]\n", "4:12", "" },
	{ GOOD "sources = [\"10.0.0.0/33\"]\n", "4:12", "" },
	{ GOOD "sources = [\"10.0.0.1/8\"]\n", "4:12", "" },
	{ GOOD "sources = [\"10.0.0.0/8\", \"office\"]\n", "4:26", "" },
	{ GOOD "sources = [\"*\"]\n", "4:12", "" },
	{ GOOD "sources = [\"fe80::1%eth0\"]\n", "4:12", "" },
	/* Networks. */
	{ GOOD "networks = \"10.0.0.0/8\"\n", "4:12", "expected a list" },
	{ GOOD "networks = []\n", "4:12", "leave the key out where" },
	{ GOOD "networks = [1]\n", "4:13", "expected a string such as" },
	{ GOOD "networks = [\"10.0.0.1/8\"]\n", "4:13", "" },
	{ GOOD "networks = [\"10.0.0.0/8\", \"::1\", \"10.0.0.0/8\"]\n",
	    "4:34", "10.0.0.0/8 is already a network of the user a in line 4" },
	{ GOOD "networks = [\n\"::1\"]\n" U "username = \"b\"\n"
	    "networks = [\"::/0\",\n  \"::1/128\"]\n", "9:3",
	    "::1/128 is already a network of the user a in line 5" },
	/* Limits. */
	{ GOOD "limits = 1\n", "4:10", "expected a string, not a number" },
	{ GOOD "limits = \"\"\n", "4:10", "name of a limits class" },
	{ GOOD "limits = \"a b\"\n", "4:10", "name of a limits class" },
	{ GOOD "limits = \"\u00e9\"\n", "4:10", "name of a limits class" },
	{ GOOD "limits = \"" LONG16 LONG16 LONG16 LONG16 "x\"\n", "4:10",
	    "1 to 64 letters" },
};

static void
broken_files(void **state)
{
	(void)state;
	static_assert(ARRAY_LEN(broken) >= 60, "the table has shrunk");
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct users_notes notes = { .n_errors = 0 };
		struct users_file *f = NULL;
		char at[64];

		snprintf(at, sizeof(at), "u.toml:%s", broken[i].at);
		if (users_file_parse(&f, "u.toml", str_from(broken[i].text),
		    &notes) == 0)
			fail_msg("taken: %s", broken[i].text);
		assert_null(f);
		assert_int_equal(notes.n_errors, 1);
		assert_int_equal(notes.errors.n, 1);
		if (strncmp(notes.errors.v[0], at, strlen(at)) != 0 ||
		    strstr(notes.errors.v[0], broken[i].says) == NULL)
			fail_msg("%s\ngave %s\nnot %s … %s", broken[i].text,
			    notes.errors.v[0], at, broken[i].says);
		users_notes_fini(&notes);
	}
}

static struct users_file *
parse(const char *path, const char *text, struct users_notes *notes)
{
	struct users_file *f;

	*notes = (struct users_notes){ .n_errors = 0 };
	if (users_file_parse(&f, path, str_from(text), notes) != 0)
		fail_msg("%s", notes->errors.v[0]);
	return f;
}

static void
all_errors_are_told(void **state)
{
	static const char text[] =
	    U "username = 1\nenabled = 3\n" U HASH "x = 1\n"
	    "[[networks]]\n";
	struct users_notes notes = { .n_errors = 0 };
	struct users_file *f;
	struct err err;

	(void)state;
	assert_int_equal(users_file_parse(&f, "u", STR(text), &notes), -1);
	assert_int_equal(notes.n_errors, 5);
	assert_int_equal(users_notes_err(&notes, &err), -1);
	assert_string_equal(err.text,
	    "u:2:12: expected a string, not a number\n"
	    "u:3:11: expected true or false\n"
	    "u:6:1: unknown key x\n"
	    "u:4:1: username is missing\n"
	    "u:7:3: unknown key networks");
	users_notes_fini(&notes);
	assert_int_equal(notes.errors.n, 0);
}

static void
errors_are_bounded(void **state)
{
	struct users_notes notes = { .n_errors = 0 };
	struct bytes text = { 0 };
	struct users_file *f;

	(void)state;
	for (int i = 0; i < 500; i++)
		bytes_fmt(&text, "x%d = 1\n", i);
	assert_int_equal(users_file_parse(&f, "u",
	    (struct str){ text.ptr, text.len }, &notes), -1);
	assert_int_equal(notes.n_errors, 500);
	assert_int_equal(notes.errors.n, USERS_NOTES_MAX);
	bytes_fini(&text);
	users_notes_fini(&notes);
}

static void
too_many_groups(void **state)
{
	struct users_notes notes = { .n_errors = 0 };
	struct bytes text = { 0 };
	struct users_file *f;

	(void)state;
	bytes_fmt(&text, "%sgroups = [", GOOD);
	for (int i = 0; i < USERS_GROUPS_MAX; i++)
		bytes_fmt(&text, "\"g%d\", ", i);
	bytes_fmt(&text, "]\n");
	f = parse("u", text.ptr, &notes);
	assert_int_equal(users_file_at(f, 0)->groups.n, USERS_GROUPS_MAX);
	users_file_free(&f);
	text.len -= 2;
	bytes_fmt(&text, "\"one more\"]\n");
	assert_int_equal(users_file_parse(&f, "u",
	    (struct str){ text.ptr, text.len }, &notes), -1);
	assert_non_null(strstr(notes.errors.v[0], "65 groups, more than 64"));
	bytes_fini(&text);
	users_notes_fini(&notes);
}

static void
check_full(const struct users_file *f)
{
	const struct user *u;
	char cidr[CIDR_TEXT_SIZE];

	assert_int_equal(users_file_count(f), 2);
	u = users_file_at(f, 0);
	assert_string_equal(u->name.ptr, "alice b");
	assert_string_equal(u->hash, Y);
	assert_int_equal(u->groups.n, 2);
	assert_string_equal(u->groups.v[0], "developers");
	assert_string_equal(u->groups.v[1], "Domain Users@ad.example");
	assert_false(u->enabled);
	assert_int_equal(u->expires_us, 1798754400000000);
	assert_int_equal(u->sources.n, 2);
	cidr_format(cidr, &u->sources.v[1]);
	assert_string_equal(cidr, "2001:db8::/32");
	assert_int_equal(u->networks.n, 1);
	cidr_format(cidr, &u->networks.v[0]);
	assert_string_equal(cidr, "192.0.2.0/28");
	assert_string_equal(u->limits, "Staff-2.x_y");
	u = users_file_find(f, STR("no"));
	assert_ptr_equal(u, users_file_at(f, 1));
	assert_true(u->enabled);
	assert_int_equal(u->groups.n, 0);
	assert_int_equal(u->expires_us, 0);
	assert_int_equal(u->sources.n, 0);
	assert_int_equal(u->networks.n, 0);
	assert_null(u->limits);
	assert_null(users_file_find(f, STR("No")));
	assert_null(users_file_find(f, STR("n")));
	assert_null(users_file_find(f, STR("no\0")));
	assert_null(users_file_find(f, STR("")));
}

static void
whole_file(void **state)
{
	struct users_notes notes;
	struct users_file *f;

	(void)state;
	f = parse("u.toml", "# head\n" U "username = \"alice b\"\n" HASH
	    "groups = [\"developers\", \"Domain Users@ad.example\"]\n"
	    "enabled = false\nexpires = 2027-01-01T00:00:00+02:00\n"
	    "sources = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n"
	    "networks = [\"192.0.2.0/28\"]\nlimits = \"Staff-2.x_y\"\n"
	    U "username = \"no\"\n" HASH, &notes);
	check_full(f);
	assert_int_equal(notes.warnings.n, 0);
	users_file_free(&f);
	users_file_free(&f);	/* harmless */
	f = parse("u.yaml", "users:\n- username: alice b\n"
	    "  password_hash: " Y "\n"
	    "  groups: [developers, Domain Users@ad.example]\n"
	    "  enabled: false\n  expires: 2027-01-01T00:00:00+02:00\n"
	    "  sources: ['10.0.0.0/8', '2001:db8::/32']\n"
	    "  networks: [192.0.2.0/28]\n  limits: Staff-2.x_y\n"
	    "- username: no\n  password_hash: " Y "\n", &notes);
	check_full(f);
	users_file_free(&f);
}

#define BCRYPT(cost) "$2b$" cost "$" X10 X10 "xx" X10 X10 X10 "x"
#define USER(name, hash) \
	U "username = \"" name "\"\npassword_hash = \"" hash "\"\n"

/* The decoy is the common hash but for its last 31 characters. */
static const struct {
	const char *text, *like;
	const char *warns;	/* NULL: nothing */
} decoys[] = {
	{ "", "$y$j9T$", "u: no users" },
	{ "# nobody yet\n", "$y$j9T$", "u: no users" },
	{ USER("a", "$6$salt$" X43 X43), "$6$salt$", NULL },
	{ USER("a", "$5$rounds=1000$salt$" X43), "$5$rounds=1000$salt$",
	    NULL },
	{ USER("a", BCRYPT("04")), "$2b$04$" X10, NULL },
	{ USER("a", "$7$CU..../....salt$" X43), "$7$CU..../....salt$", NULL },
	{ USER("a", "$gy$j9T$salt$" X43), "$gy$j9T$salt$", NULL },
	{ USER("a", BCRYPT("04")) USER("b", BCRYPT("05"))
	    USER("c", BCRYPT("05")), "$2b$05$", "u:1:1: a hash" },
	{ USER("a", Y) USER("b", "$y$j8T$salt$" X43)
	    USER("c", "$6$salt$" X43 X43) USER("d", "$y$j8T$other$" X43),
	    "$y$j8T$", "u:1:1: a hash" },
	{ USER("a", "$6$s$" X43 X43) USER("b", "$6$rounds=2000$s$" X43 X43)
	    USER("c", "$6$rounds=2000$t$" X43 X43), "$6$rounds=2000$",
	    "u:1:1: a hash" },
	{ USER("a", "$6$s$" X43 X43) USER("b", "$6$other$" X43 X43), "$6$",
	    NULL },
	/* Who has no password has no say. */
	{ U NAME, "$y$j9T$", NULL },
	{ U NAME USER("b", BCRYPT("04")) U "username = \"c\"\n",
	    "$2b$04$", NULL },
	{ U NAME USER("b", BCRYPT("04")) USER("c", BCRYPT("04"))
	    USER("d", BCRYPT("05")), "$2b$04$", "u:9:1: a hash" },
};

static void
decoy_costs_as_most_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(decoys); i++) {
		const char *like = decoys[i].like, *warns = decoys[i].warns;
		struct users_notes notes;
		struct users_file *f = parse("u", decoys[i].text, &notes);
		const char *decoy = users_file_decoy(f);

		if (strncmp(decoy, like, strlen(like)) != 0)
			fail_msg("%s is not like %s", decoy, like);
		assert_int_equal(passhash_check(str_from(decoy), NULL), 0);
		assert_string_equal(decoy + strlen(decoy) - 31,
		    "...............................");
		assert_int_equal(notes.warnings.n, warns != NULL);
		if (warns != NULL)
			assert_ptr_equal(strstr(notes.warnings.v[0], warns),
			    notes.warnings.v[0]);
		users_notes_fini(&notes);
		users_file_free(&f);
	}
}

static void
loading(void **state)
{
	char path[] = "/tmp/users_file_XXXXXX";
	struct users_notes notes = { .n_errors = 0 };
	struct users_file *f;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, GOOD, sizeof(GOOD) - 1), sizeof(GOOD) - 1);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(users_file_load(&f, path, &notes), 0);
	assert_int_equal(notes.warnings.n, 0);
	users_file_free(&f);
	assert_int_equal(fchmod(fd, 0604), 0);
	assert_int_equal(users_file_load(&f, path, &notes), 0);
	assert_int_equal(notes.warnings.n, 1);
	assert_non_null(strstr(notes.warnings.v[0], "mode 0604"));
	users_file_free(&f);
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(users_file_load(&f, path, &notes), -1);
	assert_null(f);
	assert_non_null(strstr(notes.errors.v[0], "No such file"));
	users_notes_fini(&notes);
	assert_int_equal(users_file_load(&f, "/tmp", &notes), -1);
	users_notes_fini(&notes);
}

static void
many_users(void **state)
{
	struct users_notes notes;
	struct bytes text = { 0 };
	struct users_file *f;

	(void)state;
	for (int i = 0; i < 3000; i++)
		bytes_fmt(&text, U "username = \"u%d\"\n" HASH, i);
	f = parse("u", text.ptr, &notes);
	assert_int_equal(users_file_count(f), 3000);
	assert_ptr_equal(users_file_find(f, STR("u2999")),
	    users_file_at(f, 2999));
	assert_null(users_file_find(f, STR("u3000")));
	users_file_free(&f);
	bytes_fini(&text);
}

/* ---- networks ---- */

static const char *
whose(const struct users_file *f, const char *source)
{
	const struct user *u;
	struct addr a;

	assert_true(addr_parse(&a, str_from(source)));
	u = users_file_find_network(f, &a);
	return u == NULL ? "nobody" : u->name.ptr;
}

static void
longest_prefix_wins(void **state)
{
	static const char text[] =
	    U "username = \"ten\"\nnetworks = [\"10.0.0.0/8\", \"::/1\"]\n"
	    U "username = \"one\"\nnetworks = [\"10.1.2.3\", \"::1\"]\n"
	    U "username = \"two\"\nnetworks = [\"10.1.2.0/24\"]\n"
	    U "username = \"low\"\nnetworks = [\"10.1.2.0/25\"]\n"
	    U "username = \"end\"\nnetworks = [\"10.255.0.0/16\", "
	    "\"255.255.255.255\", \"2001:db8::/32\"]\n";
	static const struct {
		const char *source, *user;
	} table[] = {
		{ "9.255.255.255", "nobody" }, { "10.0.0.0", "ten" },
		{ "10.1.1.255", "ten" }, { "10.1.2.0", "low" },
		{ "10.1.2.2", "low" }, { "10.1.2.3", "one" },
		{ "::ffff:10.1.2.3", "one" }, { "10.1.2.4", "low" },
		{ "10.1.2.127", "low" }, { "10.1.2.128", "two" },
		{ "10.1.2.255", "two" }, { "10.1.3.0", "ten" },
		{ "10.254.255.255", "ten" }, { "10.255.0.0", "end" },
		{ "10.255.255.255", "end" }, { "11.0.0.0", "nobody" },
		{ "255.255.255.254", "nobody" }, { "255.255.255.255", "end" },
		{ "0.0.0.0", "nobody" }, { "::", "ten" }, { "::1", "one" },
		{ "::2", "ten" }, { "2001:db7:ffff::", "ten" },
		{ "2001:db8::1", "end" }, { "2001:db9::", "ten" },
		{ "8000::", "nobody" },
	};
	struct users_notes notes;
	struct users_file *f = parse("u", text, &notes);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(whose(f, table[i].source), table[i].user) != 0)
			fail_msg("%s is %s, not %s", table[i].source,
			    whose(f, table[i].source), table[i].user);
	assert_int_equal(notes.warnings.n, 0);
	users_file_free(&f);
	f = parse("u", GOOD, &notes);
	assert_string_equal(whose(f, "10.0.0.1"), "nobody");
	users_file_free(&f);
}

/* The longest of all, one after the other. */
static const struct user *
scan(const struct users_file *f, const struct addr *a)
{
	const struct user *best = NULL;
	int bits = -1;

	for (size_t i = 0; i < users_file_count(f); i++) {
		const struct user *u = users_file_at(f, i);

		for (size_t k = 0; k < u->networks.n; k++) {
			const struct cidr *c = &u->networks.v[k];

			if (!cidr_has(c, a) || c->bits <= bits)
				continue;
			bits = c->bits;
			best = u;
		}
	}
	return best;
}

static uint32_t seed = 20261121;

static unsigned
draw(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* Few bits differ, so that networks lie within each other. */
static struct addr
draw_addr(void)
{
	struct addr a;
	const char *text = draw(2) == 0 ? "10.0.0.0" : "2001::";

	assert_true(addr_parse(&a, str_from(text)));
	for (unsigned i = 0; i < 4; i++)
		a.b[12 + i] ^= (uint8_t)(draw(2) << draw(8));
	return a;
}

static void
add_random(struct bytes *text, char (*seen)[CIDR_TEXT_SIZE], size_t *n)
{
	struct addr a = draw_addr();
	struct cidr c = { a, (uint8_t)(100 + draw(29)), addr_is_v4(&a) };

	for (unsigned bit = c.bits; bit < 128; bit++)
		c.base.b[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
	cidr_format(seen[*n], &c);
	for (size_t i = 0; i < *n; i++)
		if (strcmp(seen[i], seen[*n]) == 0)
			return;
	bytes_fmt(text, U "username = \"u%zu\"\nnetworks = [\"%s\"]\n", *n,
	    seen[*n]);
	++*n;
}

static void
networks_as_a_scan_finds_them(void **state)
{
	static char seen[200][CIDR_TEXT_SIZE];

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		struct bytes text = { 0 };
		struct users_notes notes;
		struct users_file *f;
		size_t n = 0;

		for (unsigned i = 0; i < ARRAY_LEN(seen); i++)
			add_random(&text, seen, &n);
		f = parse("u", text.ptr, &notes);
		for (unsigned i = 0; i < 2000; i++) {
			struct addr a = draw_addr();

			assert_ptr_equal(users_file_find_network(f, &a),
			    scan(f, &a));
		}
		users_file_free(&f);
		bytes_fini(&text);
	}
}

static void
too_many_networks(void **state)
{
	struct users_notes notes = { .n_errors = 0 };
	struct bytes text = { 0 };
	struct users_file *f;

	(void)state;
	bytes_fmt(&text, "%snetworks = [", GOOD);
	for (int i = 0; i < USERS_NETWORKS_MAX; i++)
		bytes_fmt(&text, "\"10.0.%d.0/24\", ", i);
	bytes_fmt(&text, "]\n");
	f = parse("u", text.ptr, &notes);
	assert_int_equal(users_file_at(f, 0)->networks.n, USERS_NETWORKS_MAX);
	users_file_free(&f);
	text.len -= 2;
	bytes_fmt(&text, "\"10.1.0.0/24\"]\n");
	assert_int_equal(users_file_parse(&f, "u",
	    (struct str){ text.ptr, text.len }, &notes), -1);
	assert_non_null(strstr(notes.errors.v[0], "257 address ranges"));
	bytes_fini(&text);
	users_notes_fini(&notes);
}

static void
password_may_be_absent(void **state)
{
	struct users_notes notes;
	struct users_file *f = parse("u", U NAME "groups = [\"x\"]\n", &notes);

	(void)state;
	assert_null(users_file_find(f, STR("a"))->hash);
	assert_int_equal(notes.warnings.n, 0);
	users_file_free(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_files),
		cmocka_unit_test(all_errors_are_told),
		cmocka_unit_test(errors_are_bounded),
		cmocka_unit_test(too_many_groups),
		cmocka_unit_test(too_many_networks),
		cmocka_unit_test(longest_prefix_wins),
		cmocka_unit_test(networks_as_a_scan_finds_them),
		cmocka_unit_test(password_may_be_absent),
		cmocka_unit_test(whole_file),
		cmocka_unit_test(decoy_costs_as_most_do),
		cmocka_unit_test(loading),
		cmocka_unit_test(many_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
