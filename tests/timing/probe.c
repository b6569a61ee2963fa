/* SPDX-License-Identifier: MIT */
/*
 * Can one tell by the time of a refusal, or by its bytes, what was wrong?
 *
 * usage: timing_probe auth|socks ADDRESS SAMPLES NAME=USER:PASSWORD...
 *
 * Asks authd (`auth`, the socket's address) or logs in at the proxy (`socks`,
 * HOST:PORT, RFC 1929), SAMPLES times as each of these, in random order and one
 * at a time, and compares all with the first: a line each. In `auth`, a USER
 * `*` stands for a name that nobody can have, refused without work.
 *
 * Ends with 0 if nothing differs, 3 if a time does, 4 if a reply does.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/id.h"
#include "base/mem.h"
#include "msg/rpc_client.h"
#include "net/addr.h"
#include "proto/auth.pb-c.h"
#include "welch.h"

#define DEADLINE_MS 10000
#define WARM_UP 200		/* of each, before it counts */
#define SOURCE "198.51.100.7"	/* said to authd */
#define REPLY_MAX 256

struct login {
	char *name;
	struct str user, password;
	double *ns;
	size_t n;
};

struct probe {
	struct login *logins;
	size_t n_logins, samples;
	struct rpc_client *auth;
	struct endpoint proxy;
	unsigned asked;
	/* Appends the reply; gives how long it took. */
	double (*ask)(struct probe *p, const struct login *l,
	    struct bytes *reply);
};

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- authd ---- */

