/* SPDX-License-Identifier: MIT */
/*
 * users_store: a file under its lock, read whole and replaced whole.
 *
 * Internal to common/users; the promises are those of users_edit.h. One
 * thread.
 */
#ifndef USERS_USERS_STORE_H
#define USERS_USERS_STORE_H

#include "base/err.h"
#include "base/str.h"

struct users_store;

/* Takes the lock and reads the file; one that is missing reads as "". -1:
 * `err` says which step the system refused, nothing is locked. */
int users_store_open(struct users_store **out, const char *path,
    struct err *err) MUST_CHECK;
/* With links followed. */
const char *users_store_path(const struct users_store *s);
struct str users_store_text(const struct users_store *s);
/* Makes the new file durable under the old one's name. -1: the old one is as
 * it was. */
int users_store_replace(struct users_store *s, struct str text,
    struct err *err) MUST_CHECK;
/* Lets go of the lock. */
void users_store_close(struct users_store **sp);

#endif
