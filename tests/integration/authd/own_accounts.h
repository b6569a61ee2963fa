/* SPDX-License-Identifier: MIT */
/*
 * own_accounts: /etc/passwd, shadow, group, nsswitch.conf and resolv.conf of
 * this process and its children, and no network but an idle `lo`.
 *
 * Files of a test's own are mounted over the machine's, which nobody touches:
 * in a mount namespace, as root or in a user namespace.
 */
#ifndef TESTS_INTEGRATION_AUTHD_OWN_ACCOUNTS_H
#define TESTS_INTEGRATION_AUTHD_OWN_ACCOUNTS_H

#include <stdbool.h>

#include "base/str.h"

/* Replace what was there: each before own_accounts(), and at any time after. */
void own_passwd(const char *text);
void own_shadow(const char *text);
void own_group(const char *text);
void own_nsswitch(const char *text);

/* false: this machine does not let us; said on stdout. Once, from main. */
bool own_accounts(void);

/* Puts a name service of the test's own, a file, in the place of hesiod's;
 * once, after own_accounts(). */
void own_hesiod(const char *module);
/* The `lo` is idle no more. After own_accounts(). */
void own_loopback(void);

#endif
