/* SPDX-License-Identifier: MIT */
#include "authd/users_backend.h"

#include "base/clock.h"

static bool
uses_source(void *arg, struct str user)
{
	const struct users_backend *b = arg;
	const struct roster_version *v = roster_pin(b->roster);
	const struct user *u;
	bool uses;

	if (v == NULL)
		return false;
	u = users_file_find(v->file, user);
	uses = u != NULL && u->sources.n > 0;
	roster_unpin(b->roster, &v);
	return uses;
}

static void
check(void *arg, const struct backend_turn *turn,
    const struct auth_question *q, struct auth_answer *out)
{
	const struct users_backend *b = arg;
	const struct roster_version *v = roster_pin(b->roster);
	enum passhash_result verdict;
	const struct user *u;

	(void)turn;
	if (v == NULL) {
		*out = (struct auth_answer){ .result = AUTH_BUSY };
		return;
	}
	u = users_file_find(v->file, q->user);
	verdict = b->verify(q->password, auth_hash(v->file, u));
	auth_decide(u, &q->source, verdict, clock_wall_us(), out);
	roster_unpin(b->roster, &v);
}

struct backend
users_backend_ops(struct users_backend *b)
{
	return (struct backend){ .name = "users_file", .arg = b,
		.uses_source = uses_source, .check = check };
}
