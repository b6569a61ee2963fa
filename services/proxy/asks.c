/* SPDX-License-Identifier: MIT */
#include "proxy/asks.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "msg/rpc_client.h"
#include "proto/auth.pb-c.h"
#include "proto/decide.pb-c.h"
#include "proto/policy.pb-c.h"

/* Questions out at once per worker and socket: the back-pressure. */
#define CALLS_MAX 1024
#define DELAY_MAX_MS 600000	/* the most of authd.guessing.delay_max */
#define LEASE_MAX_MS 5000
#define GROUP_MAX 255
#define USER_MAX 255

struct asks {
	struct rpc_desk *auth, *decide;
	struct pool *pending;
	struct list out;	/* struct pending */
	struct bytes scratch;	/* a packed question */
};

/* One question that is out. */
struct pending {
	struct list link;
	struct asks *asks;
	union {
		asks_login_fn *login;
		asks_decide_fn *decide;
	} done;
	void *arg;
	/* to check and to fill in the answer */
	struct addr source;
	enum record_auth method;
	unsigned n_resolved;
	uint16_t user_len;
	char user[USER_MAX];
};

static struct rpc_call *(*const calls[])(struct rpc_desk *d,
    enum rpc_kind kind, struct str body, uint32_t deadline_ms, bool idempotent,
    rpc_done_fn *done, void *arg) = {
	[ASKS_NOW] = rpc_call_start,
	[ASKS_LATER] = rpc_call_later,
};

/* Copies `s` to *at, which moves on. */
static struct str
keep(char **at, struct str s)
{
	struct str kept = { *at, s.len };

	if (s.len > 0)
		*at = mempcpy(*at, s.ptr, s.len);
	return kept;
}

struct identity *
identity_new(const struct identity *like)
{
	size_t room = like->user.len + like->limits.len;
	struct identity *i;
	char *at;

	ASSERT(like->n_groups <= RECORD_GROUPS_MAX);
	for (unsigned g = 0; g < like->n_groups; g++)
		room += like->groups[g].len;
	i = xcalloc(1, sizeof(*i) + room);
	i->refs = 1;
	i->method = like->method;
	i->n_groups = like->n_groups;
	at = i->text;
	i->user = keep(&at, like->user);
	i->limits = keep(&at, like->limits);
	for (unsigned g = 0; g < like->n_groups; g++)
		i->groups[g] = keep(&at, like->groups[g]);
	return i;
}

struct identity *
identity_ref(struct identity *i)
{
	i->refs++;
	return i;
}

void
identity_unref(struct identity **ip)
{
	struct identity *i = *ip;

	*ip = NULL;
	if (i != NULL && --i->refs == 0)
		free(i);
}

int
asks_new(struct asks **out, struct rpc_client *auth, struct rpc_client *decide,
    struct mailbox *mailbox, struct err *err)
{
	struct asks *a = xcalloc(1, sizeof(*a));

	list_init(&a->out);
	a->pending = pool_new(sizeof(struct pending), (size_t)CALLS_MAX * 2);
	if (rpc_desk_new(&a->auth, auth, mailbox, CALLS_MAX, err) != 0 ||
	    rpc_desk_new(&a->decide, decide, mailbox, CALLS_MAX, err) != 0) {
		asks_free(&a);
		return -1;
	}
	*out = a;
	return 0;
}

/* Takes over `p`; NULL when too many are out. */
static struct pending *
pending_new(struct asks *a, const struct pending *p)
{
	struct pending *mine = pool_get(a->pending);

	if (mine == NULL)
		return NULL;
	*mine = *p;
	mine->asks = a;
	list_push(&a->out, &mine->link);
	return mine;
}

static void
pending_free(struct pending *p)
{
	list_del(&p->link);
	pool_put(p->asks->pending, p);
}

void
asks_free(struct asks **ap)
{
	struct asks *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	rpc_desk_free(&a->auth);
	rpc_desk_free(&a->decide);
	while (!list_empty(&a->out))
		pending_free(container_of(a->out.next, struct pending, link));
	pool_free(&a->pending);
	bytes_fini(&a->scratch);
	free(a);
}

void
asks_hurry(struct asks *a)
{
	rpc_desk_hurry(a->auth);
	rpc_desk_hurry(a->decide);
}

static ProtobufCBinaryData
binary(const void *p, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)p };
}

/* Packs a question; the result is valid until the next one. */
static struct str
pack(struct asks *a, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);

	if (a->scratch.cap < len) {
		bytes_fini(&a->scratch);
		a->scratch.ptr = xmalloc(len);
		a->scratch.cap = len;
	}
	len = protobuf_c_message_pack(m, (uint8_t *)a->scratch.ptr);
	return (struct str){ a->scratch.ptr, len };
}

/* ---- login ---- */

static bool
text_ok(const char *s, size_t max)
{
	size_t len = strlen(s);

	return len <= max && str_is_utf8((struct str){ s, len }) &&
	    str_is_printable((struct str){ s, len });
}

