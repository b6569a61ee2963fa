/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
must(void *p)
{
	if (p == NULL)
		die("out of memory");
	return p;
}

void *
xmalloc(size_t size)
{
	return must(malloc(size > 0 ? size : 1));
}

void *
xcalloc(size_t n, size_t size)
{
	return must(n > 0 && size > 0 ? calloc(n, size) : calloc(1, 1));
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return must(reallocarray(p, n, size));
}

char *
xstrdup(const char *s)
{
	return must(strdup(s));
}

char *
xmemdup0(const void *p, size_t len)
{
	size_t size;
	char *copy;

	ASSERT(!__builtin_add_overflow(len, 1, &size));
	copy = xmalloc(size);
	if (len > 0)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return must(n < 0 ? NULL : s);
}

void
secret_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}
