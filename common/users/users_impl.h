/* SPDX-License-Identifier: MIT */
/*
 * users_impl: what users_file.c, users_parse.c and users_notes.c share; not for
 * other rooms.
 */
#ifndef USERS_USERS_IMPL_H
#define USERS_USERS_IMPL_H

#include "base/map.h"
#include "config/tree.h"
#include "users/users_file.h"

struct users_entry {
	struct map_node node;	/* keyed by the name */
	struct user user;
	int line, column;	/* of its table */
};

struct users_file {
	struct map by_name;
	struct users_entry **v;	/* in the order of the file; owned */
	size_t n;
	char *decoy;
};

/* Fills `f` with the users of the tree; what is wrong goes to `notes`. */
void users_parse(struct users_file *f, const struct tree *t,
    struct users_notes *notes);
/* A user with everything it owns; not in the map any more. */
void users_entry_free(struct users_entry *e);

void users_notes_error(struct users_notes *notes, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
void users_notes_warn(struct users_notes *notes, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

#endif
