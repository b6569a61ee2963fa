/* SPDX-License-Identifier: MIT */
/* sallyctl users, as far as authd is asked; authd is played by the test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli.h"
#include "ctl.h"
#include "msg/rpc_server.h"
#include "net/addr.h"
#include "proto/auth.pb-c.h"

#define CONF "--config sallyport.toml "
#define PASSWORD "pass-Kd83"
#define ANSWERS_MAX 3

/* What the next questions are answered with, and what the last one was. */
struct fake_authd {
	struct ctl ctl;
	struct rpc_server *server;
	pthread_mutex_t m;
	/* Guarded by m. */
	struct bytes answers[ANSWERS_MAX];
	unsigned n_answers, n_asked;
	enum rpc_status status;
	uint32_t kind;
	struct bytes asked;
};

static void
on_question(void *arg, struct rpc_request *r)
{
	struct fake_authd *f = arg;
	struct str body = rpc_request_body(r);
	const struct bytes *answer;

	pthread_mutex_lock(&f->m);
	f->kind = rpc_request_kind(r);
	bytes_clear(&f->asked);
	bytes_add(&f->asked, body.ptr, body.len);
	/* The last one again and again. */
	answer = &f->answers[f->n_asked < f->n_answers ? f->n_asked :
	    f->n_answers - (f->n_answers > 0)];
	f->n_asked++;
	if (f->status != RPC_STATUS_OK)
		rpc_fail(r, f->status, "not today");
	else
		rpc_reply(r, (struct str){ answer->ptr, answer->len });
	pthread_mutex_unlock(&f->m);
}

static const struct rpc_method methods[] = {
	{ KIND_USERS_RELOAD, "reload", on_question },
	{ KIND_USERS_LIST, "list", on_question },
	{ KIND_LOGIN_TEST, "test", on_question },
	{ KIND_FAILURES_LIST, "failures", on_question },
	{ KIND_USERS_UNLOCK, "unlock", on_question },
	{ 0 },
};

static void
start_server(struct fake_authd *f)
{
	char *address = xasprintf("ipc://%s/run/admin_auth.sock", f->ctl.dir);
	struct rpc_server_options o = {
		.address = address, .name = "admin_auth",
		.max_message = 1 << 20, .contexts = 2, .methods = methods,
		.arg = f, .group = (unsigned)-1,
	};
	struct err err = { 0 };

	assert_int_equal(rpc_server_start(&f->server, &o, &err), 0);
	free(address);
}

