/* SPDX-License-Identifier: MIT */
#include "proxy/assoc_peers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How many of the longest unused are looked at for one that is silent: some
 * may be kept by answers that still come. */
#define LOOK_AT 8

socklen_t
sock_name_of(union sock_name *out, const struct endpoint *e)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(e, &sa);

	memcpy(out, &sa, len);
	return len;
}

/* ---- keys ---- */

/* Whose, sort, port, and the address or the name: never one for the other. */
struct peer_key {
	uint8_t owner[8], is_name, port[2];
	uint8_t host[NAME_MAX_LEN];
};
#define KEY_HEAD offsetof(struct peer_key, host)

static struct str
key_of(struct peer_key *k, uint64_t owner, const struct dest *d)
{
	size_t len = d->is_name ? d->name_len : sizeof(d->addr.b);

	memcpy(k->owner, &owner, sizeof(owner));
	k->is_name = d->is_name;
	k->port[0] = (uint8_t)(d->port >> 8);
	k->port[1] = (uint8_t)d->port;
	memcpy(k->host, d->is_name ? (const void *)d->name : d->addr.b, len);
	return (struct str){ (char *)k, KEY_HEAD + len };
}

static uint16_t
port_of(const struct peer *p)
{
	const struct peer_key *k = (const struct peer_key *)p->key;

	return (uint16_t)(k->port[0] << 8 | k->port[1]);
}

void
assoc_peers_dest(const struct peer *p, struct dest *out)
{
	const struct peer_key *k = (const struct peer_key *)p->key;
	size_t len = p->asked.key.len - KEY_HEAD;

	memset(out, 0, sizeof(*out));
	out->is_name = k->is_name != 0;
	out->port = port_of(p);
	if (!out->is_name) {
		memcpy(out->addr.b, k->host, sizeof(out->addr.b));
		return;
	}
	out->name_len = (uint8_t)len;
	memcpy(out->name, k->host, len);
}

/* Up to what the compiler may add after the port. */
#define CONTACT_KEY (offsetof(struct contact_key, at.port) + sizeof(uint16_t))

static struct str
contact_key(const struct contact_key *k)
{
	return (struct str){ (const char *)k, CONTACT_KEY };
}
static_assert(CONTACT_KEY == 8 + 16 + 2, "no gap in the key");

/* ---- life ---- */

void
peers_room_init(struct peers_room *room)
{
	map_init(&room->asked);
	map_init(&room->contacts);
	room->last = 0;
}

void
peers_room_fini(struct peers_room *room)
{
	ASSERT(room->asked.count == 0 && room->contacts.count == 0);
	map_fini(&room->asked);
	map_fini(&room->contacts);
}

void
assoc_peers_init(struct assoc_peers *t, struct peers_room *room)
{
	*t = (struct assoc_peers){ .room = room, .number = ++room->last };
	list_init(&t->used);
}

static void
peer_remove(struct assoc_peers *t, struct peer *p)
{
	ASSERT(p->judgement == NULL && list_empty(&p->held));
	assoc_peers_part(t, p);
	map_remove(&t->room->asked, &p->asked);
	list_del(&p->link);
	t->count--;
	free(p);
}

void
assoc_peers_fini(struct assoc_peers *t)
{
	while (!list_empty(&t->used))
		peer_remove(t, container_of(t->used.next, struct peer, link));
	ASSERT(t->count == 0);
}

/* ---- destinations ---- */

struct peer *
assoc_peers_find(struct assoc_peers *t, const struct dest *d)
{
	struct peer_key key;
	struct map_node *n = map_find(&t->room->asked,
	    key_of(&key, t->number, d));

	return n != NULL ? container_of(n, struct peer, asked) : NULL;
}

void
assoc_peers_use(struct assoc_peers *t, struct peer *p, uint32_t now_s)
{
	if (p->used_s == now_s)
		return;
	p->used_s = now_s;
	list_del(&p->link);
	list_push(&t->used, &p->link);
}

static bool
is_silent(const struct peer *p, uint32_t now_s)
{
	if (p->state == PEER_PENDING || now_s - p->used_s < PEERS_SILENT_S)
		return false;
	return p->contact == NULL ||
	    now_s - p->contact->heard_s >= PEERS_SILENT_S;
}

/* Removes one that is silent; false: all are in use. */
static bool
make_room(struct assoc_peers *t, uint32_t now_s)
{
	unsigned looks = 0;

	list_for_each(l, &t->used) {
		struct peer *p = container_of(l, struct peer, link);

		if (looks++ == LOOK_AT ||
		    now_s - p->used_s < PEERS_SILENT_S)
			break;
		if (is_silent(p, now_s)) {
			peer_remove(t, p);
			return true;
		}
	}
	return false;
}

struct peer *
assoc_peers_add(struct assoc_peers *t, const struct dest *d, uint32_t max,
    uint32_t now_s)
{
	struct peer_key k;
	struct str key = key_of(&k, t->number, d);
	struct peer *p;

	ASSERT(d->port != 0);
	if (t->count >= max && !make_room(t, now_s))
		return NULL;
	p = calloc(1, sizeof(*p) + key.len);
	if (p == NULL)
		return NULL;
	p->used_s = now_s;
	list_init(&p->held);
	memcpy(p->key, key.ptr, key.len);
	map_insert(&t->room->asked, &p->asked,
	    (struct str){ (char *)p->key, key.len });
	list_push(&t->used, &p->link);
	t->count++;
	return p;
}

/* ---- contacts ---- */

struct contact *
assoc_peers_contacted(const struct assoc_peers *t, const struct endpoint *from)
{
	struct contact_key key = { t->number, *from };
	struct map_node *n = map_find(&t->room->contacts, contact_key(&key));

	return n != NULL ? container_of(n, struct contact, node) : NULL;
}

static struct contact *
contact_new(struct assoc_peers *t, const struct endpoint *at)
{
	struct contact *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->key = (struct contact_key){ t->number, *at };
	c->name_len = sock_name_of(&c->name, at);
	map_insert(&t->room->contacts, &c->node, contact_key(&c->key));
	t->destinations++;
	return c;
}

bool
assoc_peers_contact(struct assoc_peers *t, struct peer *p,
    const struct addr *addr)
{
	struct endpoint at = { *addr, port_of(p) };
	struct contact *c;

	if (p->contact != NULL && addr_eq(&p->contact->key.at.addr, addr))
		return true;
	c = assoc_peers_contacted(t, &at);
	if (c == NULL)
		c = contact_new(t, &at);
	if (c == NULL)
		return false;
	c->refs++;
	assoc_peers_part(t, p);
	p->contact = c;
	return true;
}

void
assoc_peers_part(struct assoc_peers *t, struct peer *p)
{
	struct contact *c = p->contact;

	p->contact = NULL;
	if (c == NULL || --c->refs > 0)
		return;
	map_remove(&t->room->contacts, &c->node);
	free(c);
}
