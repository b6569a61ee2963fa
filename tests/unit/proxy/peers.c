/* SPDX-License-Identifier: MIT */
#include "peers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/batch.h"
#include "base/mem.h"
#include "msg/rpc_server.h"
#include "msg/topic.h"
#include "proto/auth.pb-c.h"
#include "proto/decide.pb-c.h"
#include "proto/policy.pb-c.h"

#define HELD_MAX 4096
#define STREAMS_MAX 64
#define BEAT_NS 100000000
#define GROUPS_SENT_MAX 128

struct stream_seen {
	struct id id;
	uint64_t next_seq;
	bool ended;
};

struct peers {
	char dir[64], address[128];
	struct rpc_server *authd, *acld;
	struct topic_pub *policy;
	struct topic_sub *events;
	pthread_t beater;

	pthread_mutex_t m;	/* guards all below */
	pthread_cond_t wake;
	struct peers_login login;
	struct peers_decision decision;
	struct peers_asked asked_login, asked_decision;
	unsigned logins, decisions;
	struct held {
		struct rpc_request *request;
		bool is_login;
	} held[HELD_MAX];
	unsigned n_held;
	struct id instance;
	uint64_t generation;
	bool beating, stopping;
	struct peers_record *records;
	size_t n_records, cap_records, next_record;
	struct stream_seen streams[STREAMS_MAX];
	struct peers_sums sums;
};

/* ---- life ---- */

struct peers *
peers_new(void)
{
	struct peers *p = xcalloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/sallyport-proxy-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	pthread_mutex_init(&p->m, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->instance = id_random();
	p->generation = 1000;
	return p;
}

const char *
peers_dir(const struct peers *p)
{
	return p->dir;
}

const char *
peers_address(const struct peers *cp, const char *socket)
{
	struct peers *p = (struct peers *)cp;

	snprintf(p->address, sizeof(p->address), "ipc://%s/%s.sock", p->dir,
	    socket);
	return p->address;
}

void
peers_free(struct peers **pp)
{
	static const char *const sockets[] = { "auth.sock", "decide.sock",
		"policy.sock", "events.sock" };
	struct peers *p = *pp;

	*pp = NULL;
	pthread_mutex_lock(&p->m);
	p->login = (struct peers_login){ .how = PEERS_BUSY };
	p->decision = (struct peers_decision){ .how = PEERS_BUSY };
	p->stopping = true;
	pthread_mutex_unlock(&p->m);
	if (p->policy != NULL)
		pthread_join(p->beater, NULL);
	peers_stop_authd(p);
	peers_stop_acld(p);
	topic_pub_close(&p->policy);
	topic_sub_close(&p->events);
	for (size_t i = 0; i < p->n_records; i++)
		record_fini(&p->records[i].record);
	free(p->records);
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		char *path = xasprintf("%s/%s", p->dir, sockets[i]);

		(void)unlink(path);
		free(path);
	}
	assert_int_equal(rmdir(p->dir), 0);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->m);
	free(p);
}

/* ---- waiting ---- */

typedef bool ready_fn(const struct peers *p, unsigned n);

/* Locked, until `ready`; false: it took too long. */
static bool
wait_locked(struct peers *p, ready_fn *ready, unsigned n)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PEERS_WAIT_MS / 1000;
	while (!ready(p, n) && rc == 0)
		rc = pthread_cond_timedwait(&p->wake, &p->m, &until);
	return ready(p, n);
}

static void
wait_until(struct peers *p, ready_fn *ready, unsigned n, const char *what)
{
	bool ok;

	pthread_mutex_lock(&p->m);
	ok = wait_locked(p, ready, n);
	pthread_mutex_unlock(&p->m);
	if (!ok)
		fail_msg("%u %s did not come", n, what);
}

static bool
were_logins(const struct peers *p, unsigned n)
{
	return p->logins >= n;
}

static bool
were_decisions(const struct peers *p, unsigned n)
{
	return p->decisions >= n;
}

static bool
is_record(const struct peers *p, unsigned n)
{
	return p->n_records >= n;
}

static bool
were_ended(const struct peers *p, unsigned n)
{
	return p->sums.ended >= n;
}

void
peers_wait_logins(struct peers *p, unsigned n)
{
	wait_until(p, were_logins, n, "logins");
}

void
peers_wait_decisions(struct peers *p, unsigned n)
{
	wait_until(p, were_decisions, n, "decisions");
}

void
peers_wait_ended(struct peers *p, unsigned n)
{
	wait_until(p, were_ended, n, "ends of streams");
}

