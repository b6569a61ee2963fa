/* SPDX-License-Identifier: MIT */
/*
 * The gate over real asks over a real bus; authd and acld are played.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "msg/rpc_client.h"
#include "peers.h"
#include "proto/auth.pb-c.h"
#include "proto/decide.pb-c.h"
#include "proxy/gate.h"

#define MONO_US UINT64_C(1000000000)
#define WALL_US UINT64_C(1700000000000000)
#define CALLS_MAX 1024		/* as in asks.c */

struct rig {
	struct peers *peers;
	struct rpc_client *auth, *decide;
	struct mailbox *mailbox;
	struct asks *asks;
	struct policy_view view;
	struct proxy_config cfg;
	struct gate *gate;
};

/* One who asks, and what it was told. */
struct asker {
	struct lease_waiter w;
	bool told;
	struct login_answer login;
	struct decision decision;
};

static struct rpc_client *
client(struct rig *r, const char *socket)
{
	struct rpc_client_options o = {
		.address = peers_address(r->peers, socket), .name = socket,
		.max_message = 65536, .reconnect_max_ms = 100,
		.unconnected_ms = 200,
	};
	struct rpc_client *c = NULL;
	struct err err;

	if (rpc_client_new(&c, &o, &err) != 0)
		fail_msg("%s", err.text);
	return c;
}

static int
setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	struct err err;

	r->peers = peers_new();
	r->auth = client(r, "auth");
	r->decide = client(r, "decide");
	r->mailbox = mailbox_new();
	assert_non_null(r->mailbox);
	if (asks_new(&r->asks, r->auth, r->decide, r->mailbox, &err) != 0)
		fail_msg("%s", err.text);
	r->cfg.lease_login = r->cfg.lease_decision = 5000;
	r->cfg.lease_entries = 4096;
	r->cfg.timeouts_login = r->cfg.timeouts_decide = 20000;
	/* No lease runs out but where a test says so. */
	clock_test_set(MONO_US, WALL_US);
	r->gate = gate_new(r->asks, &r->view, &r->cfg);
	*state = r;
	return 0;
}

/* With both peers, connected. */
static int
setup_served(void **state)
{
	struct rig *r;

	setup(state);
	r = *state;
	peers_start_authd(r->peers);
	peers_start_acld(r->peers);
	for (unsigned i = 0; i < 3000 && !(rpc_client_connected(r->auth) &&
	    rpc_client_connected(r->decide)); i++)
		poll(NULL, 0, 10);
	assert_true(rpc_client_connected(r->auth));
	assert_true(rpc_client_connected(r->decide));
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	clock_test_reset();
	asks_free(&r->asks);
	gate_free(&r->gate);
	gate_free(&r->gate);
	mailbox_free(&r->mailbox);
	rpc_client_free(&r->auth);
	rpc_client_free(&r->decide);
	peers_free(&r->peers);
	free(r);
	return 0;
}

/* Delivers until all of them were told. */
static void
wait_told(struct rig *r, struct asker *const *askers, size_t n)
{
	struct pollfd p = { .fd = mailbox_fd(r->mailbox), .events = POLLIN };

	for (size_t i = 0; i < n; i++)
		while (!askers[i]->told) {
			if (poll(&p, 1, PEERS_WAIT_MS) != 1)
				fail_msg("no answer");
			mailbox_deliver(r->mailbox);
		}
}

/* ---- login ---- */

static struct addr
source(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, str_from(text)));
	return a;
}

static struct login_question
login_of(const char *user, const char *password, const char *from)
{
	return (struct login_question){ .method = AUTH_USERPASS,
		.user = str_from(user), .password = str_from(password),
		.source = source(from), .listener = "127.0.0.1:1080" };
}

static void
on_login(struct lease_waiter *w, const void *value)
{
	struct asker *a = container_of(w, struct asker, w);
	const struct login_answer *answer = value;

	assert_false(a->told);
	a->told = true;
	if (value == NULL)
		return;
	a->login = *answer;
	if (a->login.identity != NULL)
		identity_ref(a->login.identity);
}

static enum gate_result
ask_login(struct rig *r, struct asker *a, const struct login_question *q)
{
	const struct login_answer *answer = NULL;
	enum gate_result result;

	memset(a, 0, sizeof(*a));
	list_init(&a->w.link);
	a->w.done = on_login;
	result = gate_login(r->gate, q, &a->w, &answer);
	if (result == GATE_WAIT)
		return result;
	a->told = true;
	a->login = *answer;
	if (a->login.identity != NULL)
		identity_ref(a->login.identity);
	return result;
}

static void
asker_fini(struct asker *a)
{
	lease_cancel(&a->w);
	identity_unref(&a->login.identity);
}

/* Asks and waits; how it was answered, and whether at once. */
static enum login_result
login(struct rig *r, const char *user, const char *password, const char *from,
    bool *at_once)
{
	struct login_question q = login_of(user, password, from);
	struct asker a, *all[] = { &a };
	enum gate_result result = ask_login(r, &a, &q);

	if (at_once != NULL)
		*at_once = result == GATE_NOW;
	wait_told(r, all, 1);
	asker_fini(&a);
	return a.login.result;
}

