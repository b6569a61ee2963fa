/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_BYTES ((size_t)64 * 1024)

/* Both heads are as aligned as malloc's memory, so is what follows them. */
union slab {
	union slab *next;
	max_align_t align;
};

union spare {
	union spare *next;
	max_align_t align;
};

struct pool {
	size_t size;		/* of an object, rounded up to its alignment */
	size_t max;
	size_t made, used;	/* objects in all slabs, and out */
	union slab *slabs;
	union spare *spares;	/* given back or not used yet */
};

static void *
must(void *p)
{
	if (p == NULL)
		die("out of memory");
	return p;
}

void *
xmalloc(size_t size)
{
	return must(malloc(size > 0 ? size : 1));
}

void *
xcalloc(size_t n, size_t size)
{
	return must(n > 0 && size > 0 ? calloc(n, size) : calloc(1, 1));
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return must(reallocarray(p, n, size));
}

char *
xstrdup(const char *s)
{
	return must(strdup(s));
}

char *
xmemdup0(const void *p, size_t len)
{
	size_t size;
	char *copy;

	ASSERT(!__builtin_add_overflow(len, 1, &size));
	copy = xmalloc(size);
	if (len > 0)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return must(n < 0 ? NULL : s);
}

void
secret_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}

struct pool *
pool_new(size_t size, size_t max)
{
	struct pool *p = xcalloc(1, sizeof(*p));
	size_t align = sizeof(union spare);

	ASSERT(size > 0 && size < SIZE_MAX - SLAB_BYTES);
	p->size = (size + align - 1) / align * align;
	p->max = max;
	return p;
}

/* A further slab, never with more objects than may still be made. */
static bool
pool_grow(struct pool *p)
{
	size_t n = (SLAB_BYTES - sizeof(union slab)) / p->size;
	union slab *slab;
	char *object;

	if (n == 0)
		n = 1;
	if (n > p->max - p->made)
		n = p->max - p->made;
	if (n == 0)
		return false;
	slab = malloc(sizeof(*slab) + n * p->size);
	if (slab == NULL)
		return false;
	slab->next = p->slabs;
	p->slabs = slab;
	p->made += n;
	/* From the back, so that the first one out is the lowest. */
	for (object = (char *)(slab + 1) + n * p->size; n > 0; n--) {
		union spare *s = (void *)(object -= p->size);

		s->next = p->spares;
		p->spares = s;
	}
	return true;
}

void *
pool_take(struct pool *p)
{
	union spare *s;

	if (p->spares == NULL && !pool_grow(p))
		return NULL;
	s = p->spares;
	p->spares = s->next;
	p->used++;
	return s;
}

void *
pool_get(struct pool *p)
{
	void *object = pool_take(p);

	return object == NULL ? NULL : memset(object, 0, p->size);
}

void
pool_put(struct pool *p, void *object)
{
	union spare *s = object;

	ASSERT(p->used > 0);
	p->used--;
	s->next = p->spares;
	p->spares = s;
}

size_t
pool_used(const struct pool *p)
{
	return p->used;
}

void
pool_free(struct pool **pp)
{
	struct pool *p = *pp;
	union slab *slab;

	*pp = NULL;
	if (p == NULL)
		return;
	ASSERT(p->used == 0);
	while ((slab = p->slabs) != NULL) {
		p->slabs = slab->next;
		free(slab);
	}
	free(p);
}
