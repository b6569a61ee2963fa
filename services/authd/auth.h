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

/* Borrowed strings. */
struct auth_question {
	struct str method;	/* "userpass" */
	struct str service;	/* prepared for PAM */
	struct str user, password;
	struct addr source;	/* the client's */
};

enum auth_result {
	AUTH_OK,
	AUTH_FAILED,	/* never told why */
	AUTH_BUSY,	/* could not be looked at; refuse the login */
};

struct auth_answer {
	enum auth_result result;
	/* The rest is empty unless OK. */
	struct string_list groups;	/* owned */
	uint64_t expires_us;	/* the account's end, µs since 1970; 0: none */
	bool source_bound;	/* the answer depends on the source */
};

/* Can it be anybody's name and password? Else AUTH_FAILED at once. */
bool auth_is_possible(const struct auth_question *q);
/* The hash to spend the work on; `u` NULL: nobody. */
const char *auth_hash(const struct users_file *f, const struct user *u);
/* `verdict` is of the comparison with auth_hash(). auth_answer_fini() it. */
void auth_decide(const struct user *u, const struct addr *source,
    enum passhash_result verdict, uint64_t wall_us, struct auth_answer *out);
void auth_answer_fini(struct auth_answer *a);

#endif
