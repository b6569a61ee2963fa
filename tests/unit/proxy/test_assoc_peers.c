/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "proxy/assoc_peers.h"

static struct dest
dest_of(const char *host, uint16_t port)
{
	struct dest d = { .port = port };

	assert_int_not_equal(name_canonical(&d, str_from(host)), NAME_BAD);
	return d;
}

static struct addr
addr_of(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, str_from(text)));
	return a;
}

static struct endpoint
at(const char *text, uint16_t port)
{
	return (struct endpoint){ addr_of(text), port };
}

static struct peer *
add(struct assoc_peers *t, const char *host, uint16_t port)
{
	struct dest d = dest_of(host, port);
	struct peer *p = assoc_peers_add(t, &d, 256, 1000);

	assert_non_null(p);
	return p;
}

/* A name, an address, a port: each its own; and what was put in comes out. */
static void
test_keys(void **state)
{
	static const struct { const char *host; uint16_t port; } rows[] = {
		{ "example.com", 53 }, { "example.com", 54 },
		{ "example.org", 53 }, { "192.0.2.1", 53 },
		{ "2001:db8::1", 53 }, { "192.0.2.1", 13568 },
		/* the bytes of the name are those of the address after it */
		{ "abcdefghijklmnop", 53 },
		{ "6162:6364:6566:6768:696a:6b6c:6d6e:6f70", 53 },
	};
	struct peers_room room;
	struct assoc_peers t, other;

	(void)state;
	peers_room_init(&room);
	assoc_peers_init(&t, &room);
	assoc_peers_init(&other, &room);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dest d = dest_of(rows[i].host, rows[i].port), out;
		struct peer *p;

		assert_null(assoc_peers_find(&t, &d));
		p = add(&t, rows[i].host, rows[i].port);
		assert_ptr_equal(assoc_peers_find(&t, &d), p);
		assert_null(assoc_peers_find(&other, &d));
		assoc_peers_dest(p, &out);
		assert_int_equal(out.is_name, d.is_name);
		assert_int_equal(out.port, d.port);
		assert_string_equal(out.name, d.name);
		assert_int_equal(out.name_len, d.name_len);
		if (!d.is_name)
			assert_true(addr_eq(&out.addr, &d.addr));
	}
	assert_int_equal(t.count, ARRAY_LEN(rows));
	assoc_peers_fini(&t);
	assoc_peers_fini(&other);
	peers_room_fini(&room);
}

/* Who was not sent to may not answer; another port neither, nor who was sent
 * to by another association. */
static void
test_contacts(void **state)
{
	struct peers_room room;
	struct assoc_peers t, other;
	struct endpoint here = at("192.0.2.1", 53), moved = at("192.0.2.2", 53),
	    port = at("192.0.2.1", 54);
	struct addr one = addr_of("192.0.2.1"), two = addr_of("192.0.2.2");
	struct peer *name, *addr;

	(void)state;
	peers_room_init(&room);
	assoc_peers_init(&t, &room);
	assoc_peers_init(&other, &room);
	name = add(&t, "example.com", 53);
	addr = add(&t, "192.0.2.1", 53);
	assert_null(assoc_peers_contacted(&t, &here));
	assert_true(assoc_peers_contact(&t, name, &one));
	assert_non_null(assoc_peers_contacted(&t, &here));
	assert_null(assoc_peers_contacted(&t, &port));
	assert_null(assoc_peers_contacted(&other, &here));
	/* The same by its address: one contact, which either keeps. */
	assert_true(assoc_peers_contact(&t, addr, &one));
	assert_ptr_equal(addr->contact, name->contact);
	assert_int_equal(t.destinations, 1);
	assoc_peers_part(&t, name);
	assert_null(name->contact);
	assert_non_null(assoc_peers_contacted(&t, &here));
	assoc_peers_part(&t, addr);
	assert_null(assoc_peers_contacted(&t, &here));
	/* A name that moves takes its contact along. */
	assert_true(assoc_peers_contact(&t, name, &one));
	assert_true(assoc_peers_contact(&t, name, &two));
	assert_null(assoc_peers_contacted(&t, &here));
	assert_non_null(assoc_peers_contacted(&t, &moved));
	assert_int_equal(name->contact->name_len, sizeof(struct sockaddr_in));
	assert_int_equal(t.destinations, 3);
	assoc_peers_fini(&t);
	assoc_peers_fini(&other);
	peers_room_fini(&room);
}

/* Only who is silent makes room: who is sent to stays, who answers stays, and
 * who is being judged stays. */
static void
test_room_is_made_by_the_silent(void **state)
{
	struct dest sent = dest_of("192.0.2.1", 1), heard = dest_of("192.0.2.2",
	    1), asked = dest_of("192.0.2.3", 1), idle = dest_of("192.0.2.4", 1),
	    fresh = dest_of("192.0.2.5", 1), more = dest_of("192.0.2.6", 1);
	struct addr a = addr_of("192.0.2.2");
	struct peers_room room;
	struct assoc_peers t;
	uint32_t later = 1000 + PEERS_SILENT_S;

	(void)state;
	peers_room_init(&room);
	assoc_peers_init(&t, &room);
	assert_non_null(assoc_peers_add(&t, &sent, 4, 1000));
	assert_non_null(assoc_peers_add(&t, &heard, 4, 1000));
	assert_non_null(assoc_peers_add(&t, &asked, 4, 1000));
	assert_non_null(assoc_peers_add(&t, &idle, 4, 1000));
	assert_null(assoc_peers_add(&t, &fresh, 4, later - 1));
	assert_true(assoc_peers_contact(&t, assoc_peers_find(&t, &heard), &a));
	assoc_peers_find(&t, &heard)->contact->heard_s = later - 1;
	assoc_peers_find(&t, &asked)->state = PEER_PENDING;
	assoc_peers_use(&t, assoc_peers_find(&t, &sent), later);
	assert_non_null(assoc_peers_add(&t, &fresh, 4, later));
	assert_null(assoc_peers_find(&t, &idle));
	assert_non_null(assoc_peers_find(&t, &sent));
	assert_non_null(assoc_peers_find(&t, &heard));
	assert_non_null(assoc_peers_find(&t, &asked));
	assert_null(assoc_peers_add(&t, &more, 4, later));
	assert_int_equal(t.count, 4);
	assoc_peers_fini(&t);
	peers_room_fini(&room);
}

/* Time that has gone round is no reason to keep anybody. */
static void
test_a_clock_of_32_bits(void **state)
{
	struct dest old = dest_of("192.0.2.1", 1), fresh = dest_of("192.0.2.2",
	    1);
	struct peers_room room;
	struct assoc_peers t;

	(void)state;
	peers_room_init(&room);
	assoc_peers_init(&t, &room);
	assert_non_null(assoc_peers_add(&t, &old, 1, UINT32_MAX - 5));
	assert_null(assoc_peers_add(&t, &fresh, 1, 5));
	assert_non_null(assoc_peers_add(&t, &fresh, 1, PEERS_SILENT_S));
	assoc_peers_fini(&t);
	peers_room_fini(&room);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_contacts),
		cmocka_unit_test(test_room_is_made_by_the_silent),
		cmocka_unit_test(test_a_clock_of_32_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
