/* SPDX-License-Identifier: MIT */
/* What administrators ask of a real authd; run with the path of its binary. */
#include "daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "crypt/passhash.h"
#include "proto/auth.pb-c.h"

#define DEADLINE_MS 10000
#define CANARY "canary-9Xw3"	/* the password */
#define TEST(name, start) \
	cmocka_unit_test_setup_teardown(name, start, tear_down)

static char hash[PASSHASH_MAX];	/* of CANARY, at a low cost */
static struct daemon d;

static int
tear_down(void **state)
{
	(void)state;
	assert_false(daemon_said(&d, CANARY));
	daemon_fini(&d);
	return 0;
}

/* ---- asking ---- */

/* The answer, to be freed with its own function; NULL: refused, as `err`
 * says. */
static void *
ask_raw(enum rpc_kind kind, struct str body,
    const ProtobufCMessageDescriptor *answer, struct err *err)
{
	struct bytes reply = { 0 };
	enum rpc_result r = rpc_ask(d.admin, kind, body, DEADLINE_MS, &reply,
	    err);
	ProtobufCMessage *m = NULL;

	if (r == RPC_OK) {
		m = protobuf_c_message_unpack(answer, NULL, reply.len,
		    (const uint8_t *)reply.ptr);
		assert_non_null(m);
	} else {
		assert_int_equal(r, RPC_REFUSED);
	}
	bytes_fini(&reply);
	return m;
}

static void *
ask(enum rpc_kind kind, const ProtobufCMessage *question,
    const ProtobufCMessageDescriptor *answer, struct err *err)
{
	size_t len = protobuf_c_message_get_packed_size(question);
	uint8_t *body = xmalloc(len + 1);
	void *m;

	protobuf_c_message_pack(question, body);
	m = ask_raw(kind, (struct str){ (char *)body, len }, answer, err);
	free(body);
	return m;
}

static void
refused(enum rpc_kind kind, struct str body, const char *why)
{
	struct err err = { "" };

	assert_null(ask_raw(kind, body, NULL, &err));
	if (strstr(err.text, why) == NULL)
		fail_msg("%s", err.text);
}

/* ---- users ---- */

static void
add_user(struct bytes *b, const char *name, const char *more)
{
	bytes_fmt(b, "[[users]]\nusername = \"%s\"\npassword_hash = \"%s\"\n"
	    "%s\n", name, hash, more);
}

/* Starts it with these users, and takes them. */
static int
start_with(struct bytes *b)
{
	bytes_add(b, "", 1);
	daemon_init(&d, b->ptr);
	bytes_fini(b);
	daemon_start(&d);
	return 0;
}

static int
start_three(void **state)
{
	struct bytes b = { 0 };

	(void)state;
	add_user(&b, "zoe", "groups = [\"dev\", \"ops\"]");
	add_user(&b, "alice", "enabled = false\n"
	    "expires = 2099-01-01T00:00:00Z\n"
	    "sources = [\"10.0.0.0/8\", \"2001:db8::/32\"]");
	add_user(&b, "m\xc3\xb6rt", "");
	return start_with(&b);
}

static Sallyport__Pb__UsersListReply *
list(const char *after, uint32_t limit, struct err *err)
{
	Sallyport__Pb__UsersList m = SALLYPORT__PB__USERS_LIST__INIT;

	m.after = (char *)after;
	m.limit = limit;
	return ask(KIND_USERS_LIST, &m.base,
	    &sallyport__pb__users_list_reply__descriptor, err);
}

static void
list_free(Sallyport__Pb__UsersListReply *m)
{
	sallyport__pb__users_list_reply__free_unpacked(m, NULL);
}

static void
users_are_listed(void **state)
{
	Sallyport__Pb__UsersListReply *m = list("", 0, NULL);
	const Sallyport__Pb__UserEntry *u;

	(void)state;
	assert_int_equal(m->n_users, 3);
	assert_false(m->more);
	u = m->users[0];
	assert_string_equal(u->username, "zoe");
	assert_int_equal(u->n_groups, 2);
	assert_string_equal(u->groups[1], "ops");
	assert_true(u->enabled && u->has_password);
	assert_int_equal(u->expires_us, 0);
	assert_int_equal(u->n_sources, 0);
	u = m->users[1];
	assert_false(u->enabled);
	assert_int_equal(u->expires_us, 4070908800000000);
	assert_int_equal(u->n_sources, 2);
	assert_string_equal(u->sources[0], "10.0.0.0/8");
	assert_string_equal(u->sources[1], "2001:db8::/32");
	assert_string_equal(m->users[2]->username, "m\xc3\xb6rt");
	list_free(m);
}

static void
list_has_no_hash(void **state)
{
	struct bytes reply = { 0 };

	(void)state;
	assert_int_equal(rpc_ask(d.admin, KIND_USERS_LIST, STR(""),
	    DEADLINE_MS, &reply, NULL), RPC_OK);
	assert_null(memmem(reply.ptr, reply.len, hash, strlen(hash)));
	assert_null(memmem(reply.ptr, reply.len, "$y$", 3));
	bytes_fini(&reply);
}

