/* SPDX-License-Identifier: MIT */
/*
 * cursor: where the next page begins, as text for the client to give back.
 *
 * base64url of version, range of time, last key and an HMAC that binds them to
 * the question (`bound`) and to the token that asked (`key`): no secret has to
 * be kept, every apid can read it, also after a restart. Pure; any thread.
 */
#ifndef APID_CURSOR_H
#define APID_CURSOR_H

#include "apid/query.h"
#include "crypt/digest.h"

struct cursor {
	uint64_t since_us, until_us;	/* of the first page */
	struct query_key key;
};

#define CURSOR_TEXT_SIZE 77	/* 57 bytes and a NUL */

void cursor_write(char out[static CURSOR_TEXT_SIZE], const struct cursor *c,
    const uint8_t key[static DIGEST_SIZE], struct str bound);
/* False: malformed, or of another question or token. */
bool cursor_read(struct cursor *c, struct str text,
    const uint8_t key[static DIGEST_SIZE], struct str bound) MUST_CHECK;

#endif
