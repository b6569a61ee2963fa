/* SPDX-License-Identifier: MIT */
#include "sessiond/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK_SIZE  ((size_t)256 * 1024)
#define BLOCKS_KEPT 64
#define ALIGN       (sizeof(max_align_t))

struct block {
	struct block *next;
	size_t size, used;
	max_align_t data[];
};

struct arena {
	struct block *full;  /* used up, newest first */
	struct block *now;   /* where the next object goes */
	struct block *spare; /* empty ones of BLOCK_SIZE */
	unsigned n_spare;
};

static struct block *
block_new(size_t size)
{
	struct block *b = xmalloc(sizeof(*b) + size);

	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

static struct block *
spare_take(struct arena *a)
{
	struct block *b = a->spare;

	if (b == NULL)
		return block_new(BLOCK_SIZE);
	a->spare = b->next;
	a->n_spare--;
	return b;
}

struct arena *
arena_new(void)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->now = block_new(BLOCK_SIZE);
	return a;
}

/* `size` bytes at a multiple of `align` (a power of two). */
static void *
take(struct arena *a, size_t size, size_t align)
{
	struct block *b = a->now;
	size_t at = (b->used + align - 1) & ~(align - 1);

	ASSERT(size <= SIZE_MAX / 2);
	if (at <= b->size && b->size - at >= size) {
		b->used = at + size;
		return (char *)b->data + at;
	}
	if (size > BLOCK_SIZE / 4) { /* one of its own, `now` goes on */
		b = block_new(size);
		b->used = size;
		b->next = a->full;
		a->full = b;
		return b->data;
	}
	b->next = a->full;
	a->full = b;
	a->now = spare_take(a);
	a->now->used = size;
	return a->now->data;
}

void *
arena_get(struct arena *a, size_t size)
{
	return memset(take(a, size, ALIGN), 0, size);
}

char *
arena_bytes(struct arena *a, size_t size)
{
	return take(a, size, 1);
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p;

	if (s.len == 0)
		return (struct str){ 0 };
	p = arena_bytes(a, s.len);
	memcpy(p, s.ptr, s.len);
	return (struct str){ p, s.len };
}

void
arena_reset(struct arena *a)
{
	struct block *b;

	while ((b = a->full) != NULL) {
		a->full = b->next;
		if (b->size != BLOCK_SIZE || a->n_spare >= BLOCKS_KEPT) {
			free(b);
			continue;
		}
		b->used = 0;
		b->next = a->spare;
		a->spare = b;
		a->n_spare++;
	}
	a->now->used = 0;
}

void
arena_free(struct arena **ap)
{
	struct arena *a = *ap;
	struct block *b;

	if (a == NULL)
		return;
	arena_reset(a);
	while ((b = a->spare) != NULL) {
		a->spare = b->next;
		free(b);
	}
	free(a->now);
	free(a);
	*ap = NULL;
}