/* ---- answers ---- */

static struct addr
addr_of(ProtobufCBinaryData b)
{
	struct addr a = { { 0 } };

	if (b.len == sizeof(a.b))
		memcpy(a.b, b.data, b.len);
	return a;
}

static void
copy(char *out, size_t size, const void *p, size_t len)
{
	if (len >= size)
		len = size - 1;
	if (len > 0)
		memcpy(out, p, len);
	out[len] = '\0';
}

static void
reply(struct rpc_request *r, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *body = xmalloc(len + 1);

	protobuf_c_message_pack(m, body);
	rpc_reply(r, (struct str){ (char *)body, len });
	free(body);
}

/* Not by a message: true when it was answered or kept. */
static bool
answer_oddly(struct peers *p, struct rpc_request *r, enum peers_how how,
    bool is_login)
{
	switch (how) {
	case PEERS_ANSWER:
		return false;
	case PEERS_HOLD:
		ASSERT(p->n_held < HELD_MAX);
		p->held[p->n_held++] = (struct held){ r, is_login };
		return true;
	case PEERS_GARBAGE:
		rpc_reply(r, STR("\xff\xff\xff\xff garbage"));
		return true;
	case PEERS_BUSY:
		break;
	}
	rpc_fail(r, RPC_STATUS_BUSY, "busy");
	return true;
}

static struct str
text_of(ProtobufCBinaryData b)
{
	return (struct str){ (char *)b.data, b.len };
}

static bool
is_right(const struct peers_login *l, const Sallyport__Pb__AuthRequest *q)
{
	if (l->only != NULL && !str_eq(text_of(q->user), str_from(l->only)))
		return false;
	return strcmp(q->method, "pam.address") == 0 ||
	    str_eq(text_of(q->password), STR(PEERS_PASSWORD));
}

static void
answer_login(const struct peers_login *l, struct rpc_request *r)
{
	struct str body = rpc_request_body(r);
	Sallyport__Pb__AuthRequest *q = sallyport__pb__auth_request__unpack(
	    NULL, body.len, (const uint8_t *)body.ptr);
	Sallyport__Pb__AuthReply m = SALLYPORT__PB__AUTH_REPLY__INIT;
	char names[GROUPS_SENT_MAX][300], *groups[GROUPS_SENT_MAX];
	bool right = q != NULL && is_right(l, q);

	m.result = l->result != 0 ? (unsigned)l->result :
	    right ? SALLYPORT__PB__AUTH_REPLY__RESULT__OK :
		    SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED;
	for (unsigned i = 0; i < l->groups; i++) {
		snprintf(names[i], sizeof(names[i]), "group-%u", i);
		groups[i] = names[i];
	}
	if (l->group != NULL)
		snprintf(names[0], sizeof(names[0]), "%s", l->group);
	m.user = (char *)(l->user != NULL ? l->user : "");
	m.limits = (char *)(l->limits != NULL ? l->limits : "");
	m.groups = groups;
	m.n_groups = l->groups;
	m.delay_ms = l->delay_ms;
	m.expires_us = l->expires_us;
	reply(r, &m.base);
	if (q != NULL)
		sallyport__pb__auth_request__free_unpacked(q, NULL);
}

struct permitted {
	uint32_t at[RECORD_ADDRS_MAX + 1];
	protobuf_c_boolean internal[RECORD_ADDRS_MAX + 1];
};

static void
permit(Sallyport__Pb__Decision *m, struct permitted *permitted,
    const struct peers_decision *d, size_t n_resolved)
{
	m->n_permitted = n_resolved;
	for (size_t i = 0; i <= n_resolved; i++) {
		permitted->at[i] = (uint32_t)i;
		permitted->internal[i] = !d->closed;
	}
	switch (d->permit) {
	case PERMIT_ALL: case PERMIT_UNMARKED:
		break;
	case PERMIT_NONE:
		m->n_permitted = 0;
		break;
	case PERMIT_FIRST:
		m->n_permitted = 1;
		break;
	case PERMIT_BEYOND:
		permitted->at[0] = (uint32_t)n_resolved;
		break;
	case PERMIT_TOO_MANY:
		m->n_permitted = n_resolved + 1;
		permitted->at[n_resolved] = 0;
		break;
	}
	m->n_internal_ok = m->n_permitted - (d->permit == PERMIT_UNMARKED);
	m->permitted = permitted->at;
	m->internal_ok = permitted->internal;
}