static int
setup(void **state)
{
	struct fake_authd *f = xcalloc(1, sizeof(*f));
	char *text, *run;

	ctl_init(&f->ctl);
	pthread_mutex_init(&f->m, NULL);
	run = xasprintf("%s/run", f->ctl.dir);
	assert_int_equal(mkdir(run, 0700), 0);
	text = xasprintf("[authd]\nrun_dir = \"%s\"\n", run);
	ctl_write(&f->ctl, "sallyport.toml", text);
	free(text);
	free(run);
	start_server(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fake_authd *f = *state;

	rpc_server_stop(&f->server);
	for (unsigned i = 0; i < ANSWERS_MAX; i++)
		bytes_fini(&f->answers[i]);
	bytes_fini(&f->asked);
	pthread_mutex_destroy(&f->m);
	ctl_fini(&f->ctl);
	free(f);
	return 0;
}

/* ---- playing ---- */

/* Forgets the answers so far. */
static void
answers_begin(struct fake_authd *f)
{
	pthread_mutex_lock(&f->m);
	for (unsigned i = 0; i < ANSWERS_MAX; i++)
		bytes_clear(&f->answers[i]);
	f->n_answers = f->n_asked = 0;
	f->status = RPC_STATUS_OK;
	pthread_mutex_unlock(&f->m);
}

static void
answer_bytes(struct fake_authd *f, struct str body)
{
	pthread_mutex_lock(&f->m);
	assert_true(f->n_answers < ANSWERS_MAX);
	bytes_add(&f->answers[f->n_answers++], body.ptr, body.len);
	pthread_mutex_unlock(&f->m);
}

static void
answer(struct fake_authd *f, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = xmalloc(len + 1);

	protobuf_c_message_pack(m, packed);
	answer_bytes(f, (struct str){ (char *)packed, len });
	free(packed);
}

/* The last question, of that kind; to be freed. */
static void *
asked(struct fake_authd *f, enum rpc_kind kind,
    const ProtobufCMessageDescriptor *d)
{
	void *m;

	pthread_mutex_lock(&f->m);
	assert_int_equal(f->kind, kind);
	m = protobuf_c_message_unpack(d, NULL, f->asked.len,
	    (const uint8_t *)f->asked.ptr);
	pthread_mutex_unlock(&f->m);
	assert_non_null(m);
	return m;
}

static void
says(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("not \"%s\" in: %s", what, text);
}

/* ---- list ---- */

static void
answer_users(struct fake_authd *f, const char *first, const char *second,
    bool more)
{
	Sallyport__Pb__UsersListReply m =
	    SALLYPORT__PB__USERS_LIST_REPLY__INIT;
	Sallyport__Pb__UserEntry a = SALLYPORT__PB__USER_ENTRY__INIT, b = a;
	Sallyport__Pb__UserEntry *users[] = { &a, &b };
	char *groups[] = { (char *)"dev", (char *)"ops" };
	char *sources[] = { (char *)"10.0.0.0/8" };
	char *networks[] = { (char *)"192.0.2.0/24", (char *)"::1/128" };

	a.username = (char *)first;
	a.groups = groups;
	a.n_groups = 2;
	a.enabled = true;
	a.has_password = true;
	b.username = (char *)second;
	b.expires_us = 4070908800000000;
	b.limits = (char *)"slow";
	b.sources = sources;
	b.n_sources = 1;
	b.networks = networks;
	b.n_networks = 2;
	m.users = users;
	m.n_users = second != NULL ? 2 : 1;
	m.more = more;
	answer(f, &m.base);
}

static void
test_list(void **state)
{
	struct fake_authd *f = *state;
	Sallyport__Pb__UsersList *q;

	answers_begin(f);
	answer_users(f, "alice", "bob", true);
	answer_users(f, "carl", NULL, false);
	ctl_expect(&f->ctl, CLI_OK, CONF "users list --live", NULL);
	assert_string_equal(f->ctl.out,
	    "USER   GROUPS   ENABLED  EXPIRES                   PASSWORD  "
	    "LIMITS  SOURCES     NETWORKS\n"
	    "alice  dev,ops  yes      -                         yes       "
	    "-       -           -\n"
	    "bob    -        no       2099-01-01T00:00:00.000Z  no        "
	    "slow    10.0.0.0/8  192.0.2.0/24,::1/128\n"
	    "carl   dev,ops  yes      -                         yes       "
	    "-       -           -\n");
	assert_int_equal(f->n_asked, 2);
	q = asked(f, KIND_USERS_LIST, &sallyport__pb__users_list__descriptor);
	assert_string_equal(q->after, "bob");
	sallyport__pb__users_list__free_unpacked(q, NULL);

	answers_begin(f);
	answer_users(f, "carl", NULL, false);
	ctl_expect(&f->ctl, CLI_OK, CONF "users list --live -o json", NULL);
	says(f->ctl.out, "\"groups\": [\n      \"dev\",\n      \"ops\"\n    ]");
}

/* Pages without end, and bytes that are no page. */
static void
test_list_malformed(void **state)
{
	struct fake_authd *f = *state;

	answers_begin(f);
	answer_users(f, "alice", NULL, true);
	answer_bytes(f, STR("\x10\x01"));
	ctl_expect(&f->ctl, CLI_ERROR, CONF "users list --live", NULL);
	says(f->ctl.err, "malformed");
	assert_string_equal(f->ctl.out, "");
	answers_begin(f);
	answer_bytes(f, STR("\xff"));
	ctl_expect(&f->ctl, CLI_ERROR, CONF "users list --live", NULL);
	answers_begin(f);
	f->status = RPC_STATUS_FAILED;
	ctl_expect(&f->ctl, CLI_ERROR, CONF "users list --live", NULL);
	says(f->ctl.err, "not today");
}

/* ---- reload ---- */

static void
test_reload(void **state)
{
	Sallyport__Pb__UsersReloadReply m =
	    SALLYPORT__PB__USERS_RELOAD_REPLY__INIT;
	struct fake_authd *f = *state;

	answers_begin(f);
	m.users = 1;
	answer(f, &m.base);
	m.users = 17;
	answer(f, &m.base);
	ctl_expect(&f->ctl, CLI_OK, CONF "users reload", NULL);
	assert_string_equal(f->ctl.out, "1 user in force\n");
	ctl_expect(&f->ctl, CLI_OK, CONF "users reload", NULL);
	assert_string_equal(f->ctl.out, "17 users in force\n");
}

/* ---- test ---- */

static void
answer_verdict(struct fake_authd *f, int result, const char *why)
{
	Sallyport__Pb__LoginTestReply m =
	    SALLYPORT__PB__LOGIN_TEST_REPLY__INIT;
	Sallyport__Pb__AuthReply r = SALLYPORT__PB__AUTH_REPLY__INIT;
	char *groups[] = { (char *)"dev", (char *)"ops" };

	answers_begin(f);
	r.result = result;
	r.groups = groups;
	r.n_groups = result == SALLYPORT__PB__AUTH_REPLY__RESULT__OK ? 2 : 0;
	r.source_bound = true;
	m.reply = &r;
	m.why = (char *)why;
	answer(f, &m.base);
}

static void
test_verdicts(void **state)
{
	static const struct {
		int wire;
		int code;
		const char *why, *says;
	} cases[] = {
		{ SALLYPORT__PB__AUTH_REPLY__RESULT__OK, CLI_OK, "",
		    "result        ok\nwhy           -\nuser          -\n"
		    "groups        dev,ops\n" },
		{ SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED, CLI_DENIED,
		    "wrong\x1b[2J password",
		    "failed\nwhy           wrong\\x1b[2J password\n" },
		{ SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED, CLI_DENIED,
		    "", "throttled" },
		{ SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY, CLI_ERROR, "",
		    "busy" },
		{ SALLYPORT__PB__AUTH_REPLY__RESULT__NONE, CLI_ERROR, "",
		    "" },
		{ 77, CLI_ERROR, "", "" },
	};
	struct fake_authd *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		answer_verdict(f, cases[i].wire, cases[i].why);
		ctl_expect(&f->ctl, cases[i].code,
		    CONF "users test bob --password-stdin", PASSWORD "\n");
		says(f->ctl.out, cases[i].says);
		assert_null(strstr(f->ctl.out, PASSWORD));
		assert_null(strstr(f->ctl.err, PASSWORD));
	}
	answers_begin(f);
	answer_bytes(f, STR(""));
	ctl_expect(&f->ctl, CLI_ERROR,
	    CONF "users test bob --password-stdin", PASSWORD "\n");
}

