/* SPDX-License-Identifier: MIT */
/*
 * signals: signals as events of the main thread, never as handlers.
 */
#ifndef SERVICE_SIGNALS_H
#define SERVICE_SIGNALS_H

#include "base/err.h"

enum signals_event {
	SIGNALS_NONE,
	SIGNALS_STOP,		/* SIGTERM, SIGINT */
	SIGNALS_RELOAD,		/* SIGHUP */
};

/* Blocks them in this thread and all it will start, ignores SIGPIPE. Gives a
 * descriptor that is readable when one came; -1 with err. A program that is
 * started by exec inherits the mask and must set its own. */
int signals_open(struct err *err) MUST_CHECK;
/* The next that came, SIGNALS_NONE when there is none. */
enum signals_event signals_next(int fd);

#endif
