/* SPDX-License-Identifier: MIT */
/*
 * assoc_peers: to whom an association sends, and who may answer.
 *
 * A struct peer for each destination by what the client asked for (a name or
 * an address, and a port), with the ruling about it; a struct contact for each
 * address and port that was really sent to, for the way back (conformance.md
 * case 70). An association has at most `max` of either: when it has, the
 * destination that has been silent longest makes room if that is
 * PEERS_SILENT_S or more, else a new one finds none. So a scan asks the policy
 * at a bounded rate (threats.md U-3). The hash tables are the worker's, and an
 * association without destinations costs nothing in them. Pure: time comes as
 * an argument. Owned by one worker.
 */
#ifndef PROXY_ASSOC_PEERS_H
#define PROXY_ASSOC_PEERS_H

#include <netinet/in.h>

#include "base/id.h"
#include "base/map.h"
#include "base/list.h"
#include "net/name.h"

#define PEERS_SILENT_S 30

/* An endpoint as the kernel wants it, without the room of sockaddr_storage. */
union sock_name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};
socklen_t sock_name_of(union sock_name *out, const struct endpoint *e);

enum ruling_kind {
	RULING_OPEN,
	RULING_REFUSED,		/* by policy, fence, or because acld is away */
	RULING_UNRESOLVED,	/* the name has no address */
};

/* An answer to "may the client send there", and how long it is good. */
struct ruling {
	enum ruling_kind kind;
	bool by_policy;		/* good only while that policy is in force */
	struct addr addr;	/* if open: the one to send to */
	uint64_t until_ms;	/* boot clock; not after it */
	uint64_t generation;	/* if by_policy */
	struct id instance;
};

/* An address and port that was sent to. */
struct contact {
	struct map_node node;
	struct contact_key {
		uint64_t owner;		/* assoc_peers.number */
		struct endpoint at;
	} key;
	unsigned refs;		/* peers that mean it */
	uint32_t heard_s;	/* it sent something last */
	socklen_t name_len;
	union sock_name name;
};

enum peer_state {
	PEER_UNKNOWN,		/* never judged */
	PEER_JUDGED,		/* `ruling` says it, while it is good */
	PEER_PENDING,		/* being judged; `ruling` is the last one */
};

struct peer {
	struct map_node asked;
	struct list link;	/* in assoc_peers.used, latest last */
	uint32_t used_s;	/* the client sent to it last */
	uint8_t state;		/* enum peer_state */
	struct list held;	/* the owner's: datagrams that wait */
	void *judgement;	/* the owner's: what is being asked */
	void *owner;
	struct contact *contact;	/* NULL: not sent to */
	struct ruling ruling;
	uint8_t key[];
};

/* The tables of all associations of a worker. */
struct peers_room {
	struct map asked, contacts;
	uint64_t last;		/* number given */
};

/* What one association has in them. */
struct assoc_peers {
	struct peers_room *room;
	uint64_t number;	/* its own, part of every key */
	struct list used;	/* struct peer, the longest unused first */
	uint32_t count;
	uint32_t destinations;	/* contacts made so far */
};

void peers_room_init(struct peers_room *room);
void peers_room_fini(struct peers_room *room);	/* associations first */

void assoc_peers_init(struct assoc_peers *t, struct peers_room *room);
/* NULL: it is not there. */
struct peer *assoc_peers_find(struct assoc_peers *t, const struct dest *d);
/* A new one, used now; it must not be there. NULL: `max` are in use, or memory
 * is out. `d`: port not 0. */
struct peer *assoc_peers_add(struct assoc_peers *t, const struct dest *d,
    uint32_t max, uint32_t now_s) MUST_CHECK;
/* What the client asked for. */
void assoc_peers_dest(const struct peer *p, struct dest *out);
/* The client sends to it now. */
void assoc_peers_use(struct assoc_peers *t, struct peer *p, uint32_t now_s);
/* It is at this address now, which may answer; the port is the one asked for.
 * false: memory is out, and it is where it was. */
bool assoc_peers_contact(struct assoc_peers *t, struct peer *p,
    const struct addr *addr) MUST_CHECK;
/* It must not answer any more, unless another name means it too. */
void assoc_peers_part(struct assoc_peers *t, struct peer *p);
/* The contact at that address and port, or NULL. */
struct contact *assoc_peers_contacted(const struct assoc_peers *t,
    const struct endpoint *from);
/* Frees all. Nobody may be pending, nothing held. */
void assoc_peers_fini(struct assoc_peers *t);

#endif
