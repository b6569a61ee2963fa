/* SPDX-License-Identifier: MIT */
/*
 * roster: the users file in force, which readers pin while they use it.
 *
 * A version is never changed, only replaced; a replaced one goes when the last
 * reader lets go of it. Guarded by a mutex that nobody holds while working.
 * Any thread.
 */
#ifndef AUTHD_ROSTER_H
#define AUTHD_ROSTER_H

#include "users/users_file.h"

struct roster;

/* Valid while pinned. */
struct roster_version {
	struct users_file *file;
};

struct roster *roster_new(void) MUST_CHECK;
/* NULL: none was put in force yet. */
const struct roster_version *roster_pin(struct roster *r) MUST_CHECK;
/* Clears the pointer; NULL inside is harmless. */
void roster_unpin(struct roster *r, const struct roster_version **vp);
/* Puts `*fp` in force and takes it over. */
void roster_replace(struct roster *r, struct users_file **fp);
/* Nobody may hold a version. */
void roster_free(struct roster **rp);

#endif
