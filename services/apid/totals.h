/* SPDX-License-Identifier: MIT */
/*
 * totals: the whole fleet's metrics under the seeds' names, from the database.
 *
 * They are left out while the database was never read: a counter that began
 * at 0 would show all of history as one jump. Pure; any thread.
 */
#ifndef APID_TOTALS_H
#define APID_TOTALS_H

#include "apid/sampler.h"

/* Appends text of format 0.0.4, the names prefixed by `namespace`. */
void totals_expose(struct bytes *out, const char *namespace,
    const struct sample *s);

#endif
