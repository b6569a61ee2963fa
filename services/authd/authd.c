/* SPDX-License-Identifier: MIT */
#include "authd/authd.h"

#include <pthread.h>
#include <stdlib.h>

#include "authd/admin_rpc.h"
#include "authd/auth_rpc.h"
#include "authd/metrics.h"
#include "authd/users_backend.h"
#include "authd/workers.h"
#include "base/mem.h"
#include "service/watch.h"

/* Requests at once on `auth`: those that wait for a check, and some more for
 * those that need none. */
#define CONTEXTS_MAX 1024
#define CONTEXTS_SPARE 64
#define ADMIN_CONTEXTS 8

struct authd {
	struct roster *roster;
	struct users_backend backend;
	struct logins *logins;
	struct loader *loader;
	struct metrics *metrics;
	struct watch *watch;
	struct auth_rpc *rpc;
	struct admin_rpc admin_rpc;
	struct rpc_server *auth, *admin;
	unsigned contexts;
};

static void
on_file_changed(void *arg)
{
	struct authd *a = arg;
	unsigned users;

	/* It has logged what there is to say. */
	if (loader_run(a->loader, &users, NULL) != 0)
		return;
}

/* /metrics is served until after the daemon's end. */
static struct {
	pthread_mutex_t m;
	struct authd *authd;	/* NULL: gone */
} scraped = { PTHREAD_MUTEX_INITIALIZER, NULL };

static void
set_scraped(struct authd *a)
{
	pthread_mutex_lock(&scraped.m);
	scraped.authd = a;
	pthread_mutex_unlock(&scraped.m);
}

static void
set_gauges(struct authd *a, struct metrics_cells *cells)
{
	struct logins_counts n = logins_counts(a->logins);
	struct loader_state s = loader_state(a->loader);

	metrics_gauge_set(cells, METRIC_authd_queue_depth, 0, n.queued);
	metrics_gauge_set(cells, METRIC_authd_cache_entries, 0,
	    (int64_t)n.cached);
	metrics_gauge_set(cells, METRIC_authd_users, 0, s.users);
	metrics_gauge_set(cells, METRIC_authd_users_loaded_timestamp_seconds,
	    0, (int64_t)(s.loaded_us / 1000000));
}

static void
on_scrape(void *arg, struct metrics_cells *cells)
{
	(void)arg;
	pthread_mutex_lock(&scraped.m);
	if (scraped.authd != NULL)
		set_gauges(scraped.authd, cells);
	pthread_mutex_unlock(&scraped.m);
}

static struct logins_times
times_of(const struct settings *s)
{
	return (struct logins_times){ .cache_ttl_ms = s->authd.cache_ttl,
		.deadline_ms = s->authd.deadline };
}

static int
start_logins(struct authd *a, const struct settings *s, struct err *err)
{
	const struct authd_config *cfg = &s->authd;
	struct logins_times times = times_of(s);
	struct logins_options o = {
		.encode = auth_rpc_encode,
		.workers = cfg->hash_workers > 0 ? cfg->hash_workers :
		    workers_default(),
		.queue = cfg->queue, .cache_entries = cfg->cache_entries,
	};

	a->roster = roster_new();
	a->backend = (struct users_backend){ a->roster, passhash_verify };
	o.backend = users_backend_ops(&a->backend);
	a->contexts = o.workers + o.queue + CONTEXTS_SPARE;
	if (a->contexts > CONTEXTS_MAX)
		a->contexts = CONTEXTS_MAX;
	o.waiters_max = a->contexts - CONTEXTS_SPARE;
	return logins_start(&a->logins, &o, &times, err);
}

/* The watch first, so that no change falls between. */
static int
start_users(struct authd *a, const struct settings *s, struct err *err)
{
	const struct loader_options o = {
		.path = s->authd.users_file, .roster = a->roster,
		.logins = a->logins, .metrics = a->metrics,
	};
	unsigned users;

	a->loader = loader_new(&o);
	if (s->authd.watch && watch_start(&a->watch, o.path, on_file_changed,
	    a, err) != 0)
		return -1;
	return loader_run(a->loader, &users, err);
}

