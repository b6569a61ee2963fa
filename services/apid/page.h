/* SPDX-License-Identifier: MIT */
/*
 * page: what all routes that give a page have in common: the range of time
 * that is asked for, and the cursor that leads from one page to the next.
 *
 * Any thread.
 */
#ifndef APID_PAGE_H
#define APID_PAGE_H

#include <jansson.h>

#include "apid/api.h"
#include "apid/cursor.h"

/* The parameter that counts back from now, instead of `since` and `until`. */
struct page_back {
	const char *name;	/* "hours" */
	uint64_t unit_us;
	uint64_t absent;	/* so many units where no beginning is given */
};

/* The rows that may come: at->since_us up to but not at->until_us. False: the
 * call was answered with a problem. */
bool page_times(struct call *c, const struct page_back *back,
    struct cursor *at) MUST_CHECK;
/* Goes on where `cursor` says, if it was given (`after`), in the range of the
 * first page, also where that was relative. False: the call was answered. */
bool page_cursor(struct call *c, struct cursor *at, bool *after) MUST_CHECK;
/* The member next_cursor of a page that lay in `at`. */
json_t *page_next(const struct call *c, const struct cursor *at,
    const struct query_page *page) MUST_CHECK;

#endif
