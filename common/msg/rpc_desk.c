/* SPDX-License-Identifier: MIT */
/*
 * A call is in the list `free`, or out. Out, it comes back in one way only:
 * through the mailbox, on the worker. Cancelling takes `done` away.
 *
 * By itself a call travels in its own exchange, whose end posts its letter; a
 * cancel hurries that up. Else it waits in `queue` for one of the lanes, and
 * comes back with the bundle that the lane's exchange carries. The queue is
 * empty unless all lanes are out, so it always moves on. What the peer cannot
 * answer at once it hands back, and the call goes by itself after all. One that
 * can wait is in `later` before it goes either way.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "msg/bundle.h"
#include "msg/exchange.h"
#include "msg/rpc_client.h"

#define LANES 2
/* A bundle is given up when the last of its calls would be; so much later than
 * itself a call may be given up. */
#define DEADLINE_SPREAD_MS 100

struct rpc_call {
	struct list link;		/* in free, later, queue or a lane's
					 * calls */
	struct letter letter;
	struct rpc_desk *desk;
	struct exchange *exchange;
	uint32_t deadline_ms;		/* in later */
	rpc_done_fn *done;		/* NULL: cancelled, delivered or free */
	void *arg;
};

struct lane {
	struct letter letter;
	struct rpc_desk *desk;
	struct exchange *exchange;
	struct list calls;		/* in the order of the bundle */
	bool out;
};

struct rpc_desk {
	struct mailbox *mailbox;
	const struct rpc_client *client;
	struct list free, later, queue;
	struct lane lanes[LANES];
	uint32_t bundle_max;	/* that the peer takes, as it last said */
	size_t bundle_bytes;
	char *room;		/* for the bundle that is being made */
	unsigned n_calls, in_flight;
	struct rpc_call calls[];
};

static void flush(struct rpc_desk *d);

static void
deliver(struct rpc_call *c)
{
	rpc_done_fn *done = c->done;

	c->done = NULL;
	if (done != NULL)
		done(c->arg, exchange_result(c->exchange),
		    exchange_body(c->exchange));
	exchange_forget(c->exchange);
	list_push(&c->desk->free, &c->link);
	c->desk->in_flight--;
}

/* Whoever answers says whether he takes bundles. */
static void
learn(struct rpc_desk *d, const struct exchange *x)
{
	enum rpc_result r = exchange_result(x);

	if (r == RPC_OK || r == RPC_REFUSED)
		d->bundle_max = exchange_offer(x);
	else if (r == RPC_UNREACHABLE)
		d->bundle_max = 0;
	if (d->bundle_max > BUNDLE_ITEMS_MAX)
		d->bundle_max = BUNDLE_ITEMS_MAX;
}

/* ---- by itself ---- */

static void
on_delivery(struct letter *l)
{
	struct rpc_call *c = container_of(l, struct rpc_call, letter);

	learn(c->desk, c->exchange);
	deliver(c);
}

/* On an nng thread. */
static void
on_finished(void *arg)
{
	struct rpc_call *c = arg;

	mailbox_post(c->desk->mailbox, &c->letter);
}

/* ---- in a bundle ---- */

/* The bundle came back with no answers in it. true: ask by itself. */
static bool
ends_alone(struct rpc_call *c, enum rpc_result bundle)
{
	/* Of an earlier release it does not know what a bundle is. */
	if (bundle == RPC_REFUSED || (bundle == RPC_UNREACHABLE &&
	    exchange_is_repeatable(c->exchange)))
		return true;
	exchange_fail(c->exchange, bundle);
	return false;
}

/* Takes its answer from `rest`; {NULL, 0} once that makes no sense. true: ask
 * by itself. */
static bool
takes_answer(struct rpc_call *c, struct str *rest)
{
	struct envelope e;

	if (rest->ptr == NULL || bundle_next(rest, &e) != BUNDLE_ITEM) {
		*rest = (struct str){ NULL, 0 };
		exchange_fail(c->exchange, RPC_BAD_REPLY);
		return false;
	}
	exchange_take_reply(c->exchange, &e);
	return exchange_result(c->exchange) == RPC_REFUSED &&
	    e.status == RPC_STATUS_ALONE;
}

