/* SPDX-License-Identifier: MIT */
/* What administrators ask of a real authd; run with the path of its binary. */
#include "daemon.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypt/passhash.h"
#include "net/addr.h"
#include "proto/auth.pb-c.h"

#define DEADLINE_MS 60000	/* more than any machine needs */
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
	add_user(&b, "m\xc3\xb6rt", "limits = \"slow\"\n"
	    "networks = [\"192.0.2.0/24\"]");
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
	assert_string_equal(u->limits, "");
	u = m->users[2];
	assert_string_equal(u->username, "m\xc3\xb6rt");
	assert_string_equal(u->limits, "slow");
	assert_int_equal(u->n_networks, 1);
	assert_string_equal(u->networks[0], "192.0.2.0/24");
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

/* ---- logins ---- */

#define OK SALLYPORT__PB__AUTH_REPLY__RESULT__OK
#define FAILED SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED
#define THROTTLED SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED

static Sallyport__Pb__AuthRequest
login(const char *user, const char *password, struct addr *source)
{
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;

	m.method = (char *)"userpass";
	m.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
	m.password = (ProtobufCBinaryData){ strlen(password),
		(uint8_t *)password };
	m.source = (ProtobufCBinaryData){ 16, source->b };
	return m;
}

static struct addr
addr_of(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, str_from(text)));
	return a;
}

/* As traffic does. */
static int
log_in(const char *user, const char *password, const char *from)
{
	struct addr source = addr_of(from);
	Sallyport__Pb__AuthRequest m = login(user, password, &source);
	struct bytes reply = { 0 };
	uint8_t body[1024];
	Sallyport__Pb__AuthReply *r;
	int result;

	assert_int_equal(rpc_ask(d.auth, KIND_AUTH,
	    (struct str){ (char *)body,
		sallyport__pb__auth_request__pack(&m, body) },
	    DEADLINE_MS, &reply, NULL), RPC_OK);
	r = sallyport__pb__auth_reply__unpack(NULL, reply.len,
	    (const uint8_t *)reply.ptr);
	assert_non_null(r);
	result = (int)r->result;
	sallyport__pb__auth_reply__free_unpacked(r, NULL);
	bytes_fini(&reply);
	return result;
}

/* As an administrator: that result and reason, and so many groups. */
static void
tests_as(const char *user, const char *password, int result, const char *why,
    unsigned groups)
{
	struct addr source = addr_of("192.0.2.1");
	Sallyport__Pb__AuthRequest l = login(user, password, &source);
	Sallyport__Pb__LoginTest m = SALLYPORT__PB__LOGIN_TEST__INIT;
	Sallyport__Pb__LoginTestReply *r;

	m.login = &l;
	r = ask(KIND_LOGIN_TEST, &m.base,
	    &sallyport__pb__login_test_reply__descriptor, NULL);
	assert_non_null(r);
	if ((int)r->reply->result != result ||
	    strstr(r->why, why) == NULL || r->reply->n_groups != groups)
		fail_msg("%s: %d, \"%s\", %zu groups", user,
		    (int)r->reply->result, r->why, r->reply->n_groups);
	sallyport__pb__login_test_reply__free_unpacked(r, NULL);
}

/* The failures of a user (or "": of all), in order, as "user source n". */
static void
fails(const char *user, uint32_t limit, const char *expected)
{
	Sallyport__Pb__FailuresList m = SALLYPORT__PB__FAILURES_LIST__INIT;
	Sallyport__Pb__FailuresListReply *r;
	struct bytes got = { 0 };

	m.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
	m.limit = limit;
	r = ask(KIND_FAILURES_LIST, &m.base,
	    &sallyport__pb__failures_list_reply__descriptor, NULL);
	assert_non_null(r);
	for (size_t i = 0; i < r->n_failures; i++) {
		const Sallyport__Pb__Failure *f = r->failures[i];
		char source[ADDR_TEXT_SIZE];
		struct addr a;

		assert_int_equal(f->source.len, 16);
		a = addr_from_v6(f->source.data);
		addr_format(source, &a);
		bytes_fmt(&got, "%.*s %s %u\n", (int)f->user.len,
		    (char *)f->user.data, source, f->failures);
		assert_true(f->age_ms < DEADLINE_MS);
		assert_true(f->wait_ms > 0 && f->wait_ms <= 60000);
	}
	bytes_add(&got, "", 1);
	assert_string_equal(got.ptr, expected);
	assert_true(r->remembered >= r->n_failures);
	sallyport__pb__failures_list_reply__free_unpacked(r, NULL);
	bytes_fini(&got);
}

