/* SPDX-License-Identifier: MIT */
/*
 * A client is first read (until its head is complete), then written to, then,
 * half-closed, read again and ignored until it closes: closing at once what
 * still has unread input would make the kernel throw the answer away. One
 * deadline covers all three.
 */
#include "service/health.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"
#include "service/http_head.h"

#define DEADLINE_MS 10000
#define BACKLOG 128

enum phase { READING, WRITING, LINGERING };

struct client {
	struct list link;
	int fd;
	enum phase phase;
	uint64_t deadline_ms;
	size_t in_len;
	char in[HTTP_HEAD_MAX];
	struct bytes out;
	size_t sent;
};

/* Who accepts at the address. */
enum door { DOOR_OURS, DOOR_PREDECESSORS, DOOR_SUCCESSORS };

struct health {
	int listener;
	int wake, left;		/* eventfds: to the thread, and its answer */
	_Atomic enum door door;
	_Atomic bool stopping;
	struct endpoint at;
	struct health_source from;
	struct list clients;	/* oldest first: deadlines in order */
	unsigned n_clients;
	bool deaf;		/* descriptors ran out: no accept this turn */
	bool started;
	pthread_t thread;
};

struct answer {
	int status;
	const char *type;
	struct bytes body;
};

typedef void page_fn(struct health *h, struct answer *a);

static void
page_healthz(struct health *h, struct answer *a)
{
	bool alive = h->from.alive(h->from.arg);

	a->status = alive ? 200 : 503;
	bytes_fmt(&a->body, alive ? "ok\n" : "the main thread is stuck\n");
}

static void
page_readyz(struct health *h, struct answer *a)
{
	bool ready = h->from.ready(h->from.arg, &a->body);

	a->status = ready ? 200 : 503;
	if (ready)
		bytes_fmt(&a->body, "ready\n");
}

static void
page_metrics(struct health *h, struct answer *a)
{
	a->type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_expose(h->from.metrics, &a->body);
}

static const struct {
	const char *path;
	page_fn *fill;
} pages[] = {
	{ "/healthz", page_healthz },
	{ "/readyz", page_readyz },
	{ "/metrics", page_metrics },
};

static page_fn *
find_page(struct str path)
{
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (str_eq(path, str_from(pages[i].path)))
			return pages[i].fill;
	return NULL;
}

static const char *
reason_phrase(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 431: return "Request Header Fields Too Large";
	default: return "Service Unavailable";
	}
}

