/* SPDX-License-Identifier: MIT */
/*
 * dns_server: a name server for tests, UDP and TCP on one port of loopback,
 * in the test's own loop. What it says stands in a table of names.
 */
#ifndef UNIT_PROXY_DNS_SERVER_H
#define UNIT_PROXY_DNS_SERVER_H

#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "io_fixture.h"

enum { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28 };

enum dns_manner {
	DNS_ANSWER,
	DNS_NXDOMAIN, DNS_SERVFAIL, DNS_REFUSED,	/* for both families */
	DNS_SILENT, DNS_SILENT6,	/* never; never to AAAA */
	DNS_TRUNCATED,		/* over UDP; the whole by TCP */
	DNS_SERVFAIL6,		/* to AAAA */
	DNS_WRONG_ID, DNS_GARBAGE, DNS_SHORT, DNS_LOOP,
};

struct dns_name {
	const char *name;
	enum dns_manner manner;
	uint32_t ttl;
	const char *a, *aaaa;	/* addresses apart by spaces; NULL: none */
	unsigned many;		/* so many A records 10.0.x.y instead */
	unsigned cnames;	/* this long a chain comes first */
};

struct dns_server {
	const struct dns_name *names;	/* ends with name NULL */
	struct endpoint at;
	int udp, tcp;
	struct event udp_event, tcp_event;
	unsigned asked, asked_tcp;
	bool mute;		/* forgets all questions */
	/* Changes a reply before it is sent, in DNS_REPLY_MAX bytes; gives
	 * its new length. NULL: none is changed. */
	size_t (*spoil)(struct dns_server *s, uint8_t *reply, size_t len);
};

#define DNS_REPLY_MAX 16384

/* A question as text, and where it ends in the message; 0: malformed. */
static inline size_t
dns_question(const uint8_t *msg, size_t len, char name[256], uint16_t *type)
{
	struct reader r = reader_on(msg, len);
	size_t at = 0;
	uint8_t n;

	(void)reader_take(&r, 12);
	while ((n = reader_u8(&r)) > 0) {
		struct str label = reader_take(&r, n);

		if (r.failed || at + n + 2 > 256)
			return 0;
		if (at > 0)
			name[at++] = '.';
		memcpy(name + at, label.ptr, n);
		at += n;
	}
	name[at] = '\0';
	*type = reader_u16(&r);
	(void)reader_u16(&r);
	return r.failed ? 0 : len - r.left;
}

static inline void
dns_put_name(struct writer *w, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		writer_u8(w, (uint8_t)n);
		writer_put(w, name, n);
		name += n + (name[n] == '.');
	}
	writer_u8(w, 0);
}

static inline void
dns_put_record(struct writer *w, const char *owner, uint16_t type,
    uint32_t ttl, const void *data, size_t len)
{
	dns_put_name(w, owner);
	writer_u16(w, type);
	writer_u16(w, 1);
	writer_u32(w, ttl);
	writer_u16(w, (uint16_t)len);
	writer_put(w, data, len);
}

static inline void
dns_put_cname(struct writer *w, const char *owner, const char *to,
    uint32_t ttl)
{
	uint8_t data[256];
	struct writer d = writer_on(data, sizeof(data));

	dns_put_name(&d, to);
	dns_put_record(w, owner, DNS_CNAME, ttl, data, d.len);
}

static inline unsigned
dns_put_addresses(struct writer *w, const char *owner, const char *list,
    uint32_t ttl)
{
	unsigned n = 0;
	struct addr a;

	while (list != NULL && *list != '\0') {
		size_t len = strcspn(list, " ");

		assert_true(addr_parse(&a, (struct str){ list, len }));
		if (addr_is_v4(&a))
			dns_put_record(w, owner, DNS_A, ttl, a.b + 12, 4);
		else
			dns_put_record(w, owner, DNS_AAAA, ttl, a.b, 16);
		list += len + (list[len] == ' ');
		n++;
	}
	return n;
}

/* The answer section; how many records. */
static inline unsigned
dns_put_answers(struct writer *w, const struct dns_name *d, uint16_t type)
{
	char owner[256], next[256];
	unsigned n = 0;

	strcpy(owner, d->name);
	for (; n < d->cnames; n++) {
		snprintf(next, sizeof(next), "c%u.example", n);
		dns_put_cname(w, owner, d->manner == DNS_LOOP ? d->name : next,
		    d->ttl);
		strcpy(owner, next);
	}
	if (type == DNS_AAAA)
		return n + dns_put_addresses(w, owner, d->aaaa, d->ttl);
	for (unsigned i = 0; i < d->many; i++, n++)
		dns_put_record(w, owner, DNS_A, d->ttl,
		    (uint8_t[]){ 10, 0, (uint8_t)(i >> 8), (uint8_t)i }, 4);
	return n + dns_put_addresses(w, owner, d->a, d->ttl);
}

static inline const struct dns_name *
dns_find(const struct dns_server *s, const char *name)
{
	const struct dns_name *d = s->names;

	while (d->name != NULL && strcmp(d->name, name) != 0)
		d++;
	return d->name != NULL ? d : NULL;
}

