/* SPDX-License-Identifier: MIT */
#include "setup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* The directory part, for the caller to free. */
static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return xstrdup(".");
	return slash == path ? xstrdup("/") :
			       xmemdup0(path, (size_t)(slash - path));
}

/* By errno, for somebody who looks at a volume that is not ours. */
static int
fail(const char *path, struct err *err)
{
	int error = errno;
	struct stat st;

	if ((error == EACCES || error == EPERM) && stat(path, &st) == 0)
		return err_set(err, "%s: %s: it belongs to uid %u and this "
		    "runs as uid %u; as root: chown -R %u:%u %s", path,
		    strerror(error), (unsigned)st.st_uid,
		    (unsigned)geteuid(), (unsigned)geteuid(),
		    (unsigned)getegid(), path);
	if (error == EROFS)
		return err_set(err, "%s: %s; mount it writable for setup",
		    path, strerror(error));
	if (error == ENOENT)
		return err_set(err, "%s: %s; make it, or mount a volume there",
		    path, strerror(error));
	return err_set(err, "%s: %s", path, strerror(error));
}

/* The same of the file, or of its directory where that is what is closed. */
static int
fail_at(const char *path, struct err *err)
{
	int error = errno, rc;
	struct stat st;
	char *dir;

	if (error != EACCES || stat(path, &st) == 0) {
		errno = error;
		return fail(path, err);
	}
	dir = directory_of(path);
	errno = error;
	rc = fail(dir, err);
	free(dir);
	return rc;
}

static int
make_directory(const char *dir, struct err *err)
{
	char *parent;
	int rc;

	if (mkdir(dir, 0750) == 0)
		return 0;
	if (errno == EEXIST)
		return access(dir, W_OK | X_OK) == 0 ? 0 : fail(dir, err);
	parent = directory_of(dir);
	rc = fail(parent, err);
	free(parent);
	return rc;
}

int
setup_file_directory(const char *path, struct err *err)
{
	char *dir = directory_of(path);
	int rc = make_directory(dir, err);

	free(dir);
	return rc;
}

static bool
write_all(int fd, struct str text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n < 0)
			return false;
		text.ptr += n;
		text.len -= (size_t)n;
	}
	return fchmod(fd, 0640) == 0 && fsync(fd) == 0;
}

/* So that the name outlives a crash, too. */
static void
sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* Writes `temporary` and gives it its name, unless somebody has it. */
static enum setup_file
publish(char *temporary, const char *path, const char *dir, struct str text,
    struct err *err)
{
	int fd = mkostemp(temporary, O_CLOEXEC);
	enum setup_file made = SETUP_FILE_FAILED;

	if (fd < 0)
		return (enum setup_file)fail(dir, err);
	if (write_all(fd, text) && link(temporary, path) == 0)
		made = SETUP_FILE_MADE;
	else if (errno == EEXIST)	/* as only link says */
		made = SETUP_FILE_KEPT;
	else
		(void)err_sys(err, "%s", path);
	close(fd);
	unlink(temporary);
	sync_directory(dir);
	return made;
}

enum setup_file
setup_file_make(const char *path, struct str text, struct err *err)
{
	enum setup_file made = SETUP_FILE_FAILED;
	char *dir, *temporary;

	if (access(path, F_OK) == 0)
		return SETUP_FILE_KEPT;
	dir = directory_of(path);
	temporary = xasprintf("%s/.setup-XXXXXX", dir);
	if (make_directory(dir, err) == 0)
		made = publish(temporary, path, dir, text, err);
	free(temporary);
	free(dir);
	return made;
}

int
setup_file_line(const char *path, char *out, size_t size, struct err *err)
{
	size_t len;
	ssize_t n;
	int fd;

	*out = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail_at(path, err);
	n = read(fd, out, size - 1);
	if (n < 0) {
		(void)err_sys(err, "%s", path);
		close(fd);
		return -1;
	}
	close(fd);
	out[n] = '\0';
	len = strcspn(out, "\r\n");
	if (len > 0 && len < size - 1 && (len == (size_t)n || out[len] != '\0')) {
		out[len] = '\0';
		return 1;
	}
	secret_wipe(out, size);
	return err_set(err, "%s: its first line is empty, too long or no text",
	    path);
}
