/* SPDX-License-Identifier: MIT */
/*
 * targets: what the load is sent to: echo, an endless source, a sink.
 *
 * One thread, on all addresses, reached through lo only. A peer that closes is
 * closed; an echo that does not fit into the socket ends its connection, so
 * that the load sees a failure and no lost byte.
 */
#ifndef BENCH_TARGETS_H
#define BENCH_TARGETS_H

#include <stdint.h>

#include "base/check.h"

enum target { TARGET_ECHO, TARGET_SOURCE, TARGET_SINK, TARGETS };

struct targets {
	int epoll;
	int listener[TARGETS];
	uint16_t port[TARGETS];
};

/* Listens on `first` and the two ports after it; 0: on any three. Ends the
 * process if it cannot. */
void targets_listen(struct targets *t, uint16_t first);
void targets_serve(struct targets *t) NORETURN;

#endif
