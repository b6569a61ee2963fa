/* SPDX-License-Identifier: MIT */
/*
 * token_set: what token.c and token_set.c share. Immutable once loaded.
 */
#ifndef APID_TOKEN_SET_H
#define APID_TOKEN_SET_H

#include "apid/token.h"

#define TOKENS_MAX 1000

struct token {
	char name[TOKEN_NAME_MAX + 1];
	uint8_t digest[DIGEST_SIZE];
	unsigned scopes;	/* as written, enum token_scope or-ed */
	uint64_t expires_us;	/* UINT64_MAX: never */
};

struct token_set {
	struct token *v;
	size_t n;
};

#endif
