/* SPDX-License-Identifier: MIT */
#include "cases.h"

#include <string.h>

#include "helper.h"

#define ALL_SINCE 0
#define ALL_UNTIL INT64_MAX
#define HOUR_AGO (SEED_NOW_US - UINT64_C(3600000000))

const struct filter_case filter_cases[] = {
	{ "all", NULL, { { 0 } }, 0, ALL_SINCE, ALL_UNTIL },
	{ "last hour", NULL, { { 0 } }, 0, HOUR_AGO, ALL_UNTIL },
	{ "between", NULL, { { 0 } }, 0, SEED_NOW_US - 900 * SEED_STEP_US,
		SEED_NOW_US - 300 * SEED_STEP_US },
	{ "nothing", NULL, { { 0 } }, 0, SEED_NOW_US + 1, ALL_UNTIL },
	{ "user", "session_username", { T(0, USER, "user2") }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "user in a range of time", "session_username",
		{ T(0, USER, "user2") }, 1, HOUR_AGO,
		SEED_NOW_US - 60 * SEED_STEP_US },
	{ "nobody", "session_username", { T(0, USER, "user") }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "source", "session_source_ip",
		{ R(0, SOURCE_IP, V4(10, 0, 1, 3), V4(10, 0, 1, 3)) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "source range", NULL,
		{ R(0, SOURCE_IP, V4(10, 0, 1, 0), V4(10, 0, 1, 255)) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "destination", "session_dest_ip",
		{ R(0, DEST_IP, V6(3), V6(3)) }, 1, ALL_SINCE, ALL_UNTIL },
	{ "destination range", NULL,
		{ R(0, DEST_IP, V4(192, 0, 2, 0), V4(192, 0, 2, 7)) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "any address", NULL, { R(0, DEST_IP, FIRST, LAST) }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "from IPv4 into IPv6", NULL,
		{ R(0, DEST_IP, V4(192, 0, 2, 5), V6(3)) }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "from IPv6 into IPv4", NULL,
		{ R(0, DEST_IP, FIRST, V4(192, 0, 2, 5)) }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "IPv6 alone", NULL, { R(0, DEST_IP, V6(0), V6(255)) }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "below IPv4", NULL, { R(0, DEST_IP, FIRST, { { [15] = 9 } }) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "hostile", "session_username", { T(0, USER, "'; DROP TABLE x; --") },
		1, ALL_SINCE, ALL_UNTIL },
	{ "no UTF-8", "session_username", { T(0, USER, "user2\xff") }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "NUL", "session_username", { T(0, USER, "user2\0") }, 1, ALL_SINCE,
		ALL_UNTIL },
	{ "NUL or not", NULL, { T(0, USER, "user2\0"), T(0, USER, "user1") },
		2, ALL_SINCE, ALL_UNTIL },
	{ "host", "session_dest_host", { T(0, DEST_HOST, "h1.example.com") },
		1, ALL_SINCE, ALL_UNTIL },
	{ "status", "session_status", { N(0, STATUS, STATUS_REJECTED) }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "two statuses", NULL, { N(0, STATUS, STATUS_REJECTED),
		N(0, STATUS, STATUS_FAILED) }, 2, ALL_SINCE, ALL_UNTIL },
	{ "port", NULL, { N(0, DEST_PORT, 443) }, 1, ALL_SINCE, ALL_UNTIL },
	{ "reason", NULL, { T(0, CLOSE_REASON, "policy_block") }, 1,
		ALL_SINCE, ALL_UNTIL },
	{ "user and status", "session_username", { T(0, USER, "user1"),
		N(1, STATUS, STATUS_CLOSED) }, 2, ALL_SINCE, ALL_UNTIL },
	{ "status and host", "session_dest_host",
		{ N(1, STATUS, STATUS_CLOSED),
		T(0, DEST_HOST, "h0.example.com") }, 2, ALL_SINCE, ALL_UNTIL },
	{ "address or name", NULL, { R(0, DEST_IP, V4(192, 0, 2, 1),
		V4(192, 0, 2, 1)), T(0, DEST_HOST, "h2.example.com") }, 2,
		ALL_SINCE, ALL_UNTIL },
	{ "many", "session_username", { T(0, USER, "user3"),
		N(1, DEST_PORT, 80), R(2, SOURCE_IP, V4(10, 0, 0, 0),
		V4(10, 0, 1, 255)), N(3, STATUS, STATUS_CLOSED),
		N(3, STATUS, STATUS_FAILED), N(4, DECISION, DECISION_ALLOW) },
		6, HOUR_AGO, ALL_UNTIL },
};

const size_t filter_cases_n = ARRAY_LEN(filter_cases);

struct query_filter
filter_of(const struct filter_case *c, unsigned limit)
{
	struct query_filter f = { .since_us = c->since_us,
		.until_us = c->until_us, .n = c->n, .limit = limit };

	memcpy(f.conditions, c->conditions, sizeof(c->conditions));
	return f;
}
