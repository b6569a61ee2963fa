/* SPDX-License-Identifier: MIT */
#include "msg/rpc_client.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "msg/bus.h"
#include "msg/exchange.h"

struct rpc_client {
	struct rpc_client_options options;
	char *address, *name;
	struct bus *bus;
};

int
rpc_client_new(struct rpc_client **out, const struct rpc_client_options *o,
    struct err *err)
{
	struct rpc_client *c = xcalloc(1, sizeof(*c));
	struct bus_options bo = {
		.role = BUS_REQ,
		.address = o->address,
		.name = o->name,
		.max_message = o->max_message,
		.reconnect_max_ms = o->reconnect_max_ms,
	};

	c->options = *o;
	c->options.address = c->address = xstrdup(o->address);
	c->options.name = c->name = xstrdup(o->name);
	if (bus_open(&c->bus, &bo, err) != 0 || bus_start(c->bus, err) != 0) {
		rpc_client_free(&c);
		return -1;
	}
	*out = c;
	return 0;
}

bool
rpc_client_connected(const struct rpc_client *c)
{
	return bus_peers(c->bus) > 0;
}

const char *
rpc_result_name(enum rpc_result r)
{
	static const char *const names[] = {
		[RPC_OK] = "ok",
		[RPC_REFUSED] = "refused",
		[RPC_TIMEOUT] = "timeout",
		[RPC_UNREACHABLE] = "unreachable",
		[RPC_BAD_REPLY] = "bad_reply",
	};

	ASSERT(r < ARRAY_LEN(names));
	return names[r];
}

int
rpc_client_exchange(struct exchange **out, struct rpc_client *c,
    exchange_finished_fn *finished, void *arg, struct err *err)
{
	return exchange_new(out, c->bus, &c->options, finished, arg, err);
}

size_t
rpc_client_max_message(const struct rpc_client *c)
{
	return c->options.max_message;
}

void
rpc_client_free(struct rpc_client **cp)
{
	struct rpc_client *c = *cp;

	if (c == NULL)
		return;
	bus_free(&c->bus);
	free(c->address);
	free(c->name);
	free(c);
	*cp = NULL;
}

struct waiter {
	pthread_mutex_t m;
	pthread_cond_t cond;
	bool finished;
};

static void
on_finished(void *arg)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->m);
	w->finished = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->m);
}

static void
explain(const struct rpc_client *c, const struct exchange *x, struct err *err)
{
	static const char *const words[] = {
		[RPC_TIMEOUT] = "no answer in time",
		[RPC_UNREACHABLE] = "not connected",
		[RPC_BAD_REPLY] = "the answer makes no sense",
	};
	enum rpc_result r = exchange_result(x);
	struct str error = exchange_error(x);

	if (r == RPC_REFUSED)
		err_set(err, "%s: %.*s", c->name, (int)error.len, error.ptr);
	else if (r != RPC_OK)
		err_set(err, "%s at %s: %s", c->name, c->address, words[r]);
}

enum rpc_result
rpc_ask(struct rpc_client *c, enum rpc_kind kind, struct str body,
    uint32_t deadline_ms, struct bytes *reply, struct err *err)
{
	struct waiter w = { .m = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER };
	struct exchange_request request = { .kind = kind, .body = body,
		.deadline_ms = deadline_ms };
	struct exchange *x;
	enum rpc_result r;
	struct str answer;

	if (rpc_client_exchange(&x, c, on_finished, &w, err) != 0)
		return RPC_UNREACHABLE;
	exchange_prepare(x, &request);
	exchange_send(x);
	pthread_mutex_lock(&w.m);
	while (!w.finished)
		pthread_cond_wait(&w.cond, &w.m);
	pthread_mutex_unlock(&w.m);
	r = exchange_result(x);
	answer = exchange_body(x);
	bytes_add(reply, answer.ptr, answer.len);
	explain(c, x, err);
	exchange_free(&x);
	pthread_cond_destroy(&w.cond);
	pthread_mutex_destroy(&w.m);
	return r;
}
