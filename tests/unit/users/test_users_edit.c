/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "users/users_edit.h"
#include "users/users_file.h"

#define X10 "xxxxxxxxxx"
#define X43 X10 X10 X10 X10 "xxx"
#define Y "$y$j9T$salt$" X43
#define NEW "$y$j9T$new$" X43
#define HASH(h) "password_hash = \"" h "\"\n"
#define USER(name) "[[users]]\nusername = \"" name "\"\n" HASH(Y)

static char dir[32], path[64];

static int
set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/users_edit_XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/users.toml", dir);
	return 0;
}

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int
tear_down(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
put(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static char *
get(const char *name)
{
	struct bytes b = { 0 };
	char part[4096];
	FILE *f = fopen(name, "re");
	size_t n;

	assert_non_null(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		bytes_add(&b, part, n);
	fclose(f);
	bytes_add(&b, "", 1);
	return b.ptr;
}

static void
holds(const char *text)
{
	char *now = get(path);

	assert_string_equal(now, text);
	free(now);
}

#define DAY UINT64_C(1798761600000000)	/* 2027-01-01 */

/* What is done to `before`: NULL hash: delete; else set; the rest: add. */
struct step {
	const char *name, *hash;
	bool add;
	const char *groups[3];
	uint64_t expires_us;
	const char *sources[3], *limits, *networks[3];
};

/* All that stand there; how many. */
static size_t
strs(struct str out[static 3], const char *const texts[static 3])
{
	size_t n = 0;

	for (; n < 3 && texts[n] != NULL; n++)
		out[n] = str_from(texts[n]);
	return n;
}

struct lists {
	struct str groups[3], sources[3], networks[3];
};

/* Borrows from both. */
static struct users_edit_user
user_of(const struct step *s, struct lists *l)
{
	return (struct users_edit_user){
		.name = str_from(s->name), .hash = str_from(s->hash),
		.groups = l->groups, .n_groups = strs(l->groups, s->groups),
		.expires_us = s->expires_us,
		.sources = l->sources,
		.n_sources = strs(l->sources, s->sources),
		.limits = str_from(s->limits),
		.networks = l->networks,
		.n_networks = strs(l->networks, s->networks),
	};
}

static enum users_edit_result
run(const struct step *s, struct err *err)
{
	struct lists lists;
	const struct users_edit_user u = user_of(s, &lists);

	if (s->hash == NULL)
		return users_edit_delete(path, u.name, err);
	if (!s->add)
		return users_edit_set_hash(path, u.name, u.hash, err);
	return users_edit_add(path, &u, err);
}

static const struct {
	const char *before;
	struct step step;
	const char *after;
} edits[] = {
	/* Add. */
	{ "", { "a", Y, true }, USER("a") },
	{ "# nobody yet", { "a", Y, true }, "# nobody yet\n\n" USER("a") },
	{ USER("a"), { "b", Y, true }, USER("a") "\n" USER("b") },
	{ USER("a") "# end\n", { "b", Y, true, { "x", "y z" } },
	    USER("a") "# end\n\n" USER("b") "groups = [\"x\", \"y z\"]\n" },
	{ "", { "O\"Neil\\\\ \xc3\xb6", Y, true, { "a\"]" } },
	    "[[users]]\nusername = \"O\\\"Neil\\\\\\\\ \xc3\xb6\"\n" HASH(Y)
	    "groups = [\"a\\\"]\"]\n" },
	{ "[[users]]\r\nusername = \"a\"\r\n" "password_hash = '" Y "'\r\n",
	    { "b", Y, true }, "[[users]]\r\nusername = \"a\"\r\n"
	    "password_hash = '" Y "'\r\n\n" USER("b") },
	{ "", { "a", Y, true, { NULL }, DAY, { "::1" }, "x", { "fc00::/7" } },
	    USER("a") "expires = 2027-01-01T00:00:00Z\n"
	    "sources = [\"::1/128\"]\nnetworks = [\"fc00::/7\"]\n"
	    "limits = \"x\"\n" },
	{ USER("a"), { "b", Y, true, { "g" }, 0, { "10.0.0.0/8", "::/0" } },
	    USER("a") "\n" USER("b") "groups = [\"g\"]\n"
	    "sources = [\"10.0.0.0/8\", \"::/0\"]\n" },
	/* Set the hash, whatever is around it. */
	{ USER("a") USER("b"), { "b", NEW },
	    USER("a") "[[users]]\nusername = \"b\"\n" HASH(NEW) },
	{ "[[users]]\n  password_hash='" Y "'# why\n\tusername='a'\n",
	    { "a", NEW },
	    "[[users]]\n  password_hash=\"" NEW "\"# why\n\tusername='a'\n" },
	{ "[[users]]\nusername = \"a\"\n\"password_hash\" = \"" Y "\" # \"x\"",
	    { "a", NEW }, "[[users]]\nusername = \"a\"\n"
	    "\"password_hash\" = \"" NEW "\" # \"x\"" },
	{ "users = [ { username = \"\xc3\xb6\", password_hash = \"" Y "\" },"
	    " { username = \"b\", password_hash = \"" Y "\" } ] # \xc3\xb6\n",
	    { "b", NEW }, "users = [ { username = \"\xc3\xb6\", "
	    "password_hash = \"" Y "\" }, { username = \"b\", "
	    "password_hash = \"" NEW "\" } ] # \xc3\xb6\n" },
	{ "[[users]]\nusername = \"a\"\npassword_hash = \"\\u0024"
	    "y$j9T$salt$" X43 "\"\n", { "a", NEW },
	    "[[users]]\nusername = \"a\"\n" HASH(NEW) },
	/* Delete. */
	{ USER("a"), { "a" }, "" },
	{ "# head\n\n" USER("a") "\n" USER("b"), { "a" },
	    "# head\n\n" USER("b") },
	{ USER("a") "\n# about b\n" USER("b"), { "b" },
	    USER("a") "\n# about b\n" },
	{ USER("a") "groups = [\n \"x\", # why\n]\n\n\n# about b\n" USER("b"),
	    { "a" }, "\n# about b\n" USER("b") },
	{ USER("a") USER("b") USER("c"), { "b" }, USER("a") USER("c") },
	{ "[[users]] # x\nusername = \"a\"\n" HASH(Y) "# after\n" USER("b"),
	    { "a" }, "# after\n" USER("b") },
	{ USER("a") "\n  [[ users ]]\nusername = \"b\"\n"
	    "password_hash = \"" Y "\"", { "b" }, USER("a") "\n" },
};

static void
edits_keep_the_rest(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		struct err err = { "" };

		put(edits[i].before);
		if (run(&edits[i].step, &err) != USERS_EDIT_DONE)
			fail_msg("%zu: %s", i, err.text);
		holds(edits[i].after);
	}
}

/* ---- single keys ---- */

enum key { HASH_, ENABLED, EXPIRES, GROUPS, SOURCES, NETWORKS, LIMITS };

struct key_step {
	const char *name;
	enum key key;
	uint64_t value;		/* of enabled and expires */
	const char *texts[3];	/* of the others */
};

static enum users_edit_result
set(const struct key_step *s, struct err *err)
{
	struct str name = str_from(s->name), texts[3];
	size_t n = strs(texts, s->texts);

	switch (s->key) {
	case ENABLED:
		return users_edit_set_enabled(path, name, s->value != 0, err);
	case EXPIRES:
		return users_edit_set_expires(path, name, s->value, err);
	case GROUPS:
		return users_edit_set_groups(path, name, texts, n, err);
	case SOURCES:
		return users_edit_set_sources(path, name, texts, n, err);
	case NETWORKS:
		return users_edit_set_networks(path, name, texts, n, err);
	case LIMITS:
		return users_edit_set_limits(path, name,
		    str_from(s->texts[0]), err);
	default:
		return users_edit_set_hash(path, name, STR(NEW), err);
	}
}

#define BARE(name) "[[users]]\nusername = \"" name "\"\n"
#define FARM(name, network) BARE(name) "networks = [\"" network "\"]\n"

static const struct {
	const char *before;
	struct key_step step;
	const char *after;
} key_edits[] = {
	/* The key is there. */
	{ USER("a") "enabled = true # yes\n", { "a", ENABLED, 0 },
	    USER("a") "enabled = false # yes\n" },
	{ USER("a") "enabled=false", { "a", ENABLED, 1 },
	    USER("a") "enabled=true" },
	{ USER("a") "expires = 2026-01-01T00:00:00+02:00 # x\n" USER("b"),
	    { "a", EXPIRES, DAY },
	    USER("a") "expires = 2027-01-01T00:00:00Z # x\n" USER("b") },
	{ USER("a") "expires = 2026-01-01 00:00:00.5Z\n",
	    { "a", EXPIRES, DAY + 1 },
	    USER("a") "expires = 2027-01-01T00:00:00.000001Z\n" },
	{ USER("a") "groups = [\"x\"]\n", { "a", GROUPS, 0, { "y", "z\"" } },
	    USER("a") "groups = [\"y\", \"z\\\"\"]\n" },
	{ USER("a") "groups = [ # ] \"\n  'x]', # one\n  \"y\\\"]\",\n"
	    "] # end\nenabled = true\n", { "a", GROUPS, 0, { "q" } },
	    USER("a") "groups = [\"q\"] # end\nenabled = true\n" },
	{ "users = [ { username = \"a\", enabled = true, groups = [] } ]",
	    { "a", ENABLED, 0 },
	    "users = [ { username = \"a\", enabled = false, groups = [] } ]" },
	{ "users = [ { username = \"a\", groups = [] } ]",
	    { "a", GROUPS, 0, { "x" } },
	    "users = [ { username = \"a\", groups = [\"x\"] } ]" },
	{ USER("a") "sources = [\n  \"10.0.0.0/8\", # ] old\n] # end\n",
	    { "a", SOURCES, 0, { "192.0.2.7", "2001:db8::/32" } },
	    USER("a") "sources = [\"192.0.2.7/32\", \"2001:db8::/32\"]"
	    " # end\n" },
	{ USER("a") "sources = [\"::1\"]\n", { "a", SOURCES, 0,
	    { "0.0.0.0/0" } }, USER("a") "sources = [\"0.0.0.0/0\"]\n" },
	{ BARE("a") "networks = [ '10.0.0.7' ] # x\n" FARM("b", "::1"),
	    { "a", NETWORKS, 0, { "10.0.0.7", "10.0.0.0/8" } },
	    BARE("a") "networks = [\"10.0.0.7/32\", \"10.0.0.0/8\"] # x\n"
	    FARM("b", "::1") },
	/* Another's, but for its size. */
	{ FARM("a", "10.0.0.0/8") FARM("b", "::1"),
	    { "b", NETWORKS, 0, { "10.0.0.0/16", "::/0", "0.0.0.0/0" } },
	    FARM("a", "10.0.0.0/8")
	    FARM("b", "10.0.0.0/16\", \"::/0\", \"0.0.0.0/0") },
	{ USER("a") "limits = 'x' # y\n", { "a", LIMITS, 0, { "z.A-_9" } },
	    USER("a") "limits = \"z.A-_9\" # y\n" },
	{ "users = [ { username = \"a\", limits = \"x\", sources = [\"::1\"]"
	    " } ]", { "a", LIMITS, 0, { "y" } },
	    "users = [ { username = \"a\", limits = \"y\", sources = "
	    "[\"::1\"] } ]" },
	/* It is not: a line behind the others, as they are written. */
	{ USER("a") "\n# about b\n" USER("b"), { "a", ENABLED, 0 },
	    USER("a") "enabled = false\n\n# about b\n" USER("b") },
	{ BARE("a") USER("b"), { "a", HASH_ },
	    BARE("a") HASH(NEW) USER("b") },
	{ BARE("a") "groups = [\n  \"x\",\n]\n# b\n" BARE("b"),
	    { "a", EXPIRES, DAY },
	    BARE("a") "groups = [\n  \"x\",\n]\n"
	    "expires = 2027-01-01T00:00:00Z\n# b\n" BARE("b") },
	{ "[[users]]\n\t username = \"a\"", { "a", GROUPS, 0, { "x" } },
	    "[[users]]\n\t username = \"a\"\n\t groups = [\"x\"]\n" },
	{ "[[users]]\r\nusername = \"a\"\r\n\r\n", { "a", ENABLED, 0 },
	    "[[users]]\r\nusername = \"a\"\r\nenabled = false\r\n\r\n" },
	{ BARE("\xc3\xb6"), { "\xc3\xb6", ENABLED, 0 },
	    BARE("\xc3\xb6") "enabled = false\n" },
	{ USER("a") "\n" USER("b"), { "a", SOURCES, 0, { "::1" } },
	    USER("a") "sources = [\"::1/128\"]\n\n" USER("b") },
	{ BARE("a") USER("b"), { "a", NETWORKS, 0, { "10.0.0.0/8" } },
	    FARM("a", "10.0.0.0/8") USER("b") },
	{ BARE("a") "sources = [\"::1\"]", { "a", LIMITS, 0, { "x" } },
	    BARE("a") "sources = [\"::1\"]\nlimits = \"x\"\n" },
	/* It goes. */
	{ USER("a") "expires = 2026-01-01T00:00:00Z # x\nenabled = true\n",
	    { "a", EXPIRES, 0 }, USER("a") "enabled = true\n" },
	{ USER("a") "groups = [\n  \"x\", # one\n]\n# after\n" USER("b"),
	    { "a", GROUPS, 0, { NULL } }, USER("a") "# after\n" USER("b") },
	{ USER("a") "groups = [\"x\"]", { "a", GROUPS, 0, { NULL } },
	    USER("a") },
	{ USER("a") "sources = [\n \"::1\", # x\n]\nlimits = \"x\"\n",
	    { "a", SOURCES, 0, { NULL } }, USER("a") "limits = \"x\"\n" },
	{ USER("a") "sources = [\"::1\"]\nlimits = \"x\" # y\n# z\n",
	    { "a", LIMITS, 0, { NULL } },
	    USER("a") "sources = [\"::1\"]\n# z\n" },
	{ USER("a") "networks = [\n \"::1\", # x\n]\n" FARM("b", "::"),
	    { "a", NETWORKS, 0, { NULL } }, USER("a") FARM("b", "::") },
	/* It says so already, in whatever way. */
	{ USER("a"), { "a", ENABLED, 1 }, USER("a") },
	{ USER("a") "enabled  =  true\n", { "a", ENABLED, 1 },
	    USER("a") "enabled  =  true\n" },
	{ USER("a"), { "a", EXPIRES, 0 }, USER("a") },
	{ USER("a"), { "a", GROUPS, 0, { NULL } }, USER("a") },
	{ USER("a") "groups = []\n", { "a", GROUPS, 0, { NULL } },
	    USER("a") "groups = []\n" },
	{ USER("a") "groups = [ 'x', # one\n  \"\"\"y\"\"\" ]\n",
	    { "a", GROUPS, 0, { "x", "y" } },
	    USER("a") "groups = [ 'x', # one\n  \"\"\"y\"\"\" ]\n" },
	{ USER("a") "expires = 2027-01-01 02:00:00+02:00\n",
	    { "a", EXPIRES, DAY },
	    USER("a") "expires = 2027-01-01 02:00:00+02:00\n" },
	{ USER("a") "sources = [ '10.0.0.7', # one\n '::/0' ]\n",
	    { "a", SOURCES, 0, { "10.0.0.7/32", "::/0" } },
	    USER("a") "sources = [ '10.0.0.7', # one\n '::/0' ]\n" },
	{ USER("a"), { "a", SOURCES, 0, { NULL } }, USER("a") },
	{ FARM("a", "10.0.0.7"), { "a", NETWORKS, 0, { "10.0.0.7/32" } },
	    FARM("a", "10.0.0.7") },
	{ USER("a"), { "a", NETWORKS, 0, { NULL } }, USER("a") },
	{ USER("a") "limits = 'x'\n", { "a", LIMITS, 0, { "x" } },
	    USER("a") "limits = 'x'\n" },
	{ USER("a"), { "a", LIMITS, 0, { NULL } }, USER("a") },
	/* Others' keys stay theirs. */
	{ USER("a") "networks = [\"10.0.0.0/8\"]\nlimits = \"x\"\n"
	    BARE("b") "networks = [\"10.1.0.0/16\"]\nsources = [\"::1\"]\n",
	    { "b", ENABLED, 0 },
	    USER("a") "networks = [\"10.0.0.0/8\"]\nlimits = \"x\"\n"
	    BARE("b") "networks = [\"10.1.0.0/16\"]\nsources = [\"::1\"]\n"
	    "enabled = false\n" },
};

/* The file as it is, for replaced(). */
static int
hold(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Is the file another one than was held? Held until now, its number was not
 * given to a new one. */
static bool
replaced(int held)
{
	struct stat old, now;

	assert_int_equal(fstat(held, &old), 0);
	assert_int_equal(stat(path, &now), 0);
	close(held);
	return now.st_ino != old.st_ino;
}

static void
single_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(key_edits); i++) {
		bool same = strcmp(key_edits[i].before, key_edits[i].after)
		    == 0;
		struct err err = { "" };
		int held;

		put(key_edits[i].before);
		held = hold();
		if (set(&key_edits[i].step, &err) != USERS_EDIT_DONE)
			fail_msg("%zu: %s", i, err.text);
		holds(key_edits[i].after);
		if (replaced(held) == same)
			fail_msg("%zu: replaced: %d", i, !same);
		/* Once more is nothing. */
		held = hold();
		if (set(&key_edits[i].step, &err) != USERS_EDIT_DONE)
			fail_msg("%zu again: %s", i, err.text);
		holds(key_edits[i].after);
		if (replaced(held))
			fail_msg("%zu again: replaced", i);
	}
}

static const struct {
	const char *before;
	struct key_step step;
	enum users_edit_result result;
	const char *says;
} refused_keys[] = {
	{ USER("a"), { "b", ENABLED, 0 }, USERS_EDIT_NOT_FOUND, "no user b" },
	{ USER("a"), { "A", EXPIRES, DAY }, USERS_EDIT_NOT_FOUND,
	    "no user A" },
	{ "", { "a", GROUPS, 0, { "x" } }, USERS_EDIT_NOT_FOUND,
	    "no user a" },
	{ USER("a"), { "", ENABLED, 0 }, USERS_EDIT_BAD_INPUT, "1 to 255" },
	{ USER("a"), { "a\n", EXPIRES, 0 }, USERS_EDIT_BAD_INPUT,
	    "1 to 255" },
	{ USER("a"), { "a", EXPIRES, UINT64_MAX }, USERS_EDIT_BAD_INPUT,
	    "year 10000" },
	{ USER("a"), { "a", GROUPS, 0, { "x", "y", "X" } },
	    USERS_EDIT_BAD_INPUT, "the group x is given twice" },
	{ USER("a"), { "a", GROUPS, 0, { "x", "y\x7f" } },
	    USERS_EDIT_BAD_INPUT, "y\\x7f: not a group's name" },
	{ USER("a"), { "b", SOURCES, 0, { "::1" } }, USERS_EDIT_NOT_FOUND,
	    "no user b" },
	{ USER("a"), { "b", LIMITS, 0, { NULL } }, USERS_EDIT_NOT_FOUND,
	    "no user b" },
	{ USER("a"), { "a", SOURCES, 0, { "::1", "there\n" } },
	    USERS_EDIT_BAD_INPUT, "there\\x0a: not an IP address or range" },
	{ USER("a"), { "a", SOURCES, 0, { "10.0.0.7/8" } },
	    USERS_EDIT_BAD_INPUT, "10.0.0.7/8: bits are set behind" },
	{ USER("a"), { "a", SOURCES, 0, { "::/129" } },
	    USERS_EDIT_BAD_INPUT, "::/129: the prefix length" },
	{ USER("a"), { "a", SOURCES, 0, { "" } }, USERS_EDIT_BAD_INPUT,
	    "not an IP address" },
	{ USER("a"), { "b", NETWORKS, 0, { "::1" } }, USERS_EDIT_NOT_FOUND,
	    "no user b" },
	{ USER("a"), { "a", NETWORKS, 0, { "here" } }, USERS_EDIT_BAD_INPUT,
	    "here: not an IP address or range" },
	{ USER("a"), { "a", NETWORKS, 0, { "10.0.0.7/8" } },
	    USERS_EDIT_BAD_INPUT, "10.0.0.7/8: bits are set behind" },
	{ USER("a"), { "a", NETWORKS, 0, { "::1", "10.0.0.7", "::1/128" } },
	    USERS_EDIT_BAD_INPUT, "::1/128: the network is given twice" },
	{ FARM("a", "::1") BARE("b"), { "b", NETWORKS, 0, { "::2", "::1" } },
	    USERS_EDIT_EXISTS, "::1/128 is already a network of the user a" },
	{ BARE("a") FARM("b", "10.0.0.0/8"),
	    { "a", NETWORKS, 0, { "10.0.0.0/8" } }, USERS_EDIT_EXISTS,
	    "10.0.0.0/8 is already a network of the user b" },
	{ "users = [ { username = \"a\" } ]\n", { "a", NETWORKS, 0,
	    { "::1" } }, USERS_EDIT_BAD_FILE, ":1:11: written in a way" },
	{ USER("a"), { "a", LIMITS, 0, { "" } }, USERS_EDIT_BAD_INPUT,
	    "limits class: 1 to 64" },
	{ USER("a"), { "a", LIMITS, 0, { "x y" } }, USERS_EDIT_BAD_INPUT,
	    "limits class" },
	{ USER("a"), { "a", LIMITS, 0, { X10 X10 X10 X10 X10 X10 "xxxxx" } },
	    USERS_EDIT_BAD_INPUT, "limits class" },
	{ USER("a") "x = 1\n", { "a", ENABLED, 0 }, USERS_EDIT_BAD_FILE,
	    "unknown key x" },
	/* There are no lines to put it in, or to take out. */
	{ "users = [ { username = \"a\" } ]\n", { "a", ENABLED, 0 },
	    USERS_EDIT_BAD_FILE, ":1:11: written in a way" },
	{ "users = [ { username = \"a\", groups = [\"x\"] } ]\n",
	    { "a", GROUPS, 0, { NULL } }, USERS_EDIT_BAD_FILE,
	    "written in a way" },
	{ "users = [ { username = \"a\" } ]\n", { "a", SOURCES, 0, { "::1" } },
	    USERS_EDIT_BAD_FILE, ":1:11: written in a way" },
	{ USER("a") "limits = '''x'''\n", { "a", LIMITS, 0, { "y" } },
	    USERS_EDIT_BAD_FILE, ":4:10: written in a way" },
	{ USER("a") "groups = [\"\"\"x\"\"\"]\n", { "a", GROUPS, 0, { "y" } },
	    USERS_EDIT_BAD_FILE, ":4:10: written in a way" },
};

static void
refused_keys_change_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused_keys); i++) {
		struct err err = { "" };
		enum users_edit_result r;

		put(refused_keys[i].before);
		r = set(&refused_keys[i].step, &err);
		if (r != refused_keys[i].result ||
		    strstr(err.text, refused_keys[i].says) == NULL)
			fail_msg("%zu gave %d, %s", i, r, err.text);
		holds(refused_keys[i].before);
	}
}

