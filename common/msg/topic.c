/* SPDX-License-Identifier: MIT */
#include "msg/topic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>

#include "base/mem.h"
#include "msg/bus.h"

struct topic_pub {
	struct bus *bus;
	_Atomic size_t waiting;	/* bytes of posts */
};

/* A message on its way to nng. */
struct post {
	struct letter letter;
	struct topic_pub *pub;
	nng_msg *msg;
};

struct topic_sub {
	struct bus *bus;
	char *name;
	topic_message_fn *on_message;
	nng_pipe sender;	/* of the message that is being handled */
	void *arg;
	nng_aio *aio;
	pthread_t thread;
	bool running;
};

static int
open_bus(struct bus **out, enum bus_role role, const struct topic_options *o,
    struct err *err)
{
	struct bus_options bo = {
		.role = role,
		.address = o->address,
		.name = o->name,
		.listen = o->listen,
		.max_message = o->max_message,
		.reconnect_max_ms = o->reconnect_max_ms,
		.queue = o->queue,
		.group = o->group,
	};

	return bus_open(out, &bo, err);
}

int
topic_pub_open(struct topic_pub **out, const struct topic_options *o,
    struct err *err)
{
	struct topic_pub *p = xcalloc(1, sizeof(*p));

	if (open_bus(&p->bus, BUS_PUB, o, err) != 0 ||
	    bus_start(p->bus, err) != 0) {
		topic_pub_close(&p);
		return -1;
	}
	*out = p;
	return 0;
}

/* On the thread of the socket. */
static void
on_post(struct letter *l)
{
	struct post *post = container_of(l, struct post, letter);
	size_t len = nng_msg_len(post->msg);

	if (nng_sendmsg(*bus_socket(post->pub->bus), post->msg,
	    NNG_FLAG_NONBLOCK) != 0)
		nng_msg_free(post->msg);
	post->pub->waiting -= len;
	free(post);
}

static struct post *
post_new(struct topic_pub *p, struct str message)
{
	struct post *post = malloc(sizeof(*post));

	if (post == NULL)
		return NULL;
	*post = (struct post){ .letter.deliver = on_post, .pub = p };
	if (nng_msg_alloc(&post->msg, message.len) != 0) {
		free(post);
		return NULL;
	}
	if (message.len > 0)
		memcpy(nng_msg_body(post->msg), message.ptr, message.len);
	return post;
}

bool
topic_pub_send(struct topic_pub *p, struct str message)
{
	struct post *post = NULL;

	if (p->waiting + message.len <= TOPIC_WAITING_MAX)
		post = post_new(p, message);
	if (post == NULL)
		return false;
	p->waiting += message.len;
	bus_post(p->bus, &post->letter);
	return true;
}

unsigned
topic_pub_peers(const struct topic_pub *p)
{
	return bus_peers(p->bus);
}

void
topic_pub_close(struct topic_pub **pp)
{
	struct topic_pub *p = *pp;

	if (p == NULL)
		return;
	if (p->bus != NULL)
		bus_close(p->bus);	/* what was posted still needs it */
	bus_free(&p->bus);
	free(p);
	*pp = NULL;
}

/* The message, or NULL: the socket is closed, or closing it got stuck. */
static nng_msg *
receive(struct topic_sub *s)
{
	nng_msg *msg;

	nng_recv_aio(*bus_socket(s->bus), s->aio);
	nng_aio_wait(s->aio);
	if (nng_aio_result(s->aio) != 0)
		return NULL;
	msg = nng_aio_get_msg(s->aio);
	nng_aio_set_msg(s->aio, NULL);
	return msg;
}

/*
 * The one receive on this socket, without time-out. nng 1.5.2 can crash when
 * it is cancelled while a message arrives, so that happens only after
 * bus_close, which takes the pipes away.
 */
static void *
run(void *arg)
{
	struct topic_sub *s = arg;
	nng_msg *msg;

	while ((msg = receive(s)) != NULL) {
		s->sender = nng_msg_get_pipe(msg);
		s->on_message(s->arg, (struct str){ nng_msg_body(msg),
		    nng_msg_len(msg) });
		nng_msg_free(msg);
	}
	return NULL;
}

static int
sub_start(struct topic_sub *s, struct err *err)
{
	int rv = nng_socket_set(*bus_socket(s->bus), NNG_OPT_SUB_SUBSCRIBE,
	    "", 0);

	if (rv == 0)
		rv = nng_aio_alloc(&s->aio, NULL, NULL);
	if (rv != 0)
		return err_set(err, "%s: cannot subscribe: %s", s->name,
		    nng_strerror(rv));
	if ((rv = pthread_create(&s->thread, NULL, run, s)) != 0)
		return err_set(err, "%s: cannot start a thread: %s", s->name,
		    strerror(rv));
	s->running = true;
	return bus_start(s->bus, err);
}

int
topic_sub_open(struct topic_sub **out, const struct topic_options *o,
    topic_message_fn *on_message, void *arg, struct err *err)
{
	struct topic_sub *s = xcalloc(1, sizeof(*s));

	s->name = xstrdup(o->name);
	s->on_message = on_message;
	s->arg = arg;
	*out = s;
	if (open_bus(&s->bus, BUS_SUB, o, err) != 0 ||
	    sub_start(s, err) != 0) {
		topic_sub_close(out);
		return -1;
	}
	return 0;
}

void
topic_sub_refuse(struct topic_sub *s)
{
	nng_pipe_close(s->sender);
}

unsigned
topic_sub_peers(const struct topic_sub *s)
{
	return bus_peers(s->bus);
}

void
topic_sub_close(struct topic_sub **sp)
{
	struct topic_sub *s = *sp;

	if (s == NULL)
		return;
	if (s->bus != NULL)
		bus_close(s->bus);
	if (s->running) {
		nng_aio_stop(s->aio);
		pthread_join(s->thread, NULL);
	}
	nng_aio_free(s->aio);
	bus_free(&s->bus);
	free(s->name);
	free(s);
	*sp = NULL;
}