static void
test_login_as_asked(void **state)
{
	struct fake_authd *f = *state;
	Sallyport__Pb__LoginTest *q;
	struct addr a;

	answer_verdict(f, SALLYPORT__PB__AUTH_REPLY__RESULT__OK, "");
	ctl_expect(&f->ctl, CLI_OK, CONF "users test bob --password-stdin "
	    "--method pam.username --source 192.0.2.7 -o json",
	    PASSWORD "\nmore");
	says(f->ctl.out, "\"source_bound\": true");
	q = asked(f, KIND_LOGIN_TEST, &sallyport__pb__login_test__descriptor);
	assert_string_equal(q->login->method, "pam.username");
	assert_string_equal(q->login->service, "");
	assert_int_equal(q->login->user.len, 3);
	assert_memory_equal(q->login->user.data, "bob", 3);
	assert_int_equal(q->login->password.len, strlen(PASSWORD));
	assert_memory_equal(q->login->password.data, PASSWORD,
	    strlen(PASSWORD));
	assert_true(addr_parse(&a, STR("192.0.2.7")));
	assert_int_equal(q->login->source.len, 16);
	assert_memory_equal(q->login->source.data, a.b, 16);
	sallyport__pb__login_test__free_unpacked(q, NULL);

	/* By the address alone: no name, no password. */
	ctl_expect(&f->ctl, CLI_OK, CONF "users test --method pam.address "
	    "--source 2001:db8::1", NULL);
	q = asked(f, KIND_LOGIN_TEST, &sallyport__pb__login_test__descriptor);
	assert_int_equal(q->login->user.len, 0);
	assert_int_equal(q->login->password.len, 0);
	sallyport__pb__login_test__free_unpacked(q, NULL);
}

/* ---- failures ---- */

static void
test_failures(void **state)
{
	Sallyport__Pb__FailuresListReply m =
	    SALLYPORT__PB__FAILURES_LIST_REPLY__INIT;
	Sallyport__Pb__Failure a = SALLYPORT__PB__FAILURE__INIT, b = a;
	Sallyport__Pb__Failure *rows[] = { &a, &b };
	struct fake_authd *f = *state;
	struct addr source;

	assert_true(addr_parse(&source, STR("192.0.2.7")));
	a.user = (ProtobufCBinaryData){ 4, (uint8_t *)"\xff" "bob" };
	a.source = (ProtobufCBinaryData){ 16, source.b };
	a.failures = 5;
	a.wait_ms = 15500;
	a.age_ms = 500;
	b.source = a.source;
	b.failures = 1;
	m.failures = rows;
	m.n_failures = 2;
	m.remembered = 12345;
	answers_begin(f);
	answer(f, &m.base);
	a.source.len = 4;
	answer(f, &m.base);
	ctl_expect(&f->ctl, CLI_OK, CONF "users failures", NULL);
	assert_string_equal(f->ctl.out,
	    "USER      SOURCE     FAILURES  WAIT_S  AGE_S\n"
	    "\\\\xffbob  192.0.2.7  5         15.500  0.500\n"
	    "-         192.0.2.7  1         0.000   0.000\n");
	says(f->ctl.err, "the latest 2 of 12345");
	ctl_expect(&f->ctl, CLI_ERROR, CONF "users failures", NULL);
	says(f->ctl.err, "malformed");
}

