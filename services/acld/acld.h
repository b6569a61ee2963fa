/* SPDX-License-Identifier: MIT */
/*
 * acld: the daemon's parts put together: policy, loader, sockets, heartbeat.
 * The functions are those of struct service, on the main thread.
 */
#ifndef ACLD_ACLD_H
#define ACLD_ACLD_H

#include "service/service.h"

int acld_start(struct service_context *c, struct err *err);
int acld_reload(struct service_context *c, const struct settings *next,
    struct err *err);
void acld_stop(struct service_context *c);
int acld_check(const struct settings *s, struct err *err);

#endif