#define INLINE "users = [ { username = \"a\", password_hash = \"" Y "\" } ]\n"

/* The file stays as it is. */
static const struct {
	const char *before;
	struct step step;
	enum users_edit_result result;
	const char *says;
} refused[] = {
	{ USER("a"), { "a", Y, true }, USERS_EDIT_EXISTS, "a user a already" },
	{ USER("a"), { "A", NEW }, USERS_EDIT_NOT_FOUND, "no user A" },
	{ USER("a"), { "b" }, USERS_EDIT_NOT_FOUND, "no user b" },
	{ "", { "b" }, USERS_EDIT_NOT_FOUND, "no user b" },
	{ USER("a"), { "", Y, true }, USERS_EDIT_BAD_INPUT, "1 to 255" },
	{ USER("a"), { " b", Y, true }, USERS_EDIT_BAD_INPUT, "1 to 255" },
	{ USER("a"), { "b\n[x]", Y, true }, USERS_EDIT_BAD_INPUT, "control" },
	{ USER("a"), { "\xff", Y, true }, USERS_EDIT_BAD_INPUT, "UTF-8" },
	{ USER("a"), { "b", "secret", true }, USERS_EDIT_BAD_INPUT,
	    "known strong" },
	{ USER("a"), { "b", "", true }, USERS_EDIT_BAD_INPUT, "known strong" },
	{ USER("a"), { "a", "" }, USERS_EDIT_BAD_INPUT, "known strong" },
	{ USER("a"), { "a", "$1$a$qjXMvbEw8oaL.CzflDtaK/" },
	    USERS_EDIT_BAD_INPUT, "known strong" },
	{ USER("a"), { "b", Y, true, { "" } }, USERS_EDIT_BAD_INPUT,
	    "group's name" },
	{ USER("a"), { "b", Y, true, { NULL }, 0, { NULL }, NULL, { "::1/8" } },
	    USERS_EDIT_BAD_INPUT, "::1/8: bits are set behind" },
	{ USER("a") "networks = [\"::1\"]\n", { "b", Y, true, { NULL }, 0,
	    { NULL }, NULL, { "::1" } }, USERS_EDIT_EXISTS,
	    "::1/128 is already a network of the user a" },
	{ USER("a"), { "b", Y, true, { "x", "X" } }, USERS_EDIT_BAD_INPUT,
	    "twice" },
	{ USER("a"), { "b", Y, true, { NULL }, UINT64_MAX },
	    USERS_EDIT_BAD_INPUT, "year 10000" },
	{ USER("a"), { "b", Y, true, { NULL }, 0, { "here" } },
	    USERS_EDIT_BAD_INPUT, "here: not an IP address" },
	{ USER("a"), { "b", Y, true, { NULL }, 0, { NULL }, "" },
	    USERS_EDIT_BAD_INPUT, "limits class" },
	/* What is broken is not touched. */
	{ USER("a") "x = 1\n", { "b", Y, true }, USERS_EDIT_BAD_FILE,
	    "users.toml:4:1: unknown key x" },
	{ USER("a") "[[users", { "a" }, USERS_EDIT_BAD_FILE, ":4:" },
	/* Nor what is written in another way. */
	{ INLINE, { "b", Y, true }, USERS_EDIT_BAD_FILE, "users.toml:3:" },
	{ INLINE, { "a" }, USERS_EDIT_BAD_FILE, ":1:11: written in a way" },
	{ "[[users]]\nusername = \"a\"\npassword_hash = '''" Y "'''\n",
	    { "a", NEW }, USERS_EDIT_BAD_FILE, ":3:17: written in a way" },
	{ "[[users]]\nusername = \"a\"\npassword_hash = \"\"\"" Y "\"\"\"\n",
	    { "a", NEW }, USERS_EDIT_BAD_FILE, ":3:17: written in a way" },
};

