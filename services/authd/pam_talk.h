/* SPDX-License-Identifier: MIT */
/*
 * pam_talk: one conversation with PAM, from start to end.
 *
 * The only place that knows libpam. It blocks for as long as the modules do,
 * and they may do anything, so it runs in a worker process (pam_worker.h) and
 * nowhere else. One thread.
 */
#ifndef AUTHD_PAM_TALK_H
#define AUTHD_PAM_TALK_H

#include "authd/pam_wire.h"

#define PAM_TTY_NAME "sallyport"	/* what modules see as PAM_TTY */

struct pam_talk {
	enum pam_verdict verdict;
	char detail[PAM_TEXT_MAX + 1];	/* what PAM said, printable */
};

/*
 * Authentication, then account management, as question `q` of PAM_KIND_USERNAME
 * or PAM_KIND_ADDRESS asks; no credentials are set and no session is opened.
 *
 * PAM_KIND_USERNAME: a module that asks in secret gets the password, one that
 * asks openly the user's name, a few times at most. PAM_KIND_ADDRESS: a module
 * that asks anything gets no answer at all, which is an error. What modules
 * tell is dropped, or with `verbose` the last of it added to the detail; never
 * a text with the password in it.
 *
 * SUCCESS: both said so, about the user who was asked for. FAILURE: wrong,
 * unknown, locked, expired, a new password is due. ERROR: everything else;
 * also a service that is not there, and a user whom a module made another.
 */
void pam_talk(const struct pam_question *q, struct pam_talk *out);

#endif
