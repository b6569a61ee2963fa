/* SPDX-License-Identifier: MIT */
/*
 * users_file: users.toml (or YAML with the same keys) as an immutable table.
 *
 *	[[users]]
 *	username = "alice"		1 to 255 bytes of printable UTF-8; case
 *					counts
 *	password_hash = "$y$j9T$…"	as crypt/passhash.h reads; absent: no
 *					password here (PAM, networks)
 *	groups = ["developers"]		at most 64; ASCII case does not count
 *	enabled = true
 *	expires = 2027-01-01T00:00:00Z	with offset
 *	sources = ["10.0.0.0/8"]	where from; absent: anywhere
 *	networks = ["10.1.2.0/24"]	clients from there are this user, where
 *					the listener goes by address
 *	limits = "class"		1 to 64 of A-Z a-z 0-9 . _ -
 *
 * Who loads it owns it; users are borrowed from it. Any thread.
 */
#ifndef USERS_USERS_FILE_H
#define USERS_USERS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "config/value.h"

#define USERS_NAME_MAX 255	/* bytes of a user's or group's name */
#define USERS_GROUPS_MAX 64	/* of one user */
#define USERS_NETWORKS_MAX 256	/* of one user */
#define USERS_LIMITS_MAX 64	/* bytes of a class's name */
#define USERS_NOTES_MAX 100	/* errors or warnings that are kept */

struct users_file;

struct user {
	struct str name;
	char *hash;		/* NULL: none */
	char *limits;		/* NULL: none */
	struct string_list groups;
	bool enabled;
	uint64_t expires_us;	/* µs since 1970; 0: never */
	struct cidr_list sources;	/* n 0: anywhere */
	struct cidr_list networks;	/* no other user has the same one */
};

/* What a load has to say, "path:line:column: what" each. Starts zeroed. */
struct users_notes {
	struct string_list errors, warnings;	/* at most USERS_NOTES_MAX */
	unsigned n_errors;			/* all of them */
};

/* Reads and checks everything. -1: notes->errors has at least one. */
int users_file_load(struct users_file **out, const char *path,
    struct users_notes *notes) MUST_CHECK;
/* The same from memory; `path` is for messages and tells TOML from YAML. */
int users_file_parse(struct users_file **out, const char *path,
    struct str text, struct users_notes *notes) MUST_CHECK;
void users_file_free(struct users_file **fp);

/* NULL: no such user. */
const struct user *users_file_find(const struct users_file *f,
    struct str name);
/* Whose network has this address, the longest prefix first; NULL: nobody's. */
const struct user *users_file_find_network(const struct users_file *f,
    const struct addr *source);
size_t users_file_count(const struct users_file *f);
/* In the order of the file; `i` below the count. */
const struct user *users_file_at(const struct users_file *f, size_t i);
/*
 * A hash that no password has, of the same method and cost as
 * most users' hashes; without any, of what passhash_make writes. For
 * spending the same work on those who are not there.
 */
const char *users_file_decoy(const struct users_file *f);

/* May it be the name of a user or group? */
bool users_name_ok(struct str name);
/* All errors in one text, as many as fit. Returns -1. */
int users_notes_err(const struct users_notes *notes, struct err *err);
void users_notes_fini(struct users_notes *notes);

#endif
