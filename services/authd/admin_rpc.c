/* SPDX-License-Identifier: MIT */
#include "authd/admin_rpc.h"

#include <stdlib.h>

#include "authd/body_rpc.h"
#include "authd/metrics.h"
#include "authd/workers.h"
#include "base/mem.h"

static void
reply(struct rpc_request *r, const ProtobufCMessage *m)
{
	struct bytes body = { 0 };

	body_pack(m, &body);
	rpc_reply(r, (struct str){ body.ptr, body.len });
	bytes_fini(&body);
}

void
admin_rpc_on_malformed(void *arg)
{
	struct admin_rpc *rpc = arg;

	metrics_add(authd_cells(rpc->metrics), METRIC_authd_requests_total,
	    AUTHD_REQUEST_MALFORMED, 1);
}

/* ---- users_reload ---- */

struct reload {
	struct workers_job job;
	struct admin_rpc *rpc;
	struct rpc_request *request;
};

static void
on_reload_job(struct workers_job *j, bool abandoned)
{
	Sallyport__Pb__UsersReloadReply m =
	    SALLYPORT__PB__USERS_RELOAD_REPLY__INIT;
	struct reload *reload = container_of(j, struct reload, job);
	struct rpc_request *r = reload->request;
	struct err err;

	if (abandoned)
		rpc_fail(r, RPC_STATUS_BUSY, "authd is stopping");
	else if (loader_run(reload->rpc->loader, &m.users, &err) == 0)
		reply(r, &m.base);
	else
		rpc_fail(r, RPC_STATUS_FAILED, "%s", err.text);
	free(reload);
}

static void
on_users_reload(void *arg, struct rpc_request *r)
{
	struct admin_rpc *rpc = arg;
	struct body_room room;
	struct reload *reload;

	body_room_init(&room);
	if (body_unpack(&room, &sallyport__pb__users_reload__descriptor,
		rpc_request_body(r)) == NULL) {
		rpc_fail(r, RPC_STATUS_MALFORMED, "not a UsersReload");
		return;
	}
	reload = xcalloc(1, sizeof(*reload));
	*reload = (struct reload){ .job.run = on_reload_job, .rpc = rpc,
		.request = r };
	if (workers_submit_first(logins_workers(rpc->logins), &reload->job))
		return;
	free(reload);
	rpc_fail(r, RPC_STATUS_BUSY, "authd is stopping");
}

const struct rpc_method admin_rpc_methods[] = {
	{ KIND_USERS_RELOAD, "users_reload", on_users_reload },
	{ 0, NULL, NULL },
};