static void
refused_edits_change_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct err err = { "" };
		enum users_edit_result r;

		put(refused[i].before);
		r = run(&refused[i].step, &err);
		if (r != refused[i].result ||
		    strstr(err.text, refused[i].says) == NULL)
			fail_msg("%zu gave %d, %s", i, r, err.text);
		holds(refused[i].before);
	}
}

/* What is wrong with a new user but for his hash, known without a file. */
static void
checked_before_the_hash(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const struct step *s = &refused[i].step;
		bool bad = refused[i].result == USERS_EDIT_BAD_INPUT &&
		    s->hash != NULL && strcmp(s->hash, Y) == 0;
		struct lists lists;
		struct users_edit_user u = user_of(s, &lists);
		struct err err = { "" };
		enum users_edit_result r;

		u.hash = STR("");
		r = users_edit_check(&u, &err);
		if (r != (bad ? USERS_EDIT_BAD_INPUT : USERS_EDIT_DONE) ||
		    (bad && strstr(err.text, refused[i].says) == NULL))
			fail_msg("%zu gave %d, %s", i, r, err.text);
	}
}

static void
too_many_groups(void **state)
{
	struct str groups[USERS_GROUPS_MAX + 1];
	struct users_edit_user u = { .name = STR("a"), .hash = STR(Y),
		.groups = groups, .n_groups = USERS_GROUPS_MAX + 1 };
	char names[USERS_GROUPS_MAX + 1][24];
	struct err err;

	(void)state;
	for (size_t i = 0; i < u.n_groups; i++) {
		snprintf(names[i], sizeof(names[i]), "g%zu", i);
		groups[i] = str_from(names[i]);
	}
	assert_int_equal(users_edit_add(path, &u, &err), USERS_EDIT_BAD_INPUT);
	u.n_groups--;
	assert_int_equal(users_edit_add(path, &u, &err), USERS_EDIT_DONE);
}