/* The work of a refusal must be possible here, or every name would be told
 * by its time, and nobody let in. */
static int
try_refusal(struct authd *a, struct err *err)
{
	const struct auth_question q = { .user = STR("nobody at all\n"),
		.password = STR("x") };
	struct backend b = users_backend_ops(&a->backend);
	struct auth_answer answer;

	b.check(b.arg, &q, &answer);
	auth_answer_fini(&answer);
	if (answer.result == AUTH_FAILED)
		return 0;
	return err_set(err, "password hashes cannot be computed here");
}

static int
start_server(struct service_context *c, struct rpc_server **out,
    struct rpc_server_options *o, struct err *err)
{
	o->address = service_bus(c, o->name);
	o->group = service_bus_group(c);
	return rpc_server_start(out, o, err);
}

static int
start_servers(struct authd *a, struct service_context *c, struct err *err)
{
	const struct settings *s = service_settings(c);
	const struct auth_rpc_options rpc = { a->logins, a->metrics,
		a->contexts };
	struct rpc_server_options auth = { .name = "auth",
		.methods = auth_rpc_auth, .contexts = a->contexts,
		.on_malformed = auth_rpc_on_malformed,
		.max_message = s->bus.max_message };
	struct rpc_server_options admin = { .name = "admin_auth",
		.methods = admin_rpc_methods, .contexts = ADMIN_CONTEXTS,
		.arg = &a->admin_rpc, .on_malformed = admin_rpc_on_malformed,
		.max_message = s->bus.max_admin };

	auth.arg = a->rpc = auth_rpc_new(&rpc);
	a->admin_rpc = (struct admin_rpc){ a->logins, a->loader, a->roster,
		a->metrics, admin.max_message };
	if (start_server(c, &a->admin, &admin, err) != 0)
		return -1;
	return start_server(c, &a->auth, &auth, err);
}

/* In this order nobody is left who could ask for what is gone: who waits for
 * a worker is answered before the sockets close. */
static void
end(struct authd *a)
{
	set_scraped(NULL);
	watch_stop(&a->watch);
	if (a->logins != NULL)
		logins_stop(a->logins);
	rpc_server_stop(&a->auth);
	rpc_server_stop(&a->admin);
	auth_rpc_free(&a->rpc);
	loader_free(&a->loader);
	logins_free(&a->logins);
	roster_free(&a->roster);
	free(a);
}

int
authd_start(struct service_context *c, struct err *err)
{
	const struct settings *s = service_settings(c);
	struct authd *a = xcalloc(1, sizeof(*a));

	a->metrics = service_metrics(c);
	if (start_logins(a, s, err) != 0)
		goto fail;
	if (start_users(a, s, err) != 0) {
		(void)service_bad_config(c);
		goto fail;
	}
	if (try_refusal(a, err) != 0 || start_servers(a, c, err) != 0)
		goto fail;
	set_scraped(a);
	metrics_on_scrape(a->metrics, on_scrape, NULL);
	service_set_data(c, a);
	return 0;
fail:
	end(a);
	return -1;
}

int
authd_reload(struct service_context *c, const struct settings *next,
    struct err *err)
{
	struct authd *a = service_data(c);
	struct logins_times times = times_of(next);
	unsigned users;

	if (loader_run(a->loader, &users, err) != 0)
		return -1;
	logins_set_times(a->logins, &times);
	return 0;
}

void
authd_stop(struct service_context *c)
{
	end(service_data(c));
}

int
authd_check(const struct settings *s, struct err *err)
{
	struct users_notes notes = { .n_errors = 0 };
	struct users_file *f;
	int rc = users_file_load(&f, s->authd.users_file, &notes);

	if (rc != 0)
		(void)users_notes_err(&notes, err);
	users_file_free(&f);
	users_notes_fini(&notes);
	return rc;
}
