/* SPDX-License-Identifier: MIT */
#include "proxy/takeover_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define ADDRESS_BYTES 16

/* Room for the descriptors of a message, aligned as the kernel wants it. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(TAKEOVER_FDS_MAX * sizeof(int))];
};

/* ---- bytes ---- */

size_t
takeover_pack(uint8_t out[static TAKEOVER_MESSAGE_MAX],
    const struct takeover_message *m)
{
	struct writer w = writer_on(out, TAKEOVER_MESSAGE_MAX);
	size_t len = strnlen(m->text, UINT8_MAX);

	ASSERT(m->n_kept <= TAKEOVER_KEPT_MAX);
	writer_u8(&w, m->kind);
	writer_u8(&w, m->value);
	writer_u8(&w, (uint8_t)len);
	writer_put(&w, m->text, len);
	writer_u8(&w, m->n_kept);
	for (unsigned i = 0; i < m->n_kept; i++) {
		writer_put(&w, m->kept[i].addr.b, ADDRESS_BYTES);
		writer_u16(&w, m->kept[i].port);
	}
	ASSERT(!w.failed);
	return w.len;
}

bool
takeover_unpack(struct takeover_message *out, struct str in)
{
	struct reader r = reader_on(in.ptr, in.len);
	struct text t = text_on(out->text, sizeof(out->text));

	out->n_fds = 0;
	out->kind = reader_u8(&r);
	out->value = reader_u8(&r);
	text_escaped(&t, reader_take(&r, reader_u8(&r)));
	out->n_kept = reader_u8(&r);
	if (r.failed || out->kind == 0 || out->kind >= TAKEOVER_KINDS ||
	    out->n_kept > TAKEOVER_KEPT_MAX)
		return false;
	for (unsigned i = 0; i < out->n_kept; i++) {
		struct str b = reader_take(&r, ADDRESS_BYTES);

		if (b.ptr != NULL)
			memcpy(out->kept[i].addr.b, b.ptr, ADDRESS_BYTES);
		out->kept[i].port = reader_u16(&r);
	}
	return !r.failed && r.left == 0;
}

bool
takeover_address(struct sockaddr_un *out, const char *run_dir,
    const char *name)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return (size_t)snprintf(out->sun_path, sizeof(out->sun_path), "%s/%s",
	    run_dir, name) < sizeof(out->sun_path);
}

/* ---- messages ---- */

/* Until `fd` can be read or written. */
static enum takeover_result
await(int fd, short events, int stop, uint64_t until_ms)
{
	struct pollfd p[] = {
		{ .fd = fd, .events = events },
		{ .fd = stop, .events = POLLIN },
	};

	for (;;) {
		uint64_t now = clock_mono_ms();
		int n = poll(p, ARRAY_LEN(p),
		    until_ms > now ? (int)(until_ms - now) : 0);

		if (n == 0)
			return TAKEOVER_LATE;
		if (n < 0 && errno != EINTR)
			return TAKEOVER_GONE;
		if (n > 0 && p[1].revents != 0)
			return TAKEOVER_STOPPED;
		if (n > 0)
			return TAKEOVER_OK;
	}
}

static void
attach(struct msghdr *h, union control *c, const struct takeover_message *m)
{
	size_t size = m->n_fds * sizeof(int);
	struct cmsghdr *part;

	ASSERT(m->n_fds <= TAKEOVER_FDS_MAX);
	if (m->n_fds == 0)
		return;
	memset(c, 0, sizeof(*c));
	h->msg_control = c->bytes;
	h->msg_controllen = CMSG_SPACE(size);
	part = CMSG_FIRSTHDR(h);
	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(part), m->fds, size);
}

enum takeover_result
takeover_send(int fd, const struct takeover_message *m, int stop,
    uint64_t until_ms)
{
	uint8_t bytes[TAKEOVER_MESSAGE_MAX];
	struct iovec iov = { bytes, takeover_pack(bytes, m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	enum takeover_result r;

	attach(&h, &control, m);
	for (;;) {
		r = await(fd, POLLOUT, stop, until_ms);
		if (r != TAKEOVER_OK)
			return r;
		if (sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return TAKEOVER_OK;
		if (errno != EAGAIN && errno != EINTR)
			return TAKEOVER_GONE;
	}
}

static void
close_all(struct takeover_message *m)
{
	for (unsigned i = 0; i < m->n_fds; i++)
		close(m->fds[i]);
	m->n_fds = 0;
}

/* There is one part at most: the kernel puts all descriptors into it. */
static void
detach(struct takeover_message *m, struct msghdr *h)
{
	struct cmsghdr *part = CMSG_FIRSTHDR(h);

	if (part == NULL || part->cmsg_level != SOL_SOCKET ||
	    part->cmsg_type != SCM_RIGHTS)
		return;
	m->n_fds = (unsigned)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	ASSERT(m->n_fds <= TAKEOVER_FDS_MAX);
	memcpy(m->fds, CMSG_DATA(part), m->n_fds * sizeof(int));
}

enum takeover_result
takeover_receive(int fd, struct takeover_message *out, bool welcome, int stop,
    uint64_t until_ms)
{
	uint8_t bytes[TAKEOVER_MESSAGE_MAX];
	struct iovec iov = { bytes, sizeof(bytes) };
	union control control;
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = welcome ? control.bytes : NULL,
		.msg_controllen = welcome ? sizeof(control.bytes) : 0 };
	enum takeover_result r = await(fd, POLLIN, stop, until_ms);
	ssize_t n;

	if (r != TAKEOVER_OK)
		return r;
	/* Without a place to put them the kernel closes descriptors. */
	n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n <= 0)
		return TAKEOVER_GONE;
	if (!takeover_unpack(out, (struct str){ (char *)bytes, (size_t)n }))
		r = TAKEOVER_BAD;
	detach(out, &h);
	if ((h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    (out->n_fds > 0 && out->kind != TAKEOVER_SOCKETS))
		r = TAKEOVER_BAD;
	if (r != TAKEOVER_OK)
		close_all(out);
	return r;
}

const char *
takeover_result_text(enum takeover_result r)
{
	static const char *const texts[] = {
		[TAKEOVER_OK] = "all is well",
		[TAKEOVER_GONE] = "it hung up",
		[TAKEOVER_LATE] = "it took too long",
		[TAKEOVER_STOPPED] = "this process is to end",
		[TAKEOVER_BAD] = "it sent what is no message here",
	};

	ASSERT(r < ARRAY_LEN(texts));
	return texts[r];
}

void
takeover_refuse(int fd, const char *why)
{
	struct takeover_message m = { .kind = TAKEOVER_REFUSED };
	enum takeover_result r;

	snprintf(m.text, sizeof(m.text), "%s", why);
	r = takeover_send(fd, &m, -1, 0);
	(void)r;
}
