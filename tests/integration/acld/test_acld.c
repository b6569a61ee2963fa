/* SPDX-License-Identifier: MIT */
/* One real acld; its peers (proxy, apid, editor, operator) are played here. */
#include "daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/addr.h"
#include "proto/decide.pb-c.h"

#define DEADLINE_MS 60000	/* more than any machine needs */

#define ALLOW SALLYPORT__PB__DECISION__ACTION__ALLOW
#define BLOCK SALLYPORT__PB__DECISION__ACTION__BLOCK
#define BY_RULE SALLYPORT__PB__DECISION__SOURCE__RULE
#define BY_DEFAULT SALLYPORT__PB__DECISION__SOURCE__DEFAULT
#define BY_HARD_DENY SALLYPORT__PB__DECISION__SOURCE__HARD_DENY

static const char policy[] =
    "rules = [\n"
    "  { id = \"web\", action = \"allow\", destinations = [\"*\"], "
    "ports = [\"443\"] },\n"
    "  { id = \"bad\", action = \"block\", "
    "destinations = [\"bad.example\", \"8.8.4.0/24\"] },\n"
    "  { id = \"ten\", action = \"allow\", destinations = "
    "[\"10.0.0.0/8\"], allow_internal = true },\n"
    "]\n"
    "[[groups]]\nname = \"staff\"\n"
    "rules = [ { action = \"allow\", destinations = [\"192.168.0.0/16\"], "
    "sources = [\"192.0.2.0/24\"] } ]\n";
static const char other_policy[] =
    "rules = [{ id = \"none\", action = \"block\", destinations = [\"*\"] }]\n";
static const char bad_policy[] =
    "rules = [\n  { action = \"allow\", destinations = [] },\n]\n";

/* ---- asking ---- */

struct ask {
	Sallyport__Pb__DecideRequest m;
	struct addr source, addrs[40];
	ProtobufCBinaryData resolved[40];
};

/* Alice asks for www.example:443, which is at 8.8.8.8. */
static void
ask_init(struct ask *a)
{
	memset(a, 0, sizeof(*a));
	sallyport__pb__decide_request__init(&a->m);
	a->m.user = (char *)"alice";
	assert_true(addr_parse(&a->source, STR("192.0.2.7")));
	a->m.source = (ProtobufCBinaryData){ 16, a->source.b };
	a->m.command = 1;
	a->m.protocol = 1;
	a->m.name = (char *)"www.example";
	a->m.port = 443;
	a->m.resolved = a->resolved;
	for (unsigned i = 0; i < ARRAY_LEN(a->resolved); i++) {
		assert_true(addr_parse(&a->addrs[i], STR("8.8.8.8")));
		a->resolved[i] = (ProtobufCBinaryData){ 16, a->addrs[i].b };
	}
	a->m.n_resolved = 1;
}

static void
ask_addr(struct ask *a, unsigned i, const char *text)
{
	assert_true(addr_parse(&a->addrs[i], str_from(text)));
	if (a->m.n_resolved < i + 1)
		a->m.n_resolved = i + 1;
}

static void
pack(const Sallyport__Pb__DecideRequest *m, struct bytes *out)
{
	size_t n = sallyport__pb__decide_request__get_packed_size(m);
	uint8_t *room = xmalloc(n + 1);

	sallyport__pb__decide_request__pack(m, room);
	bytes_add(out, room, n);
	free(room);
}

/* The caller frees what it gets. */
static Sallyport__Pb__Decision *
ask_kind(struct rpc_client *c, enum rpc_kind kind, const struct ask *a)
{
	struct bytes body = { NULL, 0, 0 }, reply = { NULL, 0, 0 };
	Sallyport__Pb__Decision *m;
	struct err err;

	pack(&a->m, &body);
	if (rpc_ask(c, kind, (struct str){ body.ptr, body.len }, DEADLINE_MS,
	    &reply, &err) != RPC_OK)
		fail_msg("%s", err.text);
	m = sallyport__pb__decision__unpack(NULL, reply.len,
	    (const uint8_t *)reply.ptr);
	assert_non_null(m);
	bytes_fini(&body);
	bytes_fini(&reply);
	return m;
}

static void
done(Sallyport__Pb__Decision *m)
{
	sallyport__pb__decision__free_unpacked(m, NULL);
}

