/* SPDX-License-Identifier: MIT */
/*
 * client: connections of a load, through a SOCKS5 proxy or straight.
 *
 * Each one connects, greets (RFC 1928), logs in where there is a user
 * (RFC 1929) and asks for CONNECT; then its owner is told and the connection is
 * the owner's to read and write. Sources are spread over 127.0.1.0/24 and
 * targets over 127.0.2.0/24, so that ports do not run out.
 *
 * The owner allocates struct client_conn and keeps it until it is closed.
 * Everything on one thread. Callbacks may close and start connections.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum client_stage {
	CLIENT_CONNECTING,
	CLIENT_GREETING,	/* the method is awaited */
	CLIENT_LOGIN,		/* the answer to user and password */
	CLIENT_REQUEST,		/* the reply */
	CLIENT_OPEN,		/* the owner's */
	CLIENT_STAGES
};

struct client_conn {
	int fd;			/* -1: closed */
	enum client_stage stage;
	unsigned serial;	/* chooses source and target address */
	unsigned have;		/* bytes in `in` */
	uint8_t in[262];	/* the longest reply */
	/* The owner's: */
	uint64_t from_ns;
	size_t got;
	struct client_conn *next;
};

struct client {
	int epoll;
	uint16_t proxy_port;	/* on 127.0.0.1; 0: straight to the target */
	uint16_t target_port;
	const char *user;	/* NULL: no login is offered; <= 255 bytes */
	const char *password;	/* <= 255 bytes */
	unsigned serial;
	/* It goes through; `early` bytes of the target came with the reply. */
	void (*opened)(struct client *c, struct client_conn *conn, size_t early);
	/* epoll's events of an open one. */
	void (*event)(struct client *c, struct client_conn *conn,
	    uint32_t events);
	/* It is closed and had got to conn->stage. */
	void (*failed)(struct client *c, struct client_conn *conn);
};

uint64_t client_now_ns(void);	/* CLOCK_MONOTONIC */
/* A non-blocking socket that connects to `port` of 127.0.0.1, or of the
 * target's address where `target`; -1 with errno. */
int client_socket(unsigned serial, uint16_t port, bool target) MUST_CHECK;
/* Starts one; what fails, also at once, comes as `failed`. */
void client_start(struct client *c, struct client_conn *conn);
/* What epoll reported for `conn`; closed ones are ignored. */
void client_event(struct client *c, struct client_conn *conn, uint32_t events);
/* What an open one waits for from now on. */
void client_watch(struct client *c, struct client_conn *conn, uint32_t events);
/* Sends it whole, or fails the connection and returns -1. */
int client_send(struct client *c, struct client_conn *conn, const void *data,
    size_t len) MUST_CHECK;
void client_fail(struct client *c, struct client_conn *conn);
void client_close(struct client_conn *conn);

#endif
