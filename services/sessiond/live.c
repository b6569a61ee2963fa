/* SPDX-License-Identifier: MIT */
#include "sessiond/live.h"

#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

/* Counters and durations beyond are not believed: JSON readers lose digits
 * there, and sums of them would leave 64 bits. */
#define NUMBER_MAX     ((uint64_t)1 << 53)
#define STARTED_MS_MAX (((uint64_t)1 << 48) - 1)

/* Guards against foreign ids are the store's: here streams stay apart. */
struct entry {
	struct map_node node;
	struct list link;
	struct {
		struct id stream, id;
	} key;
	bool ended;
	struct live_record *first, *last; /* NULL: new */
	struct store_session row;
};

struct live {
	struct arena *arena;
	struct map entries;
	struct list order;
	struct live_event *events, **last_event;
	struct bytes scratch;
};

struct live *
live_new(struct arena *a)
{
	struct live *l = xcalloc(1, sizeof(*l));

	l->arena = a;
	map_init(&l->entries);
	list_init(&l->order);
	l->last_event = &l->events;
	return l;
}

static struct entry *
entry_of(struct live *l, const struct id *stream, const struct id *id)
{
	struct map_node *n;
	struct entry *e, want;

	want.key.stream = *stream;
	want.key.id = *id;
	n = map_find(
	    &l->entries, (struct str){ (char *)&want.key, sizeof(want.key) });
	if (n != NULL)
		return container_of(n, struct entry, node);
	e = arena_get(l->arena, sizeof(*e));
	e->key = want.key;
	map_insert(&l->entries, &e->node,
	    (struct str){ (char *)&e->key, sizeof(e->key) });
	list_push(&l->order, &e->link);
	return e;
}

static void
entry_remember(struct live *l, struct entry *e, uint64_t seq, struct str body)
{
	struct live_record *r = arena_get(l->arena, sizeof(*r));

	r->seq = seq;
	r->body = body;
	if (e->last == NULL)
		e->first = r;
	else
		e->last->next = r;
	e->last = r;
	e->row.seq = seq;
}

static void
json_string(struct bytes *out, struct str s)
{
	bytes_add(out, "\"", 1);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '"' || c == '\\')
			bytes_add(out, "\\", 1);
		if (c < 0x20)
			bytes_fmt(out, "\\u%04x", c);
		else
			bytes_add(out, &s.ptr[i], 1);
	}
	bytes_add(out, "\"", 1);
}

static struct str
groups_json(struct live *l, const struct record_session *s)
{
	struct bytes *b = &l->scratch;

	if (s->n_groups == 0)
		return (struct str){ 0 };
	bytes_clear(b);
	for (unsigned i = 0; i < s->n_groups; i++) {
		bytes_add(b, i == 0 ? "[" : ",", 1);
		json_string(b, s->groups[i]);
	}
	bytes_add(b, "]", 1);
	return arena_str(l->arena, (struct str){ b->ptr, b->len });
}

static uint64_t
or_null(uint64_t v, uint64_t unknown)
{
	return v == unknown ? STORE_NULL : v;
}

static struct str
addr_bytes(struct arena *a, const struct addr *ip, size_t n)
{
	return arena_str(a, (struct str){ (const char *)ip, n * sizeof(*ip) });
}

/* All that an OPEN knows. */
static void
row_open(
    struct live *l, struct store_session *r, const struct record_session *s)
{
	struct arena *a = l->arena;

	r->id = s->id;
	r->started_us = s->started_ms * 1000;
	r->listener = arena_str(a, s->listener);
	r->user = arena_str(a, s->user);
	r->groups = groups_json(l, s);
	r->source_ip = addr_bytes(a, &s->source.addr, 1);
	r->source_port = s->source.port;
	r->dest_host = arena_str(a, s->dest_host);
	r->dest_ip = addr_bytes(a, &s->dest_ip, s->has_dest_ip ? 1 : 0);
	r->dest_port = or_null(s->dest_port, 0);
	r->resolved_ips = addr_bytes(a, s->permitted, s->n_permitted);
	r->command = s->command;
	r->carrier = s->carrier;
	r->protocol = s->protocol;
	r->decision = s->decision;
	r->rule = arena_str(a, s->rule);
	r->generation = or_null(s->generation, 0);
	r->route = arena_str(a, s->route);
	r->limits = arena_str(a, s->limits);
	r->auth_method = s->auth_method;
	r->claimed_user = arena_str(a, s->claimed_user);
	r->destinations = s->destinations;
	r->attempts = 1;
}

