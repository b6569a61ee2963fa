/* SPDX-License-Identifier: MIT */
/*
 * apid: the daemon around the API: its start, reload and end.
 */
#ifndef APID_APID_H
#define APID_APID_H

#include "service/service.h"

int apid_bind(struct service_context *c, struct err *err);
int apid_start(struct service_context *c, struct err *err);
int apid_reload(struct service_context *c, const struct settings *next,
    struct err *err);
void apid_stop(struct service_context *c);
int apid_check(const struct settings *s, struct err *err);

#endif
