/* SPDX-License-Identifier: MIT */
/*
 * pam_service: is there a file for a PAM service?
 *
 * Where there is none, libpam quietly takes the service "other", which on
 * many systems lets in whoever has a password of this machine. Nothing of
 * libpam is used here. Any thread; reads the file system.
 */
#ifndef AUTHD_PAM_SERVICE_H
#define AUTHD_PAM_SERVICE_H

#include "base/err.h"
#include "base/str.h"

/*
 * `confdir` "" is the system's own: /etc/pam.d, then /usr/lib/pam.d. As in
 * libpam, capitals of the name do not count. -1: no such file, not readable,
 * or one that everybody may write; the error says where, and what to do.
 */
int pam_service_check(struct str confdir, struct str service,
    struct err *err) MUST_CHECK;

#endif
