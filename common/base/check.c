/* SPDX-License-Identifier: MIT */
#include "base/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "%s: %s:%d: assertion failed: %s\n",
	    program_invocation_short_name, file, line, expr);
	abort();
}

void
die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}
