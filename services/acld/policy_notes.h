/* SPDX-License-Identifier: MIT */
/*
 * policy_notes: errors and warnings about a policy file, in the order found.
 * The first POLICY_NOTES_MAX are kept, all are counted. One thread.
 */
#ifndef ACLD_POLICY_NOTES_H
#define ACLD_POLICY_NOTES_H

#include "base/err.h"

#define POLICY_NOTES_MAX 100

struct policy_notes {
	char *v[POLICY_NOTES_MAX];	/* "acl.toml:3:5: …", printable */
	unsigned n;			/* of v */
	unsigned total;
};

/* Escapes what comes from the file. path NULL: the text has its own place. */
void policy_notes_add(struct policy_notes *notes, const char *path,
    unsigned line, unsigned column, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* All in one text, a line each, as many as fit; returns -1. */
int policy_notes_err(const struct policy_notes *notes, struct err *err);
/* The first and how many more there are; returns -1. */
int policy_notes_first(const struct policy_notes *notes, struct err *err);
void policy_notes_fini(struct policy_notes *notes);

#endif
