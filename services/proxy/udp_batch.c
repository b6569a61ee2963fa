/* SPDX-License-Identifier: MIT */
#include "proxy/udp_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* So many wake-ups in a row with one datagram make a habit; one more is tried
 * after so many. */
#define SINGLES 8
#define SINGLES_MAX 40

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
	unsigned received;	/* by the last recvmmsg */
};

struct udp_sending {
	struct mmsghdr msgs[UDP_BATCH_MAX];
	struct iovec iov[UDP_BATCH_MAX];
	union sock_name to[UDP_BATCH_MAX];
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

/* One by the simpler call. */
static int
receive_one(struct udp_batch *b, int fd)
{
	socklen_t len = sizeof(b->from[0]);
	ssize_t n = recvfrom(fd, b->iov[0].iov_base, b->iov[0].iov_len,
	    MSG_DONTWAIT, &b->from[0].any, &len);

	if (n < 0)
		return -1;
	b->msgs[0].msg_len = (unsigned)n;
	return 1;
}

static int
receive_many(struct udp_batch *b, int fd)
{
	int n;

	for (unsigned i = 0; i < b->received; i++)	/* the kernel's now */
		b->msgs[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
	n = recvmmsg(fd, b->msgs, UDP_BATCH_MAX, MSG_DONTWAIT, NULL);
	b->received = n > 0 ? (unsigned)n : 0;
	return n;
}

static void
habit_learn(struct udp_habit *h, int n)
{
	if (n > 1)
		h->singles = 0;
	else if (++h->singles == SINGLES_MAX)
		h->singles = SINGLES - 1;	/* one try */
}

int
udp_batch_receive(struct udp_batch *b, int fd, struct udp_habit *habit)
{
	int n;

	do
		n = habit->singles < SINGLES ? receive_many(b, fd) :
		    receive_one(b, fd);
	while (n < 0 && errno == EINTR);
	habit_learn(habit, n);
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
		s->msgs[i].msg_hdr.msg_name = &s->to[i];
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
	ASSERT(s->n < UDP_BATCH_MAX);
	s->to[s->n] = *name;
	s->msgs[s->n].msg_hdr.msg_namelen = name_len;
	s->iov[s->n] = (struct iovec){ (void *)ptr, len };
	s->n++;
}

unsigned
udp_sending_count(const struct udp_sending *s)
{
	return s->n;
}

/* One by the simpler call. */
static int
send_one(struct mmsghdr *one, int fd)
{
	const struct msghdr *m = &one->msg_hdr;
	ssize_t n = sendto(fd, m->msg_iov->iov_base, m->msg_iov->iov_len,
	    MSG_DONTWAIT, m->msg_name, m->msg_namelen);

	if (n < 0)
		return -1;
	one->msg_len = (unsigned)n;
	return 1;
}

/* How many of those from `at` on were sent; -1 with errno. */
static int
send_from(struct udp_sending *s, int fd, unsigned at)
{
	int n;

	do
		n = s->n - at == 1 ? send_one(&s->msgs[at], fd) :
		    sendmmsg(fd, s->msgs + at, s->n - at, MSG_DONTWAIT);
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
