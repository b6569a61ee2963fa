/* SPDX-License-Identifier: MIT */
/* Administration of logins: try one, see who failed, let him try again. */
#include <stdlib.h>
#include <string.h>

#include "authd/admin_impl.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- login_test ---- */

struct test {
	struct login_waiter base;
	struct rpc_request *request;
};

static void
reply_test(struct rpc_request *r, struct str auth_reply, const char *why)
{
	Sallyport__Pb__LoginTestReply m =
	    SALLYPORT__PB__LOGIN_TEST_REPLY__INIT;

	m.reply = sallyport__pb__auth_reply__unpack(NULL, auth_reply.len,
	    (const uint8_t *)auth_reply.ptr);
	ASSERT(m.reply != NULL);	/* we packed it ourselves */
	if (why != NULL)
		m.why = (char *)why;
	admin_reply(r, &m.base);
	sallyport__pb__auth_reply__free_unpacked(m.reply, NULL);
}

static void
on_tested(struct login_waiter *base, const struct login_reply *reply)
{
	struct test *t = container_of(base, struct test, base);

	reply_test(t->request, reply->body, reply->why);
	free(t);
}

static void
test_login(struct admin_rpc *rpc, struct rpc_request *r,
    const struct auth_question *q)
{
	struct test *t = xcalloc(1, sizeof(*t));
	char source[ADDR_TEXT_SIZE];

	addr_format(source, &q->source);
	log_info(NULL, "login_tested", log_strn("user", q->user),
	    log_str("source", source),
	    log_str("method", auth_method_names[q->method]));
	t->base.done = on_tested;
	t->base.deadline_ms = rpc_request_deadline(r);
	t->request = r;
	logins_test(rpc->logins, q, &t->base);
}

/* As traffic is answered without asking a back end. */
static void
refuse_login(struct rpc_request *r)
{
	Sallyport__Pb__LoginTestReply m =
	    SALLYPORT__PB__LOGIN_TEST_REPLY__INIT;
	Sallyport__Pb__AuthReply reply = SALLYPORT__PB__AUTH_REPLY__INIT;

	reply.result = SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED;
	m.reply = &reply;
	m.why = (char *)AUTH_IMPOSSIBLE;
	admin_reply(r, &m.base);
}

void
admin_on_login_test(void *arg, struct rpc_request *r)
{
	struct str body = rpc_request_body(r);
	const Sallyport__Pb__LoginTest *m;
	struct auth_question q;
	struct body_room room;
	struct err err;
	int rc;

	body_room_init(&room);
	m = body_unpack(&room, &sallyport__pb__login_test__descriptor, body);
	rc = m != NULL && m->login != NULL ?
	    body_question(&q, m->login, &err) :
	    err_set(&err, "not a LoginTest");
	secret_wipe((void *)body.ptr, body.len);
	if (rc != 0)
		rpc_fail(r, RPC_STATUS_MALFORMED, "%s", err.text);
	else if (auth_is_possible(&q))
		test_login(arg, r, &q);
	else
		refuse_login(r);
	body_room_wipe(&room);
}

/* ---- failures_list ---- */

struct failure {
	size_t user_len;
	char user[GUESSING_USER_MAX];
	struct addr source;
	uint32_t failures, wait_ms, age_ms;
};

/* Noted while logins wait, packed when they go on. */
struct failures {
	struct failure *v;
	size_t n, limit;
};

