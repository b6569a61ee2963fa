/* SPDX-License-Identifier: MIT */
#include "authd/roster.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

struct version {
	struct roster_version shown;
	unsigned pins;		/* being in force is one of them */
};

struct roster {
	pthread_mutex_t m;
	struct version *current;
};

struct roster *
roster_new(void)
{
	struct roster *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->m, NULL);
	return r;
}

static void
let_go(struct roster *r, struct version *v)
{
	unsigned left;

	if (v == NULL)
		return;
	pthread_mutex_lock(&r->m);
	ASSERT(v->pins > 0);
	left = --v->pins;
	pthread_mutex_unlock(&r->m);
	if (left > 0)
		return;
	users_file_free(&v->shown.file);
	free(v);
}

const struct roster_version *
roster_pin(struct roster *r)
{
	struct version *v;

	pthread_mutex_lock(&r->m);
	v = r->current;
	if (v != NULL)
		v->pins++;
	pthread_mutex_unlock(&r->m);
	return v == NULL ? NULL : &v->shown;
}

void
roster_unpin(struct roster *r, const struct roster_version **vp)
{
	const struct roster_version *shown = *vp;

	*vp = NULL;
	if (shown != NULL)
		let_go(r, container_of(shown, struct version, shown));
}

void
roster_replace(struct roster *r, struct users_file **fp)
{
	struct version *v = xcalloc(1, sizeof(*v)), *old;

	*v = (struct version){ .shown.file = *fp, .pins = 1 };
	*fp = NULL;
	pthread_mutex_lock(&r->m);
	old = r->current;
	r->current = v;
	pthread_mutex_unlock(&r->m);
	let_go(r, old);
}

void
roster_free(struct roster **rp)
{
	struct roster *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	ASSERT(r->current == NULL || r->current->pins == 1);
	let_go(r, r->current);
	pthread_mutex_destroy(&r->m);
	free(r);
}
