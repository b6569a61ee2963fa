/* SPDX-License-Identifier: MIT */
/*
 * The first byte seeds the splits; the rest is what a client sends. It is read
 * through a buffer of HTTP_LINE_MAX bytes, in one go, byte by byte, and in
 * pieces by chance: each time the same things are found at the same places.
 * And the whole of it as the value of Proxy-Authorization.
 */
#include <string.h>

#include "fuzz.h"
#include "proxy/http_connect.h"
#include "proxy/socks5.h"

/* What was found, and where it ended. */
struct trace {
	enum http_step end;
	size_t used;
	struct http_connect p;
	struct dest dest;
	struct http_found found;
	bool has_target, has_login;
};

static void
check_login(const struct http_basic *b)
{
	ASSERT(socks5_login_ok(b->user, b->password));
	ASSERT(b->user.ptr == b->bytes);
	ASSERT(b->password.ptr == b->user.ptr + b->user.len + 1);
	ASSERT(b->user.len + 1 + b->password.len <= sizeof(b->bytes));
}

static void
note(struct trace *t, enum http_step step)
{
	switch (step) {
	case HTTP_TARGET:
		ASSERT(!t->has_target && !t->has_login);
		ASSERT(t->found.dest.port != 0);
		t->has_target = true;
		t->dest = t->found.dest;
		break;
	case HTTP_LOGIN:
		ASSERT(t->has_target && !t->has_login);
		check_login(&t->found.basic);
		t->has_login = true;
		break;
	case HTTP_DONE:
		ASSERT(t->has_target && t->p.taken <= HTTP_HEAD_MAX);
		ASSERT(t->has_login == (t->p.login == HTTP_LOGIN_GIVEN));
		break;
	case HTTP_BAD:
		ASSERT(t->found.status >= 400 && t->found.why != NULL);
		ASSERT(t->found.detail != NULL);
		ASSERT(t->found.raw_host.len < HTTP_LINE_MAX);
		break;
	case HTTP_MORE:
		break;
	}
}

/* Pieces of `most` bytes, or by chance of less if there is a seed. */
static void
run(struct trace *t, struct str all, size_t most, uint32_t seed)
{
	char in[HTTP_LINE_MAX];
	size_t have = 0, at = 0, used, n;

	memset(t, 0, sizeof(*t));
	memset(&t->found, 0xee, sizeof(t->found));
	do {
		t->end = http_connect_parse(&t->p, (struct str){ in, have },
		    &t->found, &used);
		note(t, t->end);
		ASSERT(used <= have);
		have -= used;
		memmove(in, in + used, have);
		t->used += used;
		if (t->end != HTTP_MORE)
			continue;
		n = most;
		if (seed != 0) {
			seed = seed * 1664525 + 1013904223;
			n = 1 + (seed >> 16) % most;
		}
		if (n > all.len - at)
			n = all.len - at;
		if (n > sizeof(in) - have)
			n = sizeof(in) - have;
		ASSERT(have < sizeof(in));
		if (n == 0)
			return;
		memcpy(in + have, all.ptr + at, n);
		have += n;
		at += n;
	} while (t->end != HTTP_DONE && t->end != HTTP_BAD);
}

static void
check_same(const struct trace *a, const struct trace *b)
{
	ASSERT(a->end == b->end && a->has_target == b->has_target);
	ASSERT(a->has_login == b->has_login && a->p.login == b->p.login);
	ASSERT(memcmp(&a->dest, &b->dest, sizeof(a->dest)) == 0);
	ASSERT(!a->has_login ||
	    a->found.basic.user.len == b->found.basic.user.len);
	ASSERT(memcmp(a->found.basic.bytes, b->found.basic.bytes,
	    sizeof(a->found.basic.bytes)) == 0);
	if (a->end == HTTP_DONE)
		ASSERT(a->used == b->used && a->p.close == b->p.close);
	if (a->end == HTTP_BAD) {
		ASSERT(a->found.status == b->found.status);
		ASSERT(strcmp(a->found.detail, b->found.detail) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trace whole, other;
	struct http_basic login;
	struct str all;

	if (size == 0)
		return 0;
	all = (struct str){ (const char *)data + 1, size - 1 };
	run(&whole, all, HTTP_LINE_MAX, 0);
	run(&other, all, 1, 0);
	check_same(&whole, &other);
	run(&other, all, 64, data[0] + 1u);
	check_same(&whole, &other);
	if (http_basic_parse(&login, all))
		check_login(&login);
	return 0;
}