static bool
result_read(struct login_answer *out, const Sallyport__Pb__AuthReply *m)
{
	switch (m->result) {
	case SALLYPORT__PB__AUTH_REPLY__RESULT__OK:
		out->result = LOGIN_OK;
		return true;
	case SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED:
		out->result = LOGIN_FAILED;
		return true;
	case SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED:
		out->result = LOGIN_THROTTLED;
		return true;
	case SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY:
		out->result = LOGIN_BUSY;
		return true;
	default:
		return false;
	}
}

/* Strings are borrowed from the message and the question. */
static bool
identity_read(struct identity *out, const struct pending *p,
    const Sallyport__Pb__AuthReply *m)
{
	if (m->n_groups > RECORD_GROUPS_MAX || !text_ok(m->user, USER_MAX) ||
	    !text_ok(m->limits, ASKS_LIMITS_MAX))
		return false;
	for (size_t i = 0; i < m->n_groups; i++) {
		out->groups[i] = str_from(m->groups[i]);
		if (out->groups[i].len == 0 || !text_ok(m->groups[i], GROUP_MAX))
			return false;
	}
	out->method = p->method;
	out->user = m->user[0] != '\0' ? str_from(m->user)
					: (struct str){ p->user, p->user_len };
	out->limits = str_from(m->limits);
	out->n_groups = (unsigned)m->n_groups;
	return true;
}

static bool
login_read(struct login_answer *out, const struct pending *p,
    const Sallyport__Pb__AuthReply *m)
{
	struct identity who;

	if (!result_read(out, m) || !identity_read(&who, p, m) ||
	    m->delay_ms > DELAY_MAX_MS)
		return false;
	out->expires_us = m->expires_us;
	out->delay_ms = m->delay_ms;
	if (out->result == LOGIN_OK)
		out->identity = identity_new(&who);
	return true;
}

static void
on_login(void *arg, enum rpc_result result, struct str body)
{
	struct pending *p = arg;
	struct login_answer answer = { .result = LOGIN_SILENT };
	Sallyport__Pb__AuthReply *m = NULL;

	if (result == RPC_OK)
		m = sallyport__pb__auth_reply__unpack(NULL, body.len,
		    (const uint8_t *)body.ptr);
	if (m != NULL && !login_read(&answer, p, m))
		answer = (struct login_answer){ .result = LOGIN_SILENT };
	if (m != NULL)
		sallyport__pb__auth_reply__free_unpacked(m, NULL);
	p->done.login(p->arg, &answer);
	identity_unref(&answer.identity);
	pending_free(p);
}

bool
asks_login(struct asks *a, const struct login_question *q,
    enum asks_haste haste, uint32_t deadline_ms, asks_login_fn *done,
    void *arg)
{
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;
	struct pending *p = pending_new(a, &(struct pending){
		.done.login = done, .arg = arg, .method = q->method });
	struct str body;
	bool sent;

	if (p == NULL)
		return false;
	ASSERT(q->user.len <= sizeof(p->user));
	p->user_len = (uint16_t)q->user.len;
	if (q->user.len > 0)
		memcpy(p->user, q->user.ptr, q->user.len);
	m.method = (char *)record_auth_name(q->method);
	m.listener = (char *)q->listener;
	m.user = binary(q->user.ptr, q->user.len);
	m.password = binary(q->password.ptr, q->password.len);
	m.source = binary(q->source.b, sizeof(q->source.b));
	body = pack(a, &m.base);
	/* Not idempotent: an attempt counts once. */
	sent = calls[haste](a->auth, KIND_AUTH, body, deadline_ms, false,
	    on_login, p) != NULL;
	secret_wipe(a->scratch.ptr, body.len);
	if (!sent)
		pending_free(p);
	return sent;
}

/* ---- decision ---- */

static bool
permitted_read(struct decision *out, const struct pending *p,
    const Sallyport__Pb__Decision *m)
{
	if (m->n_permitted > p->n_resolved ||
	    m->n_internal_ok != m->n_permitted)
		return false;
	for (size_t i = 0; i < m->n_permitted; i++) {
		if (m->permitted[i] >= p->n_resolved)
			return false;
		out->permitted[i] = (uint8_t)m->permitted[i];
		out->internal_ok[i] = m->internal_ok[i] != 0;
	}
	out->n_permitted = (uint8_t)m->n_permitted;
	return true;
}

static bool
verdict_read(struct decision *out, const Sallyport__Pb__Decision *m)
{
	switch (m->action) {
	case SALLYPORT__PB__DECISION__ACTION__ALLOW:
		out->verdict = VERDICT_ALLOW;
		break;
	case SALLYPORT__PB__DECISION__ACTION__BLOCK:
		out->verdict = VERDICT_BLOCK;
		break;
	default:
		return false;
	}
	switch (m->source) {
	case SALLYPORT__PB__DECISION__SOURCE__RULE:
		out->source = VERDICT_BY_RULE;
		return true;
	case SALLYPORT__PB__DECISION__SOURCE__DEFAULT:
		out->source = VERDICT_BY_DEFAULT;
		return true;
	case SALLYPORT__PB__DECISION__SOURCE__HARD_DENY:
		out->source = VERDICT_BY_HARD_DENY;
		return true;
	default:
		return false;
	}
}

