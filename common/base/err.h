/* SPDX-License-Identifier: MIT */
/*
 * err: what went wrong, in words for the one who can mend it.
 *
 * The caller owns the struct; a function that fails fills it once. Any thread.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/check.h"

#define ERR_TEXT_MAX 1024

struct err {
	char text[ERR_TEXT_MAX];	/* "" while nothing failed */
};

/* Sets the text (cut if too long) and returns -1. `e` may be NULL. */
int err_set(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As err_set, followed by ": " and strerror(errno). */
int err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts "prefix: " before the text. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#ifdef __clang_analyzer__	/* it sees one file, and not what these return */
#define err_set(...) ((void)(err_set)(__VA_ARGS__), -1)
#define err_sys(...) ((void)(err_sys)(__VA_ARGS__), -1)
#define err_prefix(...) ((void)(err_prefix)(__VA_ARGS__), -1)
#endif

#endif