static void
on_lane_delivery(struct letter *letter)
{
	struct lane *l = container_of(letter, struct lane, letter);
	struct rpc_desk *d = l->desk;
	enum rpc_result r = exchange_result(l->exchange);
	struct str rest = exchange_body(l->exchange);
	struct list *link;

	learn(d, l->exchange);
	if (r == RPC_REFUSED)
		d->bundle_max = 0;
	while ((link = list_pop(&l->calls)) != NULL) {
		struct rpc_call *c = container_of(link, struct rpc_call, link);
		bool alone = r == RPC_OK ? takes_answer(c, &rest)
					 : ends_alone(c, r);

		if (alone && c->done != NULL)
			exchange_send(c->exchange);
		else
			deliver(c);
	}
	exchange_forget(l->exchange);
	l->out = false;
	flush(d);
}

/* On an nng thread. */
static void
on_lane_finished(void *arg)
{
	struct lane *l = arg;

	mailbox_post(l->desk->mailbox, &l->letter);
}

/* Puts as many calls of the queue into `w` as go together. The number of
 * milliseconds that the most patient of them has. */
static uint32_t
load(struct lane *l, struct writer *w)
{
	struct rpc_desk *d = l->desk;
	uint32_t longest = 0;

	for (uint32_t n = 0; n < d->bundle_max && !list_empty(&d->queue); n++) {
		struct rpc_call *c = container_of(d->queue.next,
		    struct rpc_call, link);
		struct envelope e = exchange_question(c->exchange);

		if (w->size - w->len < bundle_item_size(&e))
			break;
		bundle_put(w, &e);
		if (e.deadline_ms > longest)
			longest = e.deadline_ms;
		list_del(&c->link);
		list_push(&l->calls, &c->link);
	}
	return longest;
}

static void
lane_send(struct lane *l)
{
	struct rpc_desk *d = l->desk;
	struct writer w = writer_on(d->room, d->bundle_bytes);
	struct exchange_request r = { .kind = KIND_BUNDLE };

	r.deadline_ms = load(l, &w);
	r.body = (struct str){ d->room, w.len };
	exchange_prepare(l->exchange, &r);
	secret_wipe(d->room, w.len);
	l->out = true;
	exchange_send(l->exchange);
}

/* Cancelled ones, and all if the peer is gone that took bundles. */
static void
sort_out(struct rpc_desk *d)
{
	list_for_each_safe (link, &d->queue) {
		struct rpc_call *c = container_of(link, struct rpc_call, link);

		if (c->done == NULL) {
			list_del(&c->link);
			deliver(c);
		} else if (d->bundle_max == 0) {
			list_del(&c->link);
			exchange_send(c->exchange);
		}
	}
}

static struct lane *
free_lane(struct rpc_desk *d)
{
	for (unsigned i = 0; i < LANES; i++)
		if (!d->lanes[i].out)
			return &d->lanes[i];
	return NULL;
}

static void
flush(struct rpc_desk *d)
{
	struct lane *l = free_lane(d);

	if (l == NULL)
		return;
	sort_out(d);
	for (; l != NULL && !list_empty(&d->queue); l = free_lane(d))
		lane_send(l);
}

/* Would it be given up at about the same time as what waits? */
static bool
goes_with_queue(const struct rpc_desk *d, const struct rpc_call *c)
{
	const struct rpc_call *first;
	uint32_t a, b;

	if (list_empty(&d->queue))
		return true;
	first = container_of(d->queue.next, struct rpc_call, link);
	a = exchange_question(first->exchange).deadline_ms;
	b = exchange_question(c->exchange).deadline_ms;
	return (a > b ? a - b : b - a) <= DEADLINE_SPREAD_MS;
}

static bool
goes_in_bundle(const struct rpc_desk *d, const struct rpc_call *c)
{
	struct envelope e;

	if (d->in_flight == 1 || d->bundle_max == 0 ||
	    !rpc_client_connected(d->client))
		return false;
	e = exchange_question(c->exchange);
	return bundle_item_size(&e) <= d->bundle_bytes / 4 &&
	    goes_with_queue(d, c);
}

/* ---- calls ---- */

/* Out from now on, and in no list yet; NULL: all are. */
static struct rpc_call *
take_call(struct rpc_desk *d, const struct exchange_request *r,
    rpc_done_fn *done, void *arg)
{
	struct list *l = list_pop(&d->free);
	struct rpc_call *c;

	if (l == NULL)
		return NULL;
	c = container_of(l, struct rpc_call, link);
	c->done = done;
	c->arg = arg;
	exchange_prepare(c->exchange, r);
	d->in_flight++;
	return c;
}

/* Alone, or into the queue; then it must be flushed. */
static void
send_call(struct rpc_desk *d, struct rpc_call *c)
{
	if (goes_in_bundle(d, c))
		list_push(&d->queue, &c->link);
	else
		exchange_send(c->exchange);
}

