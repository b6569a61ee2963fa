/* SPDX-License-Identifier: MIT */
#include "acld/acl_rpc.h"

#include <stdlib.h>
#include <string.h>

#include "acld/explain.h"
#include "acld/loader.h"
#include "acld/metrics.h"
#include "acld/policy_notes.h"
#include "acld/snapshot.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/name.h"
#include "proto/decide.pb-c.h"
#include "proto/policy.pb-c.h"

#define NAME_TEXT_MAX 255	/* user, group */
#define REASON_SIZE 257

/* A question and what it points to. */
struct asked {
	struct policy_question q;
	struct str groups[POLICY_GROUPS_MAX];
	struct addr resolved[POLICY_RESOLVED_MAX];
	struct dest dest;
};

static void
pack(const ProtobufCMessage *m, struct bytes *out)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *room = xmalloc(size + 1);

	protobuf_c_message_pack(m, room);
	bytes_add(out, room, size);
	free(room);
}

static void
reply(struct rpc_request *r, const ProtobufCMessage *m)
{
	struct bytes body = { 0 };

	pack(m, &body);
	rpc_reply(r, (struct str){ body.ptr, body.len });
	bytes_fini(&body);
}

/* ---- DecideRequest -> policy_question ---- */

/* At most `max` bytes of printable UTF-8. */
static bool
text_ok(struct str s, size_t max)
{
	return s.len <= max && str_is_utf8(s) && str_is_printable(s);
}

static int
read_who(struct asked *a, const Sallyport__Pb__DecideRequest *m,
    struct err *err)
{
	a->q.user = str_from(m->user);
	if (!text_ok(a->q.user, NAME_TEXT_MAX))
		return err_set(err, "user: not a name");
	if (m->n_groups > POLICY_GROUPS_MAX)
		return err_set(err, "groups: more than %d", POLICY_GROUPS_MAX);
	for (size_t i = 0; i < m->n_groups; i++) {
		a->groups[i] = str_from(m->groups[i]);
		if (a->groups[i].len == 0 ||
		    !text_ok(a->groups[i], NAME_TEXT_MAX))
			return err_set(err, "groups: %zu is not a name", i);
	}
	a->q.groups = a->groups;
	a->q.n_groups = m->n_groups;
	return 0;
}

static int
read_how(struct asked *a, const Sallyport__Pb__DecideRequest *m,
    struct err *err)
{
	if (m->source.len != sizeof(a->q.source.b))
		return err_set(err, "source: not 16 bytes");
	a->q.source = addr_from_v6(m->source.data);
	if (m->command < POLICY_COMMAND_CONNECT ||
	    m->command > POLICY_COMMAND_UDP)
		return err_set(err, "command: unknown");
	a->q.command = (enum policy_command)m->command;
	if (m->protocol < POLICY_PROTOCOL_TCP ||
	    m->protocol > POLICY_PROTOCOL_UDP)
		return err_set(err, "protocol: unknown");
	a->q.protocol = (enum policy_protocol)m->protocol;
	if (m->port > UINT16_MAX ||
	    (m->port == 0 && m->command != POLICY_COMMAND_BIND))
		return err_set(err, "port: not from 1 to 65535");
	a->q.port = (uint16_t)m->port;
	return 0;
}

static int
read_resolved(struct asked *a, const Sallyport__Pb__DecideRequest *m,
    struct err *err)
{
	if (m->n_resolved > POLICY_RESOLVED_MAX)
		return err_set(err, "resolved: more than %d addresses",
		    POLICY_RESOLVED_MAX);
	for (size_t i = 0; i < m->n_resolved; i++) {
		if (m->resolved[i].len != sizeof(a->resolved[i].b))
			return err_set(err, "resolved: %zu is not 16 bytes",
			    i);
		a->resolved[i] = addr_from_v6(m->resolved[i].data);
	}
	a->q.resolved = a->resolved;
	a->q.n_resolved = (unsigned)m->n_resolved;
	return 0;
}

static int
read_where(struct asked *a, const Sallyport__Pb__DecideRequest *m,
    struct err *err)
{
	struct str name = str_from(m->name);

