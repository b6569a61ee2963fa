/* SPDX-License-Identifier: MIT */
/*
 * ctl: run sallyctl as a user would, and keep what it said.
 *
 * One thread. A failure to run it at all ends the test.
 */
#ifndef TESTS_CLI_CTL_H
#define TESTS_CLI_CTL_H

#include <stdbool.h>
#include <stddef.h>

/* Once, from main(): which binary. False: there is none. */
bool ctl_set_binary(const char *path);

struct ctl {
	char dir[40];		/* a directory of the test's own */
	bool unprivileged;	/* run it as nobody where we are root */
	char out[65536], err[8192];	/* of the last run */
};

void ctl_init(struct ctl *c);
/* Removes the directory. */
void ctl_fini(struct ctl *c);
void ctl_write(const struct ctl *c, const char *name, const char *text);
/* The file's text; the caller frees it. */
char *ctl_read(const struct ctl *c, const char *name);

/*
 * Runs `line`, split at blanks, in the directory, with `input` as its standard
 * input (NULL: nothing) and no terminal. The environment has PATH and
 * SALLYPORT_TOKEN only. Returns the exit code; dying by a signal fails.
 */
int ctl_run(struct ctl *c, const char *line, const char *input);

/* Runs and compares the exit code; on a difference shows what it said. */
#define ctl_expect(c, code, line, input)                                  \
	do {                                                              \
		int got = ctl_run(c, line, input);                        \
		if (got != (code))                                        \
			fail_msg("%s: exit %d, not %d:\n%s%s", line, got, \
			    code, (c)->out, (c)->err);                    \
	} while (0)

#endif
