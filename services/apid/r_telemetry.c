/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <string.h>

#include "apid/ask.h"
#include "apid/json.h"
#include "apid/page.h"
#include "apid/resources.h"

#define MINUTE_US UINT64_C(60000000)
#define DAY_MINUTES 1440
#define MINUTES_MAX 5256000	/* ten years */
#define LIMIT 100
#define LIMIT_MAX 500

static const struct param_word severities[] = {
	{ "info", SEVERITY_INFO }, { "warning", SEVERITY_WARNING },
	{ "error", SEVERITY_ERROR }, { NULL, 0 },
};

const struct param events_params[] = {
	{ "minutes", PARAM_NUMBER, 1, MINUTES_MAX, false, NULL, "1440",
		"Noticed within so many minutes; not with since or until" },
	{ "since", PARAM_TIME, 0, 0, false, NULL, NULL,
		"Noticed at or after: RFC 3339, or -24h" },
	{ "until", PARAM_TIME, 0, 0, false, NULL, NULL,
		"Noticed before: RFC 3339, or -1h" },
	{ "severity", PARAM_WORD, 0, 0, true, severities, NULL,
		"Exactly this one, or one of these" },
	{ "category", PARAM_TEXT, 0, RECORD_NAME_MAX, true, NULL, NULL,
		"Such as auth or security" },
	{ "limit", PARAM_NUMBER, 1, LIMIT_MAX, false, NULL, "100",
		"Rows of a page" },
	{ "cursor", PARAM_TEXT, 0, 1024, false, NULL, NULL,
		"next_cursor of the page before; the other parameters "
		"must be the same" },
	{ 0 }
};

static bool
take_filter(struct call *c, struct query_event_filter *f)
{
	for (size_t i = 0; i < c->params->n; i++) {
		const struct param_value *v = &c->params->v[i];

		if (v->param->type == PARAM_WORD) {
			f->severities |= 1u << v->number;
			continue;
		}
		if (strcmp(v->param->name, "category") != 0)
			continue;
		if (f->n_categories == QUERY_CATEGORIES_MAX)
			return call_bad_parameter(c, "category",
			    "there are more than 8 values");
		f->categories[f->n_categories++] = v->text;
	}
	return true;
}

static void
on_event(void *arg, const struct query_event *e)
{
	json_array_append_new(arg, json_event(e));
}

static void
give_page(struct call *c, const struct query_event_filter *f,
    const struct cursor *at)
{
	struct ask ask = ask_begin(api_metrics(c->api), QUESTION_EVENTS);
	json_t *items = json_array(), *o;
	struct query_page page;
	enum query_result r;

	r = query_events(c->query, f, on_event, items, &page);
	ask_end(&ask, r);
	if (r != QUERY_OK) {
		json_decref(items);
		call_query_failed(c, r);
		return;
	}
	o = json_pack("{s:o, s:o}", "items", items, "next_cursor",
	    page_next(c, at, &page));
	json_write(&c->response->body, o);
	json_decref(o);
}

void
telemetry_events(struct call *c)
{
	static const struct page_back minutes = { "minutes", MINUTE_US,
		DAY_MINUTES };
	struct query_event_filter f = { .n_categories = 0 };
	struct cursor at = { .since_us = 0 };

	if (!take_filter(c, &f) || !page_times(c, &minutes, &at) ||
	    !page_cursor(c, &at, &f.after))
		return;
	f.since_us = at.since_us;
	f.until_us = at.until_us;
	f.key = at.key;
	f.limit = (unsigned)params_number(c->params, "limit", LIMIT);
	give_page(c, &f, &at);
}