/* The id of the rule that decides about www.example:443, "" for none. */
static void
assert_decided_by(struct daemon *d, const char *rule)
{
	struct ask a;
	Sallyport__Pb__Decision *m;

	ask_init(&a);
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_string_equal(m->rule, rule);
	done(m);
}

/* What an administrator's request gives; NULL: refused, why in `err`. */
static Sallyport__Pb__PolicyStatus *
administer(struct daemon *d, enum rpc_kind kind, struct err *err)
{
	struct bytes reply = { NULL, 0, 0 };
	Sallyport__Pb__PolicyStatus *m = NULL;
	enum rpc_result r = rpc_ask(d->admin, kind, STR(""), DEADLINE_MS,
	    &reply, err);

	if (r == RPC_OK) {
		m = sallyport__pb__policy_status__unpack(NULL, reply.len,
		    (const uint8_t *)reply.ptr);
		assert_non_null(m);
	} else {
		assert_int_equal(r, RPC_REFUSED);
	}
	bytes_fini(&reply);
	return m;
}

static void
status_free(Sallyport__Pb__PolicyStatus *m)
{
	sallyport__pb__policy_status__free_unpacked(m, NULL);
}

/* ---- decisions ---- */

static void
test_decisions(void **state)
{
	struct daemon *d = *state;
	struct heartbeat_seen beat = daemon_heartbeat(d);
	Sallyport__Pb__Decision *m;
	struct ask a;

	ask_init(&a);
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->action, ALLOW);
	assert_int_equal(m->source, BY_RULE);
	assert_string_equal(m->rule, "web");
	assert_int_equal(m->n_permitted, 1);
	assert_int_equal(m->permitted[0], 0);
	assert_int_equal(m->n_internal_ok, 1);
	assert_false(m->internal_ok[0]);
	assert_int_equal(m->generation, beat.generation);
	assert_memory_equal(m->instance.data, beat.instance.b, 16);
	assert_int_equal(m->lease_ms, 5000);
	assert_string_equal(m->route, "");
	assert_string_equal(m->limits, "");
	assert_string_equal(m->reason, "rule web allows www.example:443");
	assert_false(m->source_bound);
	done(m);
}

static void
test_refusals(void **state)
{
	struct daemon *d = *state;
	Sallyport__Pb__Decision *m;
	struct ask a;

	ask_init(&a);
	a.m.name = (char *)"bad.example";
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->action, BLOCK);
	assert_int_equal(m->source, BY_RULE);
	assert_string_equal(m->rule, "bad");
	assert_int_equal(m->n_permitted, 0);
	done(m);

	ask_init(&a);
	a.m.port = 80;
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->action, BLOCK);
	assert_int_equal(m->source, BY_DEFAULT);
	assert_string_equal(m->rule, "");
	done(m);

	ask_init(&a);
	a.m.name = (char *)"";
	ask_addr(&a, 0, "169.254.169.254");
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->action, BLOCK);
	assert_int_equal(m->source, BY_HARD_DENY);
	assert_string_equal(m->reason, "169.254.169.254 (link-local, metadata) "
	    "stays closed: rule web allows it, without allow_internal");
	done(m);

	ask_addr(&a, 0, "198.51.100.7");
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_non_null(strstr(m->reason, "(own address) stays closed"));
	done(m);
}

static void
test_permitted(void **state)
{
	struct daemon *d = *state;
	Sallyport__Pb__Decision *m;
	struct ask a;

	ask_init(&a);
	ask_addr(&a, 0, "127.0.0.1");
	ask_addr(&a, 1, "10.1.2.3");
	ask_addr(&a, 2, "8.8.4.4");
	ask_addr(&a, 3, "2606:4700::1");
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->action, ALLOW);
	assert_int_equal(m->n_permitted, 2);
	assert_int_equal(m->permitted[0], 1);
	assert_int_equal(m->permitted[1], 3);
	assert_true(m->internal_ok[0]);
	assert_false(m->internal_ok[1]);
	done(m);
}

