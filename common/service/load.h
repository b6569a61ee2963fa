/* SPDX-License-Identifier: MIT */
/*
 * load: the configuration from where the command line says it is.
 *
 * The same sources at the start and at each reload. Main thread.
 */
#ifndef SERVICE_LOAD_H
#define SERVICE_LOAD_H

#include "base/log.h"
#include "config/config.h"
#include "service/args.h"

struct load {
	struct settings *settings;	/* NULL: errors has why */
	struct config_errors errors, warnings;
	bool no_file;	/* none was named and the default one is not there */
};

/* Reads file, environment and --set. A file that was named must exist. -1:
 * refused. load_fini() in either case. */
int load_settings(struct load *out, const struct args *a) MUST_CHECK;
/* Frees all but settings that the caller took out by setting it to NULL. */
void load_fini(struct load *l);
/* Writes the lines of `e` to stderr, as they are. */
void load_print(const struct config_errors *e);
/* One log line of this event for each line of `e`. */
void load_log(const struct config_errors *e, enum log_level level,
    const char *event);

#endif