struct rpc_call *
rpc_call_start(struct rpc_desk *d, enum rpc_kind kind, struct str body,
    uint32_t deadline_ms, bool idempotent, rpc_done_fn *done, void *arg)
{
	struct exchange_request r = { kind, body, deadline_ms, idempotent };
	struct rpc_call *c = take_call(d, &r, done, arg);

	if (c == NULL)
		return NULL;
	send_call(d, c);
	flush(d);
	return c;
}

struct rpc_call *
rpc_call_later(struct rpc_desk *d, enum rpc_kind kind, struct str body,
    uint32_t deadline_ms, bool idempotent, rpc_done_fn *done, void *arg)
{
	struct exchange_request r = { kind, body, deadline_ms, idempotent };
	struct rpc_call *c = take_call(d, &r, done, arg);

	if (c == NULL)
		return NULL;
	c->deadline_ms = deadline_ms;
	list_push(&d->later, &c->link);
	return c;
}

void
rpc_desk_hurry(struct rpc_desk *d)
{
	struct list *l;

	if (list_empty(&d->later))
		return;
	while ((l = list_pop(&d->later)) != NULL) {
		struct rpc_call *c = container_of(l, struct rpc_call, link);

		exchange_set_deadline(c->exchange, c->deadline_ms);
		if (c->done != NULL)
			send_call(d, c);
		else
			deliver(c);
	}
	flush(d);
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

/* ---- life ---- */

static int
lanes_open(struct rpc_desk *d, struct rpc_client *client, struct err *err)
{
	for (unsigned i = 0; i < LANES; i++) {
		struct lane *l = &d->lanes[i];

		l->desk = d;
		l->letter.deliver = on_lane_delivery;
		list_init(&l->calls);
		if (rpc_client_exchange(&l->exchange, client, on_lane_finished,
		    l, err) != 0)
			return -1;
	}
	return 0;
}

int
rpc_desk_new(struct rpc_desk **out, struct rpc_client *client,
    struct mailbox *mailbox, unsigned max_calls, struct err *err)
{
	struct rpc_desk *d =
	    xcalloc(1, sizeof(*d) + max_calls * sizeof(d->calls[0]));

	d->mailbox = mailbox;
	d->client = client;
	list_init(&d->free);
	list_init(&d->later);
	list_init(&d->queue);
	d->bundle_bytes = rpc_client_max_message(client) / 2;
	if (d->bundle_bytes > BUNDLE_BYTES_MAX)
		d->bundle_bytes = BUNDLE_BYTES_MAX;
	d->room = xmalloc(d->bundle_bytes);
	if (lanes_open(d, client, err) != 0)
		goto fail;
	for (; d->n_calls < max_calls; d->n_calls++) {
		struct rpc_call *c = &d->calls[d->n_calls];

		c->desk = d;
		c->letter.deliver = on_delivery;
		if (rpc_client_exchange(&c->exchange, client, on_finished, c,
		    err) != 0)
			goto fail;
		list_push(&d->free, &c->link);
	}
	*out = d;
	return 0;
fail:
	rpc_desk_free(&d);
	return -1;
}

static void
wait_for_letters(struct mailbox *m)
{
	struct pollfd p = { .fd = mailbox_fd(m), .events = POLLIN };
	int rc = poll(&p, 1, -1);

	ASSERT(rc == 1 || errno == EINTR);
	mailbox_deliver(m);
}

static void
cancel_all(struct rpc_desk *d)
{
	for (unsigned i = 0; i < d->n_calls; i++) {
		d->calls[i].done = NULL;
		exchange_cancel(d->calls[i].exchange);
	}
	for (unsigned i = 0; i < LANES; i++)
		if (d->lanes[i].out)
			exchange_cancel(d->lanes[i].exchange);
}

void
rpc_desk_free(struct rpc_desk **dp)
{
	struct rpc_desk *d = *dp;

	if (d == NULL)
		return;
	cancel_all(d);
	rpc_desk_hurry(d);
	/* A lane is out only with calls, so nobody is left behind. */
	while (d->in_flight > 0)
		wait_for_letters(d->mailbox);
	for (unsigned i = 0; i < d->n_calls; i++)
		exchange_free(&d->calls[i].exchange);
	for (unsigned i = 0; i < LANES; i++)
		exchange_free(&d->lanes[i].exchange);
	free(d->room);
	free(d);
	*dp = NULL;
}
