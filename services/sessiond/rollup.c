/* SPDX-License-Identifier: MIT */
#include "sessiond/rollup.h"

#include <stdlib.h>
#include <string.h>

#include "audit/duration.h"
#include "audit/record.h"
#include "base/map.h"
#include "base/mem.h"

struct sum {
	struct map_node node;
	size_t at; /* in rows */
};

struct rollup {
	struct arena *arena;
	struct map sums; /* by dimension, hour, key */
	struct store_rollup *rows;
	size_t n, cap;
	struct bytes key; /* of the look-up under way */
};

struct rollup *
rollup_new(struct arena *a)
{
	struct rollup *r = xcalloc(1, sizeof(*r));

	r->arena = a;
	map_init(&r->sums);
	return r;
}

static struct store_rollup *
sum_new(
    struct rollup *r, enum rollup_dimension d, uint64_t hour_us, struct str key)
{
	struct sum *s = arena_get(r->arena, sizeof(*s));
	struct str k = { r->key.ptr, r->key.len };

	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 256 : r->cap * 2;
		r->rows = xreallocarray(r->rows, r->cap, sizeof(*r->rows));
	}
	s->at = r->n++;
	map_insert(&r->sums, &s->node, arena_str(r->arena, k));
	r->rows[s->at] = (struct store_rollup){
		.dimension = d,
		.hour_us = hour_us,
		.key = key,
	};
	return &r->rows[s->at];
}

static struct store_rollup *
sum_of(
    struct rollup *r, enum rollup_dimension d, uint64_t hour_us, struct str key)
{
	struct {
		uint64_t hour_us, d;
	} head = { hour_us, d };
	struct map_node *n;

	bytes_clear(&r->key);
	bytes_add(&r->key, &head, sizeof(head));
	bytes_add(&r->key, key.ptr, key.len);
	n = map_find(&r->sums, (struct str){ r->key.ptr, r->key.len });
	if (n != NULL)
		return &r->rows[container_of(n, struct sum, node)->at];
	return sum_new(r, d, hour_us, key);
}

/* Stops at what the database can hold. */
static void
add(uint64_t *sum, uint64_t v)
{
	*sum = v > INT64_MAX - *sum ? INT64_MAX : *sum + v;
}

static void
sum_add(struct store_rollup *sum, const struct store_session *row)
{
	uint64_t n = row->attempts;

	sum->sessions += n;
	sum->closed += row->status == STATUS_CLOSED ? n : 0;
	sum->failed += row->status == STATUS_FAILED ? n : 0;
	sum->rejected += row->status == STATUS_REJECTED ? n : 0;
	sum->allowed += row->decision == DECISION_ALLOW ? n : 0;
	sum->blocked += row->decision == DECISION_BLOCK ? n : 0;
	sum->redirected += row->decision == DECISION_REDIRECT ? n : 0;
	add(&sum->bytes_up, row->bytes_up);
	add(&sum->bytes_down, row->bytes_down);
	add(&sum->duration_us, row->duration_us);
}

static struct str
destination(struct rollup *r, const struct store_session *row)
{
	char text[ADDR_TEXT_SIZE];
	struct addr ip;

	if (row->dest_host.len > 0 || row->dest_ip.len != sizeof(ip))
		return row->dest_host;
	memcpy(&ip, row->dest_ip.ptr, sizeof(ip));
	addr_format(text, &ip);
	return arena_str(r->arena, str_from(text));
}

/* What was refused on purpose never began: it has no length. */
static struct str
duration(const struct store_session *row)
{
	if (row->status == STATUS_REJECTED)
		return str_from("");
	return str_from(duration_edges[duration_bucket(row->duration_us)]);
}

void
rollup_add(struct rollup *r, const struct store_session *row)
{
	uint64_t hour = row->started_us - row->started_us % ROLLUP_HOUR_US;
	struct str keys[ROLLUP_DIMENSIONS] = {
		[ROLLUP_USER] = row->user,
		[ROLLUP_DESTINATION] = destination(r, row),
		[ROLLUP_RULE] = row->rule,
		[ROLLUP_REASON] = row->close_reason,
		[ROLLUP_DURATION] = duration(row),
	};

	for (int d = 0; d < ROLLUP_DIMENSIONS; d++) {
		if (d == ROLLUP_TOTAL || keys[d].len > 0)
			sum_add(
			    sum_of(r, (enum rollup_dimension)d, hour, keys[d]),
			    row);
	}
}

const struct store_rollup *
rollup_rows(const struct rollup *r, size_t *n)
{
	*n = r->n;
	return r->rows;
}

void
rollup_reset(struct rollup *r)
{
	map_fini(&r->sums);
	map_init(&r->sums);
	r->n = 0;
}

void
rollup_free(struct rollup **rp)
{
	struct rollup *r = *rp;

	if (r == NULL)
		return;
	map_fini(&r->sums);
	bytes_fini(&r->key);
	free(r->rows);
	free(r);
	*rp = NULL;
}