static void
test_login(void **state)
{
	struct rig *r = *state;
	struct login_question q = login_of("alice", PEERS_PASSWORD,
	    "192.0.2.7");
	struct asker a, *all[] = { &a };
	struct peers_asked asked;

	peers_script_login(r->peers, &(struct peers_login){ .groups = 2,
		.delay_ms = 7 });
	assert_int_equal(ask_login(r, &a, &q), GATE_WAIT);
	wait_told(r, all, 1);
	assert_int_equal(a.login.result, LOGIN_OK);
	assert_true(str_eq(a.login.identity->user, STR("alice")));
	assert_int_equal(a.login.identity->method, AUTH_USERPASS);
	assert_int_equal(a.login.identity->limits.len, 0);
	assert_int_equal(a.login.identity->n_groups, 2);
	assert_true(str_eq(a.login.identity->groups[1], STR("group-1")));
	assert_int_equal(a.login.delay_ms, 7);
	asked = peers_asked_login(r->peers);
	assert_string_equal(asked.method, "userpass");
	assert_string_equal(asked.listener, "127.0.0.1:1080");
	assert_string_equal(asked.user, "alice");
	assert_string_equal(asked.password, PEERS_PASSWORD);
	assert_true(addr_eq(&asked.source, &q.source));
	/* The identity outlives its lease. */
	gate_reload(r->gate, &r->cfg);
	assert_int_equal(gate_logins(r->gate), 0);
	assert_true(str_eq(a.login.identity->user, STR("alice")));
	asker_fini(&a);
}

static void
test_login_is_remembered(void **state)
{
	struct rig *r = *state;
	bool at_once;

	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "192.0.2.7",
	    &at_once), LOGIN_OK);
	assert_false(at_once);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "192.0.2.7",
	    &at_once), LOGIN_OK);
	assert_true(at_once);
	assert_int_equal(peers_logins(r->peers), 1);
	assert_int_equal(gate_logins(r->gate), 1);
	assert_int_equal(gate_login_stats(r->gate).hits, 1);
}

static void
test_failure_is_not_remembered(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(login(r, "alice", "wrong", "192.0.2.7", NULL),
		    LOGIN_FAILED);
		assert_int_equal(peers_logins(r->peers), i);
	}
	assert_int_equal(gate_logins(r->gate), 0);
}

/* P-5: what is compared is each part, the source among them, not what they look
 * like joined. */
static void
test_login_key(void **state)
{
	static const struct {
		const char *user, *password, *from;
	} others[] = {
		{ "alicer", "ight", "192.0.2.7" },
		{ "alic", "eright", "192.0.2.7" },
		{ "Alice", "right", "192.0.2.7" },
		{ "alice", "Right", "192.0.2.7" },
		{ "alice", "right ", "192.0.2.7" },
		{ "bob", "right", "192.0.2.7" },
		{ "alice", "r", "192.0.2.7" },
		{ "alice", "right", "192.0.2.8" },
		{ "alice", "right", "2001:db8::c000:207" },
	};
	struct rig *r = *state;
	bool at_once;

	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "192.0.2.7", NULL),
	    LOGIN_OK);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		(void)login(r, others[i].user, others[i].password,
		    others[i].from, &at_once);
		assert_false(at_once);
	}
	assert_int_equal(peers_logins(r->peers), 1 + ARRAY_LEN(others));
}

static void
test_login_expires(void **state)
{
	static const struct {
		uint64_t expires_us;	/* 0: never */
		uint64_t kept_ms;
	} cases[] = {
		{ 0, 5000 },
		{ WALL_US + 3600 * UINT64_C(1000000), 5000 },
		{ WALL_US + 2000 * UINT64_C(1000), 2000 },
		{ WALL_US, 0 },
		{ WALL_US - 1, 0 },
	};
	struct rig *r = *state;
	bool at_once;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t kept = cases[i].kept_ms;

		clock_test_set(MONO_US, WALL_US);
		gate_reload(r->gate, &r->cfg);
		peers_script_login(r->peers, &(struct peers_login){
			.expires_us = cases[i].expires_us });
		(void)login(r, "alice", PEERS_PASSWORD, "192.0.2.7", &at_once);
		assert_false(at_once);
		assert_int_equal(gate_logins(r->gate), kept > 0);
		if (kept == 0)
			continue;
		clock_test_set(MONO_US + (kept - 1) * 1000, WALL_US);
		(void)login(r, "alice", PEERS_PASSWORD, "192.0.2.7", &at_once);
		assert_true(at_once);
		clock_test_set(MONO_US + kept * 1000, WALL_US);
		(void)login(r, "alice", PEERS_PASSWORD, "192.0.2.7", &at_once);
		assert_false(at_once);
	}
}

static void
test_lease_off(void **state)
{
	struct rig *r = *state;
	struct proxy_config off = r->cfg;

	off.lease_login = 0;
	gate_reload(r->gate, &off);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1",
		    NULL), LOGIN_OK);
		assert_int_equal(peers_logins(r->peers), i);
	}
	assert_int_equal(gate_logins(r->gate), 0);
}

/* Who it is may be said by authd: a name in its own writing. */
static void
test_login_names_the_user(void **state)
{
	struct rig *r = *state;
	struct login_question q = login_of("Alice", PEERS_PASSWORD, "::1");
	struct asker a, *all[] = { &a };

	peers_script_login(r->peers, &(struct peers_login){ .groups = 1,
		.user = "alice@ad.example", .limits = "gold" });
	assert_int_equal(ask_login(r, &a, &q), GATE_WAIT);
	wait_told(r, all, 1);
	assert_int_equal(a.login.result, LOGIN_OK);
	assert_true(str_eq(a.login.identity->user, STR("alice@ad.example")));
	assert_true(str_eq(a.login.identity->limits, STR("gold")));
	assert_true(str_eq(a.login.identity->groups[0], STR("group-0")));
	asker_fini(&a);
}

/* Nobody waits for another source's answer, and what the users file said is
 * none of PAM. */
