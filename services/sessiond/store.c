/* SPDX-License-Identifier: MIT */
#include "sessiond/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sessiond/store_pg.h"
#include "sessiond/store_sqlite.h"

/* In the order of enum store_result. */
const char *const store_error_names[] = {
	"poison",
	"busy",
	"full",
	"io",
	"readonly",
	"corrupt",
	"away",
	"fault",
	NULL,
};
static_assert(ARRAY_LEN(store_error_names) == STORE_RESULTS,
    "a name per failure, and NULL");

const char *
store_result_name(enum store_result r)
{
	return r == STORE_OK ? "ok" : store_error_names[r - 1];
}

bool
store_is_server(const char *database)
{
	return strncmp(database, "postgresql://", 13) == 0 ||
	       strncmp(database, "postgres://", 11) == 0;
}

/* The file behind the setting, the caller's to free; NULL with err. */
static char *
sqlite_path(const struct store_options *o, struct err *err)
{
	static const char scheme[] = "sqlite:";
	const char *path = o->database + sizeof(scheme) - 1;

	if (o->database[0] == '\0')
		return xasprintf("%s/sallyport.db", o->state_dir);
	if (strncmp(o->database, scheme, sizeof(scheme) - 1) == 0 &&
	    path[0] == '/')
		return xstrdup(path);
	/* The value may hold a password: it is not shown. */
	err_set(err, "sessiond.database: expected \"sqlite:/path/of/a/file\", "
		     "\"postgresql://USER@HOST/NAME\" or nothing");
	return NULL;
}

int
store_open(struct store **out, const struct store_options *o, struct err *err)
{
	char *path;
	int r;

	if (store_is_server(o->database))
		return store_pg_open(out, o, err);
	path = sqlite_path(o, err);
	if (path == NULL)
		return -1;
	r = store_sqlite_open(out, path, err);
	free(path);
	return r;
}

int
store_check(const struct store_options *o, struct err *err)
{
	char *path;
	int r;

	if (store_is_server(o->database))
		return store_pg_check(o, err);
	path = sqlite_path(o, err);
	if (path == NULL)
		return -1;
	r = store_sqlite_check(path, err);
	free(path);
	return r;
}

void
store_close(struct store **sp)
{
	if (*sp == NULL)
		return;
	(*sp)->ops->close(*sp);
	*sp = NULL;
}
