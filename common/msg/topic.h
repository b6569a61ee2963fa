/* SPDX-License-Identifier: MIT */
/*
 * topic: publish and subscribe. Lossy by nature: a full queue drops the
 * oldest, silently. What must arrive is asked for (audit.md section 3).
 */
#ifndef MSG_TOPIC_H
#define MSG_TOPIC_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define TOPIC_WAITING_MAX ((size_t)16 * 1024 * 1024)

struct topic_options {
	const char *address;
	const char *name;		/* "events", for logs */
	bool listen;			/* else dial, for ever */
	size_t max_message;
	uint32_t reconnect_max_ms;
	unsigned queue;			/* messages held for a slow peer */
	unsigned group;			/* as in rpc_server_options */
};

/* Publisher; any thread may send. */
struct topic_pub;

int topic_pub_open(struct topic_pub **out, const struct topic_options *o,
    struct err *err) MUST_CHECK;
/* Never waits; the bytes are copied, and sent on a thread of the publisher's.
 * false: memory was out, or TOPIC_WAITING_MAX bytes wait for that thread. */
bool topic_pub_send(struct topic_pub *p, struct str message);
/* Subscribers connected at the moment. */
unsigned topic_pub_peers(const struct topic_pub *p);
void topic_pub_close(struct topic_pub **pp);

/* Subscriber to everything; `on_message` runs on one thread of its own, the
 * message is borrowed until it returns. */
typedef void topic_message_fn(void *arg, struct str message);
struct topic_sub;

/* From on_message only: the message is malformed; whoever sent it is closed.
 * (It may dial again, and is closed again.) */
void topic_sub_refuse(struct topic_sub *s);

/* *out is set before the first message. */
int topic_sub_open(struct topic_sub **out, const struct topic_options *o,
    topic_message_fn *on_message, void *arg, struct err *err) MUST_CHECK;
/* Publishers connected at the moment. */
unsigned topic_sub_peers(const struct topic_sub *s);
/* on_message does not run any more when it returns. */
void topic_sub_close(struct topic_sub **sp);

#endif
