/* SPDX-License-Identifier: MIT */
/*
 * modes: what a daemon's binary can do besides running: --check,
 * --print-config, --health, --migrate, --help, --version.
 */
#ifndef SERVICE_MODES_H
#define SERVICE_MODES_H

#include "service/args.h"
#include "service/service.h"

#define EXIT_USAGE 2
#define EXIT_CONFIG 78

/* Does what `a` asks for, which is not ARGS_RUN; gives the exit code. */
int modes_run(const struct service *s, const struct args *a) MUST_CHECK;
/* "sallyport-<name>: text" on stderr. */
void modes_complain(const struct service *s, const char *text);

#endif
