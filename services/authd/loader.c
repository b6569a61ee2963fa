/* SPDX-License-Identifier: MIT */
#include "authd/loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "authd/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct loader {
	struct loader_options o;
	pthread_mutex_t m;	/* one load at a time, in order */
	_Atomic unsigned users;
	_Atomic uint64_t loaded_us;
};

struct loader *
loader_new(const struct loader_options *o)
{
	struct loader *l = xcalloc(1, sizeof(*l));

	l->o = *o;
	pthread_mutex_init(&l->m, NULL);
	return l;
}

static void
log_lines(const char *event, const struct string_list *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		log_warn(NULL, event, log_str("what", lines->v[i]));
}

static void
on_rejected(struct loader *l, const struct users_notes *notes)
{
	metrics_add(authd_cells(l->o.metrics), METRIC_authd_reloads_total,
	    AUTHD_RELOAD_REJECTED, 1);
	log_error(NULL, "users_rejected", log_str("path", l->o.path),
	    log_u64("errors", notes->n_errors));
	log_lines("users_error", &notes->errors);
}

static void
on_loaded(struct loader *l, unsigned users, const struct users_notes *notes)
{
	metrics_add(authd_cells(l->o.metrics), METRIC_authd_reloads_total,
	    AUTHD_RELOAD_OK, 1);
	log_info(NULL, "users_loaded", log_str("path", l->o.path),
	    log_u64("users", users),
	    log_u64("warnings", notes->warnings.n));
	log_lines("users_warning", &notes->warnings);
}

int
loader_run(struct loader *l, unsigned *users, struct err *err)
{
	struct users_notes notes = { .n_errors = 0 };
	struct users_file *f;
	int rc = -1;

	pthread_mutex_lock(&l->m);
	if (users_file_load(&f, l->o.path, &notes) == 0) {
		*users = (unsigned)users_file_count(f);
		roster_replace(l->o.roster, &f);
		/* After that: what is checked now goes by the new table. */
		logins_flush(l->o.logins);
		l->users = *users;
		l->loaded_us = clock_wall_us();
		on_loaded(l, *users, &notes);
		rc = 0;
	} else {
		on_rejected(l, &notes);
		(void)users_notes_err(&notes, err);
	}
	pthread_mutex_unlock(&l->m);
	users_notes_fini(&notes);
	return rc;
}

struct loader_state
loader_state(const struct loader *l)
{
	return (struct loader_state){ l->users, l->loaded_us };
}

void
loader_free(struct loader **lp)
{
	struct loader *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	pthread_mutex_destroy(&l->m);
	free(l);
}
