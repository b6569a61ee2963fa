/* SPDX-License-Identifier: MIT */
/* Administration of the users file in force: read it again, list it. */
#include <stdlib.h>

#include "authd/admin_impl.h"
#include "base/mem.h"

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
		admin_reply(r, &m.base);
	else
		rpc_fail(r, RPC_STATUS_FAILED, "%s", err.text);
}

void
admin_on_users_reload(void *arg, struct rpc_request *r)
{
	admin_later(arg, r, answer_reload);
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
	struct string_list networks = cidr_texts(&u->networks);

	e.username = (char *)u->name.ptr;
	e.groups = u->groups.v;
	e.n_groups = u->groups.n;
	e.enabled = u->enabled;
	e.expires_us = u->expires_us;
	e.sources = sources.v;
	e.n_sources = sources.n;
	e.networks = networks.v;
	e.n_networks = networks.n;
	if (u->limits != NULL)
		e.limits = u->limits;
	e.has_password = u->hash != NULL;
	m.users = &entry;
	m.n_users = 1;
	body_pack(&m.base, body);
	texts_fini(&sources);
	texts_fini(&networks);
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
	size_t start, limit = m->limit > 0 ? m->limit : ADMIN_PAGE_MAX;
	struct bytes body = { 0 };

	if (find_start(v->file, str_from(m->after), &start) == 0) {
		add_users(&body, v->file, start, limit, admin_page_bytes(rpc));
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
	else if (m->limit > ADMIN_PAGE_MAX)
		rpc_fail(r, RPC_STATUS_MALFORMED, "limit: above %d", ADMIN_PAGE_MAX);
	else
		reply_users(rpc, r, m);
}

void
admin_on_users_list(void *arg, struct rpc_request *r)
{
	admin_later(arg, r, answer_list);
}