static void
test_login_by_pam(void **state)
{
	static const struct {
		enum record_auth method;
		const char *name;
	} methods[] = {
		{ AUTH_USERPASS, "userpass" },
		{ AUTH_PAM_USERNAME, "pam.username" },
	};
	struct rig *r = *state;
	struct login_question q[4];
	struct asker askers[4], *all[4];

	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	for (size_t i = 0; i < 4; i++) {
		q[i] = login_of("alice", PEERS_PASSWORD,
		    i < 2 ? "192.0.2.1" : "192.0.2.2");
		q[i].method = methods[i % 2].method;
		assert_int_equal(ask_login(r, &askers[i], &q[i]), GATE_WAIT);
		all[i] = &askers[i];
		/* Each alone: the order of what is asked at once is nobody's. */
		peers_wait_logins(r->peers, (unsigned)i + 1);
		assert_string_equal(peers_asked_login(r->peers).method,
		    methods[i % 2].name);
	}
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	wait_told(r, all, 4);
	assert_int_equal(peers_logins(r->peers), 4);
	assert_int_equal(gate_logins(r->gate), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(askers[i].login.identity->method,
		    methods[i % 2].method);
		asker_fini(&askers[i]);
	}
}

static enum gate_result
ask_by_address(struct rig *r, const char *from, struct login_answer *out)
{
	struct login_question q = { .method = AUTH_PAM_ADDRESS,
		.source = source(from), .listener = "lan" };
	struct asker a, *all[] = { &a };
	enum gate_result result = ask_login(r, &a, &q);

	wait_told(r, all, 1);
	*out = a.login;
	out->identity = NULL;
	if (out->result == LOGIN_OK)
		assert_int_equal(a.login.identity->method, AUTH_PAM_ADDRESS);
	asker_fini(&a);
	return result;
}

/* Neither user nor password is sent, and each source has a lease of its own. */
static void
test_login_by_address(void **state)
{
	struct rig *r = *state;
	struct login_answer answer;
	struct peers_asked asked;

	assert_int_equal(ask_by_address(r, "192.0.2.1", &answer), GATE_WAIT);
	assert_int_equal(answer.result, LOGIN_OK);
	asked = peers_asked_login(r->peers);
	assert_string_equal(asked.method, "pam.address");
	assert_string_equal(asked.listener, "lan");
	assert_int_equal(asked.user_len, 0);
	assert_int_equal(asked.password_len, 0);
	assert_int_equal(ask_by_address(r, "192.0.2.2", &answer), GATE_WAIT);
	assert_int_equal(ask_by_address(r, "192.0.2.1", &answer), GATE_NOW);
	assert_int_equal(ask_by_address(r, "192.0.2.2", &answer), GATE_NOW);
	assert_int_equal(gate_logins(r->gate), 2);
	assert_int_equal(peers_logins(r->peers), 2);
	/* A refusal is none's to keep. */
	peers_script_login(r->peers, &(struct peers_login){
		.result = SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED });
	assert_int_equal(ask_by_address(r, "192.0.2.3", &answer), GATE_WAIT);
	assert_int_equal(answer.result, LOGIN_FAILED);
	assert_int_equal(gate_logins(r->gate), 2);
}

/* Nobody in particular came from there: no name is made up here. */
static void
test_login_by_address_of_nobody(void **state)
{
	struct rig *r = *state;
	struct login_question q = { .method = AUTH_PAM_ADDRESS,
		.source = source("::1"), .listener = "lan" };
	struct asker a, *all[] = { &a };

	peers_script_login(r->peers, &(struct peers_login){ .limits = "lan" });
	assert_int_equal(ask_login(r, &a, &q), GATE_WAIT);
	wait_told(r, all, 1);
	assert_int_equal(a.login.identity->user.len, 0);
	assert_true(str_eq(a.login.identity->limits, STR("lan")));
	asker_fini(&a);
}

static void
test_single_flight(void **state)
{
	struct rig *r = *state;
	struct login_question q = login_of("alice", PEERS_PASSWORD, "::1");
	struct asker askers[10], *all[10];

	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(ask_login(r, &askers[i], &q), GATE_WAIT);
		all[i] = &askers[i];
	}
	lease_cancel(&askers[0].w);	/* whoever asked first may leave */
	peers_wait_logins(r->peers, 1);
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	wait_told(r, all + 1, 9);
	assert_false(askers[0].told);
	assert_int_equal(peers_logins(r->peers), 1);
	for (size_t i = 1; i < 10; i++) {
		assert_int_equal(askers[i].login.result, LOGIN_OK);
		assert_ptr_equal(askers[i].login.identity,
		    askers[1].login.identity);
	}
	for (size_t i = 0; i < 10; i++)
		asker_fini(&askers[i]);
}

/* P-1, P-5: each source is answered for itself. The one that is refused unseen
 * is not let in by the other's lease, and its refusal is nobody else's. */
static void
test_sources_share_no_answer(void **state)
{
	static const char user[] = "192.0.2.1", guesser[] = "192.0.2.2";
	struct rig *r = *state;
	struct login_question q[2];
	struct asker askers[2], *all[2];
	bool at_once;

	/* not by waiting together */
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	for (size_t i = 0; i < 2; i++) {
		q[i] = login_of("alice", PEERS_PASSWORD,
		    i == 0 ? guesser : user);
		assert_int_equal(ask_login(r, &askers[i], &q[i]), GATE_WAIT);
		all[i] = &askers[i];
		peers_wait_logins(r->peers, (unsigned)i + 1);
	}
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	wait_told(r, all, 2);
	asker_fini(&askers[0]);
	asker_fini(&askers[1]);
	/* not by a lease */
	gate_reload(r->gate, &r->cfg);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, user, NULL),
	    LOGIN_OK);
	peers_script_login(r->peers, &(struct peers_login){
		.result = SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED });
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, guesser, NULL),
	    LOGIN_THROTTLED);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, user, &at_once),
	    LOGIN_OK);
	assert_true(at_once);
	assert_int_equal(peers_logins(r->peers), 4);
	assert_int_equal(gate_logins(r->gate), 1);
}

