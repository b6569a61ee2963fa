/* SPDX-License-Identifier: MIT */
/* The keys of a user, and what each may say. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "users/users_impl.h"

void
users_complain(struct users_parser *p, const struct node *n, const char *fmt,
    ...)
{
	char raw[ERR_TEXT_MAX];
	struct text t = text_on(raw, sizeof(raw));
	struct err err;
	va_list ap;

	va_start(ap, fmt);
	text_vfmt(&t, fmt, ap);
	va_end(ap);
	(void)node_err(&err, p->tree, n, "%s", raw);
	users_notes_error(p->notes, "%s", err.text);
}

bool
users_name_ok(struct str name)
{
	return name.len >= 1 && name.len <= USERS_NAME_MAX &&
	    str_is_utf8(name) && str_is_printable(name) &&
	    name.ptr[0] != ' ' && name.ptr[name.len - 1] != ' ';
}

static bool
expect_name(struct users_parser *p, const struct node *n)
{
	const char *s = node_string(n);

	if (s == NULL)
		users_complain(p, n, "expected a string, not %s",
		    node_kind_name(n));
	else if (!users_name_ok(str_from(s)))
		users_complain(p, n, "expected a name of 1 to %d bytes, "
		    "without control characters, spaces at its ends or bytes "
		    "that are not UTF-8", USERS_NAME_MAX);
	else
		return true;
	return false;
}

static bool
read_name(struct users_parser *p, const struct node *n, struct user *u)
{
	if (!expect_name(p, n))
		return false;
	u->name.ptr = xstrdup(n->text);
	u->name.len = strlen(n->text);
	return true;
}

static bool
read_hash(struct users_parser *p, const struct node *n, struct user *u)
{
	const char *s = node_string(n);
	struct err err;

	if (s == NULL) {
		users_complain(p, n, "expected a string, not %s",
		    node_kind_name(n));
		return false;
	}
	if (passhash_check(str_from(s), &err) != 0) {
		users_complain(p, n, "%s", err.text);
		return false;
	}
	u->hash = xstrdup(s);
	return true;
}

static bool
has_group(const struct user *u, const char *name)
{
	for (size_t i = 0; i < u->groups.n; i++)
		if (str_eq_nocase(str_from(u->groups.v[i]), str_from(name)))
			return true;
	return false;
}

static bool
read_groups(struct users_parser *p, const struct node *n, struct user *u)
{
	if (n->kind != NODE_LIST) {
		users_complain(p, n, "expected a list of group names, not %s",
		    node_kind_name(n));
		return false;
	}
	if (n->n > USERS_GROUPS_MAX) {
		users_complain(p, n, "%zu groups, more than %d", n->n,
		    USERS_GROUPS_MAX);
		return false;
	}
	u->groups.v = xcalloc(n->n + 1, sizeof(*u->groups.v));
	for (size_t i = 0; i < n->n; i++) {
		if (!expect_name(p, n->kids[i]))
			return false;
		if (has_group(u, n->kids[i]->text)) {
			users_complain(p, n->kids[i],
			    "the group stands here twice");
			return false;
		}
		u->groups.v[u->groups.n++] = xstrdup(n->kids[i]->text);
	}
	return true;
}

static bool
read_enabled(struct users_parser *p, const struct node *n, struct user *u)
{
	if (node_bool(n, &u->enabled) == 0)
		return true;
	users_complain(p, n, "expected true or false");
	return false;
}

static bool
read_expires(struct users_parser *p, const struct node *n, struct user *u)
{
	bool kind = n->kind == NODE_DATETIME || n->kind == NODE_PLAIN;

	/* 0 would read as "never". */
	if (kind && clock_parse(n->text, strlen(n->text), &u->expires_us) == 0
	    && u->expires_us > 0)
		return true;
	users_complain(p, n, "expected a time with its offset from UTC, "
	    "unquoted, such as 2027-01-01T00:00:00Z");
	return false;
}

/* At least one, at most `max`; the file's size bounds what has no maximum. */
static bool
read_ranges(struct users_parser *p, const struct node *n, const char *absent,
    size_t max, struct cidr_list *out)
{
	struct err err;

	if (n->kind != NODE_LIST || n->n == 0) {
		users_complain(p, n, "expected a list of at least one address "
		    "range; leave the key out %s", absent);
		return false;
	}
	if (n->n > max) {
		users_complain(p, n, "%zu address ranges, more than %zu",
		    n->n, max);
		return false;
	}
	out->v = xcalloc(n->n, sizeof(*out->v));
	for (size_t i = 0; i < n->n; i++) {
		const char *s = node_string(n->kids[i]);

		if (s == NULL)
			(void)err_set(&err, "expected a string such as "
			    "\"10.0.0.0/8\", not %s",
			    node_kind_name(n->kids[i]));
		else if (cidr_parse(&out->v[out->n], str_from(s), &err) == 0) {
			out->n++;
			continue;
		}
		users_complain(p, n->kids[i], "%s", err.text);
		return false;
	}
	return true;
}

static bool
read_sources(struct users_parser *p, const struct node *n, struct user *u)
{
	return read_ranges(p, n, "to allow any source", SIZE_MAX, &u->sources);
}

static bool
read_networks(struct users_parser *p, const struct node *n, struct user *u)
{
	return read_ranges(p, n, "where there is none", USERS_NETWORKS_MAX,
	    &u->networks);
}

int
users_class_check(struct str name, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	bool ok = name.len >= 1 && name.len <= USERS_LIMITS_MAX;

	for (size_t i = 0; ok && i < name.len; i++)
		ok = memchr(allowed, name.ptr[i], sizeof(allowed) - 1) != NULL;
	return ok ? 0 : err_set(err, "expected the name of a limits class: 1 "
	    "to %d letters, digits, dots, hyphens or underscores",
	    USERS_LIMITS_MAX);
}

static bool
read_limits(struct users_parser *p, const struct node *n, struct user *u)
{
	const char *s = node_string(n);
	struct err err;

	if (s == NULL) {
		users_complain(p, n, "expected a string, not %s",
		    node_kind_name(n));
		return false;
	}
	if (users_class_check(str_from(s), &err) != 0) {
		users_complain(p, n, "%s", err.text);
		return false;
	}
	u->limits = xstrdup(s);
	return true;
}

const struct users_key users_keys[USERS_KEYS] = {
	{ "username", read_name, true },
	{ "password_hash", read_hash, false },
	{ "groups", read_groups, false },
	{ "enabled", read_enabled, false },
	{ "expires", read_expires, false },
	{ "sources", read_sources, false },
	{ "networks", read_networks, false },
	{ "limits", read_limits, false },
	{ "scopes", NULL, false },
	{ "certificate_names", NULL, false },
};