/* Groups of authd count; the source does, and the answer says so. */
static void
test_groups_and_source(void **state)
{
	struct daemon *d = *state;
	char *groups[] = { (char *)"STAFF" };
	Sallyport__Pb__Decision *m;
	struct ask a;

	ask_init(&a);
	a.m.name = (char *)"";
	a.m.port = 22;
	a.m.groups = groups;
	a.m.n_groups = 1;
	ask_addr(&a, 0, "192.168.1.1");
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->source, BY_HARD_DENY);
	assert_true(m->source_bound);
	done(m);
	assert_true(addr_parse(&a.source, STR("192.0.3.1")));
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->source, BY_DEFAULT);
	assert_true(m->source_bound);
	done(m);
}

/* BIND may ask for any port of the peer; the others may not. */
static void
test_bind_to_any_port(void **state)
{
	struct daemon *d = *state;
	Sallyport__Pb__Decision *m;
	struct ask a;

	ask_init(&a);
	a.m.command = 2;
	a.m.port = 0;
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->action, ALLOW);
	assert_string_equal(m->rule, "web");
	done(m);
	a.m.name = (char *)"";
	ask_addr(&a, 0, "0.0.0.0");
	m = ask_kind(d->decide, KIND_DECIDE, &a);
	assert_int_equal(m->source, BY_HARD_DENY);
	done(m);
}

/* The administrator's question is the proxy's, and not counted. */
static void
test_acl_test(void **state)
{
	struct daemon *d = *state;
	Sallyport__Pb__Decision *m;
	struct ask a;

	ask_init(&a);
	a.m.n_resolved = 0;
	m = ask_kind(d->admin, KIND_ACL_TEST, &a);
	assert_int_equal(m->action, ALLOW);
	assert_int_equal(m->n_permitted, 0);
	assert_string_equal(m->reason, "rule web allows www.example:443; "
	    "judged by the name alone, no address was given");
	done(m);
}

/* ---- hostile peers ---- */

typedef void spoil_fn(struct ask *a);

static void
no_source(struct ask *a)
{
	a->m.source.len = 0;
}

static void
short_source(struct ask *a)
{
	a->m.source.len = 15;
}

static void
no_port(struct ask *a)
{
	a->m.port = 0;
}

static void
big_port(struct ask *a)
{
	a->m.port = 65536;
}

static void
no_command(struct ask *a)
{
	a->m.command = 0;
}

static void
big_command(struct ask *a)
{
	a->m.command = 4;
}

static void
no_protocol(struct ask *a)
{
	a->m.protocol = 0;
}

static void
big_protocol(struct ask *a)
{
	a->m.protocol = 3;
}

static void
upper_name(struct ask *a)
{
	a->m.name = (char *)"WWW.example";
}

static void
dotted_name(struct ask *a)
{
	a->m.name = (char *)"www.example.";
}

static void
address_name(struct ask *a)
{
	a->m.name = (char *)"127.0.0.1";
}

static void
number_name(struct ask *a)
{
	a->m.name = (char *)"2130706433";
}

static void
long_name(struct ask *a)
{
	static char name[300];

	memset(name, 'a', sizeof(name) - 1);
	a->m.name = name;
}

static void
many_resolved(struct ask *a)
{
	a->m.n_resolved = 33;
}

static void
short_resolved(struct ask *a)
{
	a->resolved[0].len = 4;
}

static void
two_literals(struct ask *a)
{
	a->m.name = (char *)"";
	a->m.n_resolved = 2;
}

static void
nothing_asked(struct ask *a)
{
	a->m.name = (char *)"";
	a->m.n_resolved = 0;
}

static void
control_user(struct ask *a)
{
	a->m.user = (char *)"ali\nce";
}

static void
broken_user(struct ask *a)
{
	a->m.user = (char *)"ali\xc3";
}

static void
long_user(struct ask *a)
{
	static char user[300];

	memset(user, 'a', 256);
	a->m.user = user;
}

static void
empty_group(struct ask *a)
{
	static char *groups[] = { (char *)"staff", (char *)"" };

	a->m.groups = groups;
	a->m.n_groups = 2;
}

static void
many_groups(struct ask *a)
{
	static char *groups[1025];

	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		groups[i] = (char *)"g";
	a->m.groups = groups;
	a->m.n_groups = ARRAY_LEN(groups);
}