static void
answer_decision(struct peers *p, const struct peers_decision *d,
    struct rpc_request *r)
{
	struct str body = rpc_request_body(r);
	Sallyport__Pb__DecideRequest *q =
	    sallyport__pb__decide_request__unpack(NULL, body.len,
		(const uint8_t *)body.ptr);
	Sallyport__Pb__Decision m = SALLYPORT__PB__DECISION__INIT;
	struct permitted permitted;

	m.action = d->action != 0 ? (unsigned)d->action :
	    SALLYPORT__PB__DECISION__ACTION__ALLOW;
	m.source = d->source != 0 ? (unsigned)d->source :
	    SALLYPORT__PB__DECISION__SOURCE__RULE;
	permit(&m, &permitted, d, q == NULL ? 0 : q->n_resolved);
	m.rule = (char *)(d->rule != NULL ? d->rule : "rule-1");
	m.route = (char *)(d->route != NULL ? d->route : "");
	m.limits = (char *)(d->limits != NULL ? d->limits : "");
	m.reason = (char *)(d->reason != NULL ? d->reason : "");
	m.generation = d->generation != 0 ? d->generation : p->generation;
	m.instance.data = p->instance.b;
	m.instance.len = d->anonymous ? 0 : sizeof(p->instance.b);
	m.lease_ms = d->lease_ms != 0 ? d->lease_ms : 5000;
	m.source_bound = d->source_bound;
	reply(r, &m.base);
	if (q != NULL)
		sallyport__pb__decide_request__free_unpacked(q, NULL);
}

static void
note_login(struct peers *p, struct rpc_request *r)
{
	struct str body = rpc_request_body(r);
	Sallyport__Pb__AuthRequest *q = sallyport__pb__auth_request__unpack(
	    NULL, body.len, (const uint8_t *)body.ptr);
	struct peers_asked *a = &p->asked_login;

	p->logins++;
	pthread_cond_broadcast(&p->wake);
	if (q == NULL)
		return;
	memset(a, 0, sizeof(*a));
	copy(a->method, sizeof(a->method), q->method, strlen(q->method));
	copy(a->listener, sizeof(a->listener), q->listener,
	    strlen(q->listener));
	copy(a->user, sizeof(a->user), q->user.data, q->user.len);
	copy(a->password, sizeof(a->password), q->password.data,
	    q->password.len);
	a->user_len = (unsigned)q->user.len;
	a->password_len = (unsigned)q->password.len;
	a->source = addr_of(q->source);
	sallyport__pb__auth_request__free_unpacked(q, NULL);
}

static void
note_decision(struct peers *p, struct rpc_request *r)
{
	struct str body = rpc_request_body(r);
	Sallyport__Pb__DecideRequest *q =
	    sallyport__pb__decide_request__unpack(NULL, body.len,
		(const uint8_t *)body.ptr);
	struct peers_asked *a = &p->asked_decision;

	p->decisions++;
	pthread_cond_broadcast(&p->wake);
	if (q == NULL)
		return;
	memset(a, 0, sizeof(*a));
	copy(a->user, sizeof(a->user), q->user, strlen(q->user));
	copy(a->name, sizeof(a->name), q->name, strlen(q->name));
	a->source = addr_of(q->source);
	a->port = q->port;
	a->command = q->command;
	a->protocol = q->protocol;
	a->n_groups = (unsigned)q->n_groups;
	if (q->n_groups > 0)
		copy(a->group, sizeof(a->group), q->groups[0],
		    strlen(q->groups[0]));
	a->n_resolved = (unsigned)q->n_resolved;
	for (size_t i = 0; i < q->n_resolved && i < RECORD_ADDRS_MAX; i++)
		a->resolved[i] = addr_of(q->resolved[i]);
	sallyport__pb__decide_request__free_unpacked(q, NULL);
}

static void
on_login(void *arg, struct rpc_request *r)
{
	struct peers *p = arg;

	pthread_mutex_lock(&p->m);
	note_login(p, r);
	if (!answer_oddly(p, r, p->login.how, true))
		answer_login(&p->login, r);
	pthread_mutex_unlock(&p->m);
}

static void
on_decision(void *arg, struct rpc_request *r)
{
	struct peers *p = arg;

	pthread_mutex_lock(&p->m);
	note_decision(p, r);
	if (!answer_oddly(p, r, p->decision.how, false))
		answer_decision(p, &p->decision, r);
	pthread_mutex_unlock(&p->m);
}

