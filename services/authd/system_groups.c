/* SPDX-License-Identifier: MIT */
#include "authd/system_groups.h"

#include <pthread.h>
#include <stdlib.h>

#include "authd/groups.h"
#include "authd/metrics.h"
#include "authd/pam_process.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct system_groups {
	struct notices_workers notices;
	pthread_mutex_t m;
	struct groups *cache;		/* guarded by m, as is ttl_ms */
	uint64_t ttl_ms;
	struct pam_process *processes[SYSTEM_GROUPS_THREADS];
};

static void
remember(struct system_groups *g, struct str user,
    const struct string_list *found)
{
	pthread_mutex_lock(&g->m);
	if (g->ttl_ms > 0)
		groups_put(g->cache, user, found, clock_mono_ms() + g->ttl_ms);
	pthread_mutex_unlock(&g->m);
}

/* false: `why` says why. */
static bool
take_groups(const struct pam_reply *reply, struct string_list *out,
    struct str *why)
{
	for (size_t i = 0; i < reply->n_groups; i++)
		if (!groups_add(out, reply->groups[i])) {
			*why = STR("more groups than one user may have");
			return false;
		}
	*why = reply->detail;
	return reply->verdict == PAM_VERDICT_SUCCESS;
}

static bool
ask(struct system_groups *g, const struct backend_turn *turn, struct str user,
    struct string_list *out)
{
	const struct pam_question q = { .kind = PAM_KIND_GROUPS,
		.user = user };
	struct pam_reply reply;
	struct str why;

	if (pam_process_ask(g->processes[turn->thread], &q, turn->deadline_ms,
	    &reply) != PAM_PROCESS_ANSWERED)
		reply.verdict = PAM_VERDICT_ERROR;
	if (take_groups(&reply, out, &why))
		return true;
	log_warn(NULL, "groups_unknown", log_strn("user", user),
	    log_strn("why", why));
	return false;
}

static void
count(struct system_groups *g, enum authd_lookup how, uint64_t start_us)
{
	metrics_observe(authd_cells(g->notices.metrics),
	    METRIC_authd_group_lookup_duration_seconds, how,
	    (double)(clock_mono_us() - start_us) / 1e6);
}

bool
system_groups_recall(void *arg, struct str user, struct string_list *out)
{
	struct system_groups *g = arg;
	uint64_t start_us = clock_mono_us();
	bool found;

	pthread_mutex_lock(&g->m);
	found = groups_get(g->cache, user, start_us / 1000, out);
	pthread_mutex_unlock(&g->m);
	if (found)
		count(g, AUTHD_LOOKUP_CACHED, start_us);
	return found;
}

bool
system_groups_look_up(void *arg, const struct backend_turn *turn,
    struct str user, struct string_list *out)
{
	struct system_groups *g = arg;
	uint64_t start_us = clock_mono_us();
	bool found = ask(g, turn, user, out);

	if (found)
		remember(g, user, out);
	count(g, found ? AUTHD_LOOKUP_OK : AUTHD_LOOKUP_ERROR, start_us);
	return found;
}

/* ---- life ---- */

struct system_groups *
system_groups_new(const struct authd_config *cfg,
    const struct notices_workers *w)
{
	struct system_groups *g = xcalloc(1, sizeof(*g));
	const struct pam_process_options o = {
		.recycle_after = cfg->recycle_after,
		.on_restart = notices_on_restart, .arg = &g->notices,
	};

	g->notices = *w;
	g->ttl_ms = cfg->group_ttl;
	g->cache = groups_new(cfg->cache_entries);
	pthread_mutex_init(&g->m, NULL);
	for (unsigned i = 0; i < SYSTEM_GROUPS_THREADS; i++)
		g->processes[i] = pam_process_new(&o);
	return g;
}

void
system_groups_set_ttl(struct system_groups *g, uint64_t ttl_ms)
{
	pthread_mutex_lock(&g->m);
	g->ttl_ms = ttl_ms;
	groups_flush(g->cache);
	pthread_mutex_unlock(&g->m);
}

void
system_groups_interrupt(struct system_groups *g)
{
	for (unsigned i = 0; i < SYSTEM_GROUPS_THREADS; i++)
		pam_process_interrupt(g->processes[i]);
}

void
system_groups_free(struct system_groups **gp)
{
	struct system_groups *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	for (unsigned i = 0; i < SYSTEM_GROUPS_THREADS; i++)
		pam_process_free(&g->processes[i]);
	groups_free(&g->cache);
	pthread_mutex_destroy(&g->m);
	free(g);
}
