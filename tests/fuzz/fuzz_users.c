/* SPDX-License-Identifier: MIT */
/*
 * A users file, as TOML and as YAML. What is taken must hold to what
 * users_file.h says; what is refused has its reasons.
 */
#include "fuzz.h"

#include <string.h>

#include "crypt/passhash.h"
#include "users/users_file.h"

/* Its first address is of a user whose network is as small or smaller. */
static void
check_network(const struct users_file *f, const struct cidr *c)
{
	const struct user *u = users_file_find_network(f, &c->base);
	bool found = false;

	ASSERT(u != NULL);
	for (size_t i = 0; i < u->networks.n; i++)
		found |= cidr_has(&u->networks.v[i], &c->base) &&
		    u->networks.v[i].bits >= c->bits;
	ASSERT(found);
}

static void
check_user(const struct users_file *f, const struct user *u)
{
	ASSERT(users_name_ok(u->name));
	ASSERT(users_file_find(f, u->name) == u);
	ASSERT(u->hash == NULL ||
	    passhash_check(str_from(u->hash), NULL) == 0);
	ASSERT(u->limits == NULL || (strlen(u->limits) >= 1 &&
	    strlen(u->limits) <= USERS_LIMITS_MAX));
	ASSERT(u->groups.n <= USERS_GROUPS_MAX);
	for (size_t i = 0; i < u->groups.n; i++)
		ASSERT(users_name_ok(str_from(u->groups.v[i])));
	for (size_t i = 0; i < u->sources.n; i++)
		ASSERT(cidr_has(&u->sources.v[i], &u->sources.v[i].base));
	ASSERT(u->networks.n <= USERS_NETWORKS_MAX);
	for (size_t i = 0; i < u->networks.n; i++)
		check_network(f, &u->networks.v[i]);
}

static void
check_file(const char *path, struct str text)
{
	struct users_notes notes = { .n_errors = 0 };
	struct users_file *f;

	if (users_file_parse(&f, path, text, &notes) != 0) {
		ASSERT(f == NULL && notes.errors.n > 0);
		ASSERT(strncmp(notes.errors.v[0], path, strlen(path)) == 0);
	} else {
		ASSERT(notes.n_errors == 0);
		for (size_t i = 0; i < users_file_count(f); i++)
			check_user(f, users_file_at(f, i));
		ASSERT(passhash_check(str_from(users_file_decoy(f)),
		    NULL) == 0);
	}
	users_file_free(&f);
	users_notes_fini(&notes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };

	check_file("users.toml", text);
	check_file("users.yaml", text);
	return 0;
}
