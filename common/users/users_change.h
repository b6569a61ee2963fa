/* SPDX-License-Identifier: MIT */
/*
 * users_change: the text of a users file with one thing changed.
 *
 * Internal to common/users. One thread.
 */
#ifndef USERS_USERS_CHANGE_H
#define USERS_USERS_CHANGE_H

#include "config/tree.h"
#include "users/users_edit.h"
#include "users/users_file.h"

/* The caller's, who fills it but for `next`. */
struct users_change {
	const char *path;	/* links followed */
	struct str text;	/* of the file as it is */
	struct tree *tree;
	struct users_file *file;
	struct bytes next;	/* the text as it will be */
	struct err *err;
};

/* A user's lines, each a key: those of a new one in their order, the rest. */
enum users_line {
	USERS_LINE_NAME, USERS_LINE_HASH, USERS_LINE_GROUPS, USERS_LINE_EXPIRES,
	USERS_LINE_SOURCES, USERS_LINE_NETWORKS, USERS_LINE_LIMITS,
	USERS_LINES_OF_NEW,
	USERS_LINE_ENABLED = USERS_LINES_OF_NEW,
};

/*
 * Each appends to `next` the whole text in which the user named by `wish` is
 * as it says there, or this line of his; he must be in the file and say
 * something else, but for the first one, where he must not be there.
 * USERS_EDIT_BAD_FILE: it is written in another way than is understood here.
 */
enum users_edit_result users_change_add(struct users_change *e,
    const struct user *wish);
enum users_edit_result users_change_delete(struct users_change *e,
    const struct user *wish);
enum users_edit_result users_change_line(struct users_change *e,
    const struct user *wish, enum users_line line);

#endif
