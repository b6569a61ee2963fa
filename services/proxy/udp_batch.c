/* SPDX-License-Identifier: MIT */
#include "proxy/udp_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/*
 * Room for any datagram. The odd multiple of a cache line keeps the heads of
 * the buffers out of each other's way in the processor's caches.
 */
#define SLOT_SIZE (UDP_HEADROOM + 65536 + 21 * 64)

struct udp_batch {
	struct mmsghdr msgs[UDP_BATCH_MAX];
	struct iovec iov[UDP_BATCH_MAX];
	union sock_name from[UDP_BATCH_MAX];
	char *slots;
	int n;			/* received last */
};

struct udp_sending {
	struct mmsghdr msgs[UDP_BATCH_MAX];
	struct iovec iov[UDP_BATCH_MAX];
	unsigned n;
};

/* ---- in ---- */

struct udp_batch *
udp_batch_new(void)
{
	struct udp_batch *b = xcalloc(1, sizeof(*b));

	b->slots = xmalloc((size_t)UDP_BATCH_MAX * SLOT_SIZE);
	for (unsigned i = 0; i < UDP_BATCH_MAX; i++) {
		struct msghdr *m = &b->msgs[i].msg_hdr;

		b->iov[i].iov_base =
		    b->slots + (size_t)i * SLOT_SIZE + UDP_HEADROOM;
		b->iov[i].iov_len = SLOT_SIZE - UDP_HEADROOM;
		m->msg_iov = &b->iov[i];
		m->msg_iovlen = 1;
		m->msg_name = &b->from[i];
		m->msg_namelen = sizeof(b->from[i]);
	}
	return b;
}

void
udp_batch_free(struct udp_batch **bp)
{
	if (*bp == NULL)
		return;
	free((*bp)->slots);
	free(*bp);
	*bp = NULL;
}

int
udp_batch_receive(struct udp_batch *b, int fd, unsigned max)
{
	int n;

	ASSERT(max > 0 && max <= UDP_BATCH_MAX);
	for (int i = 0; i < b->n; i++)	/* the kernel has made them smaller */
		b->msgs[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
	do
		n = recvmmsg(fd, b->msgs, max, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	b->n = n;
	return n;
}

bool
udp_batch_get(const struct udp_batch *b, unsigned i, struct udp_datagram *out)
{
	const struct mmsghdr *m = &b->msgs[i];

	out->ptr = b->iov[i].iov_base;
	out->len = m->msg_len;
	return endpoint_from_sockaddr(&out->from, &b->from[i].any);
}

/* ---- out ---- */

struct udp_sending *
udp_sending_new(void)
{
	struct udp_sending *s = xcalloc(1, sizeof(*s));

	for (unsigned i = 0; i < UDP_BATCH_MAX; i++) {
		s->msgs[i].msg_hdr.msg_iov = &s->iov[i];
		s->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	return s;
}

void
udp_sending_free(struct udp_sending **sp)
{
	free(*sp);
	*sp = NULL;
}

void
udp_sending_add(struct udp_sending *s, const union sock_name *name,
    socklen_t name_len, const void *ptr, size_t len)
{
	struct msghdr *m;

	ASSERT(s->n < UDP_BATCH_MAX);
	m = &s->msgs[s->n].msg_hdr;
	m->msg_name = (void *)name;
	m->msg_namelen = name_len;
	s->iov[s->n] = (struct iovec){ (void *)ptr, len };
	s->n++;
}

unsigned
udp_sending_count(const struct udp_sending *s)
{
	return s->n;
}

/* How many of those from `at` on were sent; -1 with errno. */
static int
send_from(struct udp_sending *s, int fd, unsigned at)
{
	int n;

	do
		n = sendmmsg(fd, s->msgs + at, s->n - at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

/*
 * An error belongs to the first of the rest. It may be of an earlier datagram,
 * which the network has reported meanwhile (IP_RECVERR): then this one was not
 * even tried, and is once more.
 */
struct udp_sent
udp_sending_flush(struct udp_sending *s, int fd)
{
	struct udp_sent result = { 0, 0, 0 };
	bool again = false;
	unsigned at = 0;

	while (at < s->n) {
		int n = send_from(s, fd, at);

		for (int i = 0; i < n; i++)
			result.bytes += s->msgs[at++].msg_len;
		if (n > 0) {
			result.sent += (unsigned)n;
			again = false;
			continue;
		}
		if (errno == EAGAIN)
			break;
		if (!again) {
			again = true;
			continue;
		}
		again = false;
		at++;
	}
	result.failed = s->n - result.sent;
	s->n = 0;
	return result;
}
