/* SPDX-License-Identifier: MIT */
/*
 * check: assertions that stay in release builds, and attributes.
 *
 * ASSERT is for bugs only, never for input. Any thread.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stddef.h>

/* The caller must look at the result. */
#define MUST_CHECK __attribute__((warn_unused_result))
/* Argument F is a printf format, its arguments start at A. */
#define PRINTF_LIKE(F, A) __attribute__((format(printf, F, A)))
#define NORETURN __attribute__((noreturn))
#define NOINLINE __attribute__((noinline))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object that embeds `member` at `ptr`. */
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Ends the process with the expression, file and line on stderr. */
void check_failed(const char *expr, const char *file, int line) NORETURN;

#define ASSERT(e) ((e) ? (void)0 : check_failed(#e, __FILE__, __LINE__))

/* Cannot start: prints "name: message" and exits 1. From main and init only. */
void die(const char *fmt, ...) PRINTF_LIKE(1, 2) NORETURN;

#endif
