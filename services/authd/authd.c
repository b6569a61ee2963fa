/* SPDX-License-Identifier: MIT */
#include "authd/authd.h"

#include <pthread.h>
#include <stdlib.h>

#include "audit/telemetry.h"
#include "authd/admin_rpc.h"
#include "authd/auth_rpc.h"
#include "authd/metrics.h"
#include "authd/pam_backend.h"
#include "authd/system_groups.h"
#include "authd/users_backend.h"
#include "authd/workers.h"
#include "base/cores.h"
#include "base/mem.h"
#include "service/watch.h"

/* Requests at once on `auth`: those that wait for a check, and some more for
 * those that need none. */
#define CONTEXTS_MAX 1024
#define CONTEXTS_SPARE 64
#define CONTEXTS_OF_METHOD ((CONTEXTS_MAX - CONTEXTS_SPARE) / AUTH_METHODS)
#define ADMIN_CONTEXTS 8
#define HASH_WORKERS_MAX 64	/* as the configuration's */
#define HASH_ASIDE_MS 1000

/* The threads for what takes its time. */
enum pool { POOL_HASH, POOL_PAM, POOL_ADDRESS, POOL_GROUPS, POOLS };

struct authd {
	struct roster *roster;
	struct users_backend users;
	/* Apart, so that addresses, of which anybody has some, cannot use up
	 * the processes that logins need. */
	struct pam_backend *pam_names, *pam_addresses;
	struct system_groups *groups;
	struct workers *threads[POOLS];
	struct logins *logins;
	struct loader *loader;
	struct metrics *metrics;
	struct telemetry *telemetry;
	struct telemetry_counts told;	/* those in the metrics; of scrapes */
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
set_workers(struct authd *a, struct metrics_cells *cells)
{
	unsigned busy = pam_backend_busy(a->pam_names) +
	    pam_backend_busy(a->pam_addresses);
	unsigned all = pam_backend_size(a->pam_names) +
	    pam_backend_size(a->pam_addresses);

	metrics_gauge_set(cells, METRIC_authd_workers, AUTHD_WORKER_BUSY,
	    busy);
	metrics_gauge_set(cells, METRIC_authd_workers, AUTHD_WORKER_IDLE,
	    all - busy);
}

static void
count_told(struct authd *a, struct metrics_cells *cells)
{
	struct telemetry_counts n = telemetry_counts(a->telemetry);

	metrics_add(cells, METRIC_authd_telemetry_events_total,
	    AUTHD_TOLD_SENT, n.sent - a->told.sent);
	metrics_add(cells, METRIC_authd_telemetry_events_total,
	    AUTHD_TOLD_FOLDED, n.folded - a->told.folded);
	metrics_add(cells, METRIC_authd_telemetry_events_total,
	    AUTHD_TOLD_DROPPED, n.dropped - a->told.dropped);
	a->told = n;
}

static void
set_gauges(struct authd *a, struct metrics_cells *cells)
{
	struct logins_counts n = logins_counts(a->logins);
	struct loader_state s = loader_state(a->loader);
	unsigned queued = 0;

	for (enum pool p = 0; p < POOLS; p++)
		queued += workers_queued(a->threads[p]);
	metrics_gauge_set(cells, METRIC_authd_queue_depth, 0, queued);
	metrics_gauge_set(cells, METRIC_authd_cache_entries, 0,
	    (int64_t)n.cached);
	metrics_gauge_set(cells, METRIC_authd_failure_memory_entries, 0,
	    (int64_t)(n.guessing.users + n.guessing.sources +
		n.guessing.pairs + n.guessing.known));
	set_workers(a, cells);
	count_told(a, cells);
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

static struct logins_rules
rules_of(const struct authd_config *cfg)
{
	return (struct logins_rules){
		.cache_ttl_ms = cfg->cache_ttl, .deadline_ms = cfg->deadline,
		.group_timeout_ms = cfg->group_timeout,
		.file_groups = config_has_word(&cfg->group_sources,
		    config_group_sources[CONFIG_GROUPS_FILE]),
		.system_groups = config_has_word(&cfg->group_sources,
		    config_group_sources[CONFIG_GROUPS_NSS]),
		.guessing = {
			.per_user = cfg->guessing_per_user,
			.per_source = cfg->guessing_per_source,
			.total = cfg->guessing_total,
			.delay_base_ms = cfg->guessing_delay_base,
			.delay_max_ms = cfg->guessing_delay_max,
			.window_ms = cfg->guessing_window,
		},
	};
}

/* Hashes take all cores, but for one while others are answered without. */
static struct workers_options
hash_workers(const struct authd_config *cfg)
{
	unsigned cores = cores_usable();
	unsigned n = cfg->hash_workers > 0 ? cfg->hash_workers :
	    cores < HASH_WORKERS_MAX ? cores : HASH_WORKERS_MAX;

	return (struct workers_options){ "hash", n, cfg->queue,
		.aside_ms = n < cores ? 0 : HASH_ASIDE_MS };
}

/* Adds to how many requests may be under way. */
static int
start_threads(struct authd *a, const struct authd_config *cfg,
    struct err *err)
{
	const struct workers_options pools[POOLS] = {
		[POOL_HASH] = hash_workers(cfg),
		[POOL_PAM] = { "pam", cfg->workers, cfg->queue, 0 },
		[POOL_ADDRESS] = { "pam_address", cfg->workers, cfg->queue, 0 },
		[POOL_GROUPS] = { "groups", SYSTEM_GROUPS_THREADS,
		    cfg->queue, 0 },
	};

	for (enum pool p = 0; p < POOLS; p++) {
		if (workers_start(&a->threads[p], &pools[p], err) != 0)
			return -1;
		a->contexts += pools[p].threads + pools[p].queue;
	}
	return 0;
}

static void
make_backends(struct authd *a, const struct authd_config *cfg)
{
	struct notices_workers w = { a->metrics, a->telemetry, NULL };

	a->roster = roster_new();
	a->users = (struct users_backend){ a->roster, passhash_verify };
	w.method = auth_method_names[AUTH_PAM_USERNAME];
	a->pam_names = pam_backend_new(cfg, a->roster, &w);
	w.method = auth_method_names[AUTH_PAM_ADDRESS];
	a->pam_addresses = pam_backend_new(cfg, a->roster, &w);
	w.method = "groups";
	a->groups = system_groups_new(cfg, &w);
}

static int
start_logins(struct authd *a, const struct settings *s, struct err *err)
{
	const struct authd_config *cfg = &s->authd;
	struct logins_rules rules = rules_of(cfg);
	struct logins_options o = {
		.encode = auth_rpc_encode, .cache_entries = cfg->cache_entries,
		.guessing_entries = cfg->guessing_entries,
	};

	if (start_threads(a, cfg, err) != 0)
		return -1;
	make_backends(a, cfg);
	o.methods[AUTH_USERPASS] = (struct logins_method){
		users_backend_ops(&a->users), a->threads[POOL_HASH] };
	o.methods[AUTH_PAM_USERNAME] = (struct logins_method){
		pam_backend_username(a->pam_names), a->threads[POOL_PAM] };
	o.methods[AUTH_PAM_ADDRESS] = (struct logins_method){
		pam_backend_address(a->pam_addresses),
		a->threads[POOL_ADDRESS] };
	o.aside = a->threads[POOL_HASH];
	o.groups = (struct logins_groups){ a->groups,
		a->threads[POOL_GROUPS], system_groups_recall,
		system_groups_look_up };
	o.flights_max = a->contexts;
	if (a->contexts > CONTEXTS_OF_METHOD)
		a->contexts = CONTEXTS_OF_METHOD;
	o.waiters_max = a->contexts;
	a->contexts = AUTH_METHODS * a->contexts + CONTEXTS_SPARE;
	a->logins = logins_new(&o, &rules);
	return 0;
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
	const struct backend_turn turn = { .deadline_ms = UINT64_MAX };
	struct backend b = users_backend_ops(&a->users);
	struct auth_answer answer;
	bool refused;

	b.check(b.arg, &turn, &q, &answer);
	refused = answer.result == AUTH_FAILED;
	auth_answer_fini(&answer);
	if (refused)
		return 0;
	return err_set(err, "password hashes cannot be computed here");
}

static int
start_server(struct service_context *c, struct rpc_server **out,
    struct rpc_server_options *o, struct err *err)
{
	o->address = service_bus(c, o->name);
	return rpc_server_start(out, o, err);
}

static int
start_servers(struct authd *a, struct service_context *c, struct err *err)
{
	const struct settings *s = service_settings(c);
	const struct auth_rpc_options rpc = { a->logins, a->metrics,
		a->telemetry, a->contexts };
	struct rpc_server_options auth = { .name = "auth",
		.methods = auth_rpc_auth, .contexts = a->contexts,
		.on_malformed = auth_rpc_on_malformed,
		.group = service_bus_group(c),
		.max_message = s->bus.max_message };
	struct rpc_server_options admin = { .name = "admin_auth",
		.methods = admin_rpc_methods, .contexts = ADMIN_CONTEXTS,
		.arg = &a->admin_rpc, .on_malformed = admin_rpc_on_malformed,
		.group = service_admin_group(c),
		.max_message = s->bus.max_admin };

	auth.arg = a->rpc = auth_rpc_new(&rpc);
	a->admin_rpc = (struct admin_rpc){ a->logins, a->loader, a->roster,
		a->threads[POOL_HASH], a->metrics, admin.max_message };
	if (start_server(c, &a->admin, &admin, err) != 0)
		return -1;
	return start_server(c, &a->auth, &auth, err);
}

/* Who waits for a thread is answered. */
static void
stop_threads(struct authd *a)
{
	if (a->pam_names != NULL)
		pam_backend_interrupt(a->pam_names);
	if (a->pam_addresses != NULL)
		pam_backend_interrupt(a->pam_addresses);
	if (a->groups != NULL)
		system_groups_interrupt(a->groups);
	for (enum pool p = 0; p < POOLS; p++)
		if (a->threads[p] != NULL)
			workers_stop(a->threads[p]);
}

/* In this order nobody is left who could ask for what is gone: all are
 * answered before the sockets close. */
static void
end(struct authd *a)
{
	set_scraped(NULL);
	watch_stop(&a->watch);
	stop_threads(a);
	rpc_server_stop(&a->auth);
	rpc_server_stop(&a->admin);
	auth_rpc_free(&a->rpc);
	loader_free(&a->loader);
	for (enum pool p = 0; p < POOLS; p++)
		workers_free(&a->threads[p]);
	logins_free(&a->logins);
	pam_backend_free(&a->pam_names);
	pam_backend_free(&a->pam_addresses);
	system_groups_free(&a->groups);
	roster_free(&a->roster);
	telemetry_close(&a->telemetry);
	free(a);
}

static int
start_telemetry(struct authd *a, struct service_context *c, struct err *err)
{
	const struct settings *s = service_settings(c);
	const struct telemetry_options o = {
		.component = "authd", .address = service_bus(c, "events"),
		.max_message = s->bus.max_batch,
		.reconnect_max_ms = (uint32_t)s->bus.reconnect_max,
		.group = service_bus_group(c),
	};

	return telemetry_open(&a->telemetry, &o, err);
}

/* A service without a file would be answered by PAM's service `other`. */
static int
check_pam(const struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->listeners.n; i++) {
		const struct listener_config *l = &s->listeners.v[i];
		bool username = config_has_word(&l->socks_methods,
		    auth_method_names[AUTH_PAM_USERNAME]);
		bool address = config_has_word(&l->client_methods,
		    auth_method_names[AUTH_PAM_ADDRESS]);

		if (!s->authd.pam_verify_service)
			return 0;
		if (username && pam_backend_verify(&s->authd,
		    AUTH_PAM_USERNAME, err) != 0)
			return -1;
		if (address && pam_backend_verify(&s->authd, AUTH_PAM_ADDRESS,
		    err) != 0)
			return -1;
	}
	return 0;
}

int
authd_start(struct service_context *c, struct err *err)
{
	const struct settings *s = service_settings(c);
	struct authd *a = xcalloc(1, sizeof(*a));

	a->metrics = service_metrics(c);
	if (check_pam(s, err) != 0) {
		(void)service_bad_config(c);
		goto fail;
	}
	if (start_telemetry(a, c, err) != 0 || start_logins(a, s, err) != 0)
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
	struct logins_rules rules = rules_of(&next->authd);
	unsigned users;

	if (loader_run(a->loader, &users, err) != 0)
		return -1;
	system_groups_set_ttl(a->groups, next->authd.group_ttl);
	logins_set_rules(a->logins, &rules);
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
	return rc == 0 ? check_pam(s, err) : rc;
}