static void
too_many_networks(void **state)
{
	struct str networks[USERS_NETWORKS_MAX + 1];
	char texts[USERS_NETWORKS_MAX + 1][24];
	struct err err = { "" };

	(void)state;
	put(BARE("a"));
	for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
		snprintf(texts[i], sizeof(texts[i]), "::%zx", i);
		networks[i] = str_from(texts[i]);
	}
	assert_int_equal(users_edit_set_networks(path, STR("a"), networks,
		USERS_NETWORKS_MAX + 1, &err), USERS_EDIT_BAD_INPUT);
	assert_string_equal(err.text, "more than 256 networks");
	holds(BARE("a"));
	assert_int_equal(users_edit_set_networks(path, STR("a"), networks,
		USERS_NETWORKS_MAX, &err), USERS_EDIT_DONE);
}

static struct stat
stat_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st;
}

static const struct step add_a = { "a", Y, true }, add_b = { "b", Y, true };

static void
new_file_is_closed(void **state)
{
	struct err err;
	mode_t old = umask(0);

	(void)state;
	assert_int_equal(run(&add_a, &err), USERS_EDIT_DONE);
	umask(old);
	assert_int_equal(stat_of(path).st_mode & 07777, 0600);
	assert_int_equal(stat_of(path).st_uid, stat_of(dir).st_uid);
	holds(USER("a"));
}