static uint32_t
u32_of(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static bool
on_failure(void *arg, const struct guessing_row *row)
{
	struct failures *all = arg;
	struct failure *f = &all->v[all->n++];

	f->user_len = row->user.len;
	if (row->user.len > 0)
		memcpy(f->user, row->user.ptr, row->user.len);
	f->source = row->source;
	f->failures = row->failures;
	f->wait_ms = u32_of(row->wait_ms);
	f->age_ms = u32_of(row->age_ms);
	return all->n < all->limit;
}

/* Appends a reply with this one alone, as replies add up. */
static void
add_failure(struct bytes *body, const struct failure *f)
{
	Sallyport__Pb__FailuresListReply m =
	    SALLYPORT__PB__FAILURES_LIST_REPLY__INIT;
	Sallyport__Pb__Failure row = SALLYPORT__PB__FAILURE__INIT;
	Sallyport__Pb__Failure *rows = &row;

	row.user = (ProtobufCBinaryData){ f->user_len, (uint8_t *)f->user };
	row.source = (ProtobufCBinaryData){ sizeof(f->source.b),
		(uint8_t *)f->source.b };
	row.failures = f->failures;
	row.wait_ms = f->wait_ms;
	row.age_ms = f->age_ms;
	m.failures = &rows;
	m.n_failures = 1;
	body_pack(&m.base, body);
}

static void
reply_failures(struct admin_rpc *rpc, struct rpc_request *r, struct str user,
    size_t limit)
{
	Sallyport__Pb__FailuresListReply m =
	    SALLYPORT__PB__FAILURES_LIST_REPLY__INIT;
	struct failures all = { .v = xcalloc(limit, sizeof(*all.v)),
		.limit = limit };
	struct bytes body = { 0 };

	logins_failures(rpc->logins, user, on_failure, &all);
	for (size_t i = 0; i < all.n && body.len < admin_page_bytes(rpc) -
		sizeof(struct failure); i++)
		add_failure(&body, &all.v[i]);
	m.remembered = logins_counts(rpc->logins).guessing.pairs;
	body_pack(&m.base, &body);
	rpc_reply(r, (struct str){ body.ptr, body.len });
	bytes_fini(&body);
	free(all.v);
}

static void
answer_failures(struct admin_rpc *rpc, struct rpc_request *r)
{
	const Sallyport__Pb__FailuresList *m;
	struct body_room room;

	body_room_init(&room);
	m = body_unpack(&room, &sallyport__pb__failures_list__descriptor,
	    rpc_request_body(r));
	if (m == NULL)
		rpc_fail(r, RPC_STATUS_MALFORMED, "not a FailuresList");
	else if (m->limit > ADMIN_PAGE_MAX)
		rpc_fail(r, RPC_STATUS_MALFORMED, "limit: above %d",
		    ADMIN_PAGE_MAX);
	else if (m->user.len > GUESSING_USER_MAX)
		rpc_fail(r, RPC_STATUS_MALFORMED, "user: longer than %d bytes",
		    GUESSING_USER_MAX);
	else
		reply_failures(rpc, r, body_str(&m->user),
		    m->limit > 0 ? m->limit : ADMIN_PAGE_MAX);
}

void
admin_on_failures_list(void *arg, struct rpc_request *r)
{
	admin_later(arg, r, answer_failures);
}

/* ---- users_unlock ---- */

static void
log_unlock(struct str user, const struct addr *source, uint64_t cleared)
{
	char text[ADDR_TEXT_SIZE] = "";

	if (source != NULL)
		addr_format(text, source);
	log_info(NULL, "users_unlocked", log_strn("user", user),
	    log_str("source", text), log_u64("cleared", cleared));
}

static void
answer_unlock(struct admin_rpc *rpc, struct rpc_request *r)
{
	Sallyport__Pb__UsersUnlockReply reply =
	    SALLYPORT__PB__USERS_UNLOCK_REPLY__INIT;
	const Sallyport__Pb__UsersUnlock *m;
	struct addr source, *from = NULL;
	struct body_room room;

	body_room_init(&room);
	m = body_unpack(&room, &sallyport__pb__users_unlock__descriptor,
	    rpc_request_body(r));
	if (m == NULL || m->user.len > GUESSING_USER_MAX ||
	    (m->source.len != 0 && m->source.len != sizeof(source.b))) {
		rpc_fail(r, RPC_STATUS_MALFORMED, "not a UsersUnlock");
		return;
	}
	if (m->source.len > 0) {
		source = addr_from_v6(m->source.data);
		from = &source;
	}
	reply.cleared = logins_unlock(rpc->logins, body_str(&m->user), from);
	log_unlock(body_str(&m->user), from, reply.cleared);
	admin_reply(r, &reply.base);
}

void
admin_on_users_unlock(void *arg, struct rpc_request *r)
{
	admin_later(arg, r, answer_unlock);
}
