/* SPDX-License-Identifier: MIT */
/*
 * groups: lists of a user's groups, and a memory of those that were looked up.
 *
 * A list has each name once; the case of ASCII letters does not count, as it
 * does not in the policy. It is bounded by what the proxy takes. A user with
 * more groups cannot be let in with some of them, because a rule that blocks
 * may be about one that was left out.
 *
 * The memory is bounded, the least recently used user going first. It knows
 * no clock and no threads: time comes as an argument, and one thread has it,
 * or the caller's lock.
 */
#ifndef AUTHD_GROUPS_H
#define AUTHD_GROUPS_H

#include <stdint.h>

#include "base/str.h"
#include "config/value.h"

#define GROUPS_MAX 64	/* of one user: RECORD_GROUPS_MAX */

/* ---- lists; they own their names, and start zeroed ---- */

/* Adds a copy unless the name is there. What no policy can name (empty, over
 * 255 bytes, not printable UTF-8) is left out. false: the list is full. */
bool groups_add(struct string_list *list, struct str name) MUST_CHECK;
/* Adds all. false: not all of them found room. */
bool groups_join(struct string_list *list, const struct string_list *more)
    MUST_CHECK;
void groups_fini(struct string_list *list);	/* harmless when repeated */

/* ---- memory ---- */

struct groups;

struct groups *groups_new(size_t max_users) MUST_CHECK;
/* Fills *out, which is zeroed and becomes the caller's: maybe with nothing,
 * for users who have no groups. false: nothing is known that is good at
 * `now_ms`. Users are told apart to the byte. */
bool groups_get(struct groups *g, struct str user, uint64_t now_ms,
    struct string_list *out) MUST_CHECK;
/* Copies at most GROUPS_MAX names, good before `until_ms`; replaces what was
 * known. */
void groups_put(struct groups *g, struct str user,
    const struct string_list *names, uint64_t until_ms);
void groups_drop(struct groups *g, struct str user);
void groups_flush(struct groups *g);
size_t groups_count(const struct groups *g);	/* users */
void groups_free(struct groups **gp);

#endif