static const struct {
	spoil_fn *spoil;
	const char *why;
} spoiled[] = {
	{ no_source, "source: not 16 bytes" },
	{ short_source, "source: not 16 bytes" },
	{ no_port, "port: not from 1 to 65535" },
	{ big_port, "port: not from 1 to 65535" },
	{ no_command, "command: unknown" },
	{ big_command, "command: unknown" },
	{ no_protocol, "protocol: unknown" },
	{ big_protocol, "protocol: unknown" },
	{ upper_name, "name: not in canonical form" },
	{ dotted_name, "name: not in canonical form" },
	{ address_name, "name: not in canonical form" },
	{ number_name, "name: not in canonical form" },
	{ long_name, "name: not in canonical form" },
	{ many_resolved, "resolved: more than 32 addresses" },
	{ short_resolved, "resolved: 0 is not 16 bytes" },
	{ two_literals, "resolved: not one address" },
	{ nothing_asked, "resolved: not one address" },
	{ control_user, "user: not a name" },
	{ broken_user, "user: not a name" },
	{ long_user, "user: not a name" },
	{ empty_group, "groups: 1 is not a name" },
	{ many_groups, "groups: more than 1024" },
};

static void
assert_refused(struct rpc_client *c, enum rpc_kind kind, struct str body,
    const char *why)
{
	struct bytes reply = { NULL, 0, 0 };
	struct err err = { "" };

	assert_int_equal(rpc_ask(c, kind, body, DEADLINE_MS, &reply, &err),
	    RPC_REFUSED);
	if (strstr(err.text, why) == NULL)
		fail_msg("said `%s`, not `%s`", err.text, why);
	bytes_fini(&reply);
}

static void
test_malformed_fields(void **state)
{
	struct daemon *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(spoiled); i++) {
		struct bytes body = { NULL, 0, 0 };
		struct ask a;

		ask_init(&a);
		spoiled[i].spoil(&a);
		pack(&a.m, &body);
		assert_refused(d->decide, KIND_DECIDE,
		    (struct str){ body.ptr, body.len }, spoiled[i].why);
		assert_refused(d->admin, KIND_ACL_TEST,
		    (struct str){ body.ptr, body.len }, spoiled[i].why);
		bytes_fini(&body);
	}
	assert_decided_by(d, "web");
}

/* `alice\0x` must not become alice. */
static void
test_nul_in_user(void **state)
{
	struct daemon *d = *state;
	struct bytes body = { NULL, 0, 0 };
	char *at;
	struct ask a;

	ask_init(&a);
	a.m.user = (char *)"alice-x";
	pack(&a.m, &body);
	at = memmem(body.ptr, body.len, "alice-x", 7);
	assert_non_null(at);
	at[5] = '\0';
	assert_refused(d->decide, KIND_DECIDE,
	    (struct str){ body.ptr, body.len }, "not a DecideRequest");
	bytes_fini(&body);
	assert_decided_by(d, "web");
}

/* Every cut of a good request, and every byte of it changed, is answered. */
static void
test_mutated(void **state)
{
	struct daemon *d = *state;
	struct bytes body = { NULL, 0, 0 };
	struct ask a;

	ask_init(&a);
	pack(&a.m, &body);
	for (size_t i = 0; i < 2 * body.len; i++) {
		struct bytes reply = { NULL, 0, 0 };
		struct str sent = { body.ptr, i < body.len ? i : body.len };
		size_t at = i % body.len;
		struct err err;
		enum rpc_result r;

		if (i >= body.len)
			body.ptr[at] = (char)(body.ptr[at] ^ 0xff);
		r = rpc_ask(d->decide, KIND_DECIDE, sent, DEADLINE_MS, &reply,
		    &err);
		assert_true(r == RPC_OK || r == RPC_REFUSED);
		if (i >= body.len)
			body.ptr[at] = (char)(body.ptr[at] ^ 0xff);
		bytes_fini(&reply);
	}
	bytes_fini(&body);
	assert_decided_by(d, "web");
}

