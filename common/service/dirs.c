/* SPDX-License-Identifier: MIT */
#include "service/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* The first directory on the way to `path` that may not be entered, or "". */
static void
find_closed(struct text *out, const char *path)
{
	for (const char *p = strchr(path + 1, '/'); p != NULL;
	     p = strchr(p + 1, '/')) {
		char *part = xmemdup0(path, (size_t)(p - path));
		bool closed = access(part, X_OK) != 0 && errno == EACCES;

		if (closed)
			text_str(out, str_from(part));
		free(part);
		if (closed)
			return;
	}
}

static const char *
advice(int error)
{
	switch (error) {
	case ENOENT:
		return "make it, or the directory it should be in";
	case EROFS:
		return "choose a place that can be written to";
	case ENOSPC:
	case EDQUOT:
		return "free some space there";
	case ENOTDIR:
		return "something else has a name on this path";
	default:
		return "see to it that it is a directory of the daemon's user";
	}
}

/* By errno: "state_dir /x: why; what to do". */
static int
fail(const char *key, const char *path, struct err *err)
{
	int error = errno;
	char array[256];
	struct text closed = text_on(array, sizeof(array));

	if (error == EACCES)
		find_closed(&closed, path);
	if (closed.len > 0)
		return err_set(err, "%s %s: %s; let uid %u enter %s", key, path,
		    strerror(error), (unsigned)geteuid(), array);
	if (error == EACCES || error == EPERM)
		return err_set(err, "%s %s: %s; make it the daemon's: "
		    "install -d -m 700 -o %u -g %u %s", key, path,
		    strerror(error), (unsigned)geteuid(),
		    (unsigned)getegid(), path);
	return err_set(err, "%s %s: %s; %s", key, path, strerror(error),
	    advice(error));
}

/* By descriptor, so that nobody can put something else in its place. */
static int
make(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	int fd, rc;

	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0 ? 0 : -1;
	close(fd);
	return rc;
}

int
dirs_make(const struct daemon_config *d, const struct priv_ids *ids,
    struct err *err)
{
	mode_t pass = *d->admin_group != '\0' ? S_IXOTH : 0;

	if (make(d->run_dir, geteuid(), ids->gid, S_ISVTX | 0770 | pass) != 0)
		return fail("run_dir", d->run_dir, err);
	if (make(d->state_dir, ids->uid, ids->gid, 0700) != 0)
		return fail("state_dir", d->state_dir, err);
	return 0;
}

/* Writes and removes a block: permissions alone do not tell of a full disk. */
static int
try_write(const char *dir)
{
	static const char block[4096];
	char *path = xasprintf("%s/.probe-XXXXXX", dir);
	int fd = mkostemp(path, O_CLOEXEC), rc = -1, saved = errno;
	ssize_t n;

	if (fd >= 0) {
		unlink(path);
		errno = ENOSPC;		/* what a short write means */
		n = write(fd, block, sizeof(block));
		rc = n == (ssize_t)sizeof(block) ? 0 : -1;
		saved = errno;
		close(fd);
	}
	free(path);
	errno = saved;
	return rc;
}

static int
try_enter(const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	close(fd);
	return access(dir, X_OK);
}

int
dirs_check(const struct daemon_config *d, struct err *err)
{
	if (try_enter(d->run_dir) != 0)
		return fail("run_dir", d->run_dir, err);
	if (try_enter(d->state_dir) != 0 || try_write(d->state_dir) != 0)
		return fail("state_dir", d->state_dir, err);
	return 0;
}
