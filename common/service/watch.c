/* SPDX-License-Identifier: MIT */
#include "service/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define LOOK_MS 500
#define QUIET_MS 100

#define EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |     \
	IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR)

/* All zero while the file is missing. */
struct identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct watch {
	char *path;
	watch_fn *fn;
	void *arg;
	int inotify;		/* -1: not to be had */
	int stop;		/* eventfd */
	struct identity told;	/* as of the last call, or the start */
	struct identity seen;	/* as of the last look */
	bool restless;		/* changed within the last QUIET_MS */
	uint64_t quiet_ms;	/* when it will have been quiet */
	pthread_t thread;
};

static struct identity
look(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return (struct identity){ 0 };
	return (struct identity){ st.st_dev, st.st_ino, st.st_size,
		st.st_ctim };
}

static bool
same(const struct identity *a, const struct identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    a->changed.tv_sec == b->changed.tv_sec &&
	    a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Looks, and calls back when there was quiet since the last change. */
static void
turn(struct watch *w)
{
	struct identity now = look(w->path);

	if (!same(&now, &w->seen)) {
		w->seen = now;
		w->restless = true;
		w->quiet_ms = clock_mono_ms() + QUIET_MS;
	} else if (w->restless && clock_mono_ms() >= w->quiet_ms) {
		w->restless = false;
		if (same(&w->seen, &w->told))
			return;
		w->told = w->seen;
		w->fn(w->arg);
	}
}

static int
patience(const struct watch *w)
{
	uint64_t now = clock_mono_ms();

	if (!w->restless)
		return LOOK_MS;
	return w->quiet_ms > now ? (int)(w->quiet_ms - now) : 0;
}

static void *
run(void *arg)
{
	struct watch *w = arg;
	char events[4096];

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = w->stop, .events = POLLIN },
			{ .fd = w->inotify, .events = POLLIN },
		};

		if (poll(fds, ARRAY_LEN(fds), patience(w)) < 0)
			ASSERT(errno == EINTR);
		else if (fds[0].revents != 0)
			return NULL;
		else if (fds[1].revents != 0)
			while (read(w->inotify, events, sizeof(events)) > 0)
				;	/* that something happened is enough */
		turn(w);
	}
}

/* -1 is an answer: then it is looked for by time alone. */
static int
open_inotify(const char *dir)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd >= 0 && inotify_add_watch(fd, dir, EVENTS) < 0) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		log_warn(NULL, "watch_without_inotify", log_str("dir", dir),
		    log_str("error", strerror(errno)));
	return fd;
}

/* The directory `path` is in, for the caller to free. */
static char *
parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return xstrdup(".");
	return slash == path ? xstrdup("/") :
	    xmemdup0(path, (size_t)(slash - path));
}

static void
destroy(struct watch *w)
{
	if (w->inotify >= 0)
		close(w->inotify);
	if (w->stop >= 0)
		close(w->stop);
	free(w->path);
	free(w);
}

static int
check_directory(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) != 0)
		return -1;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode) ? 0 : -1;
}

int
watch_start(struct watch **out, const char *path, watch_fn *fn, void *arg,
    struct err *err)
{
	char *dir = parent(path);
	struct watch *w;

	if (check_directory(dir) != 0) {
		err_sys(err, "cannot watch %s: %s", path, dir);
		free(dir);
		return -1;
	}
	w = xcalloc(1, sizeof(*w));
	w->path = xstrdup(path);
	w->fn = fn;
	w->arg = arg;
	w->inotify = open_inotify(dir);
	free(dir);
	w->told = w->seen = look(path);
	w->stop = eventfd(0, EFD_CLOEXEC);
	if (w->stop < 0 ||
	    (errno = pthread_create(&w->thread, NULL, run, w)) != 0) {
		err_sys(err, "cannot watch %s", path);
		destroy(w);
		return -1;
	}
	pthread_setname_np(w->thread, "watch");
	*out = w;
	return 0;
}

void
watch_stop(struct watch **wp)
{
	struct watch *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	eventfd_write(w->stop, 1);
	pthread_join(w->thread, NULL);
	destroy(w);
}