/* Who may decide may not administer, and the other way round. */
static void
test_unknown_kinds(void **state)
{
	static const enum rpc_kind not_on_decide[] = { KIND_ACL_TEST,
		KIND_ACL_RELOAD, KIND_ACL_STATUS, KIND_AUTH, 999 };
	static const enum rpc_kind not_on_admin[] = { KIND_DECIDE, KIND_AUTH,
		KIND_USERS_RELOAD, 4000000000 };
	struct daemon *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(not_on_decide); i++)
		assert_refused(d->decide, not_on_decide[i], STR(""), "");
	for (size_t i = 0; i < ARRAY_LEN(not_on_admin); i++)
		assert_refused(d->admin, not_on_admin[i], STR(""), "");
	assert_refused(d->admin, KIND_ACL_STATUS, STR("\xff\xff"),
	    "not a PolicyReload");
	assert_refused(d->admin, KIND_ACL_RELOAD, STR("\x0a\x05zz"),
	    "not a PolicyReload");
	assert_decided_by(d, "web");
}

/* ---- reload ---- */

static void
test_status(void **state)
{
	struct daemon *d = *state;
	struct err err;
	Sallyport__Pb__PolicyStatus *m = administer(d, KIND_ACL_STATUS, &err);

	assert_non_null(m);
	assert_int_equal(m->generation, daemon_heartbeat(d).generation);
	assert_int_equal(m->rules, 4);
	assert_int_equal(m->users, 0);
	assert_int_equal(m->groups, 1);
	assert_int_equal(m->n_warnings, 1);
	assert_non_null(strstr(m->warnings[0], "acl.toml:8:11: rule "
	    "groups.staff.1 allows 192.168.0.0/16, which stays closed "
	    "without `allow_internal = true` (private)"));
	status_free(m);
}

/* A change of the file, without being asked. */
static void
test_reload_by_change(void **state)
{
	struct daemon *d = *state;
	struct heartbeat_seen old = daemon_heartbeat(d), new;

	daemon_write_policy(d, other_policy);
	new = daemon_wait_change(d, old);
	assert_true(new.generation > old.generation);
	assert_true(id_eq(&new.instance, &old.instance));
	assert_decided_by(d, "none");
	old = new;
	daemon_write_policy(d, policy);
	daemon_wait_change(d, old);
	assert_decided_by(d, "web");
}

static void
test_bad_change_keeps(void **state)
{
	struct daemon *d = *state;
	struct heartbeat_seen old = daemon_heartbeat(d), seen;
	struct err err;
	char *metrics;

	daemon_write_policy(d, bad_policy);
	daemon_wait_said(d, "policy_rejected");
	assert_true(daemon_said(d, "acl.toml:2:38: destinations: an empty "
	    "list"));
	assert_null(administer(d, KIND_ACL_RELOAD, &err));
	assert_non_null(strstr(err.text, "acl.toml:2:38: destinations: an "
	    "empty list"));
	seen = daemon_wait_beats(d, 3);
	assert_int_equal(seen.generation, old.generation);
	assert_decided_by(d, "web");
	metrics = daemon_get(d, "/metrics");
	assert_non_null(strstr(metrics,
	    "sallyport_acld_reloads_total{result=\"rejected\"} "));
	assert_null(strstr(metrics,
	    "sallyport_acld_reloads_total{result=\"rejected\"} 0"));
	free(metrics);
	daemon_write_policy(d, policy);
	daemon_wait_change(d, old);
}

static void
test_reload_by_request(void **state)
{
	struct daemon *d = *state;
	struct heartbeat_seen old = daemon_heartbeat(d);
	struct err err;
	Sallyport__Pb__PolicyStatus *m = administer(d, KIND_ACL_RELOAD, &err);

	assert_non_null(m);
	assert_true(m->generation > old.generation);
	daemon_wait_change(d, old);
	status_free(m);
}

static void
test_reload_by_signal(void **state)
{
	struct daemon *d = *state;
	struct heartbeat_seen old = daemon_heartbeat(d), seen;

	assert_int_equal(kill(d->pid, SIGHUP), 0);
	seen = daemon_wait_change(d, old);
	assert_true(seen.generation > old.generation);
	assert_decided_by(d, "web");
}

/* ---- heartbeat, life ---- */

static void
test_heartbeat_goes_on(void **state)
{
	struct daemon *d = *state;
	struct heartbeat_seen old, seen;
	uint64_t begun;

	assert_int_equal(daemon_end(d, SIGTERM), 0);
	begun = clock_mono_ms();
	daemon_start(d);
	old = daemon_heartbeat(d);
	seen = daemon_wait_beats(d, 10);
	assert_int_equal(seen.generation, old.generation);
	assert_true(id_eq(&seen.instance, &old.instance));
	assert_false(id_is_zero(&seen.instance));
	/* Ten of 50 ms since it began. A shared machine may hear of them late,
	 * and then of several at once, but never of more than there were. */
	assert_true(seen.at_ms - begun >= 250);
}