/* What authd says, and what is made of it. */
static void
test_login_answers(void **state)
{
	static const char long_group[301] = { [0 ... 299] = 'g' };
	static const struct {
		struct peers_login script;
		enum login_result result;
	} cases[] = {
		{ { .result = SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED },
		    LOGIN_FAILED },
		{ { .result = SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY },
		    LOGIN_BUSY },
		{ { .result = SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED,
		    .delay_ms = 600000 }, LOGIN_THROTTLED },
		{ { .result = 99 }, LOGIN_SILENT },
		{ { .how = PEERS_GARBAGE }, LOGIN_SILENT },
		{ { .how = PEERS_BUSY }, LOGIN_SILENT },
		{ { .groups = RECORD_GROUPS_MAX }, LOGIN_OK },
		{ { .groups = RECORD_GROUPS_MAX + 1 }, LOGIN_SILENT },
		{ { .groups = 1, .group = "" }, LOGIN_SILENT },
		{ { .groups = 1, .group = "a\nb" }, LOGIN_SILENT },
		{ { .groups = 1, .group = "gr\xc3\xbc" "n" }, LOGIN_OK },
		{ { .groups = 1, .group = "\xc3" }, LOGIN_SILENT },
		{ { .groups = 1, .group = long_group }, LOGIN_SILENT },
		{ { .groups = 1, .group = long_group + 45 }, LOGIN_OK },
		{ { .user = "b\xc3\xb6" "b", .limits = "gold" }, LOGIN_OK },
		{ { .user = "bo\nb" }, LOGIN_SILENT },
		{ { .user = "\xc3" }, LOGIN_SILENT },
		{ { .user = long_group }, LOGIN_SILENT },
		{ { .user = long_group + 45 }, LOGIN_OK },
		{ { .limits = "go\tld" }, LOGIN_SILENT },
		{ { .limits = long_group }, LOGIN_SILENT },
		{ { .limits = long_group + 300 - ASKS_LIMITS_MAX }, LOGIN_OK },
		{ { .delay_ms = 600000 }, LOGIN_OK },
		{ { .delay_ms = 600001 }, LOGIN_SILENT },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		peers_script_login(r->peers, &cases[i].script);
		gate_reload(r->gate, &r->cfg);
		assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1",
		    NULL), cases[i].result);
		assert_int_equal(gate_logins(r->gate),
		    cases[i].result == LOGIN_OK);
	}
}

static void
test_authd_absent(void **state)
{
	struct rig *r = *state;	/* nobody listens */
	bool at_once;

	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", &at_once),
	    LOGIN_SILENT);
	assert_false(at_once);
	assert_int_equal(gate_logins(r->gate), 0);
	/* It heals by itself. */
	peers_start_authd(r->peers);
	for (unsigned i = 0; i < 3000 && !rpc_client_connected(r->auth); i++)
		poll(NULL, 0, 10);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_OK);
}

static void
test_authd_silent(void **state)
{
	struct rig *r = *state;
	struct proxy_config soon = r->cfg;

	soon.timeouts_login = 100;
	gate_reload(r->gate, &soon);
	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_SILENT);
	/* The late answer finds nobody, and is not remembered. The next one
	 * has its time. */
	gate_reload(r->gate, &r->cfg);
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	assert_int_equal(gate_logins(r->gate), 0);
	assert_int_equal(login(r, "alice", "wrong", "::1", NULL),
	    LOGIN_FAILED);
}

/* Late in the life of a lease: when each key is due. */
#define LATE_MS 4400

/* Waits for the answer to a renewal, which has no asker. */
static void
wait_renewed(struct rig *r)
{
	struct pollfd p = { .fd = mailbox_fd(r->mailbox), .events = POLLIN };

	gate_tick(r->gate);
	assert_int_equal(poll(&p, 1, PEERS_WAIT_MS), 1);
	mailbox_deliver(r->mailbox);
}

/* In use, it never runs out: nobody waits, though authd is asked again. */
static void
test_login_is_renewed(void **state)
{
	struct rig *r = *state;
	uint64_t now = MONO_US;
	bool at_once;

	clock_test_set(now, WALL_US);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_OK);
	for (unsigned i = 1; i <= 3; i++) {
		now += LATE_MS * 1000;
		clock_test_set(now, WALL_US);
		assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1",
		    &at_once), LOGIN_OK);
		assert_true(at_once);
		wait_renewed(r);
		assert_int_equal(peers_logins(r->peers), 1 + i);
		assert_int_equal(gate_logins(r->gate), 1);
	}
	assert_int_equal(gate_login_stats(r->gate).renewals, 3);
}

/* Logs in, at once from a lease that is due to be renewed. */
static void
login_late(struct rig *r, unsigned late_ms)
{
	bool at_once;

	clock_test_set(MONO_US + late_ms * 1000, WALL_US);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", &at_once),
	    LOGIN_OK);
	assert_true(at_once);
}

