/* SPDX-License-Identifier: MIT */
/*
 * From the client to the world. What one call receives is looked at datagram
 * by datagram, and leaves by one call for each family. A datagram whose
 * destination is being judged is copied and waits for the answer.
 */
#include "proxy/assoc_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/egress.h"
#include "proxy/icmp.h"
#include "proxy/socks5_udp.h"

/* A datagram that waits. */
struct held {
	struct list link;
	size_t len;
	char payload[];
};

/* The time of one wake-up: one look at the clock for all its datagrams. */
struct turn {
	uint64_t us, ms;
	uint32_t s;
};

static struct turn
turn_now(void)
{
	uint64_t us = clock_mono_us();

	return (struct turn){ us, us / 1000, (uint32_t)(us / 1000000) };
}

/* ---- sockets towards the world ---- */

/*
 * A socket on a random port. ICMP's answers are asked for, to be counted (case
 * 75); IPv4 has a socket of its own.
 */
static int
world_socket(const struct proxy_config *cfg, bool v4)
{
	int on = 1;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	icmp_keep(fd, v4);
	if ((v4 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
	    sizeof(on)) == 0) && egress_bind(cfg, fd, v4) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool
leg_open(struct assoc *a, int i)
{
	struct leg *l = &a->legs[i];

	if (l->fd >= 0)
		return true;
	l->fd = world_socket(a->room->cfg, i == LEG_V4);
	if (l->fd < 0)
		return false;
	event_assign(&l->readable, a->room->base, l->fd, EV_READ | EV_PERSIST,
	    assoc_on_world, l);
	event_add(&l->readable, NULL);
	return true;
}

static void
flush(struct assoc *a, uint32_t now_s)
{
	for (int i = 0; i < LEGS; i++) {
		struct udp_sending *s = a->room->sending[i];
		struct udp_sent sent;

		if (udp_sending_count(s) == 0)
			continue;
		sent = udp_sending_flush(s, a->legs[i].fd);
		assoc_sent(a, UDP_UP, &sent, now_s);
	}
}

/* ---- by the ruling ---- */

static void
send_to(struct assoc *a, const struct peer *p, struct str payload)
{
	const struct contact *c = p->contact;
	bool v4 = c->name.any.sa_family == AF_INET;
	int leg = v4 ? LEG_V4 : LEG_V6;

	if (payload.len > (v4 ? UDP_PAYLOAD_MAX_V4 : UDP_PAYLOAD_MAX_V6))
		assoc_drop(a, UDP_UP, UDP_TOO_LARGE);
	else if (!leg_open(a, leg))
		assoc_drop(a, UDP_UP, UDP_ERROR);
	else
		udp_sending_add(a->room->sending[leg], &c->name, c->name_len,
		    payload.ptr, payload.len);
}

/* Its ruling is good now. */
static void
obey(struct assoc *a, const struct peer *p, struct str payload)
{
	switch (p->ruling.kind) {
	case RULING_OPEN:
		send_to(a, p, payload);
		break;
	case RULING_REFUSED:
		assoc_drop(a, UDP_UP, UDP_REFUSED);
		break;
	case RULING_UNRESOLVED:
		assoc_drop(a, UDP_UP, UDP_UNRESOLVED);
		break;
	}
}

/* ---- judgements ---- */

static bool
holds(const struct assoc *a, const struct ruling *r, uint64_t now_ms)
{
	return now_ms < r->until_ms && (!r->by_policy ||
	    policy_view_names(a->room->view, &r->instance, r->generation,
	    now_ms));
}

static void
first_contact(struct assoc *a, const struct peer *p, const struct decision *d)
{
	struct dest dest;

	if (a->first == NULL)
		return;
	assoc_peers_dest(p, &dest);
	a->first(a->arg, &dest, &p->ruling.addr, d);
	a->first = NULL;
}

/* The ruling is kept; who is no longer allowed may not answer either. */
static void
judged(struct assoc *a, struct peer *p, const struct judge_answer *answer)
{
	p->state = PEER_JUDGED;
	p->ruling = answer->ruling;
	if (p->ruling.kind == RULING_OPEN &&
	    !assoc_peers_contact(&a->peers, p, &p->ruling.addr))
		p->ruling = (struct ruling){ .kind = RULING_REFUSED };
	if (p->ruling.kind == RULING_OPEN)
		first_contact(a, p, answer->decision);
	else
		assoc_peers_part(&a->peers, p);
}

static size_t
held_cost(const struct held *h)
{
	return sizeof(*h) + h->len;
}

/* The oldest datagram that waits for this judgement; NULL: no more. */
static struct held *
held_pop(struct assoc *a, struct peer *p)
{
	struct list *l = list_pop(&p->held);
	struct held *h;

	if (l == NULL)
		return NULL;
	h = container_of(l, struct held, link);
	a->held -= held_cost(h);
	a->room->held -= held_cost(h);
	return h;
}

static void
hold(struct assoc *a, struct peer *p, struct str payload)
{
	struct held *h = NULL;
	size_t cost = sizeof(*h) + payload.len;

	if (a->held + cost <= ASSOC_HELD_MAX &&
	    a->room->held + cost <= ASSOC_HELD_ALL_MAX)
		h = malloc(cost);
	if (h == NULL) {
		assoc_drop(a, UDP_UP, UDP_HELD_FULL);
		return;
	}
	h->len = payload.len;
	memcpy(h->payload, payload.ptr, payload.len);
	list_push(&p->held, &h->link);
	a->held += cost;
	a->room->held += cost;
}

/* Sends or drops what waited, a batch at a time. */
static void
release(struct assoc *a, struct peer *p)
{
	struct held *batch[UDP_BATCH_MAX];
	struct turn now = turn_now();
	unsigned n;

	do {
		n = 0;
		while (n < UDP_BATCH_MAX &&
		    (batch[n] = held_pop(a, p)) != NULL) {
			obey(a, p, (struct str){ batch[n]->payload,
				batch[n]->len });
			n++;
		}
		flush(a, now.s);
		for (unsigned i = 0; i < n; i++)
			free(batch[i]);
	} while (n == UDP_BATCH_MAX);
}

static void
on_judged(void *arg, const struct judge_answer *answer)
{
	struct peer *p = arg;
	struct assoc *a = p->owner;

	p->judgement = NULL;
	judged(a, p, answer);
	release(a, p);
}

/* Asks; the answer may be there at once. */
static void
judge(struct assoc *a, struct peer *p)
{
	const struct judge *j = &a->room->judge;
	struct judge_answer now;
	struct dest dest;
	struct judge_question q = {
		.identity = a->identity, .source = a->client.addr,
		.dest = &dest,
		.preferred = p->contact != NULL ? &p->contact->key.at.addr :
		    NULL,
	};

	assoc_peers_dest(p, &dest);
	p->owner = a;
	p->state = PEER_PENDING;
	p->judgement = j->start(j, &q, &now, on_judged, p);
	if (p->judgement == NULL)
		judged(a, p, &now);
}

void
assoc_forget(struct assoc *a)
{
	list_for_each(l, &a->peers.used) {
		struct peer *p = container_of(l, struct peer, link);
		struct held *h;

		if (p->judgement != NULL)
			a->room->judge.cancel(p->judgement);
		p->judgement = NULL;
		while ((h = held_pop(a, p)) != NULL)
			free(h);
	}
}

/* ---- each datagram ---- */

/* Where it says, once that is allowed. */
static void
forward(struct assoc *a, const struct dest *dest, struct str payload,
    struct turn now)
{
	struct peer *p = assoc_peers_find(&a->peers, dest);

	if (p != NULL)
		assoc_peers_use(&a->peers, p, now.s);
	else
		p = assoc_peers_add(&a->peers, dest,
		    a->room->cfg->udp_max_destinations, now.s);
	if (p == NULL) {
		assoc_drop(a, UDP_UP, UDP_DESTINATIONS);
		return;
	}
	if (p->state != PEER_PENDING &&
	    (p->state == PEER_UNKNOWN || !holds(a, &p->ruling, now.ms))) {
		/* Asking may bring another's answer, and its datagrams: what is
		 * about to be sent is this one's. */
		flush(a, now.s);
		judge(a, p);
	}
	if (p->state == PEER_PENDING)
		hold(a, p, payload);
	else
		obey(a, p, payload);
}

/* From the control connection's address, and from the one port that the
 * client uses, once that is known (case 60). */
static bool
is_client(const struct assoc *a, const struct endpoint *from)
{
	if (!addr_eq(&from->addr, &a->client.addr))
		return false;
	return a->client.port == 0 || a->client.port == from->port ||
	    a->room->cfg->udp_port_change;
}

/* A valid datagram tells where the client is (case 57). */
static void
learn(struct assoc *a, const struct endpoint *from)
{
	if (a->client.port == from->port)
		return;
	a->client.port = from->port;
	a->client_name_len = sock_name_of(&a->client_name, &a->client);
}

static void
take(struct assoc *a, const struct udp_datagram *d, struct turn now)
{
	struct str datagram = { d->ptr, d->len }, payload;
	struct dest dest;

	if (!is_client(a, &d->from)) {
		assoc_drop(a, UDP_UP, UDP_SOURCE);
		return;
	}
	switch (socks5_udp_parse(datagram, &dest, &payload)) {
	case SOCKS5_UDP_OK:
		break;
	case SOCKS5_UDP_FRAG:
		assoc_drop(a, UDP_UP, UDP_FRAGMENT);
		return;
	default:
		assoc_drop(a, UDP_UP, UDP_HEADER);
		return;
	}
	learn(a, &d->from);
	if (assoc_may(a, UDP_UP, payload.len, now.us))
		forward(a, &dest, payload, now);
}

void
assoc_on_client(evutil_socket_t fd, short what, void *arg)
{
	struct assoc *a = arg;
	struct udp_batch *b = a->room->batch;
	int n = udp_batch_receive(b, fd, &a->habit);
	struct turn now;

	(void)what;
	if (n <= 0)
		return;
	now = turn_now();
	for (int i = 0; i < n; i++) {
		struct udp_datagram d;

		if (udp_batch_get(b, (unsigned)i, &d))
			take(a, &d, now);
	}
	flush(a, now.s);
}
