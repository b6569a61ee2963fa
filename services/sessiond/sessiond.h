/* SPDX-License-Identifier: MIT */
/*
 * sessiond: the daemon put together: the events socket, the writer, the store.
 * The functions are those of struct service; main thread.
 */
#ifndef SESSIOND_SESSIOND_H
#define SESSIOND_SESSIOND_H

#include "service/service.h"

int sessiond_start(struct service_context *c, struct err *err);
int sessiond_reload(
    struct service_context *c, const struct settings *next, struct err *err);
void sessiond_stop(struct service_context *c);
/* Looks at the database without changing it. */
int sessiond_check(const struct settings *s, struct err *err);
/* Brings its schema up to date; waits a minute for one that is away. */
int sessiond_migrate(
    const struct settings *s, bool *bad_config, struct err *err);

#endif
