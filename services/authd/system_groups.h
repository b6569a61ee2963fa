/* SPDX-License-Identifier: MIT */
/*
 * system_groups: the groups that the system's databases have for a user (NSS:
 * files, SSSD, LDAP), looked up in worker processes and remembered for a while.
 *
 * A look-up that hangs is killed at its deadline. Any thread.
 */
#ifndef AUTHD_SYSTEM_GROUPS_H
#define AUTHD_SYSTEM_GROUPS_H

#include "authd/logins.h"
#include "authd/notices.h"
#include "config/settings.h"

#define SYSTEM_GROUPS_THREADS 2

struct system_groups;

/* Borrows all but `w`. `threads` has SYSTEM_GROUPS_THREADS. Starts no
 * process. */
struct system_groups *system_groups_new(const struct authd_config *cfg,
    const struct notices_workers *w) MUST_CHECK;
/* For struct logins_groups; the argument is the struct system_groups. */
bool system_groups_recall(void *arg, struct str user,
    struct string_list *out);
bool system_groups_look_up(void *arg, const struct backend_turn *turn,
    struct str user, struct string_list *out);
/* 0: nothing is remembered. Forgets what was. */
void system_groups_set_ttl(struct system_groups *g, uint64_t ttl_ms);
/* As pam_backend_interrupt(). */
void system_groups_interrupt(struct system_groups *g);
/* The threads must have stopped. */
void system_groups_free(struct system_groups **gp);

#endif
