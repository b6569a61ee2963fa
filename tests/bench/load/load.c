/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define EVENTS 512
#define PING 64
#define BULK (256 << 10)
#define OPENING 256		/* hold: so many handshakes at once */
#define BACK_OFF_NS 10000000u	/* before a failed one is tried again */
#define GRACE_NS 2000000000u	/* what is under way may still end */
#define TICK_NS 50000000u

struct load;

struct mode {
	const char *name;
	/* As the client's callbacks. */
	void (*opened)(struct load *l, struct client_conn *conn, size_t early);
	void (*event)(struct load *l, struct client_conn *conn, uint32_t events);
	/* Starts what is due; gives when it wants to be called next (ns). */
	uint64_t (*tick)(struct load *l, uint64_t now);
	bool lasting;		/* connections last; the end cuts them off */
};

struct load {
	struct client client;	/* first: callbacks come back from it */
	const struct mode *mode;
	const struct load_options *o;
	struct load_result *r;
	struct client_conn *conns, *idle;
	uint64_t started, failed, due_ns, retry_ns;
	unsigned busy;
	bool ending, held;
	uint64_t random;
};

static char buffer[1 << 20];

static void
start(struct load *l, uint64_t from_ns)
{
	struct client_conn *conn = l->idle;

	l->idle = conn->next;
	l->busy++;
	l->started++;
	conn->from_ns = from_ns;
	client_start(&l->client, conn);
}

static void
give_back(struct load *l, struct client_conn *conn)
{
	conn->next = l->idle;
	l->idle = conn;
	l->busy--;
}

static bool
may_start(const struct load *l)
{
	return !l->ending && l->idle != NULL &&
	    (l->o->count == 0 || l->started < l->o->count);
}

static void
on_failed(struct client *c, struct client_conn *conn)
{
	struct load *l = (struct load *)c;

	l->r->failed[conn->stage]++;
	l->failed++;
	l->retry_ns = client_now_ns() + BACK_OFF_NS;
	give_back(l, conn);
}

static void
on_opened(struct client *c, struct client_conn *conn, size_t early)
{
	struct load *l = (struct load *)c;

	l->mode->opened(l, conn, early);
}

static void
on_event(struct client *c, struct client_conn *conn, uint32_t events)
{
	struct load *l = (struct load *)c;

	l->mode->event(l, conn, events);
}

/* Reads what is there; false: nothing, or the connection failed. */
static bool
receive(struct load *l, struct client_conn *conn, size_t *n)
{
	ssize_t got = recv(conn->fd, buffer, sizeof(buffer), 0);

	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		client_fail(&l->client, conn);
		return false;
	}
	*n = (size_t)got;
	return true;
}

/* ---- connections, paced, hold: one ping each ---- */

static void
ping_opened(struct load *l, struct client_conn *conn, size_t early)
{
	(void)early;
	(void)!client_send(&l->client, conn, buffer, PING);
}

/* True: the whole ping is back. */
static bool
ping_back(struct load *l, struct client_conn *conn)
{
	size_t n;

	if (!receive(l, conn, &n))
		return false;
	if (conn->got == 0)
		hist_add(&l->r->latency, client_now_ns() - conn->from_ns);
	conn->got += n;
	return conn->got >= PING;
}

static void
ping_event(struct load *l, struct client_conn *conn, uint32_t events)
{
	(void)events;
	if (!ping_back(l, conn))
		return;
	l->r->done++;
	client_close(conn);
	give_back(l, conn);
	if (l->mode->tick != NULL)
		return;
	if (may_start(l))
		start(l, client_now_ns());
}

static void
hold_event(struct load *l, struct client_conn *conn, uint32_t events)
{
	(void)events;
	if (ping_back(l, conn))
		l->r->done++;
}

static uint64_t
hold_tick(struct load *l, uint64_t now)
{
	while (may_start(l) && l->started < l->o->conns &&
	    l->started - l->r->done - l->failed < OPENING)
		start(l, now);
	if (!l->held && l->r->done + l->failed >= l->o->conns) {
		l->held = true;
		load_say_held(l->r->done);
	}
	return now + TICK_NS;
}

/* ---- paced ---- */

/* In (0, 1]. */
static double
draw(struct load *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (double)((l->random >> 11) + 1) / (double)(UINT64_C(1) << 53);
}

/* Where all are out, the next waits, and its time runs. */
static uint64_t
paced_tick(struct load *l, uint64_t now)
{
	if (l->due_ns == 0)
		l->due_ns = now;
	while (l->due_ns <= now && may_start(l)) {
		start(l, l->due_ns);
		l->due_ns += (uint64_t)(-log(draw(l)) * 1e9 / l->o->rate);
	}
	return l->due_ns > now ? l->due_ns : now + TICK_NS;
}

/* ---- round trips ---- */

static void
trip_opened(struct load *l, struct client_conn *conn, size_t early)
{
	(void)early;
	conn->got = 0;
	conn->from_ns = client_now_ns();
	(void)!client_send(&l->client, conn, buffer, l->o->size);
}