static void
row_counters(struct store_session *r, const struct record_counters *c,
    uint64_t duration_us)
{
	r->bytes_up = c->bytes_up;
	r->bytes_down = c->bytes_down;
	r->packets_up = c->packets_up;
	r->packets_down = c->packets_down;
	r->duration_us = duration_us;
}

static void
row_close(struct live *l, struct store_session *r,
    const struct record_session *s, uint64_t now_us)
{
	row_open(l, r, s);
	row_counters(r, &s->counters, s->duration_us);
	r->ended_us = r->started_us + r->duration_us;
	r->received_us = now_us;
	r->status = s->status;
	r->close_reason = arena_str(l->arena, s->close_reason);
	r->close_detail = arena_str(l->arena, s->close_detail);
	r->reply_code = or_null(s->reply_code, RECORD_NO_REPLY);
	r->setup_us = or_null(s->setup_us, 0);
	r->incomplete = 0;
}

static uint64_t
greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Counters are cumulative: the greater is the later. */
static void
row_raise(struct store_session *r, const struct record_counters *c,
    uint64_t destinations, uint64_t duration_us)
{
	r->destinations = greater(r->destinations, destinations);
	r->bytes_up = greater(r->bytes_up, c->bytes_up);
	r->bytes_down = greater(r->bytes_down, c->bytes_down);
	r->packets_up = greater(r->packets_up, c->packets_up);
	r->packets_down = greater(r->packets_down, c->packets_down);
	r->duration_us = greater(r->duration_us, duration_us);
}

static bool
plausible(const struct id *id, uint64_t started_ms,
    const struct record_counters *c, uint64_t duration_us)
{
	return started_ms == id_ms(id) && started_ms <= STARTED_MS_MAX &&
	       c->bytes_up <= NUMBER_MAX && c->bytes_down <= NUMBER_MAX &&
	       c->packets_up <= NUMBER_MAX && c->packets_down <= NUMBER_MAX &&
	       duration_us <= NUMBER_MAX;
}

static bool
session_plausible(const struct record_session *s, bool ended)
{
	return plausible(&s->id, s->started_ms, &s->counters, s->duration_us) &&
	       s->generation <= INT64_MAX && s->setup_us <= NUMBER_MAX &&
	       (!ended ||
		   (s->status != STATUS_NONE && s->close_reason.len > 0));
}

static enum live_result
add_session(struct live *l, const struct live_source *from, uint64_t seq,
    struct str body, const struct record *rec)
{
	const struct record_session *s = &rec->session;
	bool ends = rec->type != RECORD_OPEN;
	struct entry *e;

	if (!session_plausible(s, ends))
		return LIVE_MALFORMED;
	e = entry_of(l, &from->stream, &s->id);
	if (e->ended)
		return LIVE_CONFLICT;
	e->row.stream = from->stream;
	e->row.proxy = from->proxy;
	if (ends) {
		row_close(l, &e->row, s, from->received_us);
		e->ended = true;
	} else if (e->first == NULL) {
		row_open(l, &e->row, s);
		row_counters(&e->row, &s->counters, s->duration_us);
	} else {
		row_raise(&e->row, &s->counters, s->destinations,
		    s->duration_us);
	}
	entry_remember(l, e, seq, body);
	return LIVE_OK;
}

/* A row of its own if the OPEN came in no record of this transaction: the
 * store merges it with what it has, or keeps it as incomplete. */
static enum live_result
add_update(struct live *l, const struct live_source *from, uint64_t seq,
    struct str body, const struct record_update *u)
{
	struct entry *e;

