/* SPDX-License-Identifier: MIT */
/*
 * users_edit: change one user of a users file and leave every other byte as it
 * is: comments, order and spelling stay.
 *
 * An edit takes the lock file <path>.lock (waiting up to 5 s; the empty file
 * stays), reads the users file, changes its text, reads the result as authd
 * would, and renames it over the old one after fsync. So a crash leaves the
 * old file or the new one, and a file that was or would be broken is never
 * written. Mode and owner are kept; what is made anew has mode 0600 and, when
 * root makes it, the owner and group of its directory. A link is followed.
 * Only TOML is edited. authd sees the change by itself, or when asked by
 * KIND_USERS_RELOAD. Any thread; processes exclude each other by the lock file.
 */
#ifndef USERS_USERS_EDIT_H
#define USERS_USERS_EDIT_H

#include "base/err.h"
#include "base/str.h"

enum users_edit_result {
	USERS_EDIT_DONE,
	USERS_EDIT_EXISTS,	/* add: there is such a user already; or
				 * another user has such a network */
	USERS_EDIT_NOT_FOUND,	/* no such user, or no file */
	USERS_EDIT_BAD_INPUT,	/* not a name, hash, group, time, source,
				 * network or class */
	USERS_EDIT_BAD_FILE,	/* the file has errors, or must be edited by
				 * hand; err has "path:line:column: what" */
	USERS_EDIT_FAILED,	/* the system refused, or it stayed locked */
};

struct users_edit_user {
	struct str name;	/* as users_file.h says */
	struct str hash;	/* of passhash_make(), or as users.toml has */
	const struct str *groups;	/* may be NULL when there are none */
	size_t n_groups;
	uint64_t expires_us;	/* µs since 1970; 0: never */
	const struct str *sources;	/* as cidr_parse() reads; may be NULL
					 * when there are none: anywhere */
	size_t n_sources;
	const struct str *networks;	/* the same; may be NULL when there
					 * are none */
	size_t n_networks;
	struct str limits;	/* the name of a class; ptr NULL: none */
};

/* Each fills err unless it gives USERS_EDIT_DONE. */

/* USERS_EDIT_BAD_INPUT: all but the hash, which is not looked at, is not what a
 * user may have. For what asks for a password only then. */
enum users_edit_result users_edit_check(const struct users_edit_user *user,
    struct err *err) MUST_CHECK;

/* Appends the user; makes the file (not its directory) where there is none. */
enum users_edit_result users_edit_add(const char *path,
    const struct users_edit_user *user, struct err *err) MUST_CHECK;

/* One key of a user that is there, whether the key is there or not. What says
 * it already stays as it is, and the file is not replaced. */
enum users_edit_result users_edit_set_hash(const char *path, struct str name,
    struct str hash, struct err *err) MUST_CHECK;
enum users_edit_result users_edit_set_enabled(const char *path,
    struct str name, bool enabled, struct err *err) MUST_CHECK;
/* µs since 1970; 0: never, which takes the key's line out. */
enum users_edit_result users_edit_set_expires(const char *path,
    struct str name, uint64_t expires_us, struct err *err) MUST_CHECK;
/* All his groups; none takes the key's lines out. */
enum users_edit_result users_edit_set_groups(const char *path,
    struct str name, const struct str *groups, size_t n, struct err *err)
    MUST_CHECK;
/* All his sources; none, that is anywhere, takes the key's lines out. */
enum users_edit_result users_edit_set_sources(const char *path,
    struct str name, const struct str *sources, size_t n, struct err *err)
    MUST_CHECK;
/* All his networks, none of which another user has; none takes the key's lines
 * out. */
enum users_edit_result users_edit_set_networks(const char *path,
    struct str name, const struct str *networks, size_t n, struct err *err)
    MUST_CHECK;
/* ptr NULL: none, which takes the key's line out. */
enum users_edit_result users_edit_set_limits(const char *path,
    struct str name, struct str limits, struct err *err) MUST_CHECK;

/* Takes out the user's table; comment lines before it stay. */
enum users_edit_result users_edit_delete(const char *path, struct str name,
    struct err *err) MUST_CHECK;

#endif