static void
new_file_of_root_is_the_directorys(void **state)
{
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(dir, 4321, 4322), 0);
	assert_int_equal(run(&add_a, &err), USERS_EDIT_DONE);
	assert_int_equal(stat_of(path).st_uid, 4321);
	assert_int_equal(stat_of(path).st_gid, 4322);
	assert_int_equal(stat_of(path).st_mode & 07777, 0600);
}

static void
mode_and_owner_stay(void **state)
{
	struct err err;

	(void)state;
	put(USER("a"));
	assert_int_equal(chmod(path, 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 4321, 4322), 0);
	assert_int_equal(run(&add_b, &err), USERS_EDIT_DONE);
	assert_int_equal(stat_of(path).st_mode & 07777, 0640);
	if (geteuid() == 0) {
		assert_int_equal(stat_of(path).st_uid, 4321);
		assert_int_equal(stat_of(path).st_gid, 4322);
	}
}

static void
links_are_followed(void **state)
{
	char *real = xasprintf("%s/real.toml", dir);
	struct stat st;
	struct err err;

	(void)state;
	put(USER("a"));
	assert_int_equal(rename(path, real), 0);
	assert_int_equal(symlink("real.toml", path), 0);
	assert_int_equal(run(&add_b, &err), USERS_EDIT_DONE);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	holds(USER("a") "\n" USER("b"));
	free(real);
}

