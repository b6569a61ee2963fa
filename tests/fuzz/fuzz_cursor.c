/* SPDX-License-Identifier: MIT */
/*
 * The input is a cursor as a client gives it back. What is accepted is exactly
 * what would be written for what was read. (Only a corpus entry that was made
 * with the right key gets that far.)
 */
#include <string.h>

#include "apid/cursor.h"
#include "fuzz.h"

static const uint8_t key[DIGEST_SIZE] = { 1, 2, 3 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str bound = STR("GET /x\nuser=1:a\n");
	struct cursor c = { .since_us = 0 };
	char again[CURSOR_TEXT_SIZE], own[CURSOR_TEXT_SIZE];
	struct str text = { (const char *)data, size };

	if (cursor_read(&c, text, key, bound)) {
		cursor_write(again, &c, key, bound);
		ASSERT(str_eq(str_from(again), text));
	}
	/* And the input as the content of one of ours. */
	memcpy(&c, data, size < sizeof(c) ? size : sizeof(c));
	cursor_write(own, &c, key, (struct str){ (const char *)data, size });
	ASSERT(cursor_read(&c, str_from(own), key, text));
	return 0;
}
