/* SPDX-License-Identifier: MIT */
/*
 * users: the metrics of some users, whom the settings name (list) or whose
 * sessions of about the last day choose them (top).
 *
 * A user counts from entering the set and all others go to one series for the
 * rest, so that every series only grows. Who is no longer at the top stays
 * while there is room; who gave way and comes again begins at 0.
 *
 * It is fed in rounds: users_begin, users_add for each user, the most active
 * first, then users_end. What counts is growth from one round to the next; the
 * first only says where everybody begins. Pure; one thread.
 */
#ifndef APID_USERS_H
#define APID_USERS_H

#include "apid/query.h"
#include "config/settings.h"

#define USERS_MAX 49
#define USERS_REST "__other__"	/* nobody in the set has this name */

struct users;

/* NULL: the settings want no such metrics. They are not kept. */
struct users *users_new(const struct metrics_config *c) MUST_CHECK;
void users_begin(struct users *u);
void users_add(struct users *u, const struct query_user *row);
/* A round that is not ended leaves all as it was. */
void users_end(struct users *u);
/* Appends text of format 0.0.4; nothing before the end of the first round. */
void users_expose(const struct users *u, struct bytes *out,
    const char *namespace);
void users_free(struct users **up);

#endif