static void
test_unlock(void **state)
{
	Sallyport__Pb__UsersUnlockReply m =
	    SALLYPORT__PB__USERS_UNLOCK_REPLY__INIT;
	struct fake_authd *f = *state;
	Sallyport__Pb__UsersUnlock *q;

	answers_begin(f);
	m.cleared = 3;
	answer(f, &m.base);
	m.cleared = 1;
	answer(f, &m.base);
	ctl_expect(&f->ctl, CLI_OK, CONF "users unlock bob", NULL);
	assert_string_equal(f->ctl.out, "bob: 3 entries forgotten\n");
	q = asked(f, KIND_USERS_UNLOCK,
	    &sallyport__pb__users_unlock__descriptor);
	assert_int_equal(q->user.len, 3);
	assert_int_equal(q->source.len, 0);
	sallyport__pb__users_unlock__free_unpacked(q, NULL);
	ctl_expect(&f->ctl, CLI_OK, CONF "users unlock --all "
	    "--source 2001:db8::7", NULL);
	assert_string_equal(f->ctl.out, "all: 1 entry forgotten\n");
	q = asked(f, KIND_USERS_UNLOCK,
	    &sallyport__pb__users_unlock__descriptor);
	assert_int_equal(q->user.len, 0);
	assert_int_equal(q->source.len, 16);
	sallyport__pb__users_unlock__free_unpacked(q, NULL);
}

/* ---- what is wrong ---- */

static void
test_bad_input(void **state)
{
	static const char *const lines[] = {
		"users test --password-stdin",
		"users test --method pam.username --password-stdin",
		"users test --method pam.address",
		"users test bob --method pam.address --source ::1",
		"users test bob --method guess --password-stdin",
		"users test bob --source here --password-stdin",
		"users test bob --service login --password-stdin",
		"users test bob",	/* no terminal */
		"users test a b",
		"users unlock",
		"users unlock bob --all",
		"users unlock bob --source here",
		"users failures a b",
		"users reload now",
	};
	struct fake_authd *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char *line = xasprintf(CONF "%s", lines[i]);

		ctl_expect(&f->ctl, CLI_USAGE, line, PASSWORD "\n");
		free(line);
	}
	ctl_expect(&f->ctl, CLI_ERROR,
	    CONF "users test bob --password-stdin", "\n");
	ctl_expect(&f->ctl, CLI_BAD_CONFIG, "users reload --config none.toml",
	    NULL);
	assert_int_equal(f->n_asked, 0);
}

static void
test_nobody_there(void **state)
{
	struct fake_authd *f = *state;

	rpc_server_stop(&f->server);
	ctl_expect(&f->ctl, CLI_UNREACHABLE, CONF "users reload", NULL);
	says(f->ctl.err, "run/admin_auth.sock");
	says(f->ctl.err, "is it running");
	start_server(f);
}

/* The socket, then its directory, are not for us: which group is told. */
static void
test_not_allowed(void **state)
{
	struct fake_authd *f = *state;
	char *socket = xasprintf("%s/run/admin_auth.sock", f->ctl.dir);
	char *run = xasprintf("%s/run", f->ctl.dir);

	f->ctl.unprivileged = true;
	assert_int_equal(chmod(f->ctl.dir, 0755), 0);
	assert_int_equal(chmod(run, 0755), 0);
	assert_int_equal(chmod(socket, 0), 0);
	ctl_expect(&f->ctl, CLI_DENIED, CONF "users reload", NULL);
	says(f->ctl.err, "admin_auth.sock is open to the group \"");
	says(f->ctl.err, "usermod -aG ");
	assert_int_equal(chmod(socket, 0660), 0);
	assert_int_equal(chmod(run, 0), 0);
	ctl_expect(&f->ctl, CLI_DENIED, CONF "users reload", NULL);
	says(f->ctl.err, "/run is open to the group \"");
	assert_int_equal(chmod(run, 0700), 0);
	assert_int_equal(f->n_asked, 0);
	free(socket);
	free(run);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_list),
		TEST(test_list_malformed),
		TEST(test_reload),
		TEST(test_verdicts),
		TEST(test_login_as_asked),
		TEST(test_failures),
		TEST(test_unlock),
		TEST(test_bad_input),
		TEST(test_nobody_there),
		TEST(test_not_allowed),
	};

	if (argc != 2 || !ctl_set_binary(argv[1]))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
