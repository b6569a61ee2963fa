/* SPDX-License-Identifier: MIT */
/*
 * daemon: a real authd in a directory of its own, and the peers that ask it.
 * Every wait ends after a minute with a failed test. One thread.
 */
#ifndef TESTS_INTEGRATION_AUTHD_DAEMON_H
#define TESTS_INTEGRATION_AUTHD_DAEMON_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/types.h>

#include "base/str.h"
#include "msg/rpc_client.h"

/* The binary; set by main. */
extern const char *daemon_binary;

struct daemon {
	char dir[64];
	pid_t pid;			/* 0: not running */
	struct rpc_client *auth, *admin;
};

/* A directory with sallyport.toml and `users` as users.toml; not started. */
void daemon_init(struct daemon *d, const char *users);
/* Replaces the users file as a careful editor does: write, rename. */
void daemon_write_users(const struct daemon *d, const char *users);
char *daemon_users_path(const struct daemon *d);	/* free() it */
/* Starts it and waits until it says so. */
void daemon_start(struct daemon *d);
/* Runs it with `flag` (or NULL) until it ends by itself: its exit code. */
int daemon_run(const struct daemon *d, const char *flag);
/* Everything it wrote since the directory was made; free() it. */
char *daemon_output(const struct daemon *d);
bool daemon_said(const struct daemon *d, const char *text);
/* Waits until `text` was said `n` times. */
void daemon_wait_said(const struct daemon *d, const char *text, unsigned n);
/* Ends it by a signal; its exit code, or 128 + the signal that killed it. */
int daemon_end(struct daemon *d, int sig);
/* GET of a path on the admin address; free() it. */
char *daemon_get(const struct daemon *d, const char *path);
/* Ends it if it runs, and removes all. */
void daemon_fini(struct daemon *d);

#endif
