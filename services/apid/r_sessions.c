/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <string.h>

#include "apid/ask.h"
#include "apid/json.h"
#include "apid/page.h"
#include "apid/resources.h"

#define HOUR_US UINT64_C(3600000000)
#define DAY_US (24 * HOUR_US)
#define HOURS_MAX 87600		/* ten years */
#define LIMIT 100
#define LIMIT_MAX 1000

/* ---- parameters ---- */

static const struct param_word statuses[] = {
	{ "closed", STATUS_CLOSED }, { "failed", STATUS_FAILED },
	{ "rejected", STATUS_REJECTED },
	{ "rejected_by_acl", STATUS_REJECTED }, { NULL, 0 },
};
static const struct param_word decisions[] = {
	{ "allow", DECISION_ALLOW }, { "block", DECISION_BLOCK },
	{ "redirect", DECISION_REDIRECT }, { NULL, 0 },
};
static const struct param_word protocols[] = {
	{ "tcp", PROTOCOL_TCP }, { "udp", PROTOCOL_UDP }, { NULL, 0 },
};
static const struct param_word commands[] = {
	{ "connect", COMMAND_CONNECT }, { "bind", COMMAND_BIND },
	{ "udp", COMMAND_UDP }, { NULL, 0 },
};

#define FILTER(name, type, max, words, column, help)                      \
	{ name, type, 0, max, true, words, NULL, help, true, column }
/* What a session has from its beginning. */
#define COMMON_FILTERS                                                    \
	FILTER("user", PARAM_TEXT, 1020, NULL, QUERY_USER,                \
	    "Who logged in, or tried to"),                                \
	FILTER("source_ip", PARAM_ADDRESS, 0, NULL, QUERY_SOURCE_IP,      \
	    "The client: address or range"),                              \
	FILTER("dest_ip", PARAM_DESTINATION, 0, NULL, QUERY_DEST_IP,      \
	    "The destination: address, range or name"),                   \
	FILTER("dest_host", PARAM_NAME, 0, NULL, QUERY_DEST_HOST,         \
	    "The name that was asked for"),                               \
	FILTER("dest_port", PARAM_NUMBER, 65535, NULL, QUERY_DEST_PORT,   \
	    "The port that was asked for"),                               \
	FILTER("acl_decision", PARAM_WORD, 0, decisions, QUERY_DECISION,  \
	    "What the policy decided"),                                   \
	FILTER("rule", PARAM_TEXT, 256, NULL, QUERY_RULE,                 \
	    "Id of the rule that decided"),                               \
	FILTER("protocol", PARAM_WORD, 0, protocols, QUERY_PROTOCOL,      \
	    "tcp or udp"),                                                \
	FILTER("command", PARAM_WORD, 0, commands, QUERY_COMMAND,         \
	    "connect, bind or udp"),                                      \
	FILTER("proxy", PARAM_TEXT, 64, NULL, QUERY_PROXY,                \
	    "The proxy that recorded it")
#define PAGE                                                              \
	{ "limit", PARAM_NUMBER, 1, LIMIT_MAX, false, NULL, "100",        \
		"Rows of a page" },                                       \
	{ "cursor", PARAM_TEXT, 0, 1024, false, NULL, NULL,               \
		"next_cursor of the page before; the other parameters "   \
		"must be the same" }

const struct param active_params[] = { COMMON_FILTERS, PAGE, { 0 } };

const struct param history_params[] = {
	{ "hours", PARAM_NUMBER, 1, HOURS_MAX, false, NULL, "24",
		"Started within so many hours; not with since or until" },
	{ "since", PARAM_TIME, 0, 0, false, NULL, NULL,
		"Started at or after: RFC 3339, or -24h" },
	{ "until", PARAM_TIME, 0, 0, false, NULL, NULL,
		"Started before: RFC 3339, or -1h" },
	COMMON_FILTERS,
	FILTER("status", PARAM_WORD, 0, statuses, QUERY_STATUS,
	    "How it ended"),
	FILTER("close_reason", PARAM_TEXT, 64, NULL, QUERY_CLOSE_REASON,
	    "Why it ended"),
	PAGE, { 0 }
};

const struct param stats_params[] = {
	{ "window_hours", PARAM_NUMBER, 1, 744, false, NULL,
		"24, or apid.stats_window_hours",
		"Whole hours back from now" },
	{ 0 }
};

/* ---- from parameters to a filter ---- */