/* Makes the reply to a message; its length, 0: none. */
static inline size_t
dns_reply(struct dns_server *s, const uint8_t *msg, size_t len, bool tcp,
    uint8_t *out, size_t size)
{
	struct writer w = writer_on(out, size);
	uint16_t type = 0, flags = 0x8180;
	char name[256];
	size_t end = dns_question(msg, len, name, &type);
	const struct dns_name *d = end > 0 ? dns_find(s, name) : NULL;
	enum dns_manner m = d != NULL ? d->manner : DNS_NXDOMAIN;
	bool six = type == DNS_AAAA, empty;

	s->asked++;
	s->asked_tcp += tcp;
	if (end == 0 || s->mute || m == DNS_SILENT || (m == DNS_SILENT6 && six))
		return 0;
	if (m == DNS_GARBAGE) {
		memset(out, 0xc0, 300);
		memcpy(out, msg, 2);
		return 300;
	}
	if (m == DNS_NXDOMAIN)
		flags |= 3;
	if (m == DNS_SERVFAIL || (m == DNS_SERVFAIL6 && six))
		flags |= 2;
	if (m == DNS_REFUSED)
		flags |= 5;
	if (m == DNS_TRUNCATED && !tcp)
		flags |= 0x0200;
	empty = (flags & 0x020f) != 0;
	writer_put(&w, msg, 2);
	writer_u16(&w, flags);
	writer_u16(&w, 1);
	writer_u16(&w, 0);
	writer_u32(&w, 0);
	writer_put(&w, msg + 12, end - 12);
	if (!empty)
		out[7] = (uint8_t)dns_put_answers(&w, d, type);
	if (m == DNS_WRONG_ID)
		out[0] ^= 0xff;
	assert_false(w.failed);
	if (s->spoil != NULL)
		return s->spoil(s, out, w.len);
	return m == DNS_SHORT ? w.len - 5 : w.len;
}

static inline void
dns_on_udp(evutil_socket_t fd, short what, void *arg)
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
	len = dns_reply(arg, in, (size_t)n, false, out, sizeof(out));
	if (len > 0)
		(void)!sendto(fd, out, len, 0, (struct sockaddr *)&from,
		    from_len);
}

struct dns_tcp {
	struct dns_server *server;
	struct event event;
	uint8_t in[4096];
	size_t len;
};

/* Answers each whole question of a connection; its end closes it. */
static inline void
dns_on_tcp_data(evutil_socket_t fd, short what, void *arg)
{
	struct dns_tcp *t = arg;
	uint8_t out[2 + DNS_REPLY_MAX];
	ssize_t n = recv(fd, t->in + t->len, sizeof(t->in) - t->len, 0);
	size_t len, whole;

	(void)what;
	if (n <= 0) {
		event_del(&t->event);
		close(fd);
		free(t);
		return;
	}
	t->len += (size_t)n;
	while (t->len >= 2 &&
	    t->len >= (whole = 2 + (size_t)(t->in[0] << 8 | t->in[1]))) {
		len = dns_reply(t->server, t->in + 2, whole - 2, true,
		    out + 2, sizeof(out) - 2);
		out[0] = (uint8_t)(len >> 8);
		out[1] = (uint8_t)len;
		(void)!send(fd, out, len + 2, MSG_NOSIGNAL);
		t->len -= whole;
		memmove(t->in, t->in + whole, t->len);
	}
}

static inline void
dns_on_tcp(evutil_socket_t fd, short what, void *arg)
{
	struct dns_server *s = arg;
	struct dns_tcp *t = xcalloc(1, sizeof(*t));
	/* cppcheck-suppress nullPointer; gnu.cfg wants an address to fill */
	int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK);

	(void)what;
	assert_true(c >= 0);
	t->server = s;
	event_assign(&t->event, event_get_base(&s->tcp_event), c,
	    EV_READ | EV_PERSIST, dns_on_tcp_data, t);
	event_add(&t->event, NULL);
}

static inline void
dns_open(struct dns_server *s, struct event_base *base,
    const struct dns_name *names)
{
	struct sockaddr_storage sa;
	socklen_t len;

	*s = (struct dns_server){ .names = names };
	do {	/* a port that is free for both */
		s->tcp = io_listen("127.0.0.1:0", 16, &s->at);
		len = endpoint_to_sockaddr(&s->at, &sa);
		s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (bind(s->udp, (struct sockaddr *)&sa, len) == 0)
			break;
		close(s->tcp);
		close(s->udp);
	} while (true);
	event_assign(&s->udp_event, base, s->udp, EV_READ | EV_PERSIST,
	    dns_on_udp, s);
	event_add(&s->udp_event, NULL);
	event_assign(&s->tcp_event, base, s->tcp, EV_READ | EV_PERSIST,
	    dns_on_tcp, s);
	event_add(&s->tcp_event, NULL);
}

static inline void
dns_close(struct dns_server *s)
{
	event_del(&s->udp_event);
	event_del(&s->tcp_event);
	close(s->udp);
	close(s->tcp);
}

#endif
