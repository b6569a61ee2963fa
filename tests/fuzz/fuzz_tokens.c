/* SPDX-License-Identifier: MIT */
/*
 * The input is a tokens.toml, and its beginning an Authorization header. A
 * set that loads has entries that a login can meet; one that does not leaves
 * nothing behind and says why.
 */
#include "apid/token.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct token_set *set;
	struct token_who who;
	struct err err = { "" };
	enum token_result r;

	if (token_set_parse(&set, "tokens.toml", text, &err) != 0) {
		ASSERT(set == NULL && err.text[0] != '\0');
	}
	r = token_set_check(set, text, TOKEN_SCOPE_READ, 0, &who);
	ASSERT(set != NULL || r == TOKEN_MISSING || r == TOKEN_MALFORMED ||
	    r == TOKEN_UNKNOWN);
	token_set_free(&set);
	return 0;
}