/* Asked together, when there is a tick. */
static void
test_renewals_wait_for_the_tick(void **state)
{
	static const char *const from[] = { "::1", "::2", "::3" };
	struct rig *r = *state;
	bool at_once;

	for (unsigned i = 0; i < ARRAY_LEN(from); i++)
		assert_int_equal(login(r, "alice", PEERS_PASSWORD, from[i],
		    NULL), LOGIN_OK);
	clock_test_set(MONO_US + LATE_MS * 1000, WALL_US);
	for (unsigned i = 0; i < ARRAY_LEN(from); i++) {
		assert_int_equal(login(r, "alice", PEERS_PASSWORD, from[i],
		    &at_once), LOGIN_OK);
		assert_true(at_once);
	}
	/* Would have come after them. */
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::4", NULL),
	    LOGIN_OK);
	assert_int_equal(peers_logins(r->peers), 4);
	while (peers_logins(r->peers) < 7)
		wait_renewed(r);
}

/* The lease ended before the tick: who comes now does not wait for it. */
static void
test_renewal_that_is_waited_for(void **state)
{
	struct rig *r = *state;
	bool at_once;

	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_OK);
	login_late(r, LATE_MS);
	clock_test_set(MONO_US + 5000 * 1000, WALL_US);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", &at_once),
	    LOGIN_OK);
	assert_false(at_once);
	assert_int_equal(peers_logins(r->peers), 2);
}

/* Too little is left to wait for a tick. */
static void
test_renewal_in_a_hurry(void **state)
{
	struct rig *r = *state;

	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_OK);
	login_late(r, 4501);
	while (peers_logins(r->peers) < 2)
		poll(NULL, 0, 1);
}

/* A lease, whose renewal comes to `result`. */
static void
renew_in_vain(struct rig *r, int result)
{
	clock_test_set(MONO_US, WALL_US);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_OK);
	peers_script_login(r->peers, &(struct peers_login){
		.result = result });
	login_late(r, LATE_MS);
	wait_renewed(r);
}

/* The password was changed: the lease ends with the answer, not later. */
static void
test_renewal_refused(void **state)
{
	struct rig *r = *state;

	renew_in_vain(r, SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED);
	assert_int_equal(gate_logins(r->gate), 0);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_FAILED);
}

