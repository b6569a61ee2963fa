/* SPDX-License-Identifier: MIT */
/*
 * auth: who may log in, decided from plain values.
 *
 * Pure: the table, the comparison of the hash and the time come as arguments.
 * Unknown, wrong, disabled, expired and from the wrong place give one and the
 * same answer, after one and the same work. Any thread.
 */
#ifndef AUTHD_AUTH_H
#define AUTHD_AUTH_H

#include "crypt/passhash.h"
#include "net/addr.h"
#include "users/users_file.h"

#define AUTH_TEXT_MAX 255	/* bytes of each string of a question */
#define AUTH_WHY_SIZE 256

enum auth_method {
	AUTH_USERPASS,		/* users file */
	AUTH_PAM_USERNAME,
	AUTH_PAM_ADDRESS,	/* no name, no password: the source alone */
	AUTH_METHODS,
};

/* "userpass", "pam.username", "pam.address"; ends with NULL. */
extern const char *const auth_method_names[];

/* Borrowed strings. */
struct auth_question {
	enum auth_method method;
	struct str service;	/* of PAM; empty: as configured */
	struct str user, password;
	struct addr source;	/* the client's */
};

enum auth_result {
	AUTH_OK,
	AUTH_FAILED,	/* the client is never told why */
	AUTH_BUSY,	/* could not be looked at; refuse the login */
	AUTH_THROTTLED,	/* too many failures; was not looked at */
	AUTH_RESULTS,
};

struct auth_answer {
	enum auth_result result;
	bool counts;		/* of BUSY: it was looked at, and may be wrong */
	uint32_t delay_ms;	/* the client shall wait so long for a no */
	char why[AUTH_WHY_SIZE];	/* for administrators and the log */
	/* The rest is empty unless OK; strings are owned. */
	char *user;		/* NULL: as asked, or nobody in particular */
	struct string_list groups;
	char *limits;		/* class; NULL: none */
	uint64_t expires_us;	/* the account's end, µs since 1970; 0: none */
	bool source_bound;	/* the answer depends on the source */
};

/* Can it be anybody's name and password, or an address? Else AUTH_FAILED at
 * once. */
bool auth_is_possible(const struct auth_question *q);
#define AUTH_IMPOSSIBLE "nobody can have such a name or password"
/* The hash to spend the work on; `u` NULL: nobody. */
const char *auth_hash(const struct users_file *f, const struct user *u);
/* `verdict` is of the comparison with auth_hash(). auth_answer_fini() it. */
void auth_decide(const struct user *u, const struct addr *source,
    enum passhash_result verdict, uint64_t wall_us, struct auth_answer *out);
/* Whom another back end let in, with what the file says of that name: being
 * disabled, expired or elsewhere holds there as well. `u` NULL: nothing. */
void auth_join(const struct user *u, const struct addr *source,
    uint64_t wall_us, struct auth_answer *a);
/* The printf text becomes `why`, cut where it does not fit. */
void auth_answer_why(struct auth_answer *a, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* Adds groups; BUSY when they become more than there may be, because a rule
 * that blocks may be about one that was left out. */
void auth_add_groups(struct auth_answer *a, const struct string_list *more);
void auth_answer_fini(struct auth_answer *a);

#endif
