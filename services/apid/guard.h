/* SPDX-License-Identifier: MIT */
/*
 * guard: what a request must be before anything looks at its meaning.
 *
 * Refused are: targets with control bytes, raw or encoded as CR, LF or NUL,
 * or longer than GUARD_TARGET_MAX; more header fields than can be seen; two
 * lengths, or one that is no number; bodies, which no route takes; and a Host
 * that is neither an address nor localhost nor one of `hosts` (a page of
 * another site could have its name resolve to us). Pure; any thread.
 */
#ifndef APID_GUARD_H
#define APID_GUARD_H

#include "apid/problem.h"
#include "config/value.h"

#define GUARD_TARGET_MAX 4096

/* PROBLEM_NONE, or the problem with the words for it in `*detail`. */
enum problem guard_check(const struct request *rq,
    const struct string_list *hosts, const char **detail) MUST_CHECK;

#endif
