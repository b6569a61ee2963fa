/* SPDX-License-Identifier: MIT */
#include "service/ready.h"

#include <string.h>

void
ready_init(struct ready *r)
{
	pthread_mutex_init(&r->lock, NULL);
	r->n = 0;
}

/* The index of `what`, which is added where it is new. */
static size_t
subject(struct ready *r, const char *what)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->subjects[i].what, what) == 0)
			return i;
	ASSERT(r->n < READY_MAX);
	r->subjects[r->n].what = what;
	r->subjects[r->n].why[0] = '\0';
	return r->n++;
}

bool
ready_set(struct ready *r, const char *what, const char *why)
{
	struct text t;
	bool was, is;
	char *have;

	pthread_mutex_lock(&r->lock);
	have = r->subjects[subject(r, what)].why;
	was = *have != '\0';
	t = text_on(have, READY_TEXT_SIZE);
	if (why != NULL)
		text_escaped(&t, *why ? str_from(why) : STR("not ready"));
	is = *have != '\0';
	pthread_mutex_unlock(&r->lock);
	return was != is;
}

bool
ready_tell(struct ready *r, struct bytes *out)
{
	bool ready = true;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->n; i++) {
		if (r->subjects[i].why[0] == '\0')
			continue;
		ready = false;
		bytes_fmt(out, "%s: %s\n", r->subjects[i].what,
		    r->subjects[i].why);
	}
	pthread_mutex_unlock(&r->lock);
	return ready;
}

void
ready_fini(struct ready *r)
{
	pthread_mutex_destroy(&r->lock);
}