/* Those of one server, or of both. */
static void
release(struct peers *p, bool logins, bool decisions)
{
	struct held held[HELD_MAX];
	unsigned n = p->n_held;

	memcpy(held, p->held, n * sizeof(held[0]));
	p->n_held = 0;
	for (unsigned i = 0; i < n; i++) {
		struct held *h = &held[i];

		if (h->is_login ? !logins : !decisions)
			p->held[p->n_held++] = *h;
		else if (h->is_login &&
		    !answer_oddly(p, h->request, p->login.how, true))
			answer_login(&p->login, h->request);
		else if (!h->is_login &&
		    !answer_oddly(p, h->request, p->decision.how, false))
			answer_decision(p, &p->decision, h->request);
	}
}

void
peers_release(struct peers *p)
{
	pthread_mutex_lock(&p->m);
	release(p, true, true);
	pthread_mutex_unlock(&p->m);
}

/* ---- servers ---- */

static struct rpc_server *
serve(struct peers *p, const char *socket, const struct rpc_method *methods)
{
	struct rpc_server_options o = {
		.address = peers_address(p, socket), .name = socket,
		.max_message = 65536, .contexts = 1024, .methods = methods,
		.arg = p, .group = (unsigned)-1,
	};
	struct rpc_server *s = NULL;
	struct err err;

	if (rpc_server_start(&s, &o, &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

void
peers_start_authd(struct peers *p)
{
	static const struct rpc_method methods[] = {
		{ KIND_AUTH, "login", on_login }, { 0 },
	};

	p->authd = serve(p, "auth", methods);
}

void
peers_start_acld(struct peers *p)
{
	static const struct rpc_method methods[] = {
		{ KIND_DECIDE, "decide", on_decision }, { 0 },
	};

	p->acld = serve(p, "decide", methods);
}

/* What is kept has to be answered before the server can stop. */
static void
stop(struct peers *p, struct rpc_server **server, bool logins)
{
	struct peers_login l;
	struct peers_decision d;

	if (*server == NULL)
		return;
	pthread_mutex_lock(&p->m);
	l = p->login;
	d = p->decision;
	p->login.how = p->decision.how = PEERS_BUSY;
	release(p, logins, !logins);
	pthread_mutex_unlock(&p->m);
	rpc_server_stop(server);
	pthread_mutex_lock(&p->m);
	p->login = l;
	p->decision = d;
	pthread_mutex_unlock(&p->m);
}

void
peers_stop_authd(struct peers *p)
{
	stop(p, &p->authd, true);
}

void
peers_stop_acld(struct peers *p)
{
	stop(p, &p->acld, false);
}

void
peers_script_login(struct peers *p, const struct peers_login *l)
{
	pthread_mutex_lock(&p->m);
	p->login = *l;
	pthread_mutex_unlock(&p->m);
}

void
peers_script_decision(struct peers *p, const struct peers_decision *d)
{
	pthread_mutex_lock(&p->m);
	p->decision = *d;
	pthread_mutex_unlock(&p->m);
}

unsigned
peers_logins(struct peers *p)
{
	unsigned n;

	pthread_mutex_lock(&p->m);
	n = p->logins;
	pthread_mutex_unlock(&p->m);
	return n;
}

unsigned
peers_decisions(struct peers *p)
{
	unsigned n;

	pthread_mutex_lock(&p->m);
	n = p->decisions;
	pthread_mutex_unlock(&p->m);
	return n;
}

struct peers_asked
peers_asked_login(struct peers *p)
{
	struct peers_asked a;

	pthread_mutex_lock(&p->m);
	a = p->asked_login;
	pthread_mutex_unlock(&p->m);
	return a;
}

struct peers_asked
peers_asked_decision(struct peers *p)
{
	struct peers_asked a;

	pthread_mutex_lock(&p->m);
	a = p->asked_decision;
	pthread_mutex_unlock(&p->m);
	return a;
}

/* ---- heartbeats ---- */

static void
beat(struct peers *p)
{
	Sallyport__Pb__PolicyHeartbeat m =
	    SALLYPORT__PB__POLICY_HEARTBEAT__INIT;
	uint8_t body[64];
	size_t len;

	m.instance.data = p->instance.b;
	m.instance.len = sizeof(p->instance.b);
	m.generation = p->generation;
	len = sallyport__pb__policy_heartbeat__pack(&m, body);
	(void)topic_pub_send(p->policy, (struct str){ (char *)body, len });
}

static void *
beat_on(void *arg)
{
	struct peers *p = arg;
	const struct timespec pause = { .tv_nsec = BEAT_NS };
	bool stopping = false;

	while (!stopping) {
		pthread_mutex_lock(&p->m);
		if (p->beating)
			beat(p);
		stopping = p->stopping;
		pthread_mutex_unlock(&p->m);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

void
peers_start_policy(struct peers *p)
{
	struct topic_options o = { .address = peers_address(p, "policy"),
		.name = "policy", .listen = true, .max_message = 65536,
		.queue = 16, .group = (unsigned)-1 };
	struct err err;

	if (topic_pub_open(&p->policy, &o, &err) != 0)
		fail_msg("%s", err.text);
	p->beating = true;
	assert_int_equal(pthread_create(&p->beater, NULL, beat_on, p), 0);
}

struct id
peers_instance(struct peers *p)
{
	return p->instance;
}

uint64_t
peers_generation(struct peers *p)
{
	return p->generation;
}

void
peers_set_policy(struct peers *p, uint64_t generation)
{
	pthread_mutex_lock(&p->m);
	p->generation = generation;
	if (p->policy != NULL && p->beating)
		beat(p);
	pthread_mutex_unlock(&p->m);
}

void
peers_set_heartbeats(struct peers *p, bool on)
{
	pthread_mutex_lock(&p->m);
	p->beating = on;
	pthread_mutex_unlock(&p->m);
}

/* ---- records ---- */

static struct stream_seen *
stream_of(struct peers *p, const struct id *id)
{
	struct stream_seen *s = p->streams;

	for (; s < p->streams + p->sums.streams; s++)
		if (id_eq(&s->id, id))
			return s;
	ASSERT(p->sums.streams < STREAMS_MAX);
	p->sums.streams++;
	*s = (struct stream_seen){ .id = *id, .next_seq = 1 };
	return s;
}

static void
add_record(struct peers *p, struct stream_seen *s, uint64_t seq,
    struct str body)
{
	struct peers_record *r;

	if (p->n_records == p->cap_records) {
		p->cap_records = p->cap_records * 2 + 64;
		p->records = xreallocarray(p->records, p->cap_records,
		    sizeof(*p->records));
	}
	r = &p->records[p->n_records];
	r->stream = s->id;
	r->seq = seq;
	if (record_unpack(&r->record, body) != RECORD_OK) {
		p->sums.malformed++;
		return;
	}
	p->n_records++;
	p->sums.records++;
	/* Nothing may follow the end. */
	if (s->ended)
		p->sums.malformed++;
	if (r->record.type == RECORD_END) {
		s->ended = true;
		p->sums.ended++;
	}
}

static void
on_batch(void *arg, struct str message)
{
	struct peers *p = arg;
	struct stream_seen *s;
	struct batch b;

	pthread_mutex_lock(&p->m);
	p->sums.batches++;
	if (batch_check(&b, message) != 0) {
		p->sums.malformed++;
	} else {
		s = stream_of(p, &b.stream);
		if (b.first_seq != s->next_seq)
			p->sums.holes++;
		for (unsigned i = 0; i < b.n; i++)
			add_record(p, s, b.first_seq + i, b.records[i]);
		s->next_seq = b.first_seq + b.n;
		batch_fini(&b);
	}
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->m);
}

void
peers_start_sessiond(struct peers *p)
{
	struct topic_options o = { .address = peers_address(p, "events"),
		.name = "events", .listen = true, .max_message = 1 << 20,
		.queue = 8192, .group = (unsigned)-1 };
	struct err err;

	if (topic_sub_open(&p->events, &o, on_batch, p, &err) != 0)
		fail_msg("%s", err.text);
}

const struct peers_record *
peers_next_record(struct peers *p)
{
	static struct peers_record r;
	bool ok;

	pthread_mutex_lock(&p->m);
	ok = wait_locked(p, is_record, (unsigned)p->next_record + 1);
	if (ok)
		r = p->records[p->next_record++];
	pthread_mutex_unlock(&p->m);
	if (!ok)
		fail_msg("no record came");
	return &r;
}

const struct record_session *
peers_next_session(struct peers *p, enum record_type type, const char *reason)
{
	const struct record *r = &peers_next_record(p)->record;

	assert_int_equal(r->type, type);
	if (reason != NULL) {
		char *got = xmemdup0(r->session.close_reason.ptr,
		    r->session.close_reason.len);

		assert_string_equal(got, reason);
		free(got);
	}
	return &r->session;
}

struct peers_sums
peers_sums(struct peers *p)
{
	struct peers_sums s;

	pthread_mutex_lock(&p->m);
	s = p->sums;
	pthread_mutex_unlock(&p->m);
	return s;
}
