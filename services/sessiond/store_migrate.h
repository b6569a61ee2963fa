/* SPDX-License-Identifier: MIT */
/*
 * store_migrate: `sallyport-sessiond --migrate`, for either database. The
 * caller's thread, before any other.
 */
#ifndef SESSIOND_STORE_MIGRATE_H
#define SESSIOND_STORE_MIGRATE_H

#include "sessiond/store.h"

/*
 * Makes the database if it is SQLite's and not there, brings its schema up to
 * date, and logs what it did. A server that is away, starting or busy is
 * tried again for `wait_ms`. -1: the error says what to do; `*final` is set
 * where only a human can.
 */
int store_migrate(const struct store_options *o, uint64_t wait_ms, bool *final,
    struct err *err) MUST_CHECK;

#endif