static void
unlocks(const char *user, const char *from, bool some)
{
	Sallyport__Pb__UsersUnlock m = SALLYPORT__PB__USERS_UNLOCK__INIT;
	Sallyport__Pb__UsersUnlockReply *r;
	struct addr source;

	m.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
	if (from != NULL) {
		source = addr_of(from);
		m.source = (ProtobufCBinaryData){ 16, source.b };
	}
	r = ask(KIND_USERS_UNLOCK, &m.base,
	    &sallyport__pb__users_unlock_reply__descriptor, NULL);
	assert_non_null(r);
	assert_int_equal(r->cleared > 0, some);
	sallyport__pb__users_unlock_reply__free_unpacked(r, NULL);
}

/* After one wrong password a pair waits for a minute. */
static int
start_guarded(void **state)
{
	static const char key[] = "SALLYPORT_AUTHD__GUESSING__DELAY_BASE";
	int rc;

	assert_int_equal(setenv(key, "60s", 1), 0);
	rc = start_three(state);
	assert_int_equal(unsetenv(key), 0);
	return rc;
}

static void
logins_are_tested(void **state)
{
	(void)state;
	tests_as("zoe", CANARY, OK, "", 2);
	tests_as("zoe", "wrong", FAILED, "password", 0);
	tests_as("nobody", CANARY, FAILED, "no such user", 0);
	tests_as("alice", CANARY, FAILED, "disabled", 0);
	tests_as("", CANARY, FAILED, "nobody can have such", 0);
	tests_as("zoe", "", FAILED, "nobody can have such", 0);
	assert_true(daemon_said(&d, "event=login_tested user=zoe"));
	assert_false(daemon_said(&d, "event=login_failed"));
}

/* Nothing is remembered of a test, good or bad, and it waits for nobody. */
static void
tests_leave_no_trace(void **state)
{
	char *metrics;

	(void)state;
	tests_as("zoe", CANARY, OK, "", 2);
	metrics = daemon_get(&d, "/metrics");
	assert_non_null(strstr(metrics, "sallyport_authd_cache_entries 0\n"));
	free(metrics);
	tests_as("zoe", "wrong", FAILED, "", 0);
	tests_as("zoe", "wrong", FAILED, "", 0);
	fails("", 0, "");
	assert_int_equal(log_in("zoe", CANARY, "192.0.2.1"), OK);
	assert_int_equal(log_in("zoe", "wrong", "192.0.2.1"), FAILED);
	assert_int_equal(log_in("zoe", "wrong2", "192.0.2.1"), THROTTLED);
	tests_as("zoe", "wrong2", FAILED, "", 0);
	fails("", 0, "zoe 192.0.2.1 1\n");
}