static void
list_comes_in_pages(void **state)
{
	Sallyport__Pb__UsersListReply *m = list("", 2, NULL);

	(void)state;
	assert_int_equal(m->n_users, 2);
	assert_true(m->more);
	list_free(m);
	m = list("alice", 2, NULL);
	assert_int_equal(m->n_users, 1);
	assert_string_equal(m->users[0]->username, "m\xc3\xb6rt");
	assert_false(m->more);
	list_free(m);
	m = list("m\xc3\xb6rt", 1000, NULL);
	assert_int_equal(m->n_users, 0);
	assert_false(m->more);
	list_free(m);
}

static void
list_shows_what_is_in_force(void **state)
{
	Sallyport__Pb__UsersListReply *m;
	struct err err = { "" };

	(void)state;
	daemon_write_users(&d, "[[users]]\nbroken\n");
	daemon_wait_said(&d, "event=users_rejected", 1);
	m = list("", 0, NULL);
	assert_int_equal(m->n_users, 3);
	list_free(m);
	daemon_write_users(&d, "");
	daemon_wait_said(&d, "event=users_loaded", 2);
	m = list("", 0, NULL);
	assert_int_equal(m->n_users, 0);
	assert_false(m->more);
	list_free(m);
	/* The page after a user that went in between. */
	assert_null(list("alice", 0, &err));
	assert_non_null(strstr(err.text, "no such user"));
}

static int
start_many(void **state)
{
	struct bytes b = { 0 };
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "u%04u", i);
		add_user(&b, name, "");
	}
	return start_with(&b);
}

/* Follows the pages and counts; each has at most `most` users. */
static unsigned
count_all(uint32_t limit, unsigned most, unsigned *pages)
{
	char after[16] = "", expected[16];
	bool more = true;
	unsigned n = 0;

	for (*pages = 0; more; ++*pages) {
		Sallyport__Pb__UsersListReply *m = list(after, limit, NULL);

		more = m->more;
		assert_true(m->n_users <= most && m->n_users > 0);
		for (size_t i = 0; i < m->n_users; i++) {
			snprintf(expected, sizeof(expected), "u%04u", n++);
			assert_string_equal(m->users[i]->username, expected);
		}
		assert_true(str_copy(after, sizeof(after), str_from(expected)));
		list_free(m);
	}
	return n;
}

static void
pages_are_bounded_by_number(void **state)
{
	unsigned pages;

	(void)state;
	assert_int_equal(count_all(0, 1000, &pages), 1200);
	assert_int_equal(pages, 2);
	assert_int_equal(count_all(100, 100, &pages), 1200);
	assert_int_equal(pages, 12);
}

/* Users of some 16 KiB each: few fit in a page. */
static int
start_fat(void **state)
{
	struct bytes b = { 0 }, groups = { 0 };
	char name[16];

	(void)state;
	bytes_fmt(&groups, "groups = [");
	for (unsigned i = 0; i < 64; i++)
		bytes_fmt(&groups, "%s\"g%0250u\"", i > 0 ? "," : "", i);
	bytes_fmt(&groups, "]");
	bytes_add(&groups, "", 1);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "u%04u", i);
		add_user(&b, name, groups.ptr);
	}
	bytes_fini(&groups);
	return start_with(&b);
}

static void
pages_are_bounded_by_bytes(void **state)
{
	unsigned pages;

	(void)state;
	assert_int_equal(count_all(0, 16, &pages), 40);
	assert_int_equal(pages, 3);
}

static void
malformed_lists(void **state)
{
	(void)state;
	refused(KIND_USERS_LIST, STR("\xff"), "not a UsersList");
	refused(KIND_USERS_LIST, STR("\x0a\x05" "al"), "not a UsersList");
	refused(KIND_USERS_LIST, STR("\x0a\x07" "alice\0x"), "not a UsersList");
	refused(KIND_USERS_LIST, STR("\x10\xe9\x07"), "limit: above 1000");
	refused(KIND_USERS_LIST, STR("\x10\xff\xff\xff\xff\x0f"), "limit");
	refused(KIND_USERS_LIST, STR("\x0a\x06nobody"), "no such user");
	refused(KIND_USERS_RELOAD, STR("\xff"), "not a UsersReload");
	refused(KIND_AUTH, STR(""), "");
	list_free(list("", 1, NULL));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(users_are_listed, start_three),
		TEST(list_has_no_hash, start_three),
		TEST(list_comes_in_pages, start_three),
		TEST(list_shows_what_is_in_force, start_three),
		TEST(pages_are_bounded_by_number, start_many),
		TEST(pages_are_bounded_by_bytes, start_fat),
		TEST(malformed_lists, start_three),
	};
	struct err err;

	if (argc != 2)
		die("usage: %s BINARY", argv[0]);
	daemon_binary = argv[1];
	if (passhash_make(hash, STR(CANARY), 1, &err) != 0)
		die("%s", err.text);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
