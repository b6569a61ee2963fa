/* SPDX-License-Identifier: MIT */
#include "msg/ipc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

#define PATIENCE_MS 2000
#define GREETING_SIZE 8

int
ipc_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, saved;

	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), str_from(path))) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

bool
ipc_is_greeted(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

bool
ipc_is_live(const char *path)
{
	int fd = ipc_connect(path);

	if (fd < 0)
		return errno == EAGAIN;	/* its queue is full */
	ipc_is_greeted(fd, PATIENCE_MS);
	close(fd);
	return true;
}

int
ipc_clear(const char *path, const char *address, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_sys(err, "%s", address);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "%s: exists and is no socket", address);
	if (ipc_is_live(path))
		return err_set(err, "%s: address in use by another process",
		    address);
	if (errno != ECONNREFUSED)
		return err_sys(err, "%s", address);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_sys(err, "%s: cannot remove the stale socket",
		    address);
	return 0;
}

bool
ipc_greet(int fd)
{
	static const char greeting[GREETING_SIZE] = "\0SP";

	return send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL) ==
	    (ssize_t)sizeof(greeting);
}
