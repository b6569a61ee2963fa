/* SPDX-License-Identifier: MIT */
/*
 * pam_backend: logins by Linux-PAM, in worker processes.
 *
 * Each thread of the pool has a process of its own and waits for it until the
 * deadline; one that hangs is killed. Two methods: `pam.username` asks with a
 * name and a password, `pam.address` with the client's address alone. Both
 * give the address to the stack, so all their answers are bound to it. What
 * the users file says of the same name holds as well. Any thread.
 */
#ifndef AUTHD_PAM_BACKEND_H
#define AUTHD_PAM_BACKEND_H

#include "authd/backend.h"
#include "authd/notices.h"
#include "authd/roster.h"
#include "config/settings.h"

struct pam_backend;

/* Everything is borrowed, but for `w`. Starts no process. */
struct pam_backend *pam_backend_new(const struct authd_config *cfg,
    struct roster *roster, const struct notices_workers *w) MUST_CHECK;
struct backend pam_backend_username(struct pam_backend *b);
struct backend pam_backend_address(struct pam_backend *b);
/* Conversations at once: how many there can be, and how many there are. */
unsigned pam_backend_size(const struct pam_backend *b);
unsigned pam_backend_busy(const struct pam_backend *b);
/* Ends the conversations, so that the pool can stop; new ones end at once. */
void pam_backend_interrupt(struct pam_backend *b);
/* The pool must have stopped. */
void pam_backend_free(struct pam_backend **bp);

/* Is there a file of the method's PAM service? As pam_service_check(). */
int pam_backend_verify(const struct authd_config *cfg, enum auth_method method,
    struct err *err) MUST_CHECK;

#endif
