/* SPDX-License-Identifier: MIT */
/*
 * users_backend: logins by the users file.
 *
 * Whatever the question, exactly one hash is computed: the user's, or the
 * table's decoy for who is not there. Any thread.
 */
#ifndef AUTHD_USERS_BACKEND_H
#define AUTHD_USERS_BACKEND_H

#include "authd/backend.h"
#include "authd/roster.h"

/* As passhash_verify; another one in tests. */
typedef enum passhash_result users_backend_verify_fn(struct str password,
    const char *hash);

struct users_backend {
	struct roster *roster;		/* borrowed */
	users_backend_verify_fn *verify;
};

/* Borrows `b`. */
struct backend users_backend_ops(struct users_backend *b);

#endif
