/* SPDX-License-Identifier: MIT */
/*
 * Prints the text that apid adds to its /metrics for the whole fleet, all
 * zeroes, for docs/metrics-reference.md.
 */
#include <stdio.h>

#include "apid/totals.h"
#include "apid/users.h"

int
main(void)
{
	const struct sample nothing = { .known = true };
	const struct metrics_config config = {
		.user_series = CONFIG_USER_SERIES_LIST,
	};
	struct users *users = users_new(&config);
	struct bytes out = { 0 };

	users_begin(users);
	users_end(users);
	totals_expose(&out, "sallyport", &nothing);
	users_expose(users, &out, "sallyport");
	fwrite(out.ptr, 1, out.len, stdout);
	bytes_fini(&out);
	users_free(&users);
	return 0;
}
