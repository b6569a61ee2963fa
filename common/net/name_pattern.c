/* SPDX-License-Identifier: MIT */
#include "net/name_pattern.h"

#include <string.h>

static bool
has_star(struct str s)
{
	return s.len > 0 && memchr(s.ptr, '*', s.len) != NULL;
}

/* A digit, and else only digits, dots and stars: 10.0.*.* and its like. */
static bool
looks_like_addresses(struct str s)
{
	bool digit = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] >= '0' && s.ptr[i] <= '9')
			digit = true;
		else if (s.ptr[i] != '.' && s.ptr[i] != '*')
			return false;
	}
	return digit;
}

/* A name without wildcards, in canonical form. */
static int
parse_plain(struct name_pattern *out, struct str s, struct err *err)
{
	struct dest d;

	switch (name_canonical(&d, s)) {
	case NAME_OK:
		break;
	case NAME_IS_ADDR:
		return err_set(err, "an address where a name is expected");
	default:
		return err_set(err, "not a valid host name");
	}
	out->len = d.name_len;
	memcpy(out->text, d.name, (size_t)d.name_len + 1);
	return 0;
}

/*
 * Wildcards inside labels. With a letter for each star the pattern must be a
 * name: that checks bytes, labels and lengths at once.
 */
static int
parse_labels(struct name_pattern *out, struct str s, struct err *err)
{
	char probe[NAME_MAX_LEN + 1];

	if (s.len > sizeof(probe))
		return err_set(err, "longer than a name can be");
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '*' && i + 1 < s.len && s.ptr[i + 1] == '*')
			return err_set(err, "`**` can stand only at the start, "
			    "before a dot");
		probe[i] = s.ptr[i] == '*' ? 'x' : s.ptr[i];
	}
	if (parse_plain(out, (struct str){ probe, s.len }, err) != 0)
		return -1;
	for (size_t i = 0; i < out->len; i++)
		if (s.ptr[i] == '*')
			out->text[i] = '*';
	return 0;
}

int
name_pattern_parse(struct name_pattern *out, struct str s, struct err *err)
{
	memset(out, 0, sizeof(*out));
	if (str_eq(s, STR("*"))) {
		out->kind = NAME_PATTERN_ALL;
		return 0;
	}
	if (str_eq(s, STR("*.")) || str_eq(s, STR("**")) ||
	    str_eq(s, STR("**.")))
		return err_set(err, "a wildcard without a name; everything "
		    "is `*`");
	if (s.len > 3 && memcmp(s.ptr, "**.", 3) == 0) {
		s = (struct str){ s.ptr + 3, s.len - 3 };
		if (has_star(s))
			return err_set(err, "no wildcards can follow `**.`");
		out->kind = NAME_PATTERN_SUFFIX;
		return parse_plain(out, s, err);
	}
	if (!has_star(s)) {
		out->kind = NAME_PATTERN_EXACT;
		return parse_plain(out, s, err);
	}
	if (looks_like_addresses(s))
		return err_set(err, "wildcards are for names; write a range "
		    "of addresses as 192.0.2.0/24");
	out->kind = NAME_PATTERN_LABELS;
	return parse_labels(out, s, err);
}

static bool
match_suffix(struct str suffix, struct str name)
{
	size_t rest;

	if (name.len <= suffix.len + 1)
		return false;
	rest = name.len - suffix.len;
	return name.ptr[rest - 1] == '.' &&
	    memcmp(name.ptr + rest, suffix.ptr, suffix.len) == 0;
}

/*
 * A star takes any run without a dot, so dots of pattern and name pair up one
 * to one, and only the last star of the current label is ever tried again.
 */
static bool
match_labels(struct str p, struct str name)
{
	size_t i = 0, j = 0, star = 0, tried = 0;
	bool retry = false;

	while (j < name.len || i < p.len) {
		if (i < p.len && p.ptr[i] == '*') {
			retry = true;
			star = ++i;
			tried = j;
		} else if (i < p.len && j < name.len &&
		    p.ptr[i] == name.ptr[j]) {
			if (p.ptr[i] == '.')
				retry = false;
			i++;
			j++;
		} else if (retry && tried < name.len &&
		    name.ptr[tried] != '.') {
			i = star;
			j = ++tried;
		} else {
			return false;
		}
	}
	return true;
}

bool
name_pattern_match(const struct name_pattern *p, struct str name)
{
	struct str text = { p->text, p->len };

	switch (p->kind) {
	case NAME_PATTERN_ALL: return true;
	case NAME_PATTERN_EXACT: return str_eq(text, name);
	case NAME_PATTERN_SUFFIX: return match_suffix(text, name);
	case NAME_PATTERN_LABELS: return match_labels(text, name);
	}
	return false;
}
