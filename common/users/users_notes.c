/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "users/users_impl.h"

static void add(struct string_list *l, const char *fmt, va_list ap)
    PRINTF_LIKE(2, 0);

static void
add(struct string_list *l, const char *fmt, va_list ap)
{
	char line[ERR_TEXT_MAX];
	struct text t = text_on(line, sizeof(line));

	if (l->n == USERS_NOTES_MAX)
		return;
	text_vfmt(&t, fmt, ap);
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = xstrdup(line);
}

void
users_notes_error(struct users_notes *notes, const char *fmt, ...)
{
	va_list ap;

	notes->n_errors++;
	va_start(ap, fmt);
	add(&notes->errors, fmt, ap);
	va_end(ap);
}

void
users_notes_warn(struct users_notes *notes, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(&notes->warnings, fmt, ap);
	va_end(ap);
}

int
users_notes_err(const struct users_notes *notes, struct err *err)
{
	char all[ERR_TEXT_MAX];
	struct text t = text_on(all, sizeof(all));

	for (size_t i = 0; i < notes->errors.n; i++)
		text_fmt(&t, "%s%s", i > 0 ? "\n" : "", notes->errors.v[i]);
	return err_set(err, "%s", all);
}

static void
list_fini(struct string_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct string_list){ 0 };
}

void
users_notes_fini(struct users_notes *notes)
{
	list_fini(&notes->errors);
	list_fini(&notes->warnings);
	notes->n_errors = 0;
}
