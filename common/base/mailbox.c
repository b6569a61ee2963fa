/* SPDX-License-Identifier: MIT */
/*
 * Why no wake-up is lost: who finds the list empty writes the eventfd, and the
 * owner reads the eventfd before it takes the list. A letter that the taking
 * missed was thus put on an empty list after it, and wakes the owner again.
 * The other way round the owner is woken once for nothing, which is harmless.
 */
#include "base/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

struct mailbox {
	pthread_mutex_t lock;
	struct list letters;	/* guarded by lock */
	int fd;
};

struct mailbox *
mailbox_new(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct mailbox *m;

	if (fd < 0)
		return NULL;
	m = xcalloc(1, sizeof(*m));
	m->fd = fd;
	list_init(&m->letters);
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

int
mailbox_fd(const struct mailbox *m)
{
	return m->fd;
}

/* EAGAIN: the counter is full, or already 0; both leave what we want. */
static void
signal_owner(const struct mailbox *m)
{
	uint64_t one = 1;

	while (write(m->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

static void
clear_signal(const struct mailbox *m)
{
	uint64_t n;

	while (read(m->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		continue;
}

void
mailbox_post(struct mailbox *m, struct letter *l)
{
	bool first;

	pthread_mutex_lock(&m->lock);
	first = list_empty(&m->letters);
	list_push(&m->letters, &l->link);
	pthread_mutex_unlock(&m->lock);
	if (first)
		signal_owner(m);
}

void
mailbox_deliver(struct mailbox *m)
{
	struct list taken, *link;

	list_init(&taken);
	clear_signal(m);
	pthread_mutex_lock(&m->lock);
	list_move(&taken, &m->letters);
	pthread_mutex_unlock(&m->lock);
	while ((link = list_pop(&taken)) != NULL) {
		struct letter *l = container_of(link, struct letter, link);

		l->deliver(l);
	}
}

void
mailbox_free(struct mailbox **mp)
{
	struct mailbox *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
