/* SPDX-License-Identifier: MIT */
#include "apid/page.h"

#include "apid/routes.h"

bool
page_times(struct call *c, const struct page_back *back, struct cursor *at)
{
	const struct param_value *since = params_get(c->params, "since");
	const struct param_value *until = params_get(c->params, "until");
	const struct param_value *given = params_get(c->params, back->name);
	uint64_t back_us = (given != NULL ? given->number : back->absent) *
	    back->unit_us;

	if (given != NULL && (since != NULL || until != NULL))
		return call_bad_parameter(c, back->name,
		    "not together with since or until");
	at->until_us = until != NULL ? until->number : INT64_MAX;
	if (since != NULL) {
		at->since_us = since->number;
	} else {
		uint64_t end = until != NULL ? until->number : c->now_us;

		at->since_us = end > back_us ? end - back_us : 0;
	}
	if (at->since_us >= at->until_us)
		return call_bad_parameter(c, "until", "must be after since");
	return true;
}

/* What a cursor is bound to. */
static struct bytes
bound_of(const struct call *c)
{
	struct bytes b = { 0 };

	bytes_fmt(&b, "%s\n", c->route->path);
	params_canonical(c->params, c->route->params, &b);
	return b;
}

bool
page_cursor(struct call *c, struct cursor *at, bool *after)
{
	const struct param_value *v = params_get(c->params, "cursor");
	struct bytes bound;
	struct cursor cursor;
	bool good;

	*after = v != NULL;
	if (v == NULL)
		return true;
	bound = bound_of(c);
	good = cursor_read(&cursor, v->text, c->who.digest,
	    (struct str){ bound.ptr, bound.len });
	bytes_fini(&bound);
	if (!good)
		return call_bad_parameter(c, "cursor",
		    "not the next_cursor of a page of this question");
	*at = cursor;
	return true;
}

json_t *
page_next(const struct call *c, const struct cursor *at,
    const struct query_page *page)
{
	struct cursor next = { at->since_us, at->until_us, page->last };
	struct bytes bound;
	char text[CURSOR_TEXT_SIZE];

	if (!page->more)
		return json_null();
	bound = bound_of(c);
	cursor_write(text, &next, c->who.digest,
	    (struct str){ bound.ptr, bound.len });
	bytes_fini(&bound);
	return json_string(text);
}
