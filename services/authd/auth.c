/* SPDX-License-Identifier: MIT */
#include "authd/auth.h"

#include <stdlib.h>
#include <string.h>

#include "authd/groups.h"
#include "base/mem.h"

const char *const auth_method_names[] = {
	[AUTH_USERPASS] = "userpass", [AUTH_PAM_USERNAME] = "pam.username",
	[AUTH_PAM_ADDRESS] = "pam.address", [AUTH_METHODS] = NULL,
};

/* Why not; of one size, so that choosing takes the same time for all. */
enum verdict {
	FINE, UNKNOWN, WRONG, DISABLED, EXPIRED, ELSEWHERE, NO_HASH, VERDICTS,
};
static const char reasons[VERDICTS][AUTH_WHY_SIZE] = {
	[FINE] = "", [UNKNOWN] = "no such user", [WRONG] = "wrong password",
	[DISABLED] = "the account is disabled",
	[EXPIRED] = "the account has expired",
	[ELSEWHERE] = "the account may not be used from this address",
	[NO_HASH] = "the password could not be checked",
};

static bool
text_is_possible(struct str s)
{
	return s.len >= 1 && s.len <= AUTH_TEXT_MAX && !str_has_nul(s);
}

bool
auth_is_possible(const struct auth_question *q)
{
	if (q->method == AUTH_PAM_ADDRESS)
		return q->user.len == 0 && q->password.len == 0;
	return text_is_possible(q->user) && text_is_possible(q->password);
}

const char *
auth_hash(const struct users_file *f, const struct user *u)
{
	return u != NULL && u->hash != NULL ? u->hash : users_file_decoy(f);
}

static bool
source_is_allowed(const struct user *u, const struct addr *source)
{
	bool allowed = u->sources.n == 0;

	for (size_t i = 0; i < u->sources.n; i++)
		allowed |= cidr_has(&u->sources.v[i], source);
	return allowed;
}

/* All is looked at whatever comes out. */
static enum verdict
account(const struct user *u, const struct addr *source, uint64_t wall_us)
{
	bool expired = u->expires_us != 0 && wall_us >= u->expires_us;
	bool allowed = source_is_allowed(u, source);

	if (!u->enabled)
		return DISABLED;
	if (expired)
		return EXPIRED;
	return allowed ? FINE : ELSEWHERE;
}

static void
say(struct auth_answer *a, enum verdict v)
{
	memcpy(a->why, reasons[v], sizeof(a->why));
}

void
auth_add_groups(struct auth_answer *a, const struct string_list *more)
{
	if (groups_join(&a->groups, more))
		return;
	auth_answer_fini(a);
	auth_answer_why(a, "more than %d groups", GROUPS_MAX);
}

/* What the file says of a user who is let in. */
static void
add_user(struct auth_answer *a, const struct user *u)
{
	a->expires_us = u->expires_us;
	a->source_bound |= u->sources.n > 0;
	if (u->limits != NULL)
		a->limits = xstrdup(u->limits);
	auth_add_groups(a, &u->groups);
}

void
auth_decide(const struct user *u, const struct addr *source,
    enum passhash_result verdict, uint64_t wall_us, struct auth_answer *out)
{
	enum verdict v = u != NULL ? account(u, source, wall_us) : UNKNOWN;

	if (verdict == PASSHASH_WRONG && v != UNKNOWN)
		v = WRONG;
	*out = (struct auth_answer){ .result = AUTH_FAILED };
	if (verdict == PASSHASH_FAILED) {
		out->result = AUTH_BUSY;
		v = NO_HASH;
	} else if (v == FINE) {
		out->result = AUTH_OK;
		add_user(out, u);
	}
	say(out, v);
}

void
auth_join(const struct user *u, const struct addr *source, uint64_t wall_us,
    struct auth_answer *a)
{
	enum verdict v = u != NULL ? account(u, source, wall_us) : FINE;

	if (a->result != AUTH_OK || u == NULL)
		return;
	if (v == FINE) {
		add_user(a, u);
		return;
	}
	auth_answer_fini(a);
	a->result = AUTH_FAILED;
	say(a, v);
}

void
auth_answer_why(struct auth_answer *a, const char *fmt, ...)
{
	struct text t = text_on(a->why, sizeof(a->why));
	va_list ap;

	va_start(ap, fmt);
	text_vfmt(&t, fmt, ap);
	va_end(ap);
}

void
auth_answer_fini(struct auth_answer *a)
{
	groups_fini(&a->groups);
	free(a->user);
	free(a->limits);
	*a = (struct auth_answer){ .result = AUTH_BUSY };
}
