/* SPDX-License-Identifier: MIT */
/*
 * listener: accept connections for one worker.
 *
 * Takes a bounded number a wake-up. When descriptors or memory run out it
 * pauses for 100 ms instead of spinning. Owned by its worker.
 */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <event2/event_struct.h>

#include "net/addr.h"

struct worker;

struct listener {
	struct worker *worker;
	int fd;				/* -1: closed */
	struct event readable, resume;
	char name[ENDPOINT_TEXT_SIZE];	/* "127.0.0.1:1080", for records */
};

/* Sets the options that accepted sockets inherit. Before the listener is
 * shared: once per socket. */
void listener_set_options(int fd, uint64_t keepalive_ms,
    uint64_t user_timeout_ms);
void listener_start(struct listener *l, struct worker *w, int fd);
/* Closes the socket; harmless when closed. */
void listener_stop(struct listener *l);

#endif
