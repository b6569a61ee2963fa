/* SPDX-License-Identifier: MIT */
/*
 * lobby: who has connected and not asked yet, by source, oldest first.
 *
 * Of a source that has too many, the oldest is put out, not the newest: silent
 * connections then cannot keep out somebody behind the same address (threats.md
 * Any thread; a seat belongs to the thread that took it, which may find
 * that it was put out by another.
 */
#ifndef PROXY_LOBBY_H
#define PROXY_LOBBY_H

#include <stdint.h>

#include "base/check.h"
#include "base/list.h"
#include "base/str.h"

struct lobby;
struct lobby_source;
struct shard;

/* Embedded in who waits. Zeroed: has no seat. */
struct lobby_seat {
	struct shard *shard;	/* NULL: none was taken */
	struct lobby_source *source;	/* NULL: put out; guarded by shard */
	struct list link;		/* guarded by shard */
};

/* This seat was put out. Runs on any thread, under a lock: it may only post a
 * message to the seat's owner. */
typedef void lobby_out_fn(struct lobby_seat *seat);

struct lobby *lobby_new(lobby_out_fn *out) MUST_CHECK;
/* Takes a seat among those of `source`, and puts out the oldest as long as they
 * are more than `max`. No seat is taken where there is no limit (0), or no
 * memory. */
void lobby_enter(struct lobby *l, struct lobby_seat *seat, struct str source,
    uint32_t max);
/* Harmless without a seat, or when it was put out. */
void lobby_leave(struct lobby_seat *seat);
/* Seats of that source. */
uint32_t lobby_of(struct lobby *l, struct str source);
/* Everybody must have left. */
void lobby_free(struct lobby **lp);

#endif
