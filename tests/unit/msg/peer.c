/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* As in tests/tsan.supp, also for a test that is run by hand. */
const char *__tsan_default_suppressions(void);

const char *
__tsan_default_suppressions(void)
{
	return "race:libnng.so\n";
}

void
place_init(struct place *p)
{
	strcpy(p->dir, "/tmp/sallyport-msg.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/bus", p->dir);
	snprintf(p->address, sizeof(p->address), "ipc://%s", p->path);
}

void
place_fini(struct place *p)
{
	unlink(p->path);
	assert_int_equal(rmdir(p->dir), 0);
}

static void
on_echo(void *arg, struct rpc_request *r)
{
	(void)arg;
	rpc_reply(r, rpc_request_body(r));
}

static void
on_hold(void *arg, struct rpc_request *r)
{
	struct server *s = arg;

	pthread_mutex_lock(&s->m);
	s->held[s->n_held++] = r;
	pthread_mutex_unlock(&s->m);
}

static void
on_fail(void *arg, struct rpc_request *r)
{
	(void)arg;
	rpc_fail(r, RPC_STATUS_FAILED, "no:\nkind %u", rpc_request_kind(r));
}

static void
on_big(void *arg, struct rpc_request *r)
{
	char *body = xcalloc(1, PEER_MAX_MESSAGE);

	(void)arg;
	rpc_reply(r, (struct str){ body, PEER_MAX_MESSAGE });
	free(body);
}

static const struct rpc_method methods[] = {
	{ (enum rpc_kind)ECHO, "echo", on_echo, true },
	{ (enum rpc_kind)HOLD, "hold", on_hold, false },
	{ (enum rpc_kind)FAIL, "fail", on_fail, true },
	{ (enum rpc_kind)BIG, "big", on_big, true },
	{ 0 },
};

void
server_start(struct server *s, const char *address, unsigned contexts)
{
	struct rpc_server_options o = {
		.address = address,
		.name = "test",
		.max_message = PEER_MAX_MESSAGE,
		.contexts = contexts,
		.methods = methods,
		.arg = s,
		.group = (unsigned)-1,
	};
	struct err err = { "" };

	*s = (struct server){ .m = PTHREAD_MUTEX_INITIALIZER };
	if (rpc_server_start(&s->rpc, &o, &err) != 0)
		fail_msg("%s", err.text);
}

unsigned
server_held(struct server *s)
{
	unsigned n;

	pthread_mutex_lock(&s->m);
	n = s->n_held;
	pthread_mutex_unlock(&s->m);
	return n;
}

void
server_release(struct server *s)
{
	struct rpc_request *r;

	pthread_mutex_lock(&s->m);
	assert_true(s->n_held > 0);
	r = s->held[0];
	memmove(s->held, s->held + 1, --s->n_held * sizeof(s->held[0]));
	pthread_mutex_unlock(&s->m);
	rpc_reply(r, rpc_request_body(r));
}

void
server_stop(struct server *s)
{
	while (server_held(s) > 0)
		server_release(s);
	rpc_server_stop(&s->rpc);
	assert_null(s->rpc);
}

struct rpc_client *
client_new(const char *address, uint32_t unconnected_ms)
{
	struct rpc_client_options o = {
		.address = address,
		.name = "test",
		.max_message = PEER_MAX_MESSAGE,
		.reconnect_max_ms = 50,
		.unconnected_ms = unconnected_ms,
	};
	struct rpc_client *c;
	struct err err = { "" };

	if (rpc_client_new(&c, &o, &err) != 0)
		fail_msg("%s", err.text);
	return c;
}

static void
write_all(int fd, const void *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		/* A peer that closes on what it read first is right. */
		if (k < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		assert_true(k > 0);
		p = (const char *)p + k;
		n -= (size_t)k;
	}
}

static bool
read_all(int fd, void *p, size_t n)
{
	while (n > 0) {
		ssize_t k = read(fd, p, n);

		if (k == 0 || (k < 0 && errno == ECONNRESET))
			return false;
		assert_true(k > 0);
		p = (char *)p + k;
		n -= (size_t)k;
	}
	return true;
}

static void
be_patient(int fd)
{
	struct timeval t = { .tv_sec = PEER_PATIENCE_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
}

void
sp_greet(int fd, uint8_t protocol)
{
	uint8_t hello[8] = { 0, 'S', 'P', 0, 0, protocol, 0, 0 }, theirs[8];

	write_all(fd, hello, sizeof(hello));
	assert_true(read_all(fd, theirs, sizeof(theirs)));
	assert_memory_equal(theirs, hello, 4);
}

static struct sockaddr_un
un_of(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	assert_true(strlen(path) < sizeof(sa.sun_path));
	strcpy(sa.sun_path, path);
	return sa;
}

static int
connect_to(const char *path)
{
	struct sockaddr_un sa = un_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		/* The listener may just be replaced. */
		assert_true(errno == ENOENT || errno == ECONNREFUSED);
		close(fd);
		return -1;
	}
	return fd;
}

int
sp_connect(const char *path, uint8_t protocol)
{
	int fd = connect_to(path);

	assert_true(fd >= 0);
	be_patient(fd);
	sp_greet(fd, protocol);
	return fd;
}

void
sp_hang_up(const char *path)
{
	int fd = connect_to(path);

	if (fd >= 0)
		close(fd);
}

void
sp_shout(const char *path, const void *p, size_t n)
{
	char greeting[8], c;
	int fd = connect_to(path);

	assert_true(fd >= 0);
	write_all(fd, p, n);
	if (read_all(fd, greeting, sizeof(greeting)))
		assert_true(read(fd, &c, 1) <= 0);
	close(fd);
}

int
sp_listen(const char *path)
{
	struct sockaddr_un sa = un_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

int
sp_take(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int fd;

	assert_int_equal(poll(&p, 1, PEER_PATIENCE_MS), 1);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	be_patient(fd);
	return fd;
}

int
sp_accept(int listener, uint8_t protocol)
{
	int fd = sp_take(listener);

	sp_greet(fd, protocol);
	return fd;
}

void
sp_send_head(int fd, uint64_t len, const void *p, size_t n)
{
	uint8_t head[9] = { 1 };

	for (int i = 0; i < 8; i++)
		head[1 + i] = (uint8_t)(len >> (56 - 8 * i));
	write_all(fd, head, sizeof(head));
	write_all(fd, p, n);
}

void
sp_send(int fd, const void *p, size_t n)
{
	sp_send_head(fd, n, p, n);
}

ssize_t
sp_recv(int fd, void *p, size_t size)
{
	uint8_t head[9];
	uint64_t len = 0;

	if (!read_all(fd, head, sizeof(head)))
		return -1;
	for (int i = 0; i < 8; i++)
		len = len << 8 | head[1 + i];
	assert_true(len <= size);
	return read_all(fd, p, (size_t)len) ? (ssize_t)len : -1;
}

void
sp_request(int fd, uint32_t id, const void *p, size_t n)
{
	uint8_t *frame = xmalloc(n + 4);

	for (int i = 0; i < 4; i++)
		frame[i] = (uint8_t)((id | 0x80000000u) >> (24 - 8 * i));
	if (n > 0)
		memcpy(frame + 4, p, n);
	sp_send(fd, frame, n + 4);
	free(frame);
}