static void
trip_event(struct load *l, struct client_conn *conn, uint32_t events)
{
	size_t n;

	(void)events;
	if (!receive(l, conn, &n))
		return;
	conn->got += n;
	if (conn->got < l->o->size)
		return;
	hist_add(&l->r->latency, client_now_ns() - conn->from_ns);
	l->r->done++;
	if (!l->ending)
		trip_opened(l, conn, 0);
}

/* ---- bulk ---- */

static void
down_opened(struct load *l, struct client_conn *conn, size_t early)
{
	(void)conn;
	l->r->bytes += early;
}

static void
down_event(struct load *l, struct client_conn *conn, uint32_t events)
{
	size_t n;

	(void)events;
	if (receive(l, conn, &n))
		l->r->bytes += n;
}

static void
up_opened(struct load *l, struct client_conn *conn, size_t early)
{
	(void)early;
	client_watch(&l->client, conn, EPOLLIN | EPOLLOUT);
}

static void
up_event(struct load *l, struct client_conn *conn, uint32_t events)
{
	size_t n;
	ssize_t sent;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		(void)!receive(l, conn, &n);
		return;
	}
	sent = send(conn->fd, buffer, BULK, MSG_NOSIGNAL);
	if (sent > 0)
		l->r->bytes += (uint64_t)sent;
	else if (sent < 0 && errno != EAGAIN)
		client_fail(&l->client, conn);
}

/* ---- the loop ---- */

static const struct mode modes[] = {
	{ "connections", ping_opened, ping_event, NULL, false },
	{ "paced", ping_opened, ping_event, paced_tick, false },
	{ "trips", trip_opened, trip_event, NULL, true },
	{ "down", down_opened, down_event, NULL, true },
	{ "up", up_opened, up_event, NULL, true },
	{ "hold", ping_opened, hold_event, hold_tick, true },
};

const char *const load_modes[] = { "connections", "paced", "trips", "down",
	"up", "hold", "slow", NULL };

void
load_say_held(uint64_t n)
{
	printf("{\"held\": %llu}\n", (unsigned long long)n);
	fflush(stdout);
}

/* All that are not busy, at once; failed ones only after a while. */
static uint64_t
start_all(struct load *l, uint64_t now)
{
	while (now >= l->retry_ns && may_start(l))
		start(l, now);
	return now + TICK_NS;
}

static bool
finished(struct load *l, uint64_t now, uint64_t end)
{
	bool counted = l->o->count > 0 && l->started >= l->o->count &&
	    l->busy == 0;

	if (now < end && !counted && !l->ending)
		return false;
	l->ending = true;
	return l->mode->lasting || l->busy == 0 || now >= end + GRACE_NS;
}

static void
turn(struct load *l, uint64_t now, uint64_t until)
{
	struct epoll_event events[EVENTS];
	struct timespec wait;
	uint64_t ns = until > now ? until - now : 0;
	int n;

	if (ns > TICK_NS)
		ns = TICK_NS;
	wait = (struct timespec){ .tv_nsec = (long)ns };
	n = epoll_pwait2(l->client.epoll, events, EVENTS, &wait, NULL);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			l->ending = true;
		else
			client_event(&l->client, events[i].data.ptr,
			    events[i].events);
	}
}

static void
prepare(struct load *l)
{
	struct epoll_event e = { .events = EPOLLIN };

	l->client = (struct client){ .epoll = epoll_create1(EPOLL_CLOEXEC),
		.proxy_port = l->o->proxy_port,
		.target_port = l->o->target_port, .user = l->o->user,
		.password = l->o->password, .opened = on_opened,
		.event = on_event, .failed = on_failed };
	if (l->client.epoll < 0)
		die("epoll_create1: %s", strerror(errno));
	/* What is held is held until the caller closes stdin. */
	if (l->mode->tick == hold_tick &&
	    epoll_ctl(l->client.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e) != 0)
		die("hold: standard input must be a pipe");
	l->conns = xcalloc(l->o->conns, sizeof(*l->conns));
	l->busy = l->o->conns;
	for (unsigned i = l->o->conns; i-- > 0; ) {
		l->conns[i].fd = -1;
		give_back(l, &l->conns[i]);
	}
}

static void
run(struct load *l)
{
	uint64_t begin = client_now_ns(), now = begin;
	uint64_t end = begin + (uint64_t)(l->o->seconds * 1e9);

	while (!finished(l, now, end)) {
		uint64_t next = l->mode->tick != NULL ? l->mode->tick(l, now)
		    : start_all(l, now);

		turn(l, now, next < end ? next : end);
		now = client_now_ns();
	}
	l->r->seconds = (double)(now - begin) / 1e9;
	for (unsigned i = 0; i < l->o->conns; i++)
		client_close(&l->conns[i]);
	close(l->client.epoll);
	free(l->conns);
}

int
load_run(const char *mode, const struct load_options *o, struct load_result *r)
{
	struct load l = { .o = o, .r = r, .random = 88172645463325252u };

	if (strcmp(mode, "slow") == 0) {
		load_slow(o, r);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (strcmp(mode, modes[i].name) == 0)
			l.mode = &modes[i];
	if (l.mode == NULL)
		return -1;
	prepare(&l);
	run(&l);
	return 0;
}