static struct query_condition
condition_of(const struct param_value *v, unsigned group)
{
	struct query_condition q = { .group = group,
		.column = v->param->column, .text = v->text,
		.number = v->number, .low = v->low, .high = v->high };

	switch (v->param->type) {
	case PARAM_NUMBER:
	case PARAM_WORD:
		q.kind = QUERY_NUMBER;
		break;
	case PARAM_ADDRESS:
	case PARAM_DESTINATION:
		q.kind = QUERY_RANGE;
		break;
	default:
		q.kind = QUERY_TEXT;
	}
	if (v->is_name) {
		q.column = QUERY_DEST_HOST;
		q.kind = QUERY_TEXT;
	}
	return q;
}

static bool
take_conditions(struct call *c, const struct param *defs,
    struct query_filter *f)
{
	for (size_t i = 0; i < c->params->n; i++) {
		const struct param_value *v = &c->params->v[i];

		if (!v->param->filter)
			continue;
		if (f->n == QUERY_CONDITIONS_MAX)
			return call_bad_parameter(c, v->param->name,
			    "there are more than 32 values in all");
		f->conditions[f->n++] = condition_of(v,
		    (unsigned)(v->param - defs));
	}
	return true;
}

/* ---- pages ---- */

struct page {
	json_t *items;
	uint64_t now_us;
};

static void
on_session(void *arg, const struct query_session *s)
{
	struct page *p = arg;

	json_array_append_new(p->items, json_session(s, p->now_us));
}

/* Answers with a page from `at` on; `o` may have members already and is
 * taken. */
static void
give_page(struct call *c, struct query_filter *f, const struct cursor *at,
    json_t *o)
{
	struct ask ask = ask_begin(api_metrics(c->api), f->active ?
	    QUESTION_ACTIVE : QUESTION_HISTORY);
	struct page p = { json_array(), c->now_us };
	struct query_page page;
	enum query_result r;

	f->since_us = at->since_us;
	f->until_us = at->until_us;
	f->key = at->key;
	f->limit = (unsigned)params_number(c->params, "limit", LIMIT);
	r = query_sessions(c->query, f, on_session, &p, &page);
	ask_end(&ask, r);
	json_object_set_new(o, "items", p.items);
	if (r == QUERY_OK) {
		json_object_set_new(o, "next_cursor",
		    page_next(c, at, &page));
		json_write(&c->response->body, o);
	} else {
		call_query_failed(c, r);
	}
	json_decref(o);
}

void
sessions_history(struct call *c)
{
	static const struct page_back hours = { "hours", HOUR_US, 24 };
	struct query_filter f = { .active = false };
	struct cursor at = { .since_us = 0 };

	if (take_conditions(c, history_params, &f) &&
	    page_times(c, &hours, &at) && page_cursor(c, &at, &f.after))
		give_page(c, &f, &at, json_object());
}

void
sessions_active(struct call *c)
{
	struct query_filter f = { .active = true };
	struct cursor at = { .since_us = 0 };
	json_t *o;

	if (!take_conditions(c, active_params, &f) ||
	    !page_cursor(c, &at, &f.after))
		return;
	o = json_object();
	json_object_set_new(o, "as_of", json_time(c->now_us));
	give_page(c, &f, &at, o);
}

/* ---- one, and sums ---- */

struct one {
	struct call *call;
	json_t *session;
};

static void
on_one(void *arg, const struct query_session *s)
{
	struct one *one = arg;

	one->session = json_session(s, one->call->now_us);
}

void
sessions_one(struct call *c)
{
	struct one one = { c, NULL };
	enum query_result r = QUERY_NONE;
	struct ask ask;
	struct id id;

	if (id_parse(&id, c->id)) {
		ask = ask_begin(api_metrics(c->api), QUESTION_SESSION);
		r = query_session(c->query, &id, on_one, &one);
		ask_end(&ask, r);
	}
	if (r == QUERY_OK)
		json_write(&c->response->body, one.session);
	else if (r == QUERY_NONE)
		call_problem(c, PROBLEM_NOT_FOUND,
		    "There is no session with this id.");
	else
		call_query_failed(c, r);
	json_decref(one.session);
}

void
sessions_stats(struct call *c)
{
	unsigned hours = (unsigned)params_number(c->params, "window_hours",
	    c->settings->apid.stats_window_hours);
	uint64_t back_us = hours * HOUR_US, since_us;
	struct query_stats stats = { .active = 0 };
	enum query_result r;
	struct ask ask;
	json_t *o;

	since_us = c->now_us > back_us ? c->now_us - back_us : 0;
	ask = ask_begin(api_metrics(c->api), QUESTION_STATS);
	r = query_stats(c->query, since_us - since_us % HOUR_US,
	    c->now_us - c->now_us % DAY_US, &stats);
	ask_end(&ask, r);
	if (r != QUERY_OK) {
		call_query_failed(c, r);
		return;
	}
	o = json_stats(&stats, c->now_us, hours);
	json_write(&c->response->body, o);
	json_decref(o);
}
