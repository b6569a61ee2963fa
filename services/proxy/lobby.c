/* SPDX-License-Identifier: MIT */
#include "proxy/lobby.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/shards.h"

struct lobby {
	struct shards *shards;
	lobby_out_fn *out;
};

/* In its shard's map while somebody sits there. */
struct lobby_source {
	struct map_node node;
	struct list seats;	/* oldest first */
	uint32_t n;
	char key[];
};

struct lobby *
lobby_new(lobby_out_fn *out)
{
	struct lobby *l = xcalloc(1, sizeof(*l));

	l->shards = shards_new();
	l->out = out;
	return l;
}

static struct lobby_source *
source_find(const struct shard *s, struct str key)
{
	struct map_node *n = map_find(&s->map, key);

	return n == NULL ? NULL : container_of(n, struct lobby_source, node);
}

/* NULL: no memory. */
static struct lobby_source *
source_new(struct shard *s, struct str key)
{
	struct lobby_source *source = malloc(sizeof(*source) + key.len);

	if (source == NULL)
		return NULL;
	list_init(&source->seats);
	source->n = 0;
	memcpy(source->key, key.ptr, key.len);
	map_insert(&s->map, &source->node,
	    (struct str){ source->key, key.len });
	return source;
}

static void
stand_up(struct lobby_seat *seat)
{
	list_del(&seat->link);
	seat->source->n--;
	seat->source = NULL;
}

static void
put_out_oldest(struct lobby *l, struct lobby_source *source)
{
	struct lobby_seat *seat =
	    container_of(source->seats.next, struct lobby_seat, link);

	stand_up(seat);
	l->out(seat);
}

void
lobby_enter(struct lobby *l, struct lobby_seat *seat, struct str key,
    uint32_t max)
{
	struct lobby_source *source;
	struct shard *s;

	ASSERT(seat->shard == NULL);
	if (max == 0)
		return;
	s = shards_lock(l->shards, key);
	source = source_find(s, key);
	if (source == NULL)
		source = source_new(s, key);
	if (source != NULL) {
		seat->shard = s;
		seat->source = source;
		list_push(&source->seats, &seat->link);
		source->n++;
		while (source->n > max)
			put_out_oldest(l, source);
	}
	shard_unlock(s);
}

void
lobby_leave(struct lobby_seat *seat)
{
	struct shard *s = seat->shard;
	struct lobby_source *source;

	if (s == NULL)
		return;
	seat->shard = NULL;
	shard_lock(s);
	source = seat->source;
	if (source != NULL) {
		stand_up(seat);
		if (source->n == 0) {
			map_remove(&s->map, &source->node);
			free(source);
		}
	}
	shard_unlock(s);
}

uint32_t
lobby_of(struct lobby *l, struct str key)
{
	struct shard *s = shards_lock(l->shards, key);
	const struct lobby_source *source = source_find(s, key);
	uint32_t n = source == NULL ? 0 : source->n;

	shard_unlock(s);
	return n;
}

static void
still_there(struct map_node *n)
{
	(void)n;
	ASSERT(false && "somebody is still there");
}

void
lobby_free(struct lobby **lp)
{
	struct lobby *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	shards_free(&l->shards, still_there);
	free(l);
}