static void
test_metrics(void **state)
{
	static const char *const want[] = {
		"sallyport_acld_decisions_total{decision=\"allow\","
		"source=\"rule\"} ",
		"sallyport_acld_decisions_total{decision=\"redirect\","
		"source=\"hard_deny\"} 0",
		"sallyport_acl_decision_duration_seconds_count",
		"sallyport_acld_rules 4",
		"sallyport_acld_policy_generation 1",
		"sallyport_acld_policy_loaded_timestamp_seconds 1",
		"sallyport_acld_policy_memory_bytes ",
		"sallyport_acld_reload_duration_seconds_count",
		"sallyport_acld_expect_failures_total 0",
	};
	struct daemon *d = *state;
	char *text;

	assert_decided_by(d, "web");
	text = daemon_get(d, "/metrics");
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (strstr(text, want[i]) == NULL)
			fail_msg("no %s in\n%s", want[i], text);
	free(text);
	text = daemon_get(d, "/readyz");
	assert_non_null(strstr(text, " 200 "));
	free(text);
}

/* Killed: the next start is another instance, and the peers find it. */
static void
test_restart_after_kill(void **state)
{
	struct daemon *d = *state;
	struct heartbeat_seen old = daemon_heartbeat(d), seen;

	assert_int_equal(daemon_end(d, SIGKILL), 128 + SIGKILL);
	daemon_start(d);
	seen = daemon_heartbeat(d);
	assert_false(id_eq(&seen.instance, &old.instance));
	assert_true(seen.generation > old.generation);
	assert_decided_by(d, "web");
}

static void
test_stop_and_start(void **state)
{
	struct daemon *d = *state;

	assert_int_equal(daemon_end(d, SIGTERM), 0);
	daemon_start(d);
	assert_decided_by(d, "web");
}

static void
test_start_with_bad_policy(void **state)
{
	struct daemon d;

	(void)state;
	daemon_init(&d, bad_policy);
	assert_int_equal(daemon_run(&d, NULL), 78);
	assert_true(daemon_said(&d, "acl.toml:2:38: destinations: an empty"));
	assert_int_equal(daemon_run(&d, "--check"), 78);
	daemon_write_policy(&d, policy);
	assert_int_equal(daemon_run(&d, "--check"), 0);
	assert_true(daemon_said(&d, "warning: "));
	daemon_fini(&d);
}

static void
test_start_without_policy(void **state)
{
	struct daemon d;
	char *path;

	(void)state;
	daemon_init(&d, policy);
	path = xasprintf("%s/acl.toml", d.dir);
	assert_int_equal(remove(path), 0);
	assert_int_equal(daemon_run(&d, NULL), 78);
	assert_true(daemon_said(&d, "acl.toml: No such file"));
	free(path);
	daemon_fini(&d);
}

static int
setup(void **state)
{
	static struct daemon d;

	daemon_init(&d, policy);
	daemon_start(&d);
	*state = &d;
	return 0;
}

static int
teardown(void **state)
{
	struct daemon *d = *state;

	/* Under a sanitizer a leak makes this fail. */
	assert_int_equal(daemon_end(d, SIGTERM), 0);
	daemon_fini(d);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decisions),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_permitted),
		cmocka_unit_test(test_groups_and_source),
		cmocka_unit_test(test_bind_to_any_port),
		cmocka_unit_test(test_acl_test),
		cmocka_unit_test(test_malformed_fields),
		cmocka_unit_test(test_nul_in_user),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_unknown_kinds),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_reload_by_change),
		cmocka_unit_test(test_bad_change_keeps),
		cmocka_unit_test(test_reload_by_request),
		cmocka_unit_test(test_reload_by_signal),
		cmocka_unit_test(test_heartbeat_goes_on),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_restart_after_kill),
		cmocka_unit_test(test_stop_and_start),
		cmocka_unit_test(test_start_with_bad_policy),
		cmocka_unit_test(test_start_without_policy),
	};

	daemon_binary = argc > 1 ? argv[1] : "sallyport-acld";
	return cmocka_run_group_tests(tests, setup, teardown);
}
