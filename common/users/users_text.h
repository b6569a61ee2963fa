/* SPDX-License-Identifier: MIT */
/*
 * users_text: where things stand in the text of a TOML file.
 *
 * The tree tells lines and columns, this the bytes; nothing is checked here
 * but what is needed to find an end. Internal to common/users. Any thread.
 */
#ifndef USERS_USERS_TEXT_H
#define USERS_USERS_TEXT_H

#include "base/str.h"

/* Where a line (from 1) begins; the end of the text beyond the last. */
size_t users_text_line(struct str text, int line);
/* The byte at a line and a column, which counts characters from 1. */
size_t users_text_at(struct str text, int line, int column);
/* The end of the value that begins at `from`; 0: it is none, or spelled with
 * three quotes. */
size_t users_text_value_end(struct str text, size_t from);
bool users_text_starts_with(struct str text, size_t at, const char *what);
/* Is there nothing from here to the end of the line? */
bool users_text_is_blank(struct str text, size_t at);
/* The blanks from here on. */
struct str users_text_indent(struct str text, size_t at);
/* "\n", or "\r\n" if the line at `at` ends so. */
const char *users_text_eol(struct str text, size_t at);

#endif
