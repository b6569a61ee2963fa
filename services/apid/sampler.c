/* SPDX-License-Identifier: MIT */
#include "apid/sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "apid/ask.h"
#include "apid/users.h"
#include "base/clock.h"
#include "base/mem.h"

#define ROUND_MS 1000
#define PROBE_ROUNDS 2		/* daemons are asked every second round */
#define PROBE_MS 1000
#define USERS_ROUNDS 10

const char *const sampler_names[SAMPLER_DAEMONS] = {
	"proxy", "authd", "acld", "sessiond", "apid",
};

struct sampler {
	struct sampler_options o;
	struct query *query;		/* its thread's */
	struct query_totals last, lost;	/* its thread's, see keep_rising */
	char *namespace;		/* of users' metrics */
	struct users *users;		/* its thread's; NULL: not wanted */
	uint64_t users_window_us;	/* its thread's, see query_users */
	atomic_bool stop;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct sample sample;		/* guarded by lock */
	struct bytes users_page;	/* guarded by lock */
};

/*
 * Retention takes hours off the sums, and a counter that falls looks as if it
 * had begun again. What was lost since this process began is kept and added.
 */
static void
keep_rising(uint64_t *now, uint64_t *last, uint64_t *lost)
{
	if (*now < *last)
		*lost += *last - *now;
	*last = *now;
	*now += *lost;
}

/* A member that is a number, or an array of them. */
#define COUNTER(m) \
	{ offsetof(struct query_totals, m), \
		sizeof(((struct query_totals *)0)->m) / sizeof(uint64_t) }

static uint64_t *
number_in(struct query_totals *t, size_t at, size_t i)
{
	return (uint64_t *)(void *)((char *)t + at) + i;
}

static void
keep_all_rising(struct sampler *s, struct query_totals *now)
{
	static const struct {
		size_t at, n;
	} counters[] = {
		COUNTER(tried),
		COUNTER(all.rejected),
		COUNTER(all.allowed),
		COUNTER(all.blocked),
		COUNTER(all.redirected),
		COUNTER(all.bytes_up),
		COUNTER(all.bytes_down),
		COUNTER(reasons),
		COUNTER(other_reasons),
		COUNTER(durations),
		COUNTER(duration_us),
	};

	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		for (size_t j = 0; j < counters[i].n; j++)
			keep_rising(number_in(now, counters[i].at, j),
			    number_in(&s->last, counters[i].at, j),
			    number_in(&s->lost, counters[i].at, j));
}

static void
look_at_database(struct sampler *s)
{
	struct query_totals totals = { 0 };
	struct ask ask = ask_begin(s->o.metrics, QUESTION_TOTALS);
	enum query_result r = query_totals(s->query, clock_wall_us(),
	    &totals);

	ask_end(&ask, r);
	if (r == QUERY_OK)
		keep_all_rising(s, &totals);
	pthread_mutex_lock(&s->lock);
	s->sample.readable = r == QUERY_OK;
	if (r == QUERY_OK) {
		s->sample.known = true;
		s->sample.totals = totals;
		s->sample.schema = query_schema(s->query);
	}
	s->sample.why[0] = '\0';
	if (r != QUERY_OK) {
		struct text t = text_on(s->sample.why, sizeof(s->sample.why));

		text_escaped(&t, str_from(query_why(s->query)));
	}
	pthread_mutex_unlock(&s->lock);
	if (s->o.on_database != NULL)
		s->o.on_database(s->o.arg, r == QUERY_OK ? NULL :
		    query_why(s->query));
}

static void
add_user(void *arg, const struct query_user *u)
{
	users_add(arg, u);
}

/* A failure leaves all as it was: the next round counts its growth too. */
static void
look_at_users(struct sampler *s)
{
	struct ask ask = ask_begin(s->o.metrics, QUESTION_TOTALS);
	enum query_result r;

	users_begin(s->users);
	r = query_users(s->query, clock_wall_us(), &s->users_window_us,
	    add_user, s->users);
	ask_end(&ask, r);
	if (r != QUERY_OK)
		return;
	users_end(s->users);
	pthread_mutex_lock(&s->lock);
	bytes_clear(&s->users_page);
	users_expose(s->users, &s->users_page, s->namespace);
	pthread_mutex_unlock(&s->lock);
}

static void
look_at_daemons(struct sampler *s)
{
	struct probe probes[SAMPLER_DAEMONS] = { 0 };

	for (size_t i = 0; i < SAMPLER_DAEMONS; i++)
		probes[i].at = s->o.daemons[i];
	probe_all(probes, SAMPLER_DAEMONS, PROBE_MS);
	pthread_mutex_lock(&s->lock);
	memcpy(s->sample.daemons, probes, sizeof(probes));
	pthread_mutex_unlock(&s->lock);
}

static void
sleep_ms(struct sampler *s, unsigned ms)
{
	const struct timespec until = clock_in_ms(ms);

	pthread_mutex_lock(&s->lock);
	while (!atomic_load(&s->stop) &&
	    pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT)
		continue;
	pthread_mutex_unlock(&s->lock);
}

static void *
run(void *arg)
{
	struct sampler *s = arg;

	for (unsigned round = 0; !atomic_load(&s->stop); round++) {
		if (round % PROBE_ROUNDS == 0)
			look_at_daemons(s);
		sleep_ms(s, ROUND_MS);
		if (atomic_load(&s->stop))
			break;
		look_at_database(s);
		if (s->users != NULL && round % USERS_ROUNDS == 0)
			look_at_users(s);
	}
	return NULL;
}

static void
sampler_free(struct sampler **sp)
{
	struct sampler *s = *sp;

	query_free(&s->query);
	users_free(&s->users);
	bytes_fini(&s->users_page);
	free(s->namespace);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
	*sp = NULL;
}

int
sampler_start(struct sampler **out, const struct sampler_options *o,
    struct err *err)
{
	struct sampler *s = xcalloc(1, sizeof(*s));

	s->o = *o;
	s->query = query_new(o->source);
	if (o->config != NULL) {
		s->users = users_new(o->config);
		s->namespace = xstrdup(o->config->namespace);
	}
	pthread_mutex_init(&s->lock, NULL);
	clock_cond_init(&s->wake);
	look_at_database(s);
	errno = pthread_create(&s->thread, NULL, run, s);
	if (errno != 0) {
		sampler_free(&s);
		return err_sys(err, "no thread for the sampler");
	}
	*out = s;
	return 0;
}

void
sampler_get(struct sampler *s, struct sample *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->sample;
	pthread_mutex_unlock(&s->lock);
}

void
sampler_users(struct sampler *s, struct bytes *out)
{
	pthread_mutex_lock(&s->lock);
	bytes_add(out, s->users_page.ptr, s->users_page.len);
	pthread_mutex_unlock(&s->lock);
}

void
sampler_stop(struct sampler **sp)
{
	struct sampler *s = *sp;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->stop, true);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	sampler_free(sp);
}
