/* SPDX-License-Identifier: MIT */
/*
 * token: who may ask the API what, from tokens.toml.
 *
 *	[[tokens]]
 *	name = "grafana"
 *	sha256 = "<64 hex digits: of the token's text>"
 *	scopes = ["read"]		# read, operate, policy, admin
 *	expires = 2027-01-01T00:00:00Z	# optional
 *
 * The file holds hashes only. A load is all or nothing. A token that is shown
 * is compared with every entry, always in the same time. A store may be used
 * by any thread: it is guarded by a lock of its own.
 */
#ifndef APID_TOKEN_H
#define APID_TOKEN_H

#include "base/err.h"
#include "base/str.h"
#include "crypt/digest.h"

enum token_scope {
	TOKEN_SCOPE_READ = 1,
	TOKEN_SCOPE_OPERATE = 2,	/* includes read */
	TOKEN_SCOPE_POLICY = 4,		/* includes read */
	TOKEN_SCOPE_ADMIN = 8,		/* includes all */
};

/* "read", …; of one scope. */
const char *token_scope_name(unsigned scope);

struct token_set;

/* -1: "path:line:column: what". */
int token_set_load(struct token_set **out, const char *path, struct err *err)
    MUST_CHECK;
/* The same from memory. */
int token_set_parse(struct token_set **out, const char *path,
    struct str text, struct err *err) MUST_CHECK;
size_t token_set_count(const struct token_set *s);
void token_set_free(struct token_set **sp);

enum token_result {
	TOKEN_OK,
	TOKEN_MISSING,		/* no Authorization */
	TOKEN_MALFORMED,	/* not "Bearer TOKEN" */
	TOKEN_UNKNOWN,
	TOKEN_EXPIRED,
	TOKEN_SCOPE,		/* good, but not for this */
	TOKEN_RESULTS,
};

extern const char *const token_result_names[];	/* ends with NULL */

#define TOKEN_NAME_MAX 64

/* Whose token it was; set on TOKEN_OK and TOKEN_SCOPE. */
struct token_who {
	char name[TOKEN_NAME_MAX + 1];
	uint8_t digest[DIGEST_SIZE];
};

/* `authorization` is the header's value; `scope` is what is needed, 0: any
 * token will do. */
enum token_result token_set_check(const struct token_set *s,
    struct str authorization, unsigned scope, uint64_t now_us,
    struct token_who *who) MUST_CHECK;

struct token_store;

/* Holds no token at first. */
struct token_store *token_store_new(void) MUST_CHECK;
/* Takes `set` over in place of what it held. */
void token_store_set(struct token_store *t, struct token_set *set);
enum token_result token_store_check(struct token_store *t,
    struct str authorization, unsigned scope, uint64_t now_us,
    struct token_who *who) MUST_CHECK;
void token_store_free(struct token_store **tp);

#endif
