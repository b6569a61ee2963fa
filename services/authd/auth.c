/* SPDX-License-Identifier: MIT */
#include "authd/auth.h"

#include <stdlib.h>

#include "base/mem.h"

static bool
text_is_possible(struct str s)
{
	return s.len >= 1 && s.len <= AUTH_TEXT_MAX && !str_has_nul(s);
}

bool
auth_is_possible(const struct auth_question *q)
{
	return text_is_possible(q->user) && text_is_possible(q->password);
}

const char *
auth_hash(const struct users_file *f, const struct user *u)
{
	return u != NULL ? u->hash : users_file_decoy(f);
}

static bool
source_is_allowed(const struct user *u, const struct addr *source)
{
	bool allowed = u->sources.n == 0;

	for (size_t i = 0; i < u->sources.n; i++)
		allowed |= cidr_has(&u->sources.v[i], source);
	return allowed;
}

static bool
is_in_force(const struct user *u, const struct addr *source, uint64_t wall_us)
{
	bool expired = u->expires_us != 0 && wall_us >= u->expires_us;

	return u->enabled & !expired & source_is_allowed(u, source);
}

static void
accept_user(const struct user *u, struct auth_answer *out)
{
	out->result = AUTH_OK;
	out->expires_us = u->expires_us;
	out->source_bound = u->sources.n > 0;
	out->groups.v = xcalloc(u->groups.n + 1, sizeof(*out->groups.v));
	for (size_t i = 0; i < u->groups.n; i++)
		out->groups.v[out->groups.n++] = xstrdup(u->groups.v[i]);
}

void
auth_decide(const struct user *u, const struct addr *source,
    enum passhash_result verdict, uint64_t wall_us, struct auth_answer *out)
{
	bool in_force = u != NULL && is_in_force(u, source, wall_us);

	*out = (struct auth_answer){ .result = AUTH_FAILED };
	if (verdict == PASSHASH_FAILED)
		out->result = AUTH_BUSY;
	else if (in_force && verdict == PASSHASH_RIGHT)
		accept_user(u, out);
}

void
auth_answer_fini(struct auth_answer *a)
{
	for (size_t i = 0; i < a->groups.n; i++)
		free(a->groups.v[i]);
	free(a->groups.v);
	a->groups = (struct string_list){ 0 };
}
