/* SPDX-License-Identifier: MIT */
/*
 * helper: temporary directories, files, and a plain HTTP client for the tests
 * of this room. Failures end the test.
 */
#ifndef TESTS_SERVICE_HELPER_H
#define TESTS_SERVICE_HELPER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 20000	/* how long a test waits for what must come */

/* A new directory that others may enter; free() the name. */
static inline char *
make_dir(void)
{
	char *dir = strdup("/tmp/sallyport-test-XXXXXX");

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0711), 0);
	return dir;
}

static inline int
remove_entry(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

static inline void
remove_dir(char *dir)
{
	assert_int_equal(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(dir);
}

static inline void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline int
http_connect(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static inline void
http_send(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

/* All until the server closes, NUL-terminated, then closes; a reset counts as
 * the end. */
static inline size_t
http_receive(int fd, char *out, size_t size)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		assert_true(len < size - 1);
		n = read(fd, out + len, size - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	close(fd);
	return len;
}

static inline void
http_talk(uint16_t port, const char *request, char *out, size_t size)
{
	int fd = http_connect(port);

	http_send(fd, request, strlen(request));
	http_receive(fd, out, size);
}

/* The status of GET path; the whole answer is in `out`. */
static inline int
http_get(uint16_t port, const char *path, char *out, size_t size)
{
	char request[256];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n"
	    "Host: x\r\nUser-Agent: test\r\n\r\n", path);
	http_talk(port, request, out, size);
	assert_true(strlen(out) > 12);
	return atoi(out + 9);
}

#endif