static ProtobufCBinaryData
data(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

static struct bytes
packed(const struct login *l)
{
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;
	struct bytes b = { 0 };
	struct addr source;

	if (!addr_parse(&source, STR(SOURCE)))
		die("no address");
	m.method = (char *)"userpass";
	m.listener = (char *)"timing";
	m.user = data(str_eq(l->user, STR("*")) ? STR("impo\0ibl") : l->user);
	m.password = data(l->password);
	m.source = (ProtobufCBinaryData){ sizeof(source.b), source.b };
	b.cap = sallyport__pb__auth_request__get_packed_size(&m) + 1;
	b.ptr = xmalloc(b.cap);
	b.len = sallyport__pb__auth_request__pack(&m, (uint8_t *)b.ptr);
	return b;
}

static double
ask_auth(struct probe *p, const struct login *l, struct bytes *reply)
{
	struct bytes body = packed(l);
	struct err err;
	double start = now_ns(), ns;

	if (rpc_ask(p->auth, KIND_AUTH, (struct str){ body.ptr, body.len },
	    DEADLINE_MS, reply, &err) != RPC_OK)
		die("authd: %s", err.text);
	ns = now_ns() - start;
	bytes_fini(&body);
	return ns;
}

/* ---- the proxy ---- */

static void
put(int fd, const void *p, size_t len)
{
	if (send(fd, p, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("the proxy: %s", strerror(errno));
}

static void
get(int fd, struct bytes *to, size_t len)
{
	char part[REPLY_MAX];
	ssize_t n = recv(fd, part, len, MSG_WAITALL);

	if (n < 0)
		die("the proxy: %s", strerror(errno));
	bytes_add(to, part, (size_t)n);
}

/* From an address that changes, or the ports of one would run out. */
static int
dial(struct probe *p)
{
	struct endpoint from = { .addr = addr_from_v4((uint8_t[]){ 127, 0, 1,
	    (uint8_t)(1 + p->asked++ % 200) }) };
	struct sockaddr_storage a, b;
	socklen_t a_len = endpoint_to_sockaddr(&from, &a);
	socklen_t b_len = endpoint_to_sockaddr(&p->proxy, &b);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
	    sizeof(on)) != 0 || bind(fd, (struct sockaddr *)&a, a_len) != 0 ||
	    connect(fd, (struct sockaddr *)&b, b_len) != 0)
		die("the proxy: %s", strerror(errno));
	return fd;
}

static double
ask_proxy(struct probe *p, const struct login *l, struct bytes *reply)
{
	int fd = dial(p);
	struct bytes login = { 0 }, method = { 0 };
	double start, ns;

	bytes_fmt(&login, "\1%c", (int)l->user.len);
	bytes_add(&login, l->user.ptr, l->user.len);
	bytes_fmt(&login, "%c", (int)l->password.len);
	bytes_add(&login, l->password.ptr, l->password.len);
	put(fd, "\5\1\2", 3);
	get(fd, &method, 2);
	if (!str_eq((struct str){ method.ptr, method.len }, STR("\5\2")))
		die("the proxy wants no password");
	start = now_ns();
	put(fd, login.ptr, login.len);
	get(fd, reply, 2);
	ns = now_ns() - start;
	get(fd, reply, REPLY_MAX);	/* whatever may come until its end */
	close(fd);
	bytes_fini(&login);
	bytes_fini(&method);
	return ns;
}

/* ---- measuring ---- */

/* Who is asked when: each `samples` times, shuffled. */
static unsigned *
shuffled(const struct probe *p, size_t samples)
{
	size_t n = p->n_logins * samples;
	unsigned *order = xreallocarray(NULL, n, sizeof(*order));

	for (size_t i = 0; i < n; i++)
		order[i] = (unsigned)(i % p->n_logins);
	for (size_t i = n - 1; i > 0; i--) {
		uint64_t at;
		unsigned swap = order[i];

		random_bytes(&at, sizeof(at));
		at %= i + 1;
		order[i] = order[at];
		order[at] = swap;
	}
	return order;
}

static void
hex(const char *name, struct str reply)
{
	printf("  %s:", name);
	for (size_t i = 0; i < reply.len; i++)
		printf(" %02x", (unsigned char)reply.ptr[i]);
	printf("\n");
}

/* The first reply of all is what every other one must be. */
static bool
is_same(const struct probe *p, const struct login *l, struct bytes *first,
    const struct bytes *reply)
{
	struct str a = { first->ptr, first->len };
	struct str b = { reply->ptr, reply->len };

	if (first->ptr == NULL) {
		bytes_add(first, reply->ptr, reply->len);
		return true;
	}
	if (str_eq(a, b))
		return true;
	printf("%s: the reply differs\n", l->name);
	hex(p->logins[0].name, a);
	hex(l->name, b);
	return false;
}

/* false: a reply differs. */
static bool
measure(struct probe *p, size_t samples, bool counts)
{
	unsigned *order = shuffled(p, samples);
	struct bytes first = { 0 }, reply = { 0 };
	bool same = true;

	for (size_t i = 0; same && i < p->n_logins * samples; i++) {
		struct login *l = &p->logins[order[i]];
		double ns;

		bytes_clear(&reply);
		ns = p->ask(p, l, &reply);
		if (!counts)
			continue;
		l->ns[l->n++] = ns;
		same = is_same(p, l, &first, &reply);
	}
	bytes_fini(&first);
	bytes_fini(&reply);
	free(order);
	return same;
}

/* false: a time differs. */
static bool
compare(const struct probe *p)
{
	const struct login *a = &p->logins[0];
	bool same = true;

	for (size_t i = 1; i < p->n_logins; i++) {
		const struct login *b = &p->logins[i];
		struct welch_result r = welch(a->ns, b->ns, a->n, b->n);
		bool ok = r.worst < WELCH_LIMIT;

		printf("%-10s %-10s n %zu  t %7.2f  cropped %7.2f  "
		    "%9.2f us %+8.3f us  %s\n", a->name, b->name, b->n, r.t,
		    r.t_cropped, r.mean_a / 1e3, (r.mean_b - r.mean_a) / 1e3,
		    ok ? "same" : "DIFFERENT");
		same &= ok;
	}
	return same;
}

/* ---- arguments ---- */

static struct login
login_of(char *text, size_t samples)
{
	char *user = strchr(text, '='), *password;
	struct login l = { .name = text };

	password = user != NULL ? strchr(user, ':') : NULL;
	if (password == NULL)
		die("%s: expected NAME=USER:PASSWORD", text);
	*user++ = '\0';
	*password++ = '\0';
	l.user = str_from(user);
	l.password = str_from(password);
	if (l.user.len == 0 || l.user.len > 255 || l.password.len == 0 ||
	    l.password.len > 255)
		die("%s: expected 1 to 255 bytes each", text);
	l.ns = xreallocarray(NULL, samples, sizeof(*l.ns));
	return l;
}

static void
connect_to(struct probe *p, const char *what, const char *address)
{
	const struct rpc_client_options o = { .address = address,
		.name = "auth", .max_message = 65536, .reconnect_max_ms = 100,
		.unconnected_ms = DEADLINE_MS };
	struct err err;

	if (strcmp(what, "auth") == 0) {
		p->ask = ask_auth;
		if (rpc_client_new(&p->auth, &o, &err) != 0)
			die("%s", err.text);
	} else if (strcmp(what, "socks") == 0) {
		p->ask = ask_proxy;
		if (!endpoint_parse(&p->proxy, str_from(address)) ||
		    !addr_is_v4(&p->proxy.addr))
			die("%s: expected IPv4:PORT", address);
	} else {
		die("%s: expected auth or socks", what);
	}
}

int
main(int argc, char **argv)
{
	struct probe p = { 0 };
	uint64_t samples;
	int code = 0;

	if (argc < 6 || !str_to_u64(str_from(argv[3]), 1000000, &samples) ||
	    samples < 2)
		die("usage: timing_probe auth|socks ADDRESS SAMPLES "
		    "NAME=USER:PASSWORD NAME=USER:PASSWORD...");
	p.n_logins = (size_t)argc - 4;
	p.logins = xcalloc(p.n_logins, sizeof(*p.logins));
	for (size_t i = 0; i < p.n_logins; i++)
		p.logins[i] = login_of(argv[4 + i], samples);
	connect_to(&p, argv[1], argv[2]);
	(void)measure(&p, WARM_UP, false);
	if (!measure(&p, samples, true))
		code = 4;
	else if (!compare(&p))
		code = 3;
	for (size_t i = 0; i < p.n_logins; i++)
		free(p.logins[i].ns);
	free(p.logins);
	rpc_client_free(&p.auth);
	return code;
}
