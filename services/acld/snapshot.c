/* SPDX-License-Identifier: MIT */
#include "acld/snapshot.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

struct version {
	struct snapshot_version shown;
	struct policy *policy;
	char **warnings;
	unsigned pins;		/* being in force is one of them */
};

struct snapshot {
	pthread_mutex_t m;
	struct version *current;
};

struct snapshot *
snapshot_new(void)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->m, NULL);
	return s;
}

static void
version_free(struct version *v)
{
	for (unsigned i = 0; i < v->shown.n_warnings; i++)
		free(v->warnings[i]);
	free(v->warnings);
	policy_free(&v->policy);
	free(v);
}

static void
let_go(struct snapshot *s, struct version *v)
{
	unsigned left;

	if (v == NULL)
		return;
	pthread_mutex_lock(&s->m);
	ASSERT(v->pins > 0);
	left = --v->pins;
	pthread_mutex_unlock(&s->m);
	if (left == 0)
		version_free(v);
}

const struct snapshot_version *
snapshot_pin(struct snapshot *s)
{
	struct version *v;

	pthread_mutex_lock(&s->m);
	v = s->current;
	if (v != NULL)
		v->pins++;
	pthread_mutex_unlock(&s->m);
	return v == NULL ? NULL : &v->shown;
}

void
snapshot_unpin(struct snapshot *s, const struct snapshot_version **vp)
{
	const struct snapshot_version *shown = *vp;

	*vp = NULL;
	if (shown != NULL)
		let_go(s, container_of(shown, struct version, shown));
}

static struct version *
version_new(struct policy *p, char *const *warnings, unsigned n)
{
	struct version *v = xcalloc(1, sizeof(*v));

	v->policy = p;
	v->pins = 1;
	v->warnings = xcalloc(n + 1, sizeof(*v->warnings));
	for (unsigned i = 0; i < n; i++)
		v->warnings[i] = xstrdup(warnings[i]);
	v->shown = (struct snapshot_version){ .policy = p,
		.warnings = v->warnings, .n_warnings = n };
	return v;
}

uint64_t
snapshot_activate(struct snapshot *s, struct policy **pp,
    char *const *warnings, unsigned n_warnings)
{
	struct version *v = version_new(*pp, warnings, n_warnings), *old;
	uint64_t generation = clock_wall_us();

	*pp = NULL;
	pthread_mutex_lock(&s->m);
	old = s->current;
	/* The wall clock may stand still or be set back. */
	if (old != NULL && generation <= old->shown.generation)
		generation = old->shown.generation + 1;
	v->shown.generation = generation;
	s->current = v;
	pthread_mutex_unlock(&s->m);
	let_go(s, old);
	return generation;
}

uint64_t
snapshot_generation(struct snapshot *s)
{
	uint64_t generation;

	pthread_mutex_lock(&s->m);
	generation = s->current == NULL ? 0 : s->current->shown.generation;
	pthread_mutex_unlock(&s->m);
	return generation;
}

void
snapshot_free(struct snapshot **sp)
{
	struct snapshot *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	ASSERT(s->current == NULL || s->current->pins == 1);
	let_go(s, s->current);
	pthread_mutex_destroy(&s->m);
	free(s);
}
