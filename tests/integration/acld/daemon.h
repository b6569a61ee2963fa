/* SPDX-License-Identifier: MIT */
/*
 * daemon: a real acld in a directory of its own, and the peers that ask it.
 * Every wait ends after a minute with a failed test. One thread.
 */
#ifndef TESTS_INTEGRATION_ACLD_DAEMON_H
#define TESTS_INTEGRATION_ACLD_DAEMON_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/types.h>

#include "base/id.h"
#include "msg/rpc_client.h"

/* The binary; set by main. */
extern const char *daemon_binary;

struct heartbeats;	/* what came from the policy topic */
struct topic_sub;

struct daemon {
	char dir[64];
	pid_t pid;			/* 0: not running */
	struct rpc_client *decide, *admin;
	struct topic_sub *topic;
	struct heartbeats *beats;
};

/* A directory with sallyport.toml and `policy` as acl.toml; not started. */
void daemon_init(struct daemon *d, const char *policy);
/* Replaces the policy file as a careful editor does: write, rename. */
void daemon_write_policy(const struct daemon *d, const char *policy);
/* Starts it and waits for its first heartbeat. */
void daemon_start(struct daemon *d);
/* Runs it with `flag` (or NULL) until it ends by itself: its exit code. */
int daemon_run(const struct daemon *d, const char *flag);
/* Everything it wrote to stderr since the directory was made; free() it. */
char *daemon_output(const struct daemon *d);
bool daemon_said(const struct daemon *d, const char *text);
/* Ends it by a signal; its exit code, or 128 + the signal that killed it. */
int daemon_end(struct daemon *d, int sig);
/* Removes all. */
void daemon_fini(struct daemon *d);

/* The last heartbeat: how many there were, and what it said. */
struct heartbeat_seen {
	unsigned n;
	struct id instance;
	uint64_t generation;
	uint64_t at_ms;		/* clock_mono_ms */
};

struct heartbeat_seen daemon_heartbeat(struct daemon *d);
/* Waits for one with another generation or instance than `old`. */
struct heartbeat_seen daemon_wait_change(struct daemon *d,
    struct heartbeat_seen old);
/* Waits until `n` more came. */
struct heartbeat_seen daemon_wait_beats(struct daemon *d, unsigned n);
/* Waits until stderr has `text`. */
void daemon_wait_said(struct daemon *d, const char *text);
/* GET of a path on the admin address; free() it. */
char *daemon_get(const struct daemon *d, const char *path);

#endif
