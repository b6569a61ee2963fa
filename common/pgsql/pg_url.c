/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "pgsql/pg_impl.h"

static bool
has_scheme(const char *url)
{
	return strncmp(url, "postgresql://", 13) == 0 ||
	       strncmp(url, "postgres://", 11) == 0;
}

static bool
is_one_of(const char *v, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strcmp(v, *words) == 0)
			return true;
	}
	return false;
}

/* "5432,5433,": an empty one is the default. */
static bool
ports_fine(const char *list)
{
	for (;;) {
		size_t len = strcspn(list, ",");
		uint64_t port = 1;

		if (len > 0 &&
		    !str_to_u64((struct str){ list, len }, 65535, &port))
			return false;
		if (port == 0)
			return false;
		if (list[len] == '\0')
			return true;
		list += len + 1;
	}
}

/* What libpq would only notice while it connects. */
static int
check_option(const char *name, const char *v, struct err *err)
{
	static const char *const sslmodes[] = { "disable", "allow", "prefer",
		"require", "verify-ca", "verify-full", NULL };
	static const char *const ours[] = { "client_encoding", "replication",
		NULL };

	if (v == NULL)
		return 0;
	if (strcmp(name, "port") == 0 && !ports_fine(v))
		return err_set(err, "a port is 1 to 65535");
	if (strcmp(name, "sslmode") == 0 && !is_one_of(v, sslmodes))
		return err_set(err, "sslmode is disable, allow, prefer, "
				    "require, verify-ca or verify-full");
	if (is_one_of(name, ours))
		return err_set(err, "%s cannot be chosen", name);
	return 0;
}

PQconninfoOption *
pg_parse_url(const char *url, struct err *err)
{
	PQconninfoOption *options = NULL;
	char *words = NULL;

	/* What libpq says of a bad URL quotes it, password and all. */
	if (has_scheme(url))
		options = PQconninfoParse(url, &words);
	PQfreemem(words);
	if (options == NULL)
		err_set(err, "expected postgresql://USER@HOST:PORT/NAME, with "
			     "other characters than letters and digits of a "
			     "user or password written as %%XX");
	return options;
}

int
pg_check_url(const char *url, struct err *err)
{
	PQconninfoOption *options = pg_parse_url(url, err);
	int r = 0;

	if (options == NULL)
		return -1;
	for (const PQconninfoOption *o = options; o->keyword != NULL && r == 0;
	     o++)
		r = check_option(o->keyword, o->val, err);
	PQconninfoFree(options);
	return r;
}
