/* SPDX-License-Identifier: MIT */
#include "msg/errands.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/mem.h"

struct errands {
	struct mailbox *mailbox;
	pthread_t thread;
	bool stop;		/* the thread's */
	struct letter last;
};

/* The end of a wait. */
struct mark {
	struct letter letter;
	sem_t reached;
};

static void *
run(void *arg)
{
	struct errands *e = arg;
	struct pollfd p = { .fd = mailbox_fd(e->mailbox), .events = POLLIN };

	while (!e->stop) {
		int n = poll(&p, 1, -1);

		ASSERT(n == 1 || errno == EINTR);
		mailbox_deliver(e->mailbox);
	}
	return NULL;
}

static void
on_last(struct letter *l)
{
	container_of(l, struct errands, last)->stop = true;
}

int
errands_start(struct errands **out, const char *name, struct err *err)
{
	struct errands *e = xcalloc(1, sizeof(*e));

	e->last.deliver = on_last;
	e->mailbox = mailbox_new();
	if (e->mailbox == NULL) {
		free(e);
		return err_sys(err, "%s: mailbox", name);
	}
	errno = pthread_create(&e->thread, NULL, run, e);
	if (errno != 0) {
		mailbox_free(&e->mailbox);
		free(e);
		return err_sys(err, "%s: thread", name);
	}
	pthread_setname_np(e->thread, name);
	*out = e;
	return 0;
}

void
errands_post(struct errands *e, struct letter *l)
{
	mailbox_post(e->mailbox, l);
}

static void
on_mark(struct letter *l)
{
	sem_post(&container_of(l, struct mark, letter)->reached);
}

void
errands_wait(struct errands *e)
{
	struct mark m = { .letter.deliver = on_mark };

	sem_init(&m.reached, 0, 0);
	mailbox_post(e->mailbox, &m.letter);
	while (sem_wait(&m.reached) != 0 && errno == EINTR)
		;
	sem_destroy(&m.reached);
}

void
errands_stop(struct errands **ep)
{
	struct errands *e = *ep;

	*ep = NULL;
	if (e == NULL)
		return;
	mailbox_post(e->mailbox, &e->last);
	pthread_join(e->thread, NULL);
	mailbox_free(&e->mailbox);
	free(e);
}
