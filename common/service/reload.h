/* SPDX-License-Identifier: MIT */
/*
 * reload: the configuration again, all or nothing. Main thread.
 */
#ifndef SERVICE_RELOAD_H
#define SERVICE_RELOAD_H

struct service_context;

/* Loads from the same sources, refuses changed RESTART keys by name, asks the
 * daemon, then publishes. On any error everything stays as it was; log and
 * metrics tell either outcome. */
void reload_run(struct service_context *c);

#endif