/* Who has the old file open goes on reading the old one. */
static void
replaced_not_overwritten(void **state)
{
	char part[sizeof(USER("a")) + 1] = "";
	struct err err;
	char *left = xasprintf("%s.new", path);
	int fd;

	(void)state;
	put(USER("a"));
	/* A crash left one; it may even be a link to elsewhere. */
	assert_int_equal(symlink("/nowhere/x", left), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(run(&add_b, &err), USERS_EDIT_DONE);
	assert_int_equal(read(fd, part, sizeof(part)), sizeof(USER("a")) - 1);
	assert_string_equal(part, USER("a"));
	close(fd);
	assert_int_equal(access(left, F_OK), -1);
	free(left);
}

static void
system_refuses(void **state)
{
	struct err err = { "" };
	char *lock = xasprintf("%s.lock", path);

	(void)state;
	put(USER("a"));
	assert_int_equal(symlink("/nowhere/x", lock), 0);
	assert_int_equal(run(&add_b, &err), USERS_EDIT_FAILED);
	assert_non_null(strstr(err.text, ".lock: "));
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(run(&add_b, &err), USERS_EDIT_FAILED);
	assert_non_null(strstr(err.text, "not a regular file"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(users_edit_delete("/nowhere/at/all/users.toml",
	    STR("a"), &err), USERS_EDIT_FAILED);
	assert_int_equal(users_edit_delete("/nowhere/at/all/users.yaml",
	    STR("a"), &err), USERS_EDIT_BAD_FILE);
	assert_non_null(strstr(err.text, "only TOML"));
	free(lock);
}

/* ---- at once ---- */

#define EDITORS 4
#define EDITS 5

static void *
editor(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < EDITS; i++) {
		struct users_edit_user u = { .hash = STR(Y) };
		struct err err;
		char name[32];

		snprintf(name, sizeof(name), "u%u-%u", id, i);
		u.name = str_from(name);
		if (users_edit_add(path, &u, &err) != USERS_EDIT_DONE)
			return arg;
	}
	return NULL;
}

static void
editors_do_not_lose_each_other(void **state)
{
	struct users_notes notes = { .n_errors = 0 };
	pthread_t threads[EDITORS];
	struct users_file *f;
	void *failed;

	(void)state;
	for (uintptr_t i = 0; i < EDITORS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, editor,
		    (void *)(i + 1)), 0);
	for (size_t i = 0; i < EDITORS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(users_file_load(&f, path, &notes), 0);
	assert_int_equal(users_file_count(f), EDITORS * EDITS);
	users_file_free(&f);
	users_notes_fini(&notes);
}

/* ---- any text ---- */

/* Whatever stands around a user, to take out what was added gives it back. */
static void
add_then_delete_is_nothing(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		const char *before = edits[i].before;
		struct step s = { "new one", Y, true, { "g" } };
		char *now;

		if (strncmp(before, "users", 5) == 0)
			continue;
		put(before);
		assert_int_equal(run(&s, &err), USERS_EDIT_DONE);
		s.hash = NULL;
		assert_int_equal(run(&s, &err), USERS_EDIT_DONE);
		now = get(path);
		/* But for a blank line and the end of the last one. */
		assert_int_equal(strncmp(now, before, strlen(before)), 0);
		assert_int_equal(strspn(now + strlen(before), "\n"),
		    strlen(now + strlen(before)));
		free(now);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(edits_keep_the_rest),
		TEST(refused_edits_change_nothing),
		TEST(single_keys),
		TEST(refused_keys_change_nothing),
		TEST(checked_before_the_hash),
		TEST(too_many_groups),
		TEST(too_many_networks),
		TEST(new_file_is_closed),
		TEST(new_file_of_root_is_the_directorys),
		TEST(mode_and_owner_stay),
		TEST(links_are_followed),
		TEST(replaced_not_overwritten),
		TEST(system_refuses),
		TEST(editors_do_not_lose_each_other),
		TEST(add_then_delete_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
