/* SPDX-License-Identifier: MIT */
#include "acld/policy_notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void
policy_notes_add(struct policy_notes *notes, const char *path, unsigned line,
    unsigned column, const char *fmt, ...)
{
	char what[ERR_TEXT_MAX], whole[ERR_TEXT_MAX];
	struct text text = text_on(whole, sizeof(whole));
	va_list ap;

	notes->total++;
	if (notes->n == POLICY_NOTES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (path != NULL) {
		text_escaped(&text, str_from(path));
		text_fmt(&text, ":%u:%u: ", line, column);
	}
	text_escaped(&text, str_from(what));
	notes->v[notes->n++] = xstrdup(whole);
}

int
policy_notes_err(const struct policy_notes *notes, struct err *err)
{
	char all[ERR_TEXT_MAX];
	struct text text = text_on(all, sizeof(all));

	for (unsigned i = 0; i < notes->n; i++)
		text_fmt(&text, "%s%s", i == 0 ? "" : "\n", notes->v[i]);
	return err_set(err, "%s", all);
}

int
policy_notes_first(const struct policy_notes *notes, struct err *err)
{
	if (notes->total <= 1)
		return policy_notes_err(notes, err);
	return err_set(err, "%s (and %u more)", notes->v[0], notes->total - 1);
}

void
policy_notes_fini(struct policy_notes *notes)
{
	for (unsigned i = 0; i < notes->n; i++)
		free(notes->v[i]);
	memset(notes, 0, sizeof(*notes));
}
