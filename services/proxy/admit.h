/* SPDX-License-Identifier: MIT */
/*
 * admit: who may come in, and how much each may have; the limits of [proxy].
 *
 * At accept: where the listener's clients may come from, connections in all,
 * and new ones of a source a minute. Until the request: connections that have
 * not asked, in all and of a source; beyond that the oldest is put out. At the
 * request, before a name is looked up or anybody asked: new sessions of a user a
 * minute, and sessions of a source and a user; once the policy allows it,
 * sessions to a destination. A source is an IPv4 address or an IPv6 /64.
 *
 * One struct admit a process, shared by its workers; what a connection took it
 * holds itself, so that limits may change while it runs.
 */
#ifndef PROXY_ADMIT_H
#define PROXY_ADMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/close_reason.h"
#include "net/addr.h"

struct conn;
struct listener;
struct lobby;
struct pace;
struct quota;
struct worker;

struct admit {
	struct quota *quota;
	struct pace *sources;		/* new connections a minute */
	struct pace *users;		/* new sessions a minute */
	struct lobby *lobby;		/* who has not asked, by source */
	_Atomic uint32_t waiting;	/* who has not asked */
};

void admit_init(struct admit *d);
/* Every connection must be gone. */
void admit_fini(struct admit *d);
/* A worker's share: nobody waits there yet. */
void admit_open(struct worker *w);

/* CLOSE_NONE: may come in, and has its place among connections; it is given
 * back by conn_close, or by admit_refuse. */
enum close_reason admit_knock(const struct listener *l,
    const struct endpoint *peer) MUST_CHECK;
/* Counts who was not let in, and records it as far as the rate of such records
 * allows. `had_place`: after a admit_knock that said yes. */
void admit_refuse(struct listener *l, const struct endpoint *peer,
    enum close_reason why, bool had_place);
/* `c` has not asked yet. Puts out the oldest where that is one too many; may
 * close any connection of this worker, also `c`. */
void admit_wait(struct conn *c);
/* It has asked, or ends; the second time does nothing. */
void admit_asked(struct conn *c);

/* May the request that was read go on? CLOSE_NONE: yes, and it is counted as a
 * session until admit_left; else nothing is held. UDP takes a second place. */
enum close_reason admit_request(struct conn *c) MUST_CHECK;
/* The policy allows it: is there room at its destination? Asked last, so that
 * who is refused takes no place that others are allowed to have. */
enum close_reason admit_destination(struct conn *c) MUST_CHECK;
/* It will not be a session: it holds nothing while its refusal lingers. */
void admit_refused(struct conn *c);
/* The connection ends. Gives back its places and what it holds. */
void admit_left(struct conn *c);

/* May a refusal with this reason be recorded? Those of limits and of sources
 * come as fast as an attacker likes: 100 a second of the process are, the rest
 * is counted. */
bool admit_may_record(struct worker *w, enum close_reason reason) MUST_CHECK;

#endif
