/* SPDX-License-Identifier: MIT */
#include "auth_rpc.h"

#include <stdlib.h>

#include "base/mem.h"
#include "daemon_rpc.h"
#include "msg/kinds.h"
#include "proto/auth.pb-c.h"

#define DEADLINE_MS 5000
#define TEST_DEADLINE_MS 60000	/* beyond the longest authd.deadline */

static ProtobufCBinaryData
binary(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

static ProtobufCBinaryData
binary_addr(const struct addr *a)
{
	return (ProtobufCBinaryData){ sizeof(a->b), (uint8_t *)a->b };
}

static struct auth_rpc_texts
texts(char **v, size_t n)
{
	return (struct auth_rpc_texts){ v, n };
}

static enum cli_exit
malformed(void)
{
	return cli_fail(CLI_ERROR, "authd's answer is malformed");
}

/* Asks, and unpacks the answer into `*out`, which is to be freed. */
static enum cli_exit
ask(struct cli *c, enum rpc_kind kind, const ProtobufCMessage *question,
    uint32_t deadline_ms, const ProtobufCMessageDescriptor *answer, void *out)
{
	size_t len = protobuf_c_message_get_packed_size(question);
	uint8_t *body = xmalloc(len + 1);
	struct bytes reply = { 0 };
	ProtobufCMessage *m;
	enum cli_exit code;

	protobuf_c_message_pack(question, body);
	code = daemon_rpc_ask(c, "authd", "admin_auth", (int)kind,
	    (struct str){ (char *)body, len }, deadline_ms, &reply);
	secret_wipe(body, len);
	free(body);
	if (code == CLI_OK) {
		m = protobuf_c_message_unpack(answer, NULL, reply.len,
		    (const uint8_t *)reply.ptr);
		*(void **)out = m;
		if (m == NULL)
			code = malformed();
	}
	bytes_fini(&reply);
	return code;
}

/* ---- users ---- */

static void
tell_user(const Sallyport__Pb__UserEntry *e, auth_rpc_user_fn *each, void *arg)
{
	const struct auth_rpc_user u = {
		.name = e->username,
		.groups = texts(e->groups, e->n_groups),
		.sources = texts(e->sources, e->n_sources),
		.networks = texts(e->networks, e->n_networks),
		.enabled = e->enabled, .has_password = e->has_password,
		.expires_us = e->expires_us, .limits = e->limits,
	};

	each(arg, &u);
}

enum cli_exit
auth_rpc_users(struct cli *c, auth_rpc_user_fn *each, void *arg)
{
	Sallyport__Pb__UsersList m = SALLYPORT__PB__USERS_LIST__INIT;
	Sallyport__Pb__UsersListReply *page = NULL, *before = NULL;
	enum cli_exit code;
	bool more;

	do {
		code = ask(c, KIND_USERS_LIST, &m.base, DEADLINE_MS,
		    &sallyport__pb__users_list_reply__descriptor, &page);
		if (before != NULL)
			sallyport__pb__users_list_reply__free_unpacked(before,
			    NULL);
		before = NULL;
		if (code != CLI_OK)
			return code;
		for (size_t i = 0; i < page->n_users; i++)
			tell_user(page->users[i], each, arg);
		more = page->more;
		if (more && page->n_users == 0) {
			code = malformed();
			more = false;
		}
		if (more)
			m.after = page->users[page->n_users - 1]->username;
		before = page;
	} while (more);
	sallyport__pb__users_list_reply__free_unpacked(before, NULL);
	return code;
}

enum cli_exit
auth_rpc_reload(struct cli *c, unsigned *n)
{
	Sallyport__Pb__UsersReload m = SALLYPORT__PB__USERS_RELOAD__INIT;
	Sallyport__Pb__UsersReloadReply *reply;
	enum cli_exit code = ask(c, KIND_USERS_RELOAD, &m.base, DEADLINE_MS,
	    &sallyport__pb__users_reload_reply__descriptor, &reply);

	if (code != CLI_OK)
		return code;
	*n = reply->users;
	sallyport__pb__users_reload_reply__free_unpacked(reply, NULL);
	return CLI_OK;
}

/* ---- a login ---- */

static bool
read_result(enum auth_rpc_result *out, int wire)
{
	switch (wire) {
	case SALLYPORT__PB__AUTH_REPLY__RESULT__OK:
		*out = AUTH_RPC_OK;
		return true;
	case SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED:
		*out = AUTH_RPC_FAILED;
		return true;
	case SALLYPORT__PB__AUTH_REPLY__RESULT__THROTTLED:
		*out = AUTH_RPC_THROTTLED;
		return true;
	case SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY:
		*out = AUTH_RPC_BUSY;
		return true;
	default:
		return false;
	}
}

static enum cli_exit
tell_verdict(const Sallyport__Pb__LoginTestReply *m, auth_rpc_verdict_fn *told,
    void *arg)
{
	const Sallyport__Pb__AuthReply *r = m->reply;
	struct auth_rpc_verdict v = { .why = m->why };

	if (r == NULL || !read_result(&v.result, (int)r->result))
		return malformed();
	v.user = r->user;
	v.groups = texts(r->groups, r->n_groups);
	v.limits = r->limits;
	v.expires_us = r->expires_us;
	v.source_bound = r->source_bound;
	v.delay_ms = r->delay_ms;
	told(arg, &v);
	return CLI_OK;
}

enum cli_exit
auth_rpc_test(struct cli *c, const struct auth_rpc_login *l,
    auth_rpc_verdict_fn *told, void *arg)
{
	Sallyport__Pb__AuthRequest login = SALLYPORT__PB__AUTH_REQUEST__INIT;
	Sallyport__Pb__LoginTest m = SALLYPORT__PB__LOGIN_TEST__INIT;
	Sallyport__Pb__LoginTestReply *reply;
	enum cli_exit code;

	login.method = (char *)l->method;
	login.user = binary(l->user);
	login.password = binary(l->password);
	login.source = binary_addr(&l->source);
	login.listener = (char *)"sallyctl";
	m.login = &login;
	code = ask(c, KIND_LOGIN_TEST, &m.base, TEST_DEADLINE_MS,
	    &sallyport__pb__login_test_reply__descriptor, &reply);
	if (code != CLI_OK)
		return code;
	code = tell_verdict(reply, told, arg);
	sallyport__pb__login_test_reply__free_unpacked(reply, NULL);
	return code;
}

/* ---- failures ---- */

static enum cli_exit
tell_failure(const Sallyport__Pb__Failure *m, auth_rpc_failure_fn *each,
    void *arg)
{
	struct auth_rpc_failure f = {
		.user = { (const char *)m->user.data, m->user.len },
		.failures = m->failures, .wait_ms = m->wait_ms,
		.age_ms = m->age_ms,
	};

	if (m->source.len != sizeof(f.source.b))
		return malformed();
	f.source = addr_from_v6(m->source.data);
	each(arg, &f);
	return CLI_OK;
}

enum cli_exit
auth_rpc_failures(struct cli *c, struct str user, auth_rpc_failure_fn *each,
    void *arg, uint64_t *remembered)
{
	Sallyport__Pb__FailuresList m = SALLYPORT__PB__FAILURES_LIST__INIT;
	Sallyport__Pb__FailuresListReply *reply;
	enum cli_exit code;

	m.user = binary(user);
	code = ask(c, KIND_FAILURES_LIST, &m.base, DEADLINE_MS,
	    &sallyport__pb__failures_list_reply__descriptor, &reply);
	if (code != CLI_OK)
		return code;
	for (size_t i = 0; i < reply->n_failures && code == CLI_OK; i++)
		code = tell_failure(reply->failures[i], each, arg);
	*remembered = reply->remembered;
	sallyport__pb__failures_list_reply__free_unpacked(reply, NULL);
	return code;
}

enum cli_exit
auth_rpc_unlock(struct cli *c, struct str user, const struct addr *source,
    uint64_t *cleared)
{
	Sallyport__Pb__UsersUnlock m = SALLYPORT__PB__USERS_UNLOCK__INIT;
	Sallyport__Pb__UsersUnlockReply *reply;
	enum cli_exit code;

	m.user = binary(user);
	if (source != NULL)
		m.source = binary_addr(source);
	code = ask(c, KIND_USERS_UNLOCK, &m.base, DEADLINE_MS,
	    &sallyport__pb__users_unlock_reply__descriptor, &reply);
	if (code != CLI_OK)
		return code;
	*cleared = reply->cleared;
	sallyport__pb__users_unlock_reply__free_unpacked(reply, NULL);
	return CLI_OK;
}
