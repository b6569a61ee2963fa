/* SPDX-License-Identifier: MIT */
/*
 * pam_room: service files of a test's own, and a real worker process that is
 * asked about them. One at a time; one thread.
 */
#ifndef TESTS_INTEGRATION_AUTHD_PAM_ROOM_H
#define TESTS_INTEGRATION_AUTHD_PAM_ROOM_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "authd/pam_process.h"

#define PAM_ROOM_WAIT_MS 60000	/* more than any machine needs */

struct pam_room {
	char dir[40];
	const char *module;	/* path of pam_test.so */
	struct pam_process *process;
	struct pam_reply reply;	/* of the last question */
	char detail[PAM_TEXT_MAX + 1];	/* the same, with a NUL */
	unsigned causes[PAM_PROCESS_CAUSES];
};

extern struct pam_room pam_room;

/* argv: the daemon's binary, and the test module. For main. */
void pam_room_arguments(int argc, char **argv);
/* For cmocka: a directory and a process, and away with them. */
int pam_room_open(void **state);
int pam_room_close(void **state);
/* A process that ends after so many questions. */
void pam_room_recycle_after(uint32_t questions);

/* Writes the file of a service. */
void pam_room_service(const char *name, const char *text);
/* The same, of the test module: "auth" and "account" are what it is told
 * ("" for nothing but success). */
void pam_room_module(const char *name, const char *auth, const char *account);

/* Asks, and looks at the verdict; the rest is in pam_room. */
void pam_room_login(const char *service, const char *user,
    const char *password, enum pam_verdict wanted);
void pam_room_address(const char *service, const char *user,
    enum pam_verdict wanted);
void pam_room_groups(const char *user, enum pam_verdict wanted);
/* The same, until `ms` from now. */
enum pam_process_result pam_room_login_within(const char *service,
    const char *user, const char *password, uint64_t ms);

/* Of the last reply. */
void pam_room_said(const char *detail);
bool pam_room_mentions(const char *part);
bool pam_room_has_group(const char *name);

#endif
