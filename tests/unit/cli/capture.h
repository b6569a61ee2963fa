/* SPDX-License-Identifier: MIT */
/* capture: what the code under test writes to stdout or stderr, as text. */
#ifndef TESTS_CLI_CAPTURE_H
#define TESTS_CLI_CAPTURE_H

#include <stdio.h>
#include <unistd.h>

struct capture {
	FILE *stream;
	int saved, file;
	char text[16384];	/* once ended */
};

static inline void
capture_begin(struct capture *c, FILE *stream)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	fflush(stream);
	c->stream = stream;
	c->saved = dup(fileno(stream));
	c->file = dup(fileno(f));
	assert_true(c->saved >= 0 && c->file >= 0);
	assert_true(dup2(c->file, fileno(stream)) >= 0);
	fclose(f);
}

static inline const char *
capture_end(struct capture *c)
{
	ssize_t n;

	fflush(c->stream);
	assert_true(dup2(c->saved, fileno(c->stream)) >= 0);
	close(c->saved);
	n = pread(c->file, c->text, sizeof(c->text) - 1, 0);
	assert_true(n >= 0);
	c->text[n] = '\0';
	close(c->file);
	return c->text;
}

#endif
