/* SPDX-License-Identifier: MIT */
/*
 * mem: allocation that cannot fail quietly, and pools that can be empty.
 *
 * The x-functions end the process when memory is out: for set-up and for
 * objects whose number configuration bounds. What comes once a connection is
 * taken from a pool. Any thread; a pool belongs to one thread.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/check.h"

void *xmalloc(size_t size) MUST_CHECK;
void *xcalloc(size_t n, size_t size) MUST_CHECK;
/* n * size with the product checked. */
void *xreallocarray(void *p, size_t n, size_t size) MUST_CHECK;
char *xstrdup(const char *s) MUST_CHECK;
char *xmemdup0(const void *p, size_t len) MUST_CHECK;	/* adds a NUL */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) MUST_CHECK;

/* Overwrites a secret so that the compiler cannot leave it out. */
void secret_wipe(void *p, size_t len);

#endif
