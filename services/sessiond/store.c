/* SPDX-License-Identifier: MIT */
#include "sessiond/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sessiond/store_sqlite.h"

/* In the order of enum store_result. */
const char *const store_error_names[] = {
	"poison",
	"busy",
	"full",
	"io",
	"readonly",
	"corrupt",
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

/* The file behind the setting, the caller's to free; NULL with err. */
static char *
sqlite_path(const char *database, const char *state_dir, struct err *err)
{
	static const char scheme[] = "sqlite:";

	if (database[0] == '\0')
		return xasprintf("%s/sallyport.db", state_dir);
	if (strncmp(database, scheme, sizeof(scheme) - 1) == 0 &&
	    database[sizeof(scheme) - 1] == '/')
		return xstrdup(database + sizeof(scheme) - 1);
	/* The value may hold a password: it is not shown. */
	err_set(err, "sessiond.database: expected \"sqlite:/path/of/a/file\" "
		     "or nothing; other databases are not in this release");
	return NULL;
}

int
store_open(struct store **out, const char *database, const char *state_dir,
    struct err *err)
{
	char *path = sqlite_path(database, state_dir, err);
	int r;

	if (path == NULL)
		return -1;
	r = store_sqlite_open(out, path, err);
	free(path);
	return r;
}

int
store_check(const char *database, const char *state_dir, struct err *err)
{
	char *path = sqlite_path(database, state_dir, err);
	int r;

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
