/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"

/*
 * Sets the text to the formatted one, then ": " and `tail` if there is one.
 * Built aside, because the arguments may point into the text itself.
 */
static void PRINTF_LIKE(3, 0)
put(struct err *e, const char *tail, const char *fmt, va_list ap)
{
	char array[ERR_TEXT_MAX];
	struct text t = text_on(array, sizeof(array));

	text_vfmt(&t, fmt, ap);
	if (tail != NULL) {
		text_str(&t, STR(": "));
		text_str(&t, str_from(tail));
	}
	memcpy(e->text, array, t.len + 1);
}

int
(err_set)(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e != NULL) {
		va_start(ap, fmt);
		put(e, NULL, fmt, ap);
		va_end(ap);
	}
	return -1;
}

int
(err_sys)(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	char buf[128];

	if (e != NULL) {
		va_start(ap, fmt);
		put(e, strerror_r(saved, buf, sizeof(buf)), fmt, ap);
		va_end(ap);
	}
	errno = saved;
	return -1;
}

int
(err_prefix)(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e != NULL) {
		va_start(ap, fmt);
		put(e, e->text, fmt, ap);
		va_end(ap);
	}
	return -1;
}
