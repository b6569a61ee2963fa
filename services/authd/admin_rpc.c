/* SPDX-License-Identifier: MIT */
/*
 * A handler only notes who asked what; the work is done by a worker, before
 * the logins that wait. So bodies are read there.
 */
#include "authd/admin_rpc.h"

#include <stdlib.h>

#include "authd/body_rpc.h"
#include "authd/metrics.h"
#include "authd/workers.h"
#include "base/mem.h"

#define PAGE_MAX 1000		/* entries of a list in one reply */
#define PAGE_BYTES 262144	/* more only for a single entry */
#define PAGE_FRAME 1024		/* what else is in a message */

static void
reply(struct rpc_request *r, const ProtobufCMessage *m)
{
	struct bytes body = { 0 };

	body_pack(m, &body);
	rpc_reply(r, (struct str){ body.ptr, body.len });
	bytes_fini(&body);
}

static size_t
page_bytes(const struct admin_rpc *rpc)
{
	size_t room = rpc->max_message - PAGE_FRAME;

	return room < PAGE_BYTES ? room : PAGE_BYTES;
}

void
admin_rpc_on_malformed(void *arg)
{
	struct admin_rpc *rpc = arg;

	metrics_add(authd_cells(rpc->metrics), METRIC_authd_requests_total,
	    AUTHD_REQUEST(AUTH_USERPASS, AUTHD_REQUEST_MALFORMED), 1);
}

/* ---- a request becomes a worker's job ---- */

/* Answers `r`. */
typedef void answer_fn(struct admin_rpc *rpc, struct rpc_request *r);

struct job {
	struct workers_job base;
	struct admin_rpc *rpc;
	struct rpc_request *request;
	answer_fn *answer;
};

static void
on_job(struct workers_job *base, bool abandoned)
{
	struct job *j = container_of(base, struct job, base);

	if (abandoned)
		rpc_fail(j->request, RPC_STATUS_BUSY, "authd is stopping");
	else
		j->answer(j->rpc, j->request);
	free(j);
}

static void
answer_later(struct admin_rpc *rpc, struct rpc_request *r, answer_fn *answer)
{
	struct job *j = xcalloc(1, sizeof(*j));

	*j = (struct job){ .base.run = on_job, .rpc = rpc, .request = r,
		.answer = answer };
	if (workers_submit_first(rpc->threads, &j->base))
		return;
	free(j);
	rpc_fail(r, RPC_STATUS_BUSY, "authd is stopping");
}

/* ---- users_reload ---- */

static void
answer_reload(struct admin_rpc *rpc, struct rpc_request *r)
{
	Sallyport__Pb__UsersReloadReply m =
	    SALLYPORT__PB__USERS_RELOAD_REPLY__INIT;
	struct body_room room;
	struct err err;

	body_room_init(&room);
	if (body_unpack(&room, &sallyport__pb__users_reload__descriptor,
		rpc_request_body(r)) == NULL)
		rpc_fail(r, RPC_STATUS_MALFORMED, "not a UsersReload");
	else if (loader_run(rpc->loader, &m.users, &err) == 0)
		reply(r, &m.base);
	else
		rpc_fail(r, RPC_STATUS_FAILED, "%s", err.text);
}

static void
on_users_reload(void *arg, struct rpc_request *r)
{
	answer_later(arg, r, answer_reload);
}

/* ---- users_list ---- */

static struct string_list
cidr_texts(const struct cidr_list *l)
{
	struct string_list texts = { xcalloc(l->n + 1, sizeof(char *)), l->n };

	for (size_t i = 0; i < l->n; i++) {
		char text[CIDR_TEXT_SIZE];

		cidr_format(text, &l->v[i]);
		texts.v[i] = xstrdup(text);
	}
	return texts;
}

static void
texts_fini(struct string_list *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free(texts->v[i]);
	free(texts->v);
}

/* Appends a reply with this user alone: replies one after the other read as
 * one with all of them. */
static void
add_user(struct bytes *body, const struct user *u)
{
	Sallyport__Pb__UsersListReply m =
	    SALLYPORT__PB__USERS_LIST_REPLY__INIT;
	Sallyport__Pb__UserEntry e = SALLYPORT__PB__USER_ENTRY__INIT;
	Sallyport__Pb__UserEntry *entry = &e;
	struct string_list sources = cidr_texts(&u->sources);

	e.username = (char *)u->name.ptr;
	e.groups = u->groups.v;
	e.n_groups = u->groups.n;
	e.enabled = u->enabled;
	e.expires_us = u->expires_us;
	e.sources = sources.v;
	e.n_sources = sources.n;
	e.has_password = u->hash != NULL;
	m.users = &entry;
	m.n_users = 1;
	body_pack(&m.base, body);
	texts_fini(&sources);
}

/* Adds a page of users from the `i`-th on. */
static void
add_users(struct bytes *body, const struct users_file *f, size_t i,
    size_t limit, size_t bytes)
{
	Sallyport__Pb__UsersListReply m =
	    SALLYPORT__PB__USERS_LIST_REPLY__INIT;
	size_t end = users_file_count(f);

	for (; i < end && limit > 0; i++, limit--) {
		size_t before = body->len;

		add_user(body, users_file_at(f, i));
		if (body->len > bytes && before > 0) {
			body->len = before;
			break;
		}
	}
	m.more = i < end;
	body_pack(&m.base, body);
}

/* Where the page after that user begins. -1: he is not there. */
static int
find_start(const struct users_file *f, struct str after, size_t *start)
{
	const struct user *u = users_file_find(f, after);

	*start = 0;
	if (after.len == 0)
		return 0;
	if (u == NULL)
		return -1;
	while (users_file_at(f, *start) != u)
		++*start;
	++*start;
	return 0;
}

static void
reply_users(struct admin_rpc *rpc, struct rpc_request *r,
    const Sallyport__Pb__UsersList *m)
{
	const struct roster_version *v = roster_pin(rpc->roster);
	size_t start, limit = m->limit > 0 ? m->limit : PAGE_MAX;
	struct bytes body = { 0 };

	if (find_start(v->file, str_from(m->after), &start) == 0) {
		add_users(&body, v->file, start, limit, page_bytes(rpc));
		rpc_reply(r, (struct str){ body.ptr, body.len });
	} else {
		rpc_fail(r, RPC_STATUS_FAILED, "after: no such user (any "
		    "more); begin anew");
	}
	bytes_fini(&body);
	roster_unpin(rpc->roster, &v);
}

static void
answer_list(struct admin_rpc *rpc, struct rpc_request *r)
{
	const Sallyport__Pb__UsersList *m;
	struct body_room room;

	body_room_init(&room);
	m = body_unpack(&room, &sallyport__pb__users_list__descriptor,
	    rpc_request_body(r));
	if (m == NULL)
		rpc_fail(r, RPC_STATUS_MALFORMED, "not a UsersList");
	else if (m->limit > PAGE_MAX)
		rpc_fail(r, RPC_STATUS_MALFORMED, "limit: above %d", PAGE_MAX);
	else
		reply_users(rpc, r, m);
}

static void
on_users_list(void *arg, struct rpc_request *r)
{
	answer_later(arg, r, answer_list);
}

const struct rpc_method admin_rpc_methods[] = {
	{ KIND_USERS_RELOAD, "users_reload", on_users_reload },
	{ KIND_USERS_LIST, "users_list", on_users_list },
	{ 0, NULL, NULL },
};