	if (read_resolved(a, m, err) != 0)
		return -1;
	if (name.len == 0)
		return m->n_resolved == 1 ? 0 : err_set(err,
		    "resolved: not one address, though there is no name");
	if (name_canonical(&a->dest, name) != NAME_OK ||
	    !str_eq(name, str_from(a->dest.name)))
		return err_set(err, "name: not in canonical form");
	a->q.name = (struct str){ a->dest.name, a->dest.name_len };
	return 0;
}

/*
 * A string with a NUL inside would look shorter than it is: what was unpacked
 * must fill as many bytes as came.
 */
static bool
is_whole(const Sallyport__Pb__DecideRequest *m, struct str body)
{
	return sallyport__pb__decide_request__get_packed_size(m) == body.len;
}

static int
read_question(struct asked *a, const Sallyport__Pb__DecideRequest *m,
    struct str body, struct err *err)
{
	a->q = (struct policy_question){ .port = 0 };
	if (m == NULL || !is_whole(m, body))
		return err_set(err, "not a DecideRequest");
	if (read_who(a, m, err) != 0 || read_how(a, m, err) != 0)
		return -1;
	return read_where(a, m, err);
}

/* ---- policy_answer -> Decision ---- */

static void
reply_decision(struct rpc_request *r, const struct acl_rpc *rpc,
    const struct policy_question *q, const struct policy_answer *a,
    uint64_t generation)
{
	Sallyport__Pb__Decision m = SALLYPORT__PB__DECISION__INIT;
	uint32_t permitted[POLICY_RESOLVED_MAX];
	protobuf_c_boolean internal_ok[POLICY_RESOLVED_MAX];
	char reason[REASON_SIZE];
	struct text why = text_on(reason, sizeof(reason));

	explain_answer(q, a, &why);
	for (unsigned i = 0; i < a->n_permitted; i++) {
		permitted[i] = a->permitted[i];
		internal_ok[i] = a->internal_ok[i];
	}
	m.action = (Sallyport__Pb__Decision__Action)a->action;
	m.source = (Sallyport__Pb__Decision__Source)a->source;
	m.rule = (char *)a->rule;
	m.n_permitted = m.n_internal_ok = a->n_permitted;
	m.permitted = permitted;
	m.internal_ok = internal_ok;
	m.generation = generation;
	m.instance = (ProtobufCBinaryData){ sizeof(rpc->instance.b),
		(uint8_t *)rpc->instance.b };
	m.lease_ms = ACL_RPC_LEASE_MS;
	m.route = (char *)a->route;
	m.limits = (char *)a->limits;
	m.reason = reason;
	m.source_bound = a->source_bound;
	reply(r, &m.base);
}

static void
decide(const struct acl_rpc *rpc, struct rpc_request *r,
    const struct policy_question *q, struct policy_answer *a)
{
	const struct snapshot_version *v = snapshot_pin(rpc->snapshot);

	if (v == NULL) {
		rpc_fail(r, RPC_STATUS_BUSY, "no policy is in force");
		return;
	}
	policy_decide(v->policy, q, a);
	reply_decision(r, rpc, q, a, v->generation);
	snapshot_unpin(rpc->snapshot, &v);
}

/* Unpacks, checks, decides, answers; false: it was malformed. */
static bool
answer(const struct acl_rpc *rpc, struct rpc_request *r,
    struct policy_answer *a)
{
	struct str body = rpc_request_body(r);
	Sallyport__Pb__DecideRequest *m = sallyport__pb__decide_request__unpack(
	    NULL, body.len, (const uint8_t *)body.ptr);
	struct asked asked;
	struct err err;
	bool ok = read_question(&asked, m, body, &err) == 0;

	if (ok)
		decide(rpc, r, &asked.q, a);
	else
		rpc_fail(r, RPC_STATUS_MALFORMED, "%s", err.text);
	if (m != NULL)
		sallyport__pb__decide_request__free_unpacked(m, NULL);
	return ok;
}

void
acl_rpc_on_malformed(void *arg)
{
	const struct acl_rpc *rpc = arg;

	metrics_add(acld_cells(rpc->metrics),
	    METRIC_acld_requests_malformed_total, 0, 1);
}

