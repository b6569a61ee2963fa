/* SPDX-License-Identifier: MIT */
#include "apid/token.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "apid/token_set.h"
#include "base/mem.h"

#define TEXT_MAX 512	/* of a token */

const char *const token_result_names[] = {
	"ok", "missing", "malformed", "unknown", "expired", "scope", NULL,
};
static_assert(ARRAY_LEN(token_result_names) == TOKEN_RESULTS + 1,
    "a name per result, and NULL");

/* The token68 of RFC 7235 in "Bearer token68". */
static bool
take_bearer(struct str authorization, struct str *token)
{
	static const struct str scheme = { "Bearer ", 7 };
	struct str s = authorization;

	if (s.len <= scheme.len || !str_eq_nocase((struct str){ s.ptr,
	        scheme.len }, scheme))
		return false;
	*token = (struct str){ s.ptr + scheme.len, s.len - scheme.len };
	if (token->len > TEXT_MAX)
		return false;
	for (size_t i = 0; i < token->len; i++) {
		char c = token->ptr[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		        (c >= 'a' && c <= 'z') ||
		        (c != '\0' && strchr("-._~+/=", c) != NULL)))
			return false;
	}
	return true;
}

static unsigned
with_included(unsigned scopes)
{
	if (scopes & TOKEN_SCOPE_ADMIN)
		scopes |= TOKEN_SCOPE_OPERATE | TOKEN_SCOPE_POLICY;
	if (scopes & (TOKEN_SCOPE_OPERATE | TOKEN_SCOPE_POLICY))
		scopes |= TOKEN_SCOPE_READ;
	return scopes;
}

/* Looks at every entry, whichever it is. */
static const struct token *
find(const struct token_set *s, const uint8_t digest[static DIGEST_SIZE])
{
	const struct token *found = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (digest_equal(s->v[i].digest, digest, DIGEST_SIZE))
			found = &s->v[i];
	return found;
}

enum token_result
token_set_check(const struct token_set *s, struct str authorization,
    unsigned scope, uint64_t now_us, struct token_who *who)
{
	uint8_t digest[DIGEST_SIZE];
	const struct token *t;
	struct str token;

	if (authorization.len == 0)
		return TOKEN_MISSING;
	if (!take_bearer(authorization, &token))
		return TOKEN_MALFORMED;
	digest_sha256(digest, token.ptr, token.len);
	t = s != NULL ? find(s, digest) : NULL;
	if (t == NULL)
		return TOKEN_UNKNOWN;
	if (now_us >= t->expires_us)
		return TOKEN_EXPIRED;
	memcpy(who->name, t->name, sizeof(who->name));
	memcpy(who->digest, digest, sizeof(who->digest));
	return (with_included(t->scopes) & scope) == scope ? TOKEN_OK :
	    TOKEN_SCOPE;
}

/* ---- the store ---- */

struct token_store {
	pthread_rwlock_t lock;
	struct token_set *set;
};

struct token_store *
token_store_new(void)
{
	struct token_store *t = xcalloc(1, sizeof(*t));

	pthread_rwlock_init(&t->lock, NULL);
	return t;
}

void
token_store_set(struct token_store *t, struct token_set *set)
{
	struct token_set *old;

	pthread_rwlock_wrlock(&t->lock);
	old = t->set;
	t->set = set;
	pthread_rwlock_unlock(&t->lock);
	token_set_free(&old);
}

enum token_result
token_store_check(struct token_store *t, struct str authorization,
    unsigned scope, uint64_t now_us, struct token_who *who)
{
	enum token_result r;

	pthread_rwlock_rdlock(&t->lock);
	r = token_set_check(t->set, authorization, scope, now_us, who);
	pthread_rwlock_unlock(&t->lock);
	return r;
}

void
token_store_free(struct token_store **tp)
{
	struct token_store *t = *tp;

	if (t == NULL)
		return;
	token_set_free(&t->set);
	pthread_rwlock_destroy(&t->lock);
	free(t);
	*tp = NULL;
}
