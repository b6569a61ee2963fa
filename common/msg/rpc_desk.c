/* SPDX-License-Identifier: MIT */
/*
 * A call is in the list `free`, or out. Out, it comes back in one way only:
 * nng finishes its exchange, the letter is posted, the worker delivers it.
 * Cancelling takes `done` away and hurries that up.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "msg/exchange.h"
#include "msg/rpc_client.h"

struct rpc_call {
	struct list link;		/* in free */
	struct letter letter;
	struct rpc_desk *desk;
	struct exchange *exchange;
	rpc_done_fn *done;		/* NULL: cancelled, delivered or free */
	void *arg;
};

struct rpc_desk {
	struct mailbox *mailbox;
	struct list free;
	unsigned n_calls, in_flight;
	struct rpc_call calls[];
};

static void
on_delivery(struct letter *l)
{
	struct rpc_call *c = container_of(l, struct rpc_call, letter);
	rpc_done_fn *done = c->done;

	c->done = NULL;
	if (done != NULL)
		done(c->arg, exchange_result(c->exchange),
		    exchange_body(c->exchange));
	list_push(&c->desk->free, &c->link);
	c->desk->in_flight--;
}

/* On an nng thread. */
static void
on_finished(void *arg)
{
	struct rpc_call *c = arg;

	mailbox_post(c->desk->mailbox, &c->letter);
}

int
rpc_desk_new(struct rpc_desk **out, struct rpc_client *client,
    struct mailbox *mailbox, unsigned max_calls, struct err *err)
{
	struct rpc_desk *d =
	    xcalloc(1, sizeof(*d) + max_calls * sizeof(d->calls[0]));

	d->mailbox = mailbox;
	list_init(&d->free);
	for (; d->n_calls < max_calls; d->n_calls++) {
		struct rpc_call *c = &d->calls[d->n_calls];

		c->desk = d;
		c->letter.deliver = on_delivery;
		if (rpc_client_exchange(&c->exchange, client, on_finished, c,
		    err) != 0) {
			rpc_desk_free(&d);
			return -1;
		}
		list_push(&d->free, &c->link);
	}
	*out = d;
	return 0;
}

struct rpc_call *
rpc_call_start(struct rpc_desk *d, enum rpc_kind kind, struct str body,
    uint32_t deadline_ms, bool idempotent, rpc_done_fn *done, void *arg)
{
	struct exchange_request r = { kind, body, deadline_ms, idempotent };
	struct list *l = list_pop(&d->free);
	struct rpc_call *c;

	if (l == NULL)
		return NULL;
	c = container_of(l, struct rpc_call, link);
	c->done = done;
	c->arg = arg;
	d->in_flight++;
	exchange_start(c->exchange, &r);
	return c;
}

void
rpc_call_cancel(struct rpc_call **cp)
{
	struct rpc_call *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	c->done = NULL;
	exchange_cancel(c->exchange);
}

unsigned
rpc_desk_in_flight(const struct rpc_desk *d)
{
	return d->in_flight;
}

static void
wait_for_letters(struct mailbox *m)
{
	struct pollfd p = { .fd = mailbox_fd(m), .events = POLLIN };
	int rc = poll(&p, 1, -1);

	ASSERT(rc == 1 || errno == EINTR);
	mailbox_deliver(m);
}

void
rpc_desk_free(struct rpc_desk **dp)
{
	struct rpc_desk *d = *dp;

	if (d == NULL)
		return;
	for (unsigned i = 0; i < d->n_calls; i++) {
		d->calls[i].done = NULL;
		exchange_cancel(d->calls[i].exchange);
	}
	while (d->in_flight > 0)
		wait_for_letters(d->mailbox);
	for (unsigned i = 0; i < d->n_calls; i++)
		exchange_free(&d->calls[i].exchange);
	free(d);
	*dp = NULL;
}
