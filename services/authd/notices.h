/* SPDX-License-Identifier: MIT */
/*
 * notices: what authd tells people about (audit/telemetry.h): who guesses, and
 * which of its processes are in trouble. Never what was offered as a password.
 * Cheap where it was told a moment ago; a telemetry of NULL hears nothing.
 * Any thread, without a lock of logins.
 */
#ifndef AUTHD_NOTICES_H
#define AUTHD_NOTICES_H

#include "authd/guessing.h"
#include "authd/pam_process.h"
#include "base/metrics.h"

struct telemetry;

/* A login that was not looked at. */
struct notices_refusal {
	enum guessing_scope scope;	/* whose limit */
	struct str user;		/* as offered; borrowed */
	struct addr source;
	uint32_t delay_ms;		/* that the client has to wait */
};

void notices_refused(struct telemetry *t, const struct notices_refusal *r);

/* Worker processes of one purpose; borrows all. */
struct notices_workers {
	struct metrics *metrics;
	struct telemetry *telemetry;
	const char *method;	/* "pam.username", …; "groups" */
};

/* For struct pam_process_options, whose argument is a struct notices_workers:
 * counts and tells. */
void notices_on_restart(void *workers, enum pam_process_cause cause,
    int error);

#endif
