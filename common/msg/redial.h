/* SPDX-License-Identifier: MIT */
/*
 * redial: keeps one socket connected to one address. Internal to common/msg.
 *
 * nng dials again by itself, but 1.5.2 only as long as its reaper lives: a
 * pipe that is closed by a failed send while a message is half received is
 * waited for without end, and with it every later loss in the process goes
 * unnoticed (fixed in 1.8). Where nng is that old a tick looks whether there
 * is a connection, and whether the process at its other end still exists.
 * Where there is none though somebody listens, for two ticks, a new dialler
 * takes the place of the old one. The ticks of all of them share a thread
 * (tick.h), so that one looks at a time.
 */
#ifndef MSG_REDIAL_H
#define MSG_REDIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct nng_socket_s;
struct nng_pipe_s;
struct redial;

/* Borrows the strings. `path` is the one in an ipc address, else NULL.
 * `period_ms` is the time between two ticks. */
struct redial *redial_new(const struct nng_socket_s *socket,
    const char *address, const char *path, uint32_t period_ms) MUST_CHECK;
/* Begins to dial. */
int redial_start(struct redial *r, struct err *err) MUST_CHECK;
/* From nng's notifications. */
void redial_on_add(struct redial *r, const struct nng_pipe_s *pipe);
void redial_on_remove(struct redial *r, const struct nng_pipe_s *pipe);
/* Any thread. */
bool redial_connected(struct redial *r);
/* No tick any more, now or later; one that runs is waited for, which may wait
 * 2 s for a peer's greeting. The diallers go with the socket. */
void redial_stop(struct redial *r);
/* After the socket is closed. */
void redial_free(struct redial **rp);

#endif
