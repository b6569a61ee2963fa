/* SPDX-License-Identifier: MIT */
/*
 * daemon: a real apid on ports of its own, and a client that sends any bytes.
 * Every wait ends after a minute with a failed test. One thread.
 */
#ifndef TESTS_INTEGRATION_APID_DAEMON_H
#define TESTS_INTEGRATION_APID_DAEMON_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <jansson.h>
#include <sys/types.h>

#include "helper.h"

/* The binary; set by main. */
extern const char *daemon_binary;

#define DAEMON_TOKEN "spt_reader"	/* in the tokens file from the start */

struct daemon {
	struct base base;	/* its directory is the daemon's too */
	pid_t pid;		/* 0: not running */
	uint16_t port, admin;	/* while it runs */
};

/* A database, a tokens file and a configuration; not started. */
void daemon_init(struct daemon *d);
/* Replaces the tokens file as a careful editor does. */
void daemon_write_tokens(const struct daemon *d, const char *text);
/* A line for the tokens file. */
char *daemon_token(const char *name, const char *token, const char *rest);
/* Starts it and waits until it says so. */
void daemon_start(struct daemon *d);
/* Runs it with `flag` (or NULL) until it ends by itself: its exit code. */
int daemon_run(const struct daemon *d, const char *flag);
/* All it wrote so far; valid until the next call. */
const char *daemon_output(const struct daemon *d);
/* Waits until `text` was said. */
void daemon_wait_said(const struct daemon *d, const char *text);
/* Ends it by a signal; its exit code, or 128 + the signal that killed it. */
int daemon_end(struct daemon *d, int sig);
void daemon_fini(struct daemon *d);

/* A connection to `port`, with time-outs of a minute. */
int daemon_connect(uint16_t port);

struct answer {
	int status;		/* 0: the connection ended without one */
	size_t len;
	char *body;		/* within text */
	char text[1 << 20];
};

/* Sends `n` bytes and reads until the end. */
void daemon_send(uint16_t port, const void *p, size_t n, struct answer *out);
/* GET with the token (NULL: none); the status. */
int daemon_get(const struct daemon *d, const char *target,
    const char *token, struct answer *out);
/* Asks until the status is `want`. */
void daemon_wait_status(const struct daemon *d, const char *target,
    const char *token, int want);
/* Asks for /readyz at the admin address until the status is `want`: it is told
 * after the API knows. */
void daemon_wait_admin(const struct daemon *d, int want);
/* Asks until the body has `text` in it; `out` is that answer. */
void daemon_wait_shown(const struct daemon *d, const char *target,
    const char *text, struct answer *out);
/* The body as JSON; the caller's. */
json_t *daemon_json(const struct answer *a);

#endif