static void
on_decide(void *arg, struct rpc_request *r)
{
	const struct acl_rpc *rpc = arg;
	struct metrics_cells *cells = acld_cells(rpc->metrics);
	uint64_t start = clock_mono_us();
	struct policy_answer a = { .action = 0 };

	if (!answer(rpc, r, &a)) {
		acl_rpc_on_malformed(arg);
		return;
	}
	if (a.action == 0)	/* no policy */
		return;
	metrics_observe(cells, METRIC_acl_decision_duration_seconds, 0,
	    (double)(clock_mono_us() - start) / 1e6);
	metrics_add(cells, METRIC_acld_decisions_total,
	    acld_decision_label(a.action, a.source), 1);
}

/* ---- administration ---- */

/* The same answer, not counted: nobody connects. */
static void
on_test(void *arg, struct rpc_request *r)
{
	const struct acl_rpc *rpc = arg;
	struct policy_answer a;

	if (!answer(rpc, r, &a))
		acl_rpc_on_malformed(arg);
}

static void
reply_status(const struct acl_rpc *rpc, struct rpc_request *r)
{
	Sallyport__Pb__PolicyStatus m = SALLYPORT__PB__POLICY_STATUS__INIT;
	const struct snapshot_version *v = snapshot_pin(rpc->snapshot);
	struct policy_counts n;

	if (v == NULL) {
		rpc_fail(r, RPC_STATUS_BUSY, "no policy is in force");
		return;
	}
	n = policy_count(v->policy);
	m.generation = v->generation;
	m.rules = n.rules;
	m.users = n.users;
	m.groups = n.groups;
	m.warnings = (char **)v->warnings;
	m.n_warnings = v->n_warnings;
	reply(r, &m.base);
	snapshot_unpin(rpc->snapshot, &v);
}

/* PolicyReload is empty; it must at least be a message. */
static bool
is_reload(struct rpc_request *r)
{
	struct str body = rpc_request_body(r);
	Sallyport__Pb__PolicyReload *m = sallyport__pb__policy_reload__unpack(
	    NULL, body.len, (const uint8_t *)body.ptr);

	if (m == NULL) {
		rpc_fail(r, RPC_STATUS_MALFORMED, "not a PolicyReload");
		return false;
	}
	sallyport__pb__policy_reload__free_unpacked(m, NULL);
	return true;
}

static void
on_status(void *arg, struct rpc_request *r)
{
	if (is_reload(r))
		reply_status(arg, r);
}

/* Somebody who waits for the end of a load. */
struct reload {
	const struct acl_rpc *rpc;
	struct rpc_request *request;
};

static void
on_reloaded(void *arg, const struct policy_notes *errors)
{
	struct reload *w = arg;
	struct err err;

	if (errors == NULL) {
		reply_status(w->rpc, w->request);
	} else {
		(void)policy_notes_first(errors, &err);
		rpc_fail(w->request, RPC_STATUS_FAILED, "%s", err.text);
	}
	free(w);
}

static void
on_reload(void *arg, struct rpc_request *r)
{
	const struct acl_rpc *rpc = arg;
	struct reload *w;

	if (!is_reload(r))
		return;
	w = xcalloc(1, sizeof(*w));
	*w = (struct reload){ rpc, r };
	loader_ask(rpc->loader, on_reloaded, w);
}

const struct rpc_method acl_rpc_decide[] = {
	{ KIND_DECIDE, "decide", on_decide, true },
	{ 0, NULL, NULL },
};

const struct rpc_method acl_rpc_admin[] = {
	{ KIND_ACL_TEST, "acl_test", on_test },
	{ KIND_ACL_RELOAD, "acl_reload", on_reload },
	{ KIND_ACL_STATUS, "acl_status", on_status },
	{ 0, NULL, NULL },
};

void
acl_rpc_heartbeat(const struct id *instance, uint64_t generation,
    struct bytes *out)
{
	Sallyport__Pb__PolicyHeartbeat m =
	    SALLYPORT__PB__POLICY_HEARTBEAT__INIT;

	m.instance = (ProtobufCBinaryData){ sizeof(instance->b),
		(uint8_t *)instance->b };
	m.generation = generation;
	pack(&m.base, out);
}