/* From here on the client is written to. */
static void
respond(struct client *c, struct answer *a, bool head)
{
	if (a->body.len == 0)
		bytes_fmt(&a->body, "%s\n", reason_phrase(a->status));
	bytes_fmt(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\nCache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n%sConnection: close\r\n\r\n",
	    a->status, reason_phrase(a->status), a->type, a->body.len,
	    a->status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (!head)
		bytes_add(&c->out, a->body.ptr, a->body.len);
	bytes_fini(&a->body);
	c->phase = WRITING;
}

static void
refuse(struct client *c, int status)
{
	struct answer a = { .status = status, .type = "text/plain" };

	respond(c, &a, false);
}

static void
serve(struct health *h, struct client *c, const struct http_head *r)
{
	struct answer a = { .status = 200, .type = "text/plain" };
	bool head = str_eq(r->method, STR("HEAD"));
	page_fn *fill = find_page(r->path);

	if (fill == NULL)
		a.status = 404;
	else if (!head && !str_eq(r->method, STR("GET")))
		a.status = 405;
	else
		fill(h, &a);
	respond(c, &a, head);
}

/* These return false when the connection is done with. */
static bool
on_input(struct health *h, struct client *c)
{
	struct http_head head;
	ssize_t n = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	c->in_len += (size_t)n;
	switch (http_head_parse(&head, (struct str){ c->in, c->in_len })) {
	case PARSE_DONE:
		serve(h, c, &head);
		break;
	case PARSE_BAD:
		refuse(c, 400);
		break;
	case PARSE_MORE:
		if (c->in_len == sizeof(c->in))
			refuse(c, 431);
	}
	return true;
}

static bool
on_output(struct client *c)
{
	ssize_t n = send(c->fd, c->out.ptr + c->sent, c->out.len - c->sent,
	    MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->sent += (size_t)n;
	if (c->sent == c->out.len) {
		c->phase = LINGERING;
		return shutdown(c->fd, SHUT_WR) == 0;
	}
	return true;
}

static bool
on_leftover(struct client *c)
{
	ssize_t n = read(c->fd, c->in, sizeof(c->in));

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool
step(struct health *h, struct client *c)
{
	switch (c->phase) {
	case READING:
		if (!on_input(h, c))
			return false;
		return c->phase == READING || on_output(c);
	case WRITING:
		return on_output(c);
	default:
		return on_leftover(c);
	}
}

static void
client_close(struct health *h, struct client *c)
{
	list_del(&c->link);
	h->n_clients--;
	close(c->fd);
	bytes_fini(&c->out);
	free(c);
}

static struct client *
oldest(struct health *h)
{
	return container_of(h->clients.next, struct client, link);
}

/* One at a time: the level-triggered poll comes back for the next. */
static void
accept_one(struct health *h)
{
	struct client *c;
	/* cppcheck-suppress nullPointer; gnu.cfg wants an address to fill */
	int fd = accept4(h->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		h->deaf = errno == EMFILE || errno == ENFILE ||
		    errno == ENOBUFS || errno == ENOMEM;
		return;
	}
	if (h->n_clients == HEALTH_CLIENTS)
		client_close(h, oldest(h));
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	c->deadline_ms = clock_mono_ms() + DEADLINE_MS;
	list_push(&h->clients, &c->link);
	h->n_clients++;
}

static void
close_overdue(struct health *h)
{
	uint64_t now = clock_mono_ms();

	while (!list_empty(&h->clients) && oldest(h)->deadline_ms <= now)
		client_close(h, oldest(h));
}

/* Until the next deadline; after a failed accept no longer than a moment. */
static int
patience(struct health *h)
{
	uint64_t now = clock_mono_ms(), at;

	if (h->deaf)
		return 100;
	if (list_empty(&h->clients))
		return -1;
	at = oldest(h)->deadline_ms;
	return at > now ? (int)(at - now) : 0;
}

/* Some other thread set `door` or `stopping`; false: end. */
static bool
heed(struct health *h)
{
	eventfd_t n;

	eventfd_read(h->wake, &n);
	if (atomic_load(&h->stopping))
		return false;
	if (atomic_load(&h->door) == DOOR_SUCCESSORS && h->listener >= 0) {
		close(h->listener);
		h->listener = -1;
		eventfd_write(h->left, 1);
	}
	return true;
}

/* Waits, then serves who can be; false: asked to stop. */
static bool
turn(struct health *h)
{
	bool deaf = h->deaf || atomic_load(&h->door) != DOOR_OURS;
	struct pollfd fds[2 + HEALTH_CLIENTS] = {
		{ .fd = h->wake, .events = POLLIN },
		{ .fd = deaf ? -1 : h->listener, .events = POLLIN },
	};
	nfds_t n = 2;

	list_for_each(it, &h->clients) {
		struct client *c = container_of(it, struct client, link);

		fds[n++] = (struct pollfd){ .fd = c->fd,
			.events = c->phase == WRITING ? POLLOUT : POLLIN };
	}
	if (poll(fds, n, patience(h)) < 0)
		return true;		/* EINTR; nothing else is possible */
	if (fds[0].revents != 0)
		return heed(h);
	h->deaf = false;
	n = 2;
	list_for_each_safe(it, &h->clients) {
		struct client *c = container_of(it, struct client, link);

		if (fds[n++].revents != 0 && !step(h, c))
			client_close(h, c);
	}
	if (fds[1].revents != 0)
		accept_one(h);
	close_overdue(h);
	return true;
}

static void *
run(void *arg)
{
	struct health *h = arg;

	while (turn(h))
		;
	return NULL;
}

static int
make(struct health **out, int listener, enum door door, struct err *err)
{
	struct health *h = xcalloc(1, sizeof(*h));

	list_init(&h->clients);
	h->listener = listener;
	h->door = door;
	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->left = eventfd(0, EFD_CLOEXEC);
	if (h->wake >= 0 && h->left >= 0 && sock_local(listener, &h->at)) {
		*out = h;
		return 0;
	}
	err_sys(err, "the admin listener");
	health_stop(&h);
	return -1;
}

int
health_bind(struct health **out, const struct endpoint *at, struct err *err)
{
	int fd = sock_listen(at, false, BACKLOG, err);

	return fd >= 0 ? make(out, fd, DOOR_OURS, err) : -1;
}

int
health_inherit(struct health **out, int fd, struct err *err)
{
	return make(out, fd, DOOR_PREDECESSORS, err);
}

struct endpoint
health_address(const struct health *h)
{
	return h->at;
}

int
health_start(struct health *h, const struct health_source *from,
    struct err *err)
{
	h->from = *from;
	errno = pthread_create(&h->thread, NULL, run, h);
	if (errno != 0)
		return err_sys(err, "cannot start a thread");
	h->started = true;
	pthread_setname_np(h->thread, "health");
	return 0;
}

static void
wake(struct health *h)
{
	eventfd_write(h->wake, 1);
}

void
health_open(struct health *h)
{
	atomic_store(&h->door, DOOR_OURS);
	wake(h);
}

int
health_listener(const struct health *h)
{
	return h->listener;
}

void
health_leave(struct health *h)
{
	eventfd_t n;

	atomic_store(&h->door, DOOR_SUCCESSORS);
	wake(h);
	while (eventfd_read(h->left, &n) != 0 && errno == EINTR)
		;
}

void
health_stop(struct health **hp)
{
	struct health *h = *hp;

	if (h == NULL)
		return;
	*hp = NULL;
	if (h->started) {
		atomic_store(&h->stopping, true);
		wake(h);
		pthread_join(h->thread, NULL);
	}
	while (!list_empty(&h->clients))
		client_close(h, oldest(h));
	if (h->listener >= 0)
		close(h->listener);
	if (h->wake >= 0)
		close(h->wake);
	if (h->left >= 0)
		close(h->left);
	free(h);
}
