/* SPDX-License-Identifier: MIT */
#include "proxy/pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SIZE_WANTED (1 << 20)
#define SIZE_LEAST (64 << 10)	/* what Linux gives anyway */

void
pipes_init(struct pipes *s)
{
	list_init(&s->free);
	s->count = 0;
	s->bytes = 0;
}

/* As large as the user's quota of pipe pages allows. */
static size_t
grow(int fd)
{
	int size = -1;

	for (int want = SIZE_WANTED; size < 0 && want >= SIZE_LEAST; want /= 2)
		size = fcntl(fd, F_SETPIPE_SZ, want);
	if (size < 0)
		size = fcntl(fd, F_GETPIPE_SZ);
	return size > 0 ? (size_t)size : 4096;
}

static struct pipe *
pipe_new(void)
{
	struct pipe *p = malloc(sizeof(*p));
	int fd[2];

	if (p == NULL)
		return NULL;
	if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) != 0) {
		free(p);
		return NULL;
	}
	*p = (struct pipe){ .out = fd[0], .in = fd[1], .size = grow(fd[1]) };
	list_init(&p->link);
	return p;
}

static void
pipe_free(struct pipes *s, struct pipe *p)
{
	close(p->in);
	close(p->out);
	s->count--;
	s->bytes -= p->size;
	free(p);
}

struct pipe *
pipes_get(struct pipes *s, size_t most)
{
	struct list *l = list_pop(&s->free);
	struct pipe *p;

	if (l != NULL)
		return container_of(l, struct pipe, link);
	if (s->count == PIPES_MAX || s->bytes + SIZE_WANTED > most)
		return NULL;
	p = pipe_new();
	if (p == NULL)
		return NULL;
	s->count++;
	s->bytes += p->size;
	return p;
}

void
pipes_put(struct pipes *s, struct pipe *p)
{
	if (p->held > 0)
		pipe_free(s, p);
	else
		list_push(&s->free, &p->link);
}

void
pipes_fini(struct pipes *s)
{
	struct list *l;

	while ((l = list_pop(&s->free)) != NULL)
		pipe_free(s, container_of(l, struct pipe, link));
	ASSERT(s->count == 0);
}
