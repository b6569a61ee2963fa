/* SPDX-License-Identifier: MIT */
#include "acld/acld.h"

#include <stdio.h>
#include <stdlib.h>

#include "acld/acl_rpc.h"
#include "acld/heartbeat.h"
#include "acld/loader.h"
#include "acld/policy_load.h"
#include "acld/snapshot.h"
#include "base/mem.h"
#include "msg/rpc_server.h"
#include "msg/topic.h"
#include "service/watch.h"

#define DECIDE_CONTEXTS 64
#define ADMIN_CONTEXTS 8
#define HEARTBEAT_QUEUE 16

struct acld {
	struct acl_rpc rpc;
	struct heartbeat *heartbeat;
	struct topic_pub *topic;
	struct rpc_server *decide, *admin;
	struct watch *watch;
};

static void
on_policy_changed(void *arg)
{
	struct acld *a = arg;

	/* The first load comes before the heartbeat is there. */
	if (a->heartbeat != NULL)
		heartbeat_now(a->heartbeat);
}

static void
on_file_changed(void *arg)
{
	struct acld *a = arg;

	loader_ask(a->rpc.loader, NULL, NULL);
}

static int
start_policy(struct acld *a, struct service_context *c, struct err *err)
{
	const struct loader_options o = {
		.config = &service_settings(c)->acld,
		.snapshot = a->rpc.snapshot, .metrics = a->rpc.metrics,
		.changed = on_policy_changed, .arg = a,
	};
	bool bad_policy;

	if (loader_start(&a->rpc.loader, &o, &bad_policy, err) == 0)
		return 0;
	return bad_policy ? service_bad_config(c) : -1;
}

static int
start_heartbeat(struct acld *a, struct service_context *c, struct err *err)
{
	const struct settings *s = service_settings(c);
	const struct topic_options o = {
		.address = service_bus(c, "policy"), .name = "policy",
		.listen = true, .max_message = s->bus.max_message,
		.reconnect_max_ms = (uint32_t)s->bus.reconnect_max,
		.queue = HEARTBEAT_QUEUE, .group = service_bus_group(c),
	};

	if (topic_pub_open(&a->topic, &o, err) != 0)
		return -1;
	return heartbeat_start(&a->heartbeat, a->topic, a->rpc.snapshot,
	    &a->rpc.instance, s->acld.heartbeat, err);
}

static int
start_server(struct acld *a, struct service_context *c,
    struct rpc_server **out, struct rpc_server_options *o, struct err *err)
{
	o->address = service_bus(c, o->name);
	o->arg = &a->rpc;
	o->on_malformed = acl_rpc_on_malformed;
	return rpc_server_start(out, o, err);
}

static int
start_servers(struct acld *a, struct service_context *c, struct err *err)
{
	const struct settings *s = service_settings(c);
	struct rpc_server_options decide = { .name = "decide",
		.methods = acl_rpc_decide, .contexts = DECIDE_CONTEXTS,
		.group = service_bus_group(c),
		.max_message = s->bus.max_message };
	struct rpc_server_options admin = { .name = "admin_acl",
		.methods = acl_rpc_admin, .contexts = ADMIN_CONTEXTS,
		.group = service_admin_group(c),
		.max_message = s->bus.max_admin };

	if (start_server(a, c, &a->admin, &admin, err) != 0)
		return -1;
	return start_server(a, c, &a->decide, &decide, err);
}

static int
start_watch(struct acld *a, struct service_context *c, struct err *err)
{
	const struct acld_config *cfg = &service_settings(c)->acld;

	if (!cfg->watch)
		return 0;
	return watch_start(&a->watch, cfg->policy_file, on_file_changed, a,
	    err);
}

/* In this order nobody is left who could ask for what is gone: those who ask
 * the loader outlive its thread, and it outlives them. */
static void
end(struct acld *a)
{
	watch_stop(&a->watch);
	if (a->rpc.loader != NULL)
		loader_stop(a->rpc.loader);
	rpc_server_stop(&a->decide);
	rpc_server_stop(&a->admin);
	heartbeat_stop(&a->heartbeat);
	topic_pub_close(&a->topic);
	loader_free(&a->rpc.loader);
	snapshot_free(&a->rpc.snapshot);
	free(a);
}

int
acld_start(struct service_context *c, struct err *err)
{
	struct acld *a = xcalloc(1, sizeof(*a));

	a->rpc.snapshot = snapshot_new();
	a->rpc.metrics = service_metrics(c);
	a->rpc.instance = id_random();
	if (start_policy(a, c, err) != 0 || start_heartbeat(a, c, err) != 0 ||
	    start_servers(a, c, err) != 0 || start_watch(a, c, err) != 0) {
		end(a);
		return -1;
	}
	service_set_data(c, a);
	return 0;
}

int
acld_reload(struct service_context *c, const struct settings *next,
    struct err *err)
{
	struct acld *a = service_data(c);

	return loader_run(a->rpc.loader, &next->acld, err);
}

void
acld_stop(struct service_context *c)
{
	end(service_data(c));
}

int
acld_check(const struct settings *s, struct err *err)
{
	struct policy_report report = { 0 };
	struct policy *p;
	int rc = policy_load(&p, s->acld.policy_file, &s->acld, &report);

	if (rc != 0)
		(void)policy_notes_err(&report.errors, err);
	for (unsigned i = 0; i < report.warnings.n; i++)
		fprintf(stderr, "warning: %s\n", report.warnings.v[i]);
	policy_free(&p);
	policy_report_fini(&report);
	return rc;
}