/* authd has no room: that says nothing about the user. */
static void
test_renewal_while_busy(void **state)
{
	struct rig *r = *state;

	renew_in_vain(r, SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY);
	login_late(r, LATE_MS + 1);
	assert_int_equal(peers_logins(r->peers), 2);
	clock_test_set(MONO_US + 5000 * 1000, WALL_US);
	assert_int_equal(login(r, "alice", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_BUSY);
}

/* ---- decisions ---- */

static struct identity *
identity(const char *user, unsigned n_groups)
{
	static const struct str groups[] = { { "admin", 5 }, { "dev", 3 } };

	struct identity like = { .user = str_from(user),
		.n_groups = n_groups };

	memcpy(like.groups, groups, n_groups * sizeof(groups[0]));
	return identity_new(&like);
}

/* A question to vary, owned by the test. */
struct case_question {
	struct identity *who;
	struct dest dest;
	struct addr resolved[2];
	struct decide_question q;
};

static void
question_init(struct case_question *c, const char *user, unsigned n_groups,
    const char *name, const char *address, uint16_t port)
{
	memset(c, 0, sizeof(*c));
	c->who = identity(user, n_groups);
	c->dest.is_name = *name != '\0';
	c->dest.name_len = (uint8_t)strlen(name);
	memcpy(c->dest.name, name, strlen(name));
	c->dest.port = port;
	c->resolved[0] = source(address);
	c->q = (struct decide_question){
		.identity = c->who, .source = source("192.0.2.7"),
		.command = COMMAND_CONNECT, .protocol = PROTOCOL_TCP,
		.dest = &c->dest, .resolved = c->resolved, .n_resolved = 1,
	};
}

static void
on_decided(struct lease_waiter *w, const void *value)
{
	struct asker *a = container_of(w, struct asker, w);

	assert_false(a->told);
	a->told = true;
	if (value != NULL)
		a->decision = *(const struct decision *)value;
}

static enum gate_result
ask_decision(struct rig *r, struct asker *a, const struct decide_question *q)
{
	const struct decision *d = NULL;
	enum gate_result result;

	memset(a, 0, sizeof(*a));
	list_init(&a->w.link);
	a->w.done = on_decided;
	result = gate_decide(r->gate, q, &a->w, &d);
	if (result != GATE_WAIT) {
		a->told = true;
		a->decision = *d;
	}
	return result;
}

static struct decision
decide(struct rig *r, const struct decide_question *q, bool *at_once)
{
	struct asker a, *all[] = { &a };
	enum gate_result result = ask_decision(r, &a, q);

	if (at_once != NULL)
		*at_once = result == GATE_NOW;
	wait_told(r, all, 1);
	lease_cancel(&a.w);
	return a.decision;
}

static bool
decided_at_once(struct rig *r, const struct decide_question *q)
{
	bool at_once;

	(void)decide(r, q, &at_once);
	return at_once;
}

/* acld is heard now, as peers play it. */
static void
hear(struct rig *r)
{
	struct id instance = peers_instance(r->peers);

	policy_view_hear(&r->view, &instance, peers_generation(r->peers),
	    clock_mono_ms());
}

static void
test_decision(void **state)
{
	struct rig *r = *state;
	struct case_question c;
	struct peers_asked asked;
	struct decision d;

	question_init(&c, "alice", 2, "www.example.com", "198.51.100.1", 443);
	c.resolved[1] = source("2001:db8::1");
	c.q.n_resolved = 2;
	peers_script_decision(r->peers, &(struct peers_decision){
		.permit = PERMIT_FIRST, .rule = "web", .reason = "why" });
	d = decide(r, &c.q, NULL);
	assert_int_equal(d.verdict, VERDICT_ALLOW);
	assert_int_equal(d.source, VERDICT_BY_RULE);
	assert_int_equal(d.n_permitted, 1);
	assert_int_equal(d.permitted[0], 0);
	assert_true(d.internal_ok[0]);
	assert_string_equal(d.rule, "web");
	assert_string_equal(d.reason, "why");
	assert_int_equal(d.generation, peers_generation(r->peers));
	asked = peers_asked_decision(r->peers);
	assert_string_equal(asked.user, "alice");
	assert_string_equal(asked.name, "www.example.com");
	assert_string_equal(asked.group, "admin");
	assert_int_equal(asked.n_groups, 2);
	assert_int_equal(asked.port, 443);
	assert_int_equal(asked.command, 1);
	assert_int_equal(asked.protocol, 1);
	assert_int_equal(asked.n_resolved, 2);
	assert_true(addr_eq(&asked.resolved[1], &c.resolved[1]));
	assert_true(addr_eq(&asked.source, &c.q.source));
	identity_unref(&c.who);
}

/* Only the policy in force, of an acld that is heard, is worth remembering. */
static void
test_decision_needs_its_heartbeat(void **state)
{
	struct rig *r = *state;
	struct case_question c;
	struct id other = id_random(), acld = peers_instance(r->peers);
	uint64_t generation = peers_generation(r->peers);

	clock_test_set(MONO_US, WALL_US);
	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	assert_false(decided_at_once(r, &c.q));
	assert_false(decided_at_once(r, &c.q));	/* never heard one */
	hear(r);
	assert_true(decided_at_once(r, &c.q));
	policy_view_hear(&r->view, &acld, generation + 1, clock_mono_ms());
	assert_false(decided_at_once(r, &c.q));
	hear(r);
	assert_true(decided_at_once(r, &c.q));
	policy_view_hear(&r->view, &other, generation, clock_mono_ms());
	assert_false(decided_at_once(r, &c.q));
	hear(r);
	assert_true(decided_at_once(r, &c.q));
	clock_test_set(MONO_US + 1999000, WALL_US);
	assert_true(decided_at_once(r, &c.q));
	clock_test_set(MONO_US + 2000000, WALL_US);
	assert_false(decided_at_once(r, &c.q));
	identity_unref(&c.who);
}

static void
test_decision_expires(void **state)
{
	static const struct {
		uint32_t lease_ms;
		uint64_t config_ms, kept_ms;
	} cases[] = {
		{ 5000, 5000, 5000 }, { 1000, 5000, 1000 },
		{ 5000, 300, 300 }, { 4000000000u, 5000, 5000 },
		{ 5000, 0, 0 },
	};
	struct rig *r = *state;
	struct case_question c;

	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t kept = cases[i].kept_ms;
		struct proxy_config cfg = r->cfg;

		cfg.lease_decision = cases[i].config_ms;
		clock_test_set(MONO_US, WALL_US);
		hear(r);
		gate_reload(r->gate, &cfg);
		peers_script_decision(r->peers, &(struct peers_decision){
			.lease_ms = cases[i].lease_ms });
		assert_false(decided_at_once(r, &c.q));
		assert_int_equal(gate_decisions(r->gate), kept > 0);
		if (kept == 0)
			continue;
		clock_test_set(MONO_US + (kept - 1) * 1000, WALL_US);
		hear(r);
		assert_true(decided_at_once(r, &c.q));
		clock_test_set(MONO_US + kept * 1000, WALL_US);
		hear(r);
		assert_false(decided_at_once(r, &c.q));
	}
	identity_unref(&c.who);
	gate_reload(r->gate, &r->cfg);
}

/* Whatever the answer may depend on makes another question of it. */
static void
test_decision_key(void **state)
{
	static const struct {
		const char *user;
		unsigned n_groups;
		const char *name, *address;
		uint16_t port;
	} others[] = {
		{ "bob", 1, "a.example", "198.51.100.1", 443 },
		{ "alice", 0, "a.example", "198.51.100.1", 443 },
		{ "alice", 2, "a.example", "198.51.100.1", 443 },
		{ "alice", 1, "b.example", "198.51.100.1", 443 },
		{ "alice", 1, "", "198.51.100.1", 443 },
		{ "alice", 1, "a.example", "198.51.100.2", 443 },
		{ "alice", 1, "a.example", "198.51.100.1", 444 },
		{ "alice", 1, "a.example", "198.51.100.1", 699 },
	};
	struct rig *r = *state;
	struct case_question c;

	question_init(&c, "alice", 1, "a.example", "198.51.100.1", 443);
	hear(r);
	assert_false(decided_at_once(r, &c.q));
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct case_question o;

		question_init(&o, others[i].user, others[i].n_groups,
		    others[i].name, others[i].address, others[i].port);
		hear(r);
		assert_false(decided_at_once(r, &o.q));
		identity_unref(&o.who);
	}
	c.q.command = COMMAND_BIND;
	assert_false(decided_at_once(r, &c.q));
	c.q.command = COMMAND_CONNECT;
	c.q.n_resolved = 2;
	c.resolved[1] = c.resolved[0];
	assert_false(decided_at_once(r, &c.q));
	c.q.n_resolved = 1;
	hear(r);
	assert_true(decided_at_once(r, &c.q));
	identity_unref(&c.who);
}

