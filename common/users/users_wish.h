/* SPDX-License-Identifier: MIT */
/*
 * users_wish: what an edit of the users file was asked for, checked and copied
 * into a user.
 *
 * Each takes one thing from the caller, with a NUL behind each string; -1: the
 * file could not say it. The wish starts zeroed, and users_user_fini() ends it,
 * also after a -1. Internal to common/users. One thread.
 */
#ifndef USERS_USERS_WISH_H
#define USERS_USERS_WISH_H

#include "users/users_file.h"

int users_wish_name(struct user *wish, struct str name, struct err *err)
    MUST_CHECK;
int users_wish_hash(struct user *wish, struct str hash, struct err *err)
    MUST_CHECK;
/* Once, and so the sources and the networks. */
int users_wish_groups(struct user *wish, const struct str *groups, size_t n,
    struct err *err) MUST_CHECK;
int users_wish_expires(struct user *wish, uint64_t expires_us,
    struct err *err) MUST_CHECK;
int users_wish_sources(struct user *wish, const struct str *sources, size_t n,
    struct err *err) MUST_CHECK;
int users_wish_networks(struct user *wish, const struct str *networks,
    size_t n, struct err *err) MUST_CHECK;
/* ptr NULL: none. */
int users_wish_limits(struct user *wish, struct str limits, struct err *err)
    MUST_CHECK;

#endif
