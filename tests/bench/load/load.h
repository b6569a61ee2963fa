/* SPDX-License-Identifier: MIT */
/*
 * load: how a proxy is loaded, as a table of modes, and what came of it.
 *
 *   connections  open, 64 bytes there and back, close, and again
 *   paced        the same, begun at random moments (Poisson) of a mean rate,
 *                whether or not earlier ones are done
 *   trips        SIZE bytes there and back on long connections
 *   down, up     bulk from the source, to the sink
 *   hold         opens all, 64 bytes there and back each, then does nothing
 *   slow         clients that never finish: a byte of the handshake each
 *                interval, and from the start when they are cut off
 *
 * hold and slow print {"held": N} once each has connected, N being there, and
 * end with stdin, so that the caller can measure what it pleases meanwhile.
 * One thread.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "client.h"
#include "hist.h"

struct load_options {
	uint16_t proxy_port;	/* 0: straight to the target */
	uint16_t target_port;
	unsigned conns;		/* at once; paced: at most so many */
	double seconds;
	uint64_t count;		/* connections to start at most; 0: any */
	size_t size;		/* bytes of a round trip, at most 64 KiB */
	double rate;		/* paced: connections a second */
	double interval;	/* slow: seconds between two bytes */
	const char *user, *password;
};

struct load_result {
	double seconds;
	uint64_t done;		/* connections, or round trips; hold: held */
	uint64_t bytes;		/* down, up: moved */
	uint64_t failed[CLIENT_STAGES];	/* by how far they had come */
	uint64_t cut;		/* slow: closed by the proxy */
	/* connections, paced: from connect() (paced: from its moment) to the
	 * first byte of the target. trips: there and back. ns */
	struct hist latency;
};

/* NULL-terminated; for the usage message. */
extern const char *const load_modes[];

/* Runs `mode`; -1 if there is none of that name. Ends the process where the
 * machine is the obstacle (descriptors). */
int load_run(const char *mode, const struct load_options *o,
    struct load_result *r) MUST_CHECK;
/* The mode `slow` (slow.c). */
void load_slow(const struct load_options *o, struct load_result *r);
/* Prints {"held": N}. */
void load_say_held(uint64_t n);

#endif
