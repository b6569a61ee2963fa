/* SPDX-License-Identifier: MIT */
#include "users/users_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define LOCK_TRIES 250		/* of 20 ms */
#define LOCK_PAUSE_NS 20000000
#define SIZE_MAX_BYTES (64u << 20)	/* as config/tree.h */

struct users_store {
	char *path;
	int lock;
	bool exists;
	struct stat old;
	struct bytes text;
};

/* ---- opening ---- */

/* The file behind links; of a file that is missing, the path as it is. */
static char *
resolve(const char *path)
{
	char *real = realpath(path, NULL);

	return real != NULL ? real : xstrdup(path);
}

static int
lock(const char *path, struct err *err)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	char *name = xasprintf("%s.lock", path);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno == EWOULDBLOCK && i < LOCK_TRIES) {
			nanosleep(&pause, NULL);
			continue;
		}
		(void)err_set(err, "%s: %s", name, errno == EWOULDBLOCK ?
		    "another edit is under way" : strerror(errno));
		close(fd);
		free(name);
		return -1;
	}
	if (fd < 0)
		(void)err_sys(err, "%s", name);
	free(name);
	return fd;
}

static int
read_all(struct users_store *s, int fd, struct err *err)
{
	char buf[16384];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		bytes_add(&s->text, buf, (size_t)n);
		if (s->text.len > SIZE_MAX_BYTES)
			return err_set(err, "%s: larger than 64 MiB", s->path);
	}
	return n == 0 ? 0 : err_sys(err, "%s", s->path);
}

static int
read_old(struct users_store *s, struct err *err)
{
	/* Not to hang on a pipe of that name. */
	int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "%s", s->path);
	s->exists = true;
	if (fstat(fd, &s->old) != 0)
		rc = err_sys(err, "%s", s->path);
	else if (!S_ISREG(s->old.st_mode))
		rc = err_set(err, "%s: not a regular file", s->path);
	else
		rc = read_all(s, fd, err);
	close(fd);
	return rc;
}

int
users_store_open(struct users_store **out, const char *path, struct err *err)
{
	struct users_store *s = xcalloc(1, sizeof(*s));

	s->path = resolve(path);
	s->lock = lock(s->path, err);
	if (s->lock < 0 || read_old(s, err) != 0) {
		users_store_close(&s);
		return -1;
	}
	*out = s;
	return 0;
}

const char *
users_store_path(const struct users_store *s)
{
	return s->path;
}

struct str
users_store_text(const struct users_store *s)
{
	return (struct str){ s->text.ptr, s->text.len };
}

/* ---- replacing ---- */

/* The directory of the file, for the caller to free. */
static char *
directory(const struct users_store *s)
{
	const char *slash = strrchr(s->path, '/');

	if (slash == NULL)
		return xstrdup(".");
	return slash == s->path ? xstrdup("/") :
	    xmemdup0(s->path, (size_t)(slash - s->path));
}

/* Owner and mode of the old file; of the directory, the owner only, for a new
 * one that root makes. */
static int
give(const struct users_store *s, int fd, int dir)
{
	struct stat like = s->old;

	if (!s->exists) {
		if (geteuid() != 0)
			return 0;
		if (fstat(dir, &like) != 0)
			return -1;
	}
	/* Changing the owner may clear bits of the mode: mode last. */
	if ((like.st_uid != geteuid() || like.st_gid != getegid()) &&
	    fchown(fd, like.st_uid, like.st_gid) != 0)
		return -1;
	return fchmod(fd, s->exists ? like.st_mode & 07777 : 0600);
}

static int
write_all(int fd, struct str text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n < 0)
			return -1;
		text.ptr += n;
		text.len -= (size_t)n;
	}
	return 0;
}

/* Writes the new file beside the old one. */
static int
write_new(const struct users_store *s, const char *name, int dir,
    struct str text, struct err *err)
{
	int fd;

	/* A crash may have left one; the lock says that nobody needs it. */
	unlink(name);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "%s", name);
	if (give(s, fd, dir) != 0)
		(void)err_sys(err, "%s: cannot keep owner and mode", name);
	else if (write_all(fd, text) != 0 || fsync(fd) != 0)
		(void)err_sys(err, "%s", name);
	else
		return close(fd) == 0 ? 0 : err_sys(err, "%s", name);
	close(fd);
	return -1;
}

static int
replace(const struct users_store *s, int dir, struct str text,
    struct err *err)
{
	char *name = xasprintf("%s.new", s->path);
	int rc = write_new(s, name, dir, text, err);

	if (rc == 0 && rename(name, s->path) != 0)
		rc = err_sys(err, "%s", s->path);
	if (rc != 0)
		unlink(name);
	free(name);
	return rc;
}

int
users_store_replace(struct users_store *s, struct str text, struct err *err)
{
	char *name = directory(s);
	int dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (dir < 0) {
		rc = err_sys(err, "%s", name);
	} else {
		rc = replace(s, dir, text, err);
		if (rc == 0)
			(void)fsync(dir);	/* done, durable or not */
		close(dir);
	}
	free(name);
	return rc;
}

void
users_store_close(struct users_store **sp)
{
	struct users_store *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	if (s->lock >= 0)
		close(s->lock);
	bytes_fini(&s->text);
	free(s->path);
	free(s);
}
