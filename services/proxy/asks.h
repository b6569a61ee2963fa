/* SPDX-License-Identifier: MIT */
/*
 * asks: the proxy's questions to authd and acld, in plain C.
 *
 * Hides nng and protobuf from the rest of the daemon. Every field of an answer
 * is checked before it gets here; what fails the check counts as no answer.
 * One struct asks per worker, owned by its thread.
 */
#ifndef PROXY_ASKS_H
#define PROXY_ASKS_H

#include "audit/record.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mailbox.h"
#include "net/name.h"

struct rpc_client;

#define ASKS_RULE_MAX 128
#define ASKS_REASON_MAX RECORD_TEXT_MAX
#define ASKS_LIMITS_MAX 64

/* Who it is. Shared by the login's lease and its sessions of one worker:
 * counted, because a session outlives the lease. Immutable. */
struct identity {
	unsigned refs;
	enum record_auth method;	/* how that was found out */
	struct str user;
	struct str limits;		/* class of limits; empty: none */
	unsigned n_groups;
	struct str groups[RECORD_GROUPS_MAX];
	char text[];
};

/* A copy of `like`, its strings included; refs is the new one's own. */
struct identity *identity_new(const struct identity *like) MUST_CHECK;
struct identity *identity_ref(struct identity *i);
void identity_unref(struct identity **ip);

struct login_question {
	/* AUTH_USERPASS, AUTH_PAM_USERNAME or AUTH_PAM_ADDRESS; the last has
	 * neither user nor password. */
	enum record_auth method;
	struct str user, password;
	struct addr source;
	const char *listener;
};

enum login_result {
	LOGIN_SILENT,	/* authd gave no answer: refuse */
	LOGIN_BUSY,	/* authd has no room: refuse */
	LOGIN_FAILED,
	LOGIN_THROTTLED,	/* not looked at; to the client as FAILED */
	LOGIN_OK,
};

struct login_answer {
	enum login_result result;
	/* LOGIN_OK only; owned by the answer. Its user is the one that authd
	 * names, else the one asked about: empty where that is nobody's. */
	struct identity *identity;
	uint64_t expires_us;		/* wall clock; 0: never */
	uint32_t delay_ms;		/* before the client is refused */
};

struct decide_question {
	const struct identity *identity;
	struct addr source;
	/* The answer to somebody else's was bound to another source: the
	 * gate shares this one with the same source only. */
	bool own_source;
	enum record_command command;
	enum record_protocol protocol;
	const struct dest *dest;
	const struct addr *resolved;	/* the literal itself, or of the name */
	unsigned n_resolved;		/* 1..32 */
};

/* Never a bool: "acld is down" must not be read as yes or no. */
enum verdict { VERDICT_UNAVAILABLE, VERDICT_ALLOW, VERDICT_BLOCK };
enum verdict_source { VERDICT_BY_RULE, VERDICT_BY_DEFAULT, VERDICT_BY_HARD_DENY };

struct decision {
	enum verdict verdict;
	enum verdict_source source;
	char rule[ASKS_RULE_MAX + 1];
	char reason[ASKS_REASON_MAX + 1];
	char limits[ASKS_LIMITS_MAX + 1];
	uint8_t n_permitted;
	uint8_t permitted[RECORD_ADDRS_MAX];	/* indices into resolved */
	bool internal_ok[RECORD_ADDRS_MAX];
	uint64_t generation;
	struct id instance;
	uint32_t lease_ms;
	/* Until then it may be used again, on the boot clock; the gate's. */
	uint64_t until_ms;
	/* A rule that mattered looks at sources: then this answer is good for
	 * asked_source only. */
	bool source_bound;
	struct addr asked_source;
};

/* `a` and `d` are borrowed until return; NULL identity unless LOGIN_OK. */
typedef void asks_login_fn(void *arg, const struct login_answer *a);
typedef void asks_decide_fn(void *arg, const struct decision *d);

struct asks;

int asks_new(struct asks **out, struct rpc_client *auth,
    struct rpc_client *decide, struct mailbox *mailbox, struct err *err)
    MUST_CHECK;
/* Where nobody waits for the answer the question may wait for asks_hurry(), and
 * goes with others. */
enum asks_haste { ASKS_NOW, ASKS_LATER };

/* The function is called once, from the worker's mailbox. false: too many
 * questions are out, it will not be called. */
bool asks_login(struct asks *a, const struct login_question *q,
    enum asks_haste haste, uint32_t deadline_ms, asks_login_fn *done,
    void *arg) MUST_CHECK;
bool asks_decide(struct asks *a, const struct decide_question *q,
    enum asks_haste haste, uint32_t deadline_ms, asks_decide_fn *done,
    void *arg) MUST_CHECK;
/* Asks what was left for later. */
void asks_hurry(struct asks *a);
/* Stops waiting: what is out is never answered. */
void asks_free(struct asks **ap);

/* A message of the policy socket; false: malformed. Any thread. */
bool asks_read_heartbeat(struct str message, struct id *instance,
    uint64_t *generation) MUST_CHECK;

#endif