static void
test_decision_bound_to_its_source(void **state)
{
	struct rig *r = *state;
	struct case_question c;
	struct decision d;
	bool at_once;

	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	peers_script_decision(r->peers, &(struct peers_decision){
		.source_bound = true });
	hear(r);
	d = decide(r, &c.q, NULL);
	assert_true(d.source_bound);
	assert_true(addr_eq(&d.asked_source, &c.q.source));
	assert_true(decided_at_once(r, &c.q));
	c.q.source = source("192.0.2.8");
	d = decide(r, &c.q, &at_once);
	assert_false(at_once);
	assert_true(addr_eq(&d.asked_source, &c.q.source));
	hear(r);
	assert_true(decided_at_once(r, &c.q));
	c.q.source = source("192.0.2.7");
	assert_true(decided_at_once(r, &c.q));
	assert_int_equal(peers_decisions(r->peers), 2);
	/* A later policy does not look at sources any more. */
	peers_set_policy(r->peers, 2000);
	peers_script_decision(r->peers, &(struct peers_decision){ 0 });
	hear(r);
	assert_false(decided_at_once(r, &c.q));
	for (unsigned i = 0; i < 3; i++) {
		c.q.source.b[15]++;
		hear(r);
		assert_true(decided_at_once(r, &c.q));
	}
	identity_unref(&c.who);
}

/* The new answer counts from when it is there, here: the policy allowed, and
 * does so no more. */
static void
test_decision_is_renewed(void **state)
{
	struct rig *r = *state;
	struct case_question c;
	bool at_once;

	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	clock_test_set(MONO_US, WALL_US);
	hear(r);
	assert_false(decided_at_once(r, &c.q));
	peers_script_decision(r->peers, &(struct peers_decision){
		.action = SALLYPORT__PB__DECISION__ACTION__BLOCK });
	clock_test_set(MONO_US + LATE_MS * 1000, WALL_US);
	hear(r);
	assert_int_equal(decide(r, &c.q, &at_once).verdict, VERDICT_ALLOW);
	assert_true(at_once);
	wait_renewed(r);
	assert_int_equal(decide(r, &c.q, &at_once).verdict, VERDICT_BLOCK);
	assert_true(at_once);
	assert_int_equal(peers_decisions(r->peers), 2);
	identity_unref(&c.who);
}

/* Somebody from elsewhere does not renew what does not serve him. */
static void
test_renewal_is_of_its_source(void **state)
{
	struct rig *r = *state;
	struct case_question c;

	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	peers_script_decision(r->peers, &(struct peers_decision){
		.source_bound = true });
	clock_test_set(MONO_US, WALL_US);
	hear(r);
	assert_false(decided_at_once(r, &c.q));
	clock_test_set(MONO_US + LATE_MS * 1000, WALL_US);
	hear(r);
	c.q.source = source("192.0.2.8");
	assert_false(decided_at_once(r, &c.q));
	assert_int_equal(gate_decide_stats(r->gate).renewals, 0);
	c.q.source = source("192.0.2.7");
	assert_true(decided_at_once(r, &c.q));
	assert_int_equal(gate_decide_stats(r->gate).renewals, 1);
	wait_renewed(r);
	assert_int_equal(peers_decisions(r->peers), 3);
	identity_unref(&c.who);
}

static void
test_decision_answers(void **state)
{
	static const char long_text[301] = { [0 ... 299] = 'r' };
	static const struct {
		struct peers_decision script;
		enum verdict verdict;
	} cases[] = {
		{ { .permit = PERMIT_ALL }, VERDICT_ALLOW },
		{ { .action = SALLYPORT__PB__DECISION__ACTION__BLOCK },
		    VERDICT_BLOCK },
		{ { .action = SALLYPORT__PB__DECISION__ACTION__BLOCK,
		    .permit = PERMIT_NONE }, VERDICT_BLOCK },
		{ { .action = SALLYPORT__PB__DECISION__ACTION__REDIRECT },
		    VERDICT_UNAVAILABLE },
		{ { .action = 77 }, VERDICT_UNAVAILABLE },
		{ { .source = 77 }, VERDICT_UNAVAILABLE },
		{ { .how = PEERS_GARBAGE }, VERDICT_UNAVAILABLE },
		{ { .how = PEERS_BUSY }, VERDICT_UNAVAILABLE },
		{ { .permit = PERMIT_NONE }, VERDICT_UNAVAILABLE },
		{ { .permit = PERMIT_BEYOND }, VERDICT_UNAVAILABLE },
		{ { .permit = PERMIT_TOO_MANY }, VERDICT_UNAVAILABLE },
		{ { .permit = PERMIT_UNMARKED }, VERDICT_UNAVAILABLE },
		{ { .anonymous = true }, VERDICT_UNAVAILABLE },
		/* never a direct connection instead of a route */
		{ { .route = "upstream" }, VERDICT_UNAVAILABLE },
		{ { .rule = "a\nb" }, VERDICT_UNAVAILABLE },
		{ { .rule = long_text }, VERDICT_UNAVAILABLE },
		{ { .rule = long_text + 300 - ASKS_RULE_MAX }, VERDICT_ALLOW },
		{ { .rule = "" }, VERDICT_ALLOW },
		{ { .reason = long_text }, VERDICT_ALLOW },
	};
	struct rig *r = *state;
	struct case_question c;

	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		peers_script_decision(r->peers, &cases[i].script);
		gate_reload(r->gate, &r->cfg);
		assert_int_equal(decide(r, &c.q, NULL).verdict,
		    cases[i].verdict);
		assert_int_equal(gate_decisions(r->gate),
		    cases[i].verdict != VERDICT_UNAVAILABLE);
	}
	identity_unref(&c.who);
}

