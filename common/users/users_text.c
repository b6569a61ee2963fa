/* SPDX-License-Identifier: MIT */
#include "users/users_text.h"

#include <string.h>

/* The end of the line's text, at its newline or the end of all. */
static size_t
line_end(struct str text, size_t at)
{
	const char *eol = at < text.len ?
	    memchr(text.ptr + at, '\n', text.len - at) : NULL;

	return eol == NULL ? text.len : (size_t)(eol - text.ptr);
}

size_t
users_text_line(struct str text, int line)
{
	size_t at = 0;

	for (; line > 1 && at < text.len; line--) {
		at = line_end(text, at);
		if (at < text.len)
			at++;
	}
	return at;
}

size_t
users_text_at(struct str text, int line, int column)
{
	size_t at = users_text_line(text, line);

	for (; column > 1 && at < text.len; column--)
		do {
			at++;
		} while (at < text.len && (text.ptr[at] & 0xc0) == 0x80);
	return at;
}

/* After its last quote; 0: it does not end in this line. */
static size_t
string_end(struct str text, size_t from)
{
	char quote = text.ptr[from];
	size_t at = from + 1;

	if (at + 1 < text.len && text.ptr[at] == quote &&
	    text.ptr[at + 1] == quote)
		return 0;
	for (; at < text.len && text.ptr[at] != '\n'; at++) {
		if (text.ptr[at] == '\\' && quote == '"')
			at++;
		else if (text.ptr[at] == quote)
			return at + 1;
	}
	return 0;
}

/* After its last bracket; comments and strings may have others. */
static size_t
list_end(struct str text, size_t from)
{
	size_t at = from, depth = 0;

	while (at < text.len) {
		switch (text.ptr[at]) {
		case '"':
		case '\'':
			at = string_end(text, at);
			if (at == 0)
				return 0;
			continue;
		case '#':
			at = line_end(text, at);
			continue;
		case '[':
			depth++;
			break;
		case ']':
			if (--depth == 0)
				return at + 1;
			break;
		}
		at++;
	}
	return 0;
}

/* A truth, a number, a time: which may have a space for its T. */
static size_t
word_end(struct str text, size_t from)
{
	static const char ends[] = { ' ', '\t', '\r', '\n', ',', ']', '}',
		'#' };
	size_t at = from;

	while (at < text.len &&
	    memchr(ends, text.ptr[at], sizeof(ends)) == NULL)
		at++;
	if (at - from == sizeof("2027-01-01") - 1 && at + 1 < text.len &&
	    text.ptr[from + 4] == '-' && text.ptr[at] == ' ' &&
	    text.ptr[at + 1] >= '0' && text.ptr[at + 1] <= '9')
		return word_end(text, at + 1);
	return at > from ? at : 0;
}

size_t
users_text_value_end(struct str text, size_t from)
{
	if (from >= text.len)
		return 0;
	switch (text.ptr[from]) {
	case '"':
	case '\'':
		return string_end(text, from);
	case '[':
		return list_end(text, from);
	default:
		return word_end(text, from);
	}
}

bool
users_text_starts_with(struct str text, size_t at, const char *what)
{
	size_t n = strlen(what);

	return text.len - at >= n && memcmp(text.ptr + at, what, n) == 0;
}

struct str
users_text_indent(struct str text, size_t at)
{
	size_t end = at;

	while (end < text.len &&
	    (text.ptr[end] == ' ' || text.ptr[end] == '\t'))
		end++;
	return (struct str){ text.ptr + at, end - at };
}

bool
users_text_is_blank(struct str text, size_t at)
{
	at += users_text_indent(text, at).len;
	if (at < text.len && text.ptr[at] == '\r')
		at++;
	return at == text.len || text.ptr[at] == '\n';
}

const char *
users_text_eol(struct str text, size_t at)
{
	size_t end = line_end(text, at);

	return end > at && text.ptr[end - 1] == '\r' ? "\r\n" : "\n";
}
