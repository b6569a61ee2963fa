/* SPDX-License-Identifier: MIT */
/*
 * peers: authd, acld and sessiond, played over the bus for a proxy's test.
 *
 * Each answers by a script that the test may change at any time, counts what
 * it was asked, and can keep a question until told to answer. Heartbeats come
 * every 100 ms while they are on. Records are decoded, checked for holes, and
 * handed out in order of arrival. Sockets are in a temporary directory of
 * their own. Waits end after PEERS_WAIT_MS with a failed test. All functions
 * belong to the test's thread.
 */
#ifndef UNIT_PROXY_PEERS_H
#define UNIT_PROXY_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/record.h"
#include "base/id.h"

#define PEERS_WAIT_MS 30000
#define PEERS_PASSWORD "right"

struct peers;

enum peers_how {
	PEERS_ANSWER,
	PEERS_HOLD,		/* keep the question for peers_release */
	PEERS_GARBAGE,		/* a body that is no message */
	PEERS_BUSY,		/* an envelope with status BUSY */
};

/* An answer of authd. OK where the password is PEERS_PASSWORD, or the method
 * asks for none, else FAILED. */
struct peers_login {
	enum peers_how how;
	int result;		/* not 0: this one, whatever is asked */
	const char *only;	/* not NULL: right for this user alone */
	const char *user, *limits;	/* who it is; NULL: not said */
	unsigned groups;	/* how many: "group-0", … */
	const char *group;	/* not NULL: the first one's name */
	uint32_t delay_ms;
	uint64_t expires_us;
};

enum peers_permit {
	PERMIT_ALL, PERMIT_NONE, PERMIT_FIRST,
	PERMIT_BEYOND,		/* an index out of range */
	PERMIT_TOO_MANY,	/* more than were asked about */
	PERMIT_UNMARKED,	/* internal_ok is shorter */
};

/* An answer of acld. The zero value: allow all, internal addresses too. */
struct peers_decision {
	enum peers_how how;
	int action;		/* 0: ALLOW */
	int source;		/* 0: RULE */
	enum peers_permit permit;
	bool closed;		/* internal_ok false */
	bool source_bound;
	bool anonymous;		/* no instance */
	uint32_t lease_ms;	/* 0: 5000 */
	uint64_t generation;	/* 0: the one of the heartbeats */
	const char *rule, *route, *reason, *limits;
};

struct peers *peers_new(void);
/* The directory of the sockets: run_dir of the proxy. */
const char *peers_dir(const struct peers *p);
/* "ipc://…/auth.sock", …; valid until the next call. */
const char *peers_address(const struct peers *p, const char *socket);
void peers_free(struct peers **pp);

/* Each may come and go. */
void peers_start_authd(struct peers *p);
void peers_stop_authd(struct peers *p);
void peers_start_acld(struct peers *p);
void peers_stop_acld(struct peers *p);
void peers_start_policy(struct peers *p);	/* heartbeats are on */
void peers_start_sessiond(struct peers *p);

void peers_script_login(struct peers *p, const struct peers_login *l);
void peers_script_decision(struct peers *p, const struct peers_decision *d);
/* Answers the questions kept so far as the scripts now say. */
void peers_release(struct peers *p);

/* How often each was asked so far. */
unsigned peers_logins(struct peers *p);
unsigned peers_decisions(struct peers *p);
void peers_wait_logins(struct peers *p, unsigned n);
void peers_wait_decisions(struct peers *p, unsigned n);

/* The last questions. */
struct peers_asked {
	char method[32], listener[64];
	char user[256], password[256];
	unsigned user_len, password_len;
	struct addr source;
	char name[256];
	unsigned port, command, protocol, n_groups, n_resolved;
	char group[256];	/* the first */
	struct addr resolved[RECORD_ADDRS_MAX];
};
struct peers_asked peers_asked_login(struct peers *p);
struct peers_asked peers_asked_decision(struct peers *p);

/* The policy in force: what heartbeats and decisions name from now on. */
struct id peers_instance(struct peers *p);
uint64_t peers_generation(struct peers *p);
void peers_set_policy(struct peers *p, uint64_t generation);
void peers_set_heartbeats(struct peers *p, bool on);

/* A record that came. */
struct peers_record {
	struct id stream;
	uint64_t seq;
	struct record record;	/* borrowed, until peers_free */
};
/* The next one, in order of arrival. */
const struct peers_record *peers_next_record(struct peers *p);
/* The next one must be of that type. */
const struct record_session *peers_next_session(struct peers *p,
    enum record_type type, const char *reason);
/* What came so far: records, numbers that were left out, bad messages. */
struct peers_sums {
	unsigned records, holes, malformed, batches, streams, ended;
};
struct peers_sums peers_sums(struct peers *p);
/* Until that many streams have ended. */
void peers_wait_ended(struct peers *p, unsigned n);

#endif
