/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "authd/admin_impl.h"
#include "authd/metrics.h"
#include "authd/workers.h"
#include "base/mem.h"

#define PAGE_BYTES 262144
#define PAGE_FRAME 1024		/* what else is in a message */

void
admin_reply(struct rpc_request *r, const ProtobufCMessage *m)
{
	struct bytes body = { 0 };

	body_pack(m, &body);
	rpc_reply(r, (struct str){ body.ptr, body.len });
	bytes_fini(&body);
}

size_t
admin_page_bytes(const struct admin_rpc *rpc)
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

struct job {
	struct workers_job base;
	struct admin_rpc *rpc;
	struct rpc_request *request;
	admin_answer_fn *answer;
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

void
admin_later(struct admin_rpc *rpc, struct rpc_request *r,
    admin_answer_fn *answer)
{
	struct job *j = xcalloc(1, sizeof(*j));

	*j = (struct job){ .base.run = on_job, .rpc = rpc, .request = r,
		.answer = answer };
	if (workers_submit_first(rpc->threads, &j->base))
		return;
	free(j);
	rpc_fail(r, RPC_STATUS_BUSY, "authd is stopping");
}

const struct rpc_method admin_rpc_methods[] = {
	{ KIND_USERS_RELOAD, "users_reload", admin_on_users_reload },
	{ KIND_USERS_LIST, "users_list", admin_on_users_list },
	{ KIND_LOGIN_TEST, "login_test", admin_on_login_test },
	{ KIND_FAILURES_LIST, "failures_list", admin_on_failures_list },
	{ KIND_USERS_UNLOCK, "users_unlock", admin_on_users_unlock },
	{ 0, NULL, NULL },
};