static bool
decision_read(struct decision *out, const struct pending *p,
    const Sallyport__Pb__Decision *m)
{
	if (!verdict_read(out, m) || !permitted_read(out, p, m) ||
	    m->instance.len != sizeof(out->instance.b) ||
	    !text_ok(m->rule, ASKS_RULE_MAX) ||
	    !text_ok(m->limits, ASKS_LIMITS_MAX))
		return false;
	if (out->verdict == VERDICT_ALLOW && out->n_permitted == 0)
		return false;
	/* A route of a later release must not become a direct connection. */
	if (m->route[0] != '\0')
		return false;
	memcpy(out->instance.b, m->instance.data, sizeof(out->instance.b));
	out->generation = m->generation;
	out->lease_ms = m->lease_ms < LEASE_MAX_MS ? m->lease_ms : LEASE_MAX_MS;
	out->source_bound = m->source_bound;
	out->asked_source = p->source;
	if (!str_copy(out->rule, sizeof(out->rule), str_from(m->rule)) ||
	    !str_copy(out->limits, sizeof(out->limits), str_from(m->limits)))
		return false;
	/* Words for people only: cut is good enough. */
	(void)!str_copy(out->reason, sizeof(out->reason), str_from(m->reason));
	return true;
}

static void
on_decision(void *arg, enum rpc_result result, struct str body)
{
	struct pending *p = arg;
	struct decision d = { .verdict = VERDICT_UNAVAILABLE };
	Sallyport__Pb__Decision *m = NULL;

	if (result == RPC_OK)
		m = sallyport__pb__decision__unpack(NULL, body.len,
		    (const uint8_t *)body.ptr);
	if (m != NULL && !decision_read(&d, p, m))
		d = (struct decision){ .verdict = VERDICT_UNAVAILABLE };
	if (m != NULL)
		sallyport__pb__decision__free_unpacked(m, NULL);
	p->done.decide(p->arg, &d);
	pending_free(p);
}

bool
asks_decide(struct asks *a, const struct decide_question *q,
    enum asks_haste haste, uint32_t deadline_ms, asks_decide_fn *done,
    void *arg)
{
	Sallyport__Pb__DecideRequest m = SALLYPORT__PB__DECIDE_REQUEST__INIT;
	ProtobufCBinaryData resolved[RECORD_ADDRS_MAX];
	char texts[RECORD_GROUPS_MAX][GROUP_MAX + 1], *groups[RECORD_GROUPS_MAX];
	char user[256];
	const struct identity *who = q->identity;
	struct pending *p = pending_new(a, &(struct pending){
		.done.decide = done, .arg = arg, .source = q->source,
		.n_resolved = q->n_resolved });

	if (p == NULL)
		return false;
	ASSERT(q->n_resolved >= 1 && q->n_resolved <= RECORD_ADDRS_MAX);
	for (unsigned i = 0; i < who->n_groups; i++) {
		ASSERT(str_copy(texts[i], sizeof(texts[i]), who->groups[i]));
		groups[i] = texts[i];
	}
	for (unsigned i = 0; i < q->n_resolved; i++)
		resolved[i] = binary(q->resolved[i].b, sizeof(q->resolved[i].b));
	ASSERT(str_copy(user, sizeof(user), who->user));
	m.user = user;
	m.groups = groups;
	m.n_groups = who->n_groups;
	m.source = binary(q->source.b, sizeof(q->source.b));
	m.command = q->command;
	m.protocol = q->protocol;
	m.name = (char *)q->dest->name;
	m.resolved = resolved;
	m.n_resolved = q->n_resolved;
	m.port = q->dest->port;
	if (calls[haste](a->decide, KIND_DECIDE, pack(a, &m.base),
		deadline_ms, true, on_decision, p) != NULL)
		return true;
	pending_free(p);
	return false;
}

bool
asks_read_heartbeat(struct str message, struct id *instance,
    uint64_t *generation)
{
	Sallyport__Pb__PolicyHeartbeat *m =
	    sallyport__pb__policy_heartbeat__unpack(NULL, message.len,
		(const uint8_t *)message.ptr);
	bool ok = m != NULL && m->instance.len == sizeof(instance->b) &&
	    m->generation != 0;

	if (ok) {
		memcpy(instance->b, m->instance.data, sizeof(instance->b));
		*generation = m->generation;
	}
	if (m != NULL)
		sallyport__pb__policy_heartbeat__free_unpacked(m, NULL);
	return ok;
}
