/* SPDX-License-Identifier: MIT */
/*
 * authd: the daemon's parts put together: users file, logins, sockets, watch.
 * The functions are those of struct service, on the main thread.
 */
#ifndef AUTHD_AUTHD_H
#define AUTHD_AUTHD_H

#include "service/service.h"

int authd_start(struct service_context *c, struct err *err);
int authd_reload(struct service_context *c, const struct settings *next,
    struct err *err);
void authd_stop(struct service_context *c);
int authd_check(const struct settings *s, struct err *err);

#endif
