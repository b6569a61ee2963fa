/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "sessiond/pace.h"

#define ROOM 8000

static const struct row {
	uint64_t waited, interval;
	size_t bytes;
	/* what it does if it stood back before, and if it did not */
	bool still, again;
} rows[] = {
	/* nothing to do */
	{ 0, 100, 0, true, true },
	{ 0, 1, 0, true, true },
	/* the oldest one's time */
	{ 100, 100, 10, true, true },
	{ 200, 100, 10, true, true },
	{ 201, 100, 10, true, false },
	{ 300, 100, 10, true, false },
	{ 301, 100, 10, false, false },
	{ 3600000, 100, 10, false, false },
	/* counts from the interval on */
	{ 101, 1, 10, true, true },
	{ 201, 1, 10, true, false },
	{ 202, 1, 10, false, false },
	{ 10200, 10000, 10, true, false },
	{ 10201, 10000, 10, false, false },
	/* the room that is taken */
	{ 0, 100, ROOM / 8, true, true },
	{ 0, 100, ROOM / 8 + 1, true, false },
	{ 0, 100, ROOM / 4, true, false },
	{ 0, 100, ROOM / 4 + 1, false, false },
	{ 0, 100, ROOM, false, false },
	/* one reason is enough */
	{ 301, 100, ROOM, false, false },
	{ 201, 100, ROOM / 8 + 1, true, false },
};

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct pace p = { .waited_ms = r->waited,
			.interval_ms = r->interval,
			.bytes = r->bytes,
			.room = ROOM };

		if (pace_stands_back(&p, true) != r->still ||
		    pace_stands_back(&p, false) != r->again)
			fail_msg("row %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
