/* SPDX-License-Identifier: MIT */
#include "sessiond/store_migration.h"

#include <string.h>

unsigned
store_migration_last(const struct store_migration *list)
{
	unsigned last = 0;

	while (list[last].number != 0)
		last++;
	return last;
}

int
store_migration_known(const struct store_migration *list,
    const struct store_migration *row, struct err *err)
{
	unsigned last = store_migration_last(list), n = row->number;

	if (n > last && row->works_with <= last)
		return 0;
	if (n > last)
		return err_set(err,
		    "written by a later release (migration "
		    "%u, this one knows %u): upgrade sallyport-sessiond",
		    n, last);
	if (n == 0 || strcmp(list[n - 1].checksum, row->checksum) != 0)
		return err_set(err,
		    "migration %u (%s) is not the one of this "
		    "release: use the release that wrote the database, or "
		    "another database",
		    n, row->name);
	return 0;
}
