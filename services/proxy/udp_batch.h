/* SPDX-License-Identifier: MIT */
/*
 * udp_batch: many datagrams for one system call, in and out.
 *
 * A worker has one batch, used by whichever association is at work: datagrams
 * are received into it, changed where they lie (a header is skipped, or written
 * into the room before), and sent from there; a payload is never copied. What
 * one call receives is also what one wake-up may do. Owned by one worker; what
 * it gives is good until the next udp_batch_receive.
 */
#ifndef PROXY_UDP_BATCH_H
#define PROXY_UDP_BATCH_H

#include "proxy/assoc_peers.h"

#define UDP_BATCH_MAX 32
/* Room before each datagram, for a header of ours. */
#define UDP_HEADROOM 32
/* Payload of the largest UDP datagram, by family (conformance.md case 71). */
#define UDP_PAYLOAD_MAX_V4 65507
#define UDP_PAYLOAD_MAX_V6 65527

struct udp_batch;

struct udp_datagram {
	char *ptr;		/* UDP_HEADROOM bytes before it are free */
	size_t len;
	struct endpoint from;
};

struct udp_batch *udp_batch_new(void) MUST_CHECK;
void udp_batch_free(struct udp_batch **bp);

/*
 * Does a socket bring several datagrams at a time? Looking for a second that
 * is not there costs half as much as the first: where they come one by one,
 * that is only tried now and then. Zeroed: it does.
 */
struct udp_habit {
	uint8_t singles;	/* wake-ups in a row that brought one */
};

/* Takes what waits at `fd`, or one of it, as is its habit; how many, or -1 with
 * errno: EAGAIN, or an error that came back from the network, which the call
 * has taken note of. */
int udp_batch_receive(struct udp_batch *b, int fd, struct udp_habit *habit)
    MUST_CHECK;
/* The `i`th of them. false: its sender is no IP address. */
bool udp_batch_get(const struct udp_batch *b, unsigned i,
    struct udp_datagram *out) MUST_CHECK;

/* Datagrams to be sent at once; borrows their bytes until then. */
struct udp_sending;
struct udp_sending *udp_sending_new(void) MUST_CHECK;
void udp_sending_free(struct udp_sending **sp);
/* At most UDP_BATCH_MAX; `name` is copied. */
void udp_sending_add(struct udp_sending *s, const union sock_name *name,
    socklen_t name_len, const void *ptr, size_t len);
unsigned udp_sending_count(const struct udp_sending *s);

struct udp_sent {
	unsigned sent, failed;
	uint64_t bytes;		/* of those sent */
};
/* Sends and forgets them. Those that the kernel does not take are lost, as
 * datagrams are; an error that only reports about earlier ones costs none. */
struct udp_sent udp_sending_flush(struct udp_sending *s, int fd);

#endif