static void
failures_are_listed_and_forgotten(void **state)
{
	(void)state;
	assert_int_equal(log_in("zoe", "x", "192.0.2.1"), FAILED);
	assert_int_equal(log_in("Zoe", "x", "2001:db8::7"), FAILED);
	assert_int_equal(log_in("\x1b[2J", "x", "192.0.2.1"), FAILED);
	fails("", 0, "\x1b[2j 192.0.2.1 1\nzoe 2001:db8:: 1\n"
	    "zoe 192.0.2.1 1\n");
	fails("", 2, "\x1b[2j 192.0.2.1 1\nzoe 2001:db8:: 1\n");
	fails("ZOE", 0, "zoe 2001:db8:: 1\nzoe 192.0.2.1 1\n");
	fails("alice", 0, "");
	assert_int_equal(log_in("zoe", CANARY, "192.0.2.1"), THROTTLED);
	unlocks("zoe", "192.0.2.1", true);
	assert_int_equal(log_in("zoe", CANARY, "192.0.2.1"), OK);
	fails("zoe", 0, "zoe 2001:db8:: 1\n");
	unlocks("zoe", NULL, true);
	unlocks("alice", NULL, false);
	fails("", 0, "\x1b[2j 192.0.2.1 1\n");
	unlocks("", NULL, true);
	fails("", 0, "");
	unlocks("", NULL, false);
	assert_true(daemon_said(&d, "event=users_unlocked user=zoe "
	    "source=192.0.2.1"));
}

static void
malformed_about_logins(void **state)
{
	struct bytes name = { 0 };

	(void)state;
	refused(KIND_LOGIN_TEST, STR(""), "not a LoginTest");
	refused(KIND_LOGIN_TEST, STR("\xff"), "not a LoginTest");
	refused(KIND_LOGIN_TEST, STR("\x0a\x00"), "method");
	refused(KIND_LOGIN_TEST, STR("\x0a\x0a\x0a\x08userpass"), "source");
	refused(KIND_LOGIN_TEST, STR("\x0a\x0c\x0a\x0auserpass\0x"),
	    "not a LoginTest");
	refused(KIND_LOGIN_TEST, STR("\x0a\x0f\x0a\x08userpass\x22\x03" CANARY),
	    "not a LoginTest");
	refused(KIND_FAILURES_LIST, STR("\xff"), "not a FailuresList");
	refused(KIND_FAILURES_LIST, STR("\x10\xe9\x07"), "limit: above 1000");
	refused(KIND_USERS_UNLOCK, STR("\xff"), "not a UsersUnlock");
	refused(KIND_USERS_UNLOCK, STR("\x12\x04\x01\x02\x03\x04"),
	    "not a UsersUnlock");
	bytes_fmt(&name, "\x0a\x80\x02%0256d", 0);
	refused(KIND_USERS_UNLOCK, (struct str){ name.ptr, name.len },
	    "not a UsersUnlock");
	refused(KIND_FAILURES_LIST, (struct str){ name.ptr, name.len },
	    "user: longer");
	bytes_fini(&name);
	tests_as("zoe", CANARY, OK, "", 2);
}

/* ---- who may ask ---- */

/* "daemon" where we may give it away, else our own. */
static gid_t
some_group(char name[static 64])
{
	const struct group *gr = geteuid() == 0 ? getgrnam("daemon") :
	    getgrgid(getegid());

	assert_non_null(gr);
	assert_true(str_copy(name, 64, str_from(gr->gr_name)));
	return gr->gr_gid;
}

static void
socket_is(const char *name, gid_t gid)
{
	char *path = xasprintf("%s/run/%s", d.dir, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, gid);
	free(path);
}

static void
socket_has_its_group(void **state)
{
	static const char variable[] = "SALLYPORT_BUS__ADMIN_GROUP";
	char group[64];
	gid_t gid = some_group(group);

	assert_int_equal(setenv(variable, group, 1), 0);
	assert_int_equal(start_three(state), 0);
	assert_int_equal(unsetenv(variable), 0);
	socket_is("admin_auth.sock", gid);
	socket_is("auth.sock", getegid());
	list_free(list("", 0, NULL));
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
		TEST(logins_are_tested, start_three),
		TEST(tests_leave_no_trace, start_guarded),
		TEST(failures_are_listed_and_forgotten, start_guarded),
		TEST(malformed_about_logins, start_three),
		cmocka_unit_test_teardown(socket_has_its_group, tear_down),
	};
	struct err err;

	if (argc != 2)
		die("usage: %s BINARY", argv[0]);
	daemon_binary = argv[1];
	if (passhash_make(hash, STR(CANARY), 1, &err) != 0)
		die("%s", err.text);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
