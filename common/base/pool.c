/* SPDX-License-Identifier: MIT */
/*
 * A slab starts at a multiple of SLAB_BYTES, so that an object's address tells
 * its slab. Objects are taken from slabs in use before those that are empty:
 * what a peak has spread comes together again.
 */
#include "base/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/list.h"
#include "base/mem.h"

#define SLAB_BYTES ((size_t)32 * 1024)
#define EMPTY_KEPT 2	/* slabs */

/* Both heads are as aligned as malloc's memory, so is what follows them. */
union spare {
	union spare *next;
	max_align_t align;
};

struct slab {
	struct list link;	/* in pool->roomy while it has spares */
	union spare *spares;
	size_t used;
	size_t bytes;		/* mapped */
};

union slab_head {
	struct slab slab;
	max_align_t align;
};

struct pool {
	size_t size;		/* of an object, rounded up to its alignment */
	size_t per_slab;
	size_t max, used;	/* objects */
	size_t slabs, empty;	/* how many there are, and have no object out */
	size_t slab_bytes;
	struct list roomy;	/* those in use first */
};

struct pool *
pool_new(size_t size, size_t max)
{
	struct pool *p = xcalloc(1, sizeof(*p));
	size_t align = sizeof(union spare);

	ASSERT(size > 0 && size < SIZE_MAX / 2 - SLAB_BYTES);
	p->size = (size + align - 1) / align * align;
	p->per_slab = (SLAB_BYTES - sizeof(union slab_head)) / p->size;
	if (p->per_slab == 0)
		p->per_slab = 1;
	p->slab_bytes = sizeof(union slab_head) + p->per_slab * p->size;
	p->slab_bytes = (p->slab_bytes + SLAB_BYTES - 1) / SLAB_BYTES *
	    SLAB_BYTES;
	p->max = max;
	list_init(&p->roomy);
	return p;
}

/* Maps more than is needed and gives back what is around the aligned part. */
static void *
map_aligned(size_t bytes)
{
	char *all = mmap(NULL, bytes + SLAB_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *slab;
	size_t before;

	if (all == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)all % SLAB_BYTES;
	slab = all + before;
	if (before > 0)
		munmap(all, before);
	munmap(slab + bytes, SLAB_BYTES - before);
	return slab;
}

static struct slab *
slab_new(struct pool *p)
{
	struct slab *s = map_aligned(p->slab_bytes);
	char *object;

	if (s == NULL)
		return NULL;
	s->bytes = p->slab_bytes;
	s->used = 0;
	s->spares = NULL;
	/* From the back, so that the first one out is the lowest. */
	object = (char *)s + sizeof(union slab_head) + p->per_slab * p->size;
	for (size_t i = 0; i < p->per_slab; i++) {
		union spare *spare = (void *)(object -= p->size);

		spare->next = s->spares;
		s->spares = spare;
	}
	list_push(&p->roomy, &s->link);
	p->slabs++;
	p->empty++;
	return s;
}

static void
slab_free(struct pool *p, struct slab *s)
{
	list_del(&s->link);
	munmap(s, s->bytes);
	p->slabs--;
	p->empty--;
}

void *
pool_take(struct pool *p)
{
	union spare *spare;
	struct slab *s;

	if (p->used == p->max)
		return NULL;
	if (!list_empty(&p->roomy))
		s = container_of(p->roomy.next, struct slab, link);
	else
		s = slab_new(p);
	if (s == NULL)
		return NULL;
	spare = s->spares;
	ASSERT(spare != NULL);
	s->spares = spare->next;
	if (s->used++ == 0)
		p->empty--;
	if (s->spares == NULL)
		list_del(&s->link);
	p->used++;
	return spare;
}

void *
pool_get(struct pool *p)
{
	void *object = pool_take(p);

	return object == NULL ? NULL : memset(object, 0, p->size);
}

/* Before all others: in the list at the place of its head's successor. */
static void
put_first(struct list *head, struct list *n)
{
	list_push(head->next, n);
}

void
pool_put(struct pool *p, void *object)
{
	struct slab *s = (void *)((uintptr_t)object & ~(SLAB_BYTES - 1));
	union spare *spare = object;

	ASSERT(p->used > 0 && s->used > 0);
	p->used--;
	if (s->spares == NULL)
		put_first(&p->roomy, &s->link);
	spare->next = s->spares;
	s->spares = spare;
	if (--s->used > 0)
		return;
	p->empty++;
	list_del(&s->link);
	list_push(&p->roomy, &s->link);
	if (p->empty > EMPTY_KEPT)
		slab_free(p, s);
}

size_t
pool_used(const struct pool *p)
{
	return p->used;
}

size_t
pool_bytes(const struct pool *p)
{
	return p->slabs * p->slab_bytes;
}

void
pool_free(struct pool **pp)
{
	struct pool *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	ASSERT(p->used == 0);
	while (!list_empty(&p->roomy))
		slab_free(p,
		    container_of(p->roomy.next, struct slab, link));
	free(p);
}
