/* SPDX-License-Identifier: MIT */
#include "apid/users.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct member {
	char *name;
	struct query_user_sum base;	/* at the end of the last round */
	struct query_user_sum seen;	/* grown to, in this round */
	struct query_user_sum now;	/* of this round, to become the base */
	struct query_user_sum shown;
	size_t rank;			/* in this round */
};

struct users {
	bool top;
	size_t top_n;
	struct member members[USERS_MAX];
	size_t n;
	struct query_user_sum rest;
	struct query_user_sum base, now;	/* of everybody */
	/* of the round under way */
	struct query_user_sum seen;	/* grown to, by everybody */
	size_t rows;
	struct member joining[USERS_MAX];
	size_t n_joining;
	bool begun;			/* a round ended: there is a base */
};

static void
sum_add(struct query_user_sum *to, const struct query_user_sum *v)
{
	to->sessions += v->sessions;
	to->bytes_up += v->bytes_up;
	to->bytes_down += v->bytes_down;
}

static uint64_t
grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static struct query_user_sum
growth(const struct query_user_sum *from, const struct query_user_sum *to)
{
	return (struct query_user_sum){
		.sessions = grown(from->sessions, to->sessions),
		.bytes_up = grown(from->bytes_up, to->bytes_up),
		.bytes_down = grown(from->bytes_down, to->bytes_down),
	};
}

static struct member *
find(struct users *u, struct str name)
{
	for (size_t i = 0; i < u->n; i++)
		if (str_eq(name, str_from(u->members[i].name)))
			return &u->members[i];
	return NULL;
}

static bool
may_join(struct str name)
{
	return name.len > 0 && !str_has_nul(name) && str_is_utf8(name) &&
	    !str_eq(name, STR(USERS_REST));
}

struct users *
users_new(const struct metrics_config *c)
{
	struct users *u;

	if (c->user_series == CONFIG_USER_SERIES_OFF)
		return NULL;
	u = xcalloc(1, sizeof(*u));
	u->top = c->user_series == CONFIG_USER_SERIES_TOP;
	u->top_n = c->user_top_n < USERS_MAX ? c->user_top_n : USERS_MAX;
	for (size_t i = 0; !u->top && i < c->user_list.n; i++) {
		struct str name = str_from(c->user_list.v[i]);

		if (u->n < USERS_MAX && may_join(name) &&
		    find(u, name) == NULL)
			u->members[u->n++].name = xstrdup(name.ptr);
	}
	return u;
}

static void
forget_joining(struct users *u)
{
	while (u->n_joining > 0)
		free(u->joining[--u->n_joining].name);
}

void
users_begin(struct users *u)
{
	static const struct query_user_sum zero;

	forget_joining(u);
	u->seen = u->now = zero;
	u->rows = 0;
	for (size_t i = 0; i < u->n; i++) {
		u->members[i].seen = u->members[i].now = zero;
		u->members[i].rank = SIZE_MAX;
	}
}

static char *
name_of(struct str s)
{
	char *name = xcalloc(1, s.len + 1);

	memcpy(name, s.ptr, s.len);
	return name;
}

void
users_add(struct users *u, const struct query_user *row)
{
	struct member *m = find(u, row->name);
	size_t rank = u->rows++;

	sum_add(&u->seen, &row->grown);
	sum_add(&u->now, &row->sum);
	if (m != NULL) {
		m->seen = row->grown;
		m->now = row->sum;
		m->rank = rank;
	} else if (u->top && rank < u->top_n && row->sum.sessions > 0 &&
	    may_join(row->name)) {
		u->joining[u->n_joining++] = (struct member){
			.name = name_of(row->name), .now = row->sum,
			.rank = rank,
		};
	}
}

/* Where a new member goes: a free place, or that of the least active. */
static struct member *
place(struct users *u)
{
	struct member *last = &u->members[0];

	if (u->n < USERS_MAX)
		return &u->members[u->n++];
	for (size_t i = 1; i < u->n; i++)
		if (u->members[i].rank > last->rank)
			last = &u->members[i];
	return last;
}

/* What everybody grew by goes to the members, and what is left to the rest. */
static void
share_out(struct users *u)
{
	struct query_user_sum all = growth(&u->base, &u->seen);
	struct query_user_sum theirs = { 0 };

	for (size_t i = 0; i < u->n; i++) {
		struct member *m = &u->members[i];
		struct query_user_sum own = growth(&m->base, &m->seen);

		sum_add(&m->shown, &own);
		sum_add(&theirs, &own);
	}
	all = growth(&theirs, &all);
	sum_add(&u->rest, &all);
}

void
users_end(struct users *u)
{
	if (u->begun)
		share_out(u);
	for (size_t i = 0; i < u->n_joining; i++) {
		struct member *m = place(u);

		free(m->name);
		*m = u->joining[i];
	}
	u->n_joining = 0;
	u->base = u->now;
	for (size_t i = 0; i < u->n; i++)
		u->members[i].base = u->members[i].now;
	u->begun = true;
}

/* ---- the text ---- */

/* name{user="…" */
static void
open_sample(struct bytes *out, const char *namespace, const char *name,
    const char *user)
{
	bytes_fmt(out, "%s_%s{user=\"", namespace, name);
	for (; *user != '\0'; user++) {
		if (*user == '\n')
			bytes_fmt(out, "\\n");
		else
			bytes_fmt(out, *user == '"' || *user == '\\' ?
			    "\\%c" : "%c", *user);
	}
	bytes_add(out, "\"", 1);
}

static void
expose_sessions(struct bytes *out, const char *namespace, const char *user,
    const struct query_user_sum *s)
{
	open_sample(out, namespace, "user_sessions_total", user);
	bytes_fmt(out, "} %llu\n", (unsigned long long)s->sessions);
}

static void
expose_bytes(struct bytes *out, const char *namespace, const char *user,
    const struct query_user_sum *s)
{
	static const char name[] = "user_bandwidth_bytes_total";

	open_sample(out, namespace, name, user);
	bytes_fmt(out, ",direction=\"sent\"} %llu\n",
	    (unsigned long long)s->bytes_up);
	open_sample(out, namespace, name, user);
	bytes_fmt(out, ",direction=\"received\"} %llu\n",
	    (unsigned long long)s->bytes_down);
}

void
users_expose(const struct users *u, struct bytes *out, const char *namespace)
{
	static const struct {
		const char *name, *help;
		void (*expose)(struct bytes *out, const char *namespace,
		    const char *user, const struct query_user_sum *s);
	} metrics[] = {
		{ "user_sessions_total", "Sessions established or tried, of "
			"some users since they are in the set",
			expose_sessions },
		{ "user_bandwidth_bytes_total", "Payload of some users since "
			"they are in the set, running sessions included",
			expose_bytes },
	};

	for (size_t i = 0; u->begun && i < ARRAY_LEN(metrics); i++) {
		bytes_fmt(out, "# HELP %s_%s %s\n# TYPE %s_%s counter\n",
		    namespace, metrics[i].name, metrics[i].help, namespace,
		    metrics[i].name);
		for (size_t j = 0; j < u->n; j++)
			metrics[i].expose(out, namespace, u->members[j].name,
			    &u->members[j].shown);
		metrics[i].expose(out, namespace, USERS_REST, &u->rest);
	}
}

void
users_free(struct users **up)
{
	struct users *u = *up;

	if (u == NULL)
		return;
	forget_joining(u);
	for (size_t i = 0; i < u->n; i++)
		free(u->members[i].name);
	free(u);
	*up = NULL;
}