static void
test_acld_absent(void **state)
{
	struct rig *r = *state;
	struct case_question c;

	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	assert_int_equal(decide(r, &c.q, NULL).verdict, VERDICT_UNAVAILABLE);
	assert_int_equal(gate_decisions(r->gate), 0);
	identity_unref(&c.who);
}

/* ---- bounds ---- */

/* As many questions as may be out; the next is refused at once, and when
 * they are answered there is room again. */
static void
test_too_many_questions(void **state)
{
	struct rig *r = *state;
	struct asker *askers = xcalloc(CALLS_MAX + 1, sizeof(*askers));
	struct asker **all = xcalloc(CALLS_MAX, sizeof(*all));
	char user[16];

	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	for (size_t i = 0; i <= CALLS_MAX; i++) {
		struct login_question q;

		snprintf(user, sizeof(user), "user-%zu", i);
		q = login_of(user, PEERS_PASSWORD, "::1");
		assert_int_equal(ask_login(r, &askers[i], &q),
		    i < CALLS_MAX ? GATE_WAIT : GATE_FULL);
		if (i < CALLS_MAX)
			all[i] = &askers[i];
	}
	assert_int_equal(askers[CALLS_MAX].login.result, LOGIN_BUSY);
	peers_wait_logins(r->peers, CALLS_MAX);
	peers_script_login(r->peers, &(struct peers_login){ 0 });
	peers_release(r->peers);
	wait_told(r, all, CALLS_MAX);
	for (size_t i = 0; i <= CALLS_MAX; i++)
		asker_fini(&askers[i]);
	assert_int_equal(login(r, "one more", PEERS_PASSWORD, "::1", NULL),
	    LOGIN_OK);
	free(askers);
	free(all);
}

static void
test_too_few_entries(void **state)
{
	struct rig *r = *state;
	struct proxy_config few = r->cfg;
	struct case_question c;
	struct asker askers[3];

	gate_free(&r->gate);
	few.lease_entries = 2;
	r->gate = gate_new(r->asks, &r->view, &few);
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	question_init(&c, "alice", 0, "", "198.51.100.1", 1);
	for (size_t i = 0; i < 3; i++, c.dest.port++)
		assert_int_equal(ask_decision(r, &askers[i], &c.q),
		    i < 2 ? GATE_WAIT : GATE_FULL);
	assert_int_equal(askers[2].decision.verdict, VERDICT_UNAVAILABLE);
	for (size_t i = 0; i < 3; i++)
		lease_cancel(&askers[i].w);
	identity_unref(&c.who);
}

/* A daemon that stops has questions out. */
static void
test_end_with_questions_out(void **state)
{
	struct rig *r = *state;
	struct login_question q = login_of("alice", PEERS_PASSWORD, "::1");
	struct case_question c;
	struct asker a, b;

	peers_script_login(r->peers, &(struct peers_login){
		.how = PEERS_HOLD });
	peers_script_decision(r->peers, &(struct peers_decision){
		.how = PEERS_HOLD });
	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	assert_int_equal(ask_login(r, &a, &q), GATE_WAIT);
	assert_int_equal(ask_decision(r, &b, &c.q), GATE_WAIT);
	peers_wait_logins(r->peers, 1);
	peers_wait_decisions(r->peers, 1);
	lease_cancel(&a.w);
	lease_cancel(&b.w);
	identity_unref(&c.who);
	/* the rest is teardown's */
}

static void
test_reload_flushes(void **state)
{
	struct rig *r = *state;
	struct case_question c;
	bool at_once;

	question_init(&c, "alice", 0, "", "198.51.100.1", 443);
	hear(r);
	(void)login(r, "alice", PEERS_PASSWORD, "::1", NULL);
	(void)decide(r, &c.q, NULL);
	assert_int_equal(gate_logins(r->gate), 1);
	assert_int_equal(gate_decisions(r->gate), 1);
	gate_reload(r->gate, &r->cfg);
	assert_int_equal(gate_logins(r->gate), 0);
	assert_int_equal(gate_decisions(r->gate), 0);
	(void)login(r, "alice", PEERS_PASSWORD, "::1", &at_once);
	assert_false(at_once);
	hear(r);
	assert_false(decided_at_once(r, &c.q));
	identity_unref(&c.who);
}

#define SERVED(name) \
	cmocka_unit_test_setup_teardown(test_##name, setup_served, teardown)
#define ALONE(name) \
	cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(login), SERVED(login_is_remembered),
		SERVED(failure_is_not_remembered), SERVED(login_key),
		SERVED(login_expires), SERVED(lease_off),
		SERVED(login_names_the_user), SERVED(login_by_pam),
		SERVED(login_by_address),
		SERVED(login_by_address_of_nobody),
		SERVED(single_flight), SERVED(sources_share_no_answer),
		SERVED(login_answers), ALONE(authd_absent),
		SERVED(authd_silent), SERVED(login_is_renewed),
		SERVED(renewals_wait_for_the_tick),
		SERVED(renewal_that_is_waited_for), SERVED(renewal_in_a_hurry),
		SERVED(renewal_refused), SERVED(renewal_while_busy),
		SERVED(decision), SERVED(decision_is_renewed),
		SERVED(renewal_is_of_its_source),
		SERVED(decision_needs_its_heartbeat),
		SERVED(decision_expires), SERVED(decision_key),
		SERVED(decision_bound_to_its_source),
		SERVED(decision_answers), ALONE(acld_absent),
		SERVED(too_many_questions), SERVED(too_few_entries),
		SERVED(end_with_questions_out), SERVED(reload_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
