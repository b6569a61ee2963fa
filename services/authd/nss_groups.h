/* SPDX-License-Identifier: MIT */
/*
 * nss_groups: what this system's name services know of a user, his groups
 * and the name itself.
 *
 * They may ask a directory over the network and hang, so this runs in a
 * worker process (pam_worker.h). One thread.
 */
#ifndef AUTHD_NSS_GROUPS_H
#define AUTHD_NSS_GROUPS_H

#include "authd/pam_wire.h"
#include "base/err.h"

/*
 * Fills groups of `out`, as NSS names them, by way of getpwnam and
 * getgrouplist; a group that has no name is left out. Their bytes are put into
 * `names`. A user whom nobody knows has no groups, which is no error.
 *
 * -1: it could not be found out (a service is down, more groups than a reply
 * holds, a name that is no text); then there are none. All or nothing: a rule
 * that blocks may depend on the one that is left out.
 */
int nss_groups(struct pam_reply *out, struct str user,
    char names[static PAM_REPLY_MAX], struct err *err) MUST_CHECK;

/*
 * The name as NSS spells it, which may take other spellings for it: directories
 * ignore its case, or take it with a domain. "": nobody of that name.
 *
 * -1: it could not be found out, or is no text of at most PAM_TEXT_MAX bytes;
 * *out is "".
 */
int nss_name(char out[static PAM_TEXT_MAX + 1], struct str user,
    struct err *err) MUST_CHECK;

#endif
