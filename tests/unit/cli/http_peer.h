/* SPDX-License-Identifier: MIT */
/*
 * http_peer: an HTTP server of one exchange on a free port of 127.0.0.1.
 *
 * A thread accepts a connection, reads a request's head, sends what the test
 * wants it to, and ends it. Start and stop belong to the test's thread.
 */
#ifndef TESTS_CLI_HTTP_PEER_H
#define TESTS_CLI_HTTP_PEER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum http_peer_end {
	HTTP_PEER_CLOSE,	/* after the whole answer */
	HTTP_PEER_RESET,	/* after the whole answer, with a reset */
	HTTP_PEER_ENDLESS,	/* repeats the answer's last byte for ever */
};

struct http_peer {
	char server[32];	/* "http://127.0.0.1:PORT" */
	char request[4096];	/* the head, once stopped */
	size_t sent;		/* bytes, once stopped */
	int fd;
	const char *answer;
	enum http_peer_end end;
	pthread_t thread;
};

/* `answer` is borrowed until the stop. */
void http_peer_start(struct http_peer *p, const char *answer,
    enum http_peer_end end);
/* Waits for the exchange to end; one that never began is no error. */
void http_peer_stop(struct http_peer *p);

#endif