	if (!plausible(&u->id, u->started_ms, &u->counters, u->duration_us))
		return LIVE_MALFORMED;
	e = entry_of(l, &from->stream, &u->id);
	if (e->ended)
		return LIVE_CONFLICT;
	if (e->first == NULL) {
		e->row.id = u->id;
		e->row.stream = from->stream;
		e->row.proxy = from->proxy;
		e->row.started_us = u->started_ms * 1000;
		e->row.source_port = STORE_NULL;
		e->row.dest_port = STORE_NULL;
		e->row.generation = STORE_NULL;
		e->row.attempts = 1;
		e->row.incomplete = 1;
	}
	row_raise(&e->row, &u->counters, u->destinations, u->duration_us);
	entry_remember(l, e, seq, body);
	return LIVE_OK;
}

static enum live_result
add_event(struct live *l, const struct live_source *from,
    const struct record_event *e)
{
	struct live_event *w = arena_get(l->arena, sizeof(*w));

	w->row = (struct store_event){
		.id = e->id,
		.at_us = id_ms(&e->id) * 1000,
		.severity = e->severity,
		.category = arena_str(l->arena, e->category),
		.event = arena_str(l->arena, e->event),
		.message = arena_str(l->arena, e->message),
		.component = arena_str(l->arena, e->component),
		.instance = from->proxy,
		.details = arena_str(l->arena, e->details),
		.suppressed = e->suppressed,
	};
	*l->last_event = w;
	l->last_event = &w->next;
	return LIVE_OK;
}

enum live_result
live_add(struct live *l, const struct live_source *from, uint64_t seq,
    struct str body, struct live_end *end)
{
	enum live_result result = LIVE_UNKNOWN;
	struct record rec;

	switch (record_unpack(&rec, body)) {
	case RECORD_OK: break;
	case RECORD_UNKNOWN: return LIVE_UNKNOWN;
	case RECORD_MALFORMED:
	default: return LIVE_MALFORMED;
	}
	switch (rec.type) {
	case RECORD_OPEN:
	case RECORD_CLOSE:
	case RECORD_REJECT:
		result = add_session(l, from, seq, body, &rec);
		break;
	case RECORD_UPDATE:
		result = add_update(l, from, seq, body, &rec.update);
		break;
	case RECORD_EVENT: result = add_event(l, from, &rec.event); break;
	case RECORD_END:
		if (rec.end.reason.len == 0) {
			result = LIVE_MALFORMED;
			break;
		}
		end->reason = arena_str(l->arena, rec.end.reason);
		end->counters_lower_bound = rec.end.counters_lower_bound;
		result = LIVE_END;
		break;
	default: /* of a later release */ break;
	}
	record_fini(&rec);
	return result;
}

struct store_session *const *
live_rows(struct live *l, bool ended, size_t *n)
{
	struct store_session **rows;
	size_t i = 0;

	rows = arena_get(l->arena, (l->entries.count + 1) * sizeof(*rows));
	list_for_each (it, &l->order) {
		struct entry *e = container_of(it, struct entry, link);

		if (e->ended == ended)
			rows[i++] = &e->row;
	}
	*n = i;
	return rows;
}

const struct live_event *
live_events(const struct live *l)
{
	return l->events;
}

const struct live_record *
live_records(const struct store_session *row)
{
	return container_of(row, struct entry, row)->first;
}

void
live_end_row(struct store_session *row, const struct live_end *end,
    uint64_t seq, uint64_t now_us)
{
	row->seq = seq;
	row->ended_us = row->started_us + row->duration_us;
	row->received_us = now_us;
	row->status = STATUS_FAILED;
	row->close_reason = end->reason;
	row->close_detail = (struct str){ 0 };
	row->reply_code = STORE_NULL;
	row->setup_us = STORE_NULL;
	row->attempts = 1;
	row->counters_lower_bound = end->counters_lower_bound;
}

void
live_reset(struct live *l)
{
	map_fini(&l->entries);
	map_init(&l->entries);
	list_init(&l->order);
	l->events = NULL;
	l->last_event = &l->events;
}

void
live_free(struct live **lp)
{
	struct live *l = *lp;

	if (l == NULL)
		return;
	map_fini(&l->entries);
	bytes_fini(&l->scratch);
	free(l);
	*lp = NULL;
}
