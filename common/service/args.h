/* SPDX-License-Identifier: MIT */
/*
 * args: the command line that all daemons share, from one table of options.
 *
 * Main thread, at start. What is parsed borrows from argv.
 */
#ifndef SERVICE_ARGS_H
#define SERVICE_ARGS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

#define ARGS_CONFIG_DEFAULT "/etc/sallyport/sallyport.toml"

enum args_mode {
	ARGS_RUN,
	ARGS_CHECK,
	ARGS_PRINT_CONFIG,
	ARGS_HEALTH,
	ARGS_MIGRATE,
	ARGS_HELP,
	ARGS_VERSION,
};

/* Options that only some daemons have; or-ed. */
enum args_extra {
	ARGS_HAS_MIGRATE = 1,
	ARGS_HAS_TAKEOVER = 2,
};

struct args {
	enum args_mode mode;
	bool takeover;		/* with ARGS_RUN only */
	const char *config;	/* NULL: none was named */
	const char **set;	/* "section.key=value", in order */
	size_t n_set;
};

/* -1: not understood; `err` says what, nothing is to be freed. */
int args_parse(struct args *out, int argc, char **argv, struct err *err)
    MUST_CHECK;
/* `daemon` is "acld", `what` its one line, `extras` what else it has. */
void args_help(FILE *out, const char *daemon, const char *what,
    unsigned extras);
void args_fini(struct args *a);

#endif
