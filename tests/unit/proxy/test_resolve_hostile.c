/* SPDX-License-Identifier: MIT */
/*
 * Threats D-4: name servers that lie, and neighbours who answer for them. Ten
 * thousand questions get a reply with a few bytes changed, and forged ones
 * before it. Whatever comes of a question, it is answered once; an address is
 * one that stood in the server's own reply to it; nothing piles up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>

#include "dns_server.h"
#include "proxy/resolve_cares.h"

#define BATCH 250	/* names, asked for at once */
#define ROUNDS 40
#define FORGED "203.0.113.66"	/* no reply of the server has it */

struct question {
	struct resolve_ask ask;
	bool done;
	struct resolve_answer answer;
	uint8_t said[4 * 2048];	/* the server's replies to it */
	size_t len;
};

static struct world {
	struct event_base *base;
	struct dns_server dns;
	struct resolve_cares *cares;
	int stranger;		/* a socket of somebody else */
	char names[BATCH][16];
	struct dns_name zone[BATCH + 1];
	struct question questions[BATCH];
	unsigned pending, results[RESOLVE_LIMITED + 1], forged;
	uint32_t x;		/* of the pseudo-random sequence */
} world;

/* Below n. */
static uint32_t
pick(uint32_t n)
{
	world.x = world.x * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)world.x * n) >> 32);
}

/* ---- what is done to a reply ---- */

static size_t
cut(uint8_t *p, size_t len, size_t at)
{
	size_t n = 1 + pick(8);

	if (at + n >= len)
		return at;
	memmove(p + at, p + at + n, len - at - n);
	return len - n;
}

static size_t
grow(uint8_t *p, size_t len, size_t at)
{
	size_t n = 1 + pick(32);

	memmove(p + at + n, p + at, len - at);
	for (size_t i = 0; i < n; i++)
		p[at + i] = (uint8_t)pick(256);
	return len + n;
}

/* Three times of four behind the question, so that the reply is looked at. */
static size_t
mutate(uint8_t *p, size_t len, size_t question_end)
{
	static const uint8_t odd[] = { 0, 1, 0x0c, 0x3f, 0x40, 0x7f, 0x80,
		0xc0, 0xff };
	size_t from = len > question_end && pick(4) > 0 ? question_end : 0;
	size_t at = from + pick((uint32_t)(len - from));

	switch (pick(7)) {
	case 0: p[at] ^= (uint8_t)(1u << pick(8)); break;
	case 1: p[at] = (uint8_t)pick(256); break;
	case 2: p[at] = odd[pick(sizeof(odd))]; break;
	case 3: return cut(p, len, at);
	case 4: return grow(p, len, at);
	case 5: return at;	/* ends there */
	case 6: p[4 + pick(8)] ^= (uint8_t)(1u << pick(8)); break;
	}
	return len;
}

static size_t
spoil(struct dns_server *s, uint8_t *reply, size_t len)
{
	char name[256];
	uint16_t type;
	size_t end = dns_question(reply, len, name, &type);
	struct question *q;

	(void)s;
	assert_true(end > 0);
	q = &world.questions[strtoul(name + 1, NULL, 10)];
	for (uint32_t n = pick(4); n > 0 && len > 0; n--)
		len = mutate(reply, len, end);
	assert_true(q->len + len <= sizeof(q->said));
	memcpy(q->said + q->len, reply, len);
	q->len += len;
	return len;
}

/* ---- what others send ---- */

/* The question with an answer, but not quite this question's: another number,
 * another name, another type; or all is right and it comes from elsewhere. */
static void
forge(int fd, const uint8_t *question, size_t len,
    const struct sockaddr_storage *to)
{
	uint8_t out[512];
	struct writer w = writer_on(out, sizeof(out));
	uint32_t how = pick(4);
	char name[256];
	uint16_t type;
	size_t end = dns_question(question, len, name, &type);

	writer_put(&w, question, end);
	out[2] = 0x81;
	out[3] = 0x80;
	memset(out + 6, 0, 6);
	out[7] = 1;
	if (how == 0)
		out[pick(2)] ^= (uint8_t)(1 + pick(255));
	if (how == 1)
		out[13] = 'm';
	if (how == 2)
		out[end - 3] ^= DNS_A ^ DNS_AAAA;
	if (how == 1)
		name[0] = 'm';
	(void)dns_put_addresses(&w, name, FORGED, 60);
	assert_false(w.failed);
	(void)!sendto(how == 3 ? world.stranger : fd, out, w.len, 0,
	    (const struct sockaddr *)to, sizeof(struct sockaddr_in));
	world.forged++;
}

/* As dns_on_udp, and a forged answer comes first. */
static void
on_udp(evutil_socket_t fd, short what, void *arg)
{
	uint8_t in[4096], out[DNS_REPLY_MAX];
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&from,
	    &from_len);
	size_t len;

	(void)what;
	if (n <= 0)
		return;
	forge(fd, in, (size_t)n, &from);
	len = dns_reply(arg, in, (size_t)n, false, out, sizeof(out));
	(void)!sendto(fd, out, len, 0, (struct sockaddr *)&from, from_len);
}

/* ---- the world ---- */

static void
world_names(void)
{
	static const struct dns_name shapes[] = {
		{ NULL, DNS_ANSWER, 60, "192.0.2.1", "2001:db8::1", 0, 0 },
		{ NULL, DNS_ANSWER, 60, "192.0.2.1 192.0.2.2 192.0.2.3",
		    "2001:db8::1 2001:db8::2", 0, 0 },
		{ NULL, DNS_ANSWER, 60, "192.0.2.1", "2001:db8::1", 0, 3 },
		{ NULL, DNS_ANSWER, 60, NULL, NULL, 40, 0 },
		{ NULL, DNS_TRUNCATED, 60, "192.0.2.1", "2001:db8::1", 0, 1 },
	};

	for (unsigned i = 0; i < BATCH; i++) {
		snprintf(world.names[i], sizeof(world.names[i]), "n%u.test", i);
		world.zone[i] = shapes[i % ARRAY_LEN(shapes)];
		world.zone[i].name = world.names[i];
	}
}

static void
world_open(void)
{
	static struct proxy_config cfg = {
		.dns_timeout = 30, .dns_tries = 1, .dns_in_flight = BATCH,
	};
	struct err err = { "" };

	world = (struct world){ .base = io_base(), .x = 1 };
	world_names();
	dns_open(&world.dns, world.base, world.zone);
	world.dns.spoil = spoil;
	event_del(&world.dns.udp_event);
	event_assign(&world.dns.udp_event, world.base, world.dns.udp,
	    EV_READ | EV_PERSIST, on_udp, &world.dns);
	event_add(&world.dns.udp_event, NULL);
	world.stranger = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cfg.dns_servers = (struct endpoint_list){ &world.dns.at, 1 };
	if (resolve_cares_new(&world.cares, world.base, &cfg, &err) != 0)
		fail_msg("%s", err.text);
}

static void
world_close(void)
{
	resolve_cares_free(&world.cares);
	io_turn(world.base, 3);
	close(world.stranger);
	dns_close(&world.dns);
	event_base_free(world.base);
}

static void
on_answer(struct resolve_ask *ask, const struct resolve_answer *answer)
{
	struct question *q = container_of(ask, struct question, ask);

	assert_false(q->done);
	assert_true(answer->n <= RESOLVE_ADDRS_MAX);
	assert_int_equal(answer->n > 0, answer->result == RESOLVE_OK);
	q->done = true;
	q->answer = *answer;
	world.pending--;
	world.results[answer->result]++;
}

/* Each address stands in what the server said, and is of the family asked. */
static void
check_answer(const struct question *q, bool v4)
{
	struct addr forged;

	assert_true(addr_parse(&forged, STR(FORGED)));
	for (unsigned i = 0; i < q->answer.n; i++) {
		const struct addr *a = &q->answer.addrs[i];

		if (v4 && !addr_is_v4(a))
			fail_msg("an IPv6 address for an IPv4 question");
		if (addr_eq(a, &forged))
			fail_msg("a forged answer was believed");
		if (memmem(q->said, q->len, a->b + (v4 ? 12 : 0),
		    v4 ? 4 : 16) == NULL)
			fail_msg("an address that nobody said");
	}
}

static void
ask_all(unsigned round)
{
	const struct timeval a_while = { 0, 2000 };

	world.pending = BATCH;
	for (unsigned i = 0; i < BATCH; i++) {
		struct question *q = &world.questions[i];

		*q = (struct question){ .ask.done = on_answer };
		resolve_cares_ask(world.cares, &q->ask, world.names[i],
		    (i + round) % 2 == 0 ? AF_INET : AF_INET6);
	}
	while (world.pending > 0) {
		event_base_loopexit(world.base, &a_while);
		event_base_loop(world.base, EVLOOP_ONCE);
		resolve_cares_poll(world.cares);
	}
	for (unsigned i = 0; i < BATCH; i++)
		check_answer(&world.questions[i], (i + round) % 2 == 0);
}

static void
test_mutated_answers(void **state)
{
	size_t fds = io_count_fds(), used;

	(void)state;
	world_open();
	ask_all(0);
	used = mallinfo2().uordblks;
	for (unsigned round = 1; round < ROUNDS; round++)
		ask_all(round);
	assert_true(mallinfo2().uordblks < used + (256 << 10));
	/* All ends are met, and the forgeries were sent. */
	assert_true(world.results[RESOLVE_OK] > BATCH);
	assert_true(world.results[RESOLVE_NOT_FOUND] > 0);
	assert_true(world.results[RESOLVE_FAILED] > 0);
	assert_true(world.results[RESOLVE_TIMEOUT] > 0);
	assert_true(world.forged > ROUNDS * BATCH / 2);
	assert_true(world.dns.asked_tcp > 0);
	world_close();
	assert_int_equal(io_count_fds(), fds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutated_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
