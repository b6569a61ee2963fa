/* SPDX-License-Identifier: MIT */
/* sallyctl users: edit the users file; authd sees the change by itself. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cmd_users.h"
#include "crypt/passhash.h"
#include "password.h"
#include "users/users_edit.h"

const char *
cmd_users_path(struct cli *c)
{
	const char *file = cli_get(&c->args, "file");
	const struct settings *s;

	if (file != NULL)
		return file;
	s = cli_settings(c);
	return s != NULL ? s->authd.users_file : NULL;
}

/* Reads a password and gives its hash. */
static enum cli_exit
hash_password(struct cli *c, char hash[static PASSHASH_MAX])
{
	char password[PASSWORD_MAX + 1] = "";
	struct err err = { 0 };
	enum cli_exit code;

	code = password_read(c, true, password);
	if (code == CLI_OK &&
	    passhash_make(hash, str_from(password), 0, &err) != 0)
		code = cli_fail(CLI_ERROR, "%s", err.text);
	secret_wipe(password, sizeof(password));
	return code;
}

/* ---- commands ---- */

static enum cli_exit
done(enum users_edit_result result, const struct err *err, const char *user,
    const char *what)
{
	static const enum cli_exit codes[] = {
		[USERS_EDIT_DONE] = CLI_OK,
		[USERS_EDIT_EXISTS] = CLI_CONFLICT,
		[USERS_EDIT_NOT_FOUND] = CLI_NOT_FOUND,
		[USERS_EDIT_BAD_INPUT] = CLI_USAGE,
		[USERS_EDIT_BAD_FILE] = CLI_BAD_CONFIG,
		[USERS_EDIT_FAILED] = CLI_ERROR,
	};

	if (result != USERS_EDIT_DONE)
		return cli_fail(codes[result], "%s", err->text);
	printf("%s: %s\n", user, what);
	return CLI_OK;
}

/* "never" gives 0; a date alone is its first moment in UTC. */
static enum cli_exit
read_time(const char *text, uint64_t *wall_us)
{
	char *midnight = xasprintf("%sT00:00:00Z", text);
	bool ok = clock_parse(text, strlen(text), wall_us) == 0 ||
	    clock_parse(midnight, strlen(midnight), wall_us) == 0;

	free(midnight);
	if (strcmp(text, "never") == 0)
		*wall_us = 0;
	else if (!ok || *wall_us == 0)
		return cli_fail(CLI_USAGE, "%s: expected a time like "
		    "2027-01-01T00:00:00Z, a date, or never", text);
	return CLI_OK;
}

/* All values of an option that may be repeated. */
static size_t
values_of(const struct cli *c, const char *option,
    struct str out[static CLI_OPTIONS_MAX])
{
	const char *value;
	unsigned n = 0;

	while ((value = cli_get_nth(&c->args, option, n)) != NULL)
		out[n++] = str_from(value);
	return n;
}

enum cli_exit
cmd_users_add(struct cli *c)
{
	const char *path = cmd_users_path(c);
	const char *expires = cli_get(&c->args, "expires");
	struct str groups[CLI_OPTIONS_MAX], sources[CLI_OPTIONS_MAX];
	struct str networks[CLI_OPTIONS_MAX];
	char hash[PASSHASH_MAX];
	struct users_edit_user user = {
		.name = str_from(c->args.words[0]),
		.groups = groups, .n_groups = values_of(c, "group", groups),
		.sources = sources,
		.n_sources = values_of(c, "source", sources),
		.networks = networks,
		.n_networks = values_of(c, "network", networks),
		.limits = str_from(cli_get(&c->args, "limits")),
	};
	struct err err = { 0 };
	enum cli_exit code = CLI_OK;

	if (path == NULL)
		return CLI_BAD_CONFIG;
	if (expires != NULL)
		code = read_time(expires, &user.expires_us);
	if (code == CLI_OK && users_edit_check(&user, &err) != USERS_EDIT_DONE)
		code = cli_fail(CLI_USAGE, "%s", err.text);
	if (code == CLI_OK)
		code = hash_password(c, hash);
	if (code != CLI_OK)
		return code;
	user.hash = str_from(hash);
	return done(users_edit_add(path, &user, &err), &err,
	    c->args.words[0], "added");
}

enum cli_exit
cmd_users_passwd(struct cli *c)
{
	const char *path = cmd_users_path(c);
	char hash[PASSHASH_MAX];
	struct err err = { 0 };
	enum cli_exit code;

	if (path == NULL)
		return CLI_BAD_CONFIG;
	code = hash_password(c, hash);
	if (code != CLI_OK)
		return code;
	return done(users_edit_set_hash(path, str_from(c->args.words[0]),
			str_from(hash), &err),
	    &err, c->args.words[0], "password changed");
}

static bool
confirmed(struct cli *c, const char *user)
{
	char answer[8] = "";

	if (cli_get(&c->args, "yes") != NULL)
		return true;
	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(stderr, "Delete the user %s? [y/N] ", user);
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	    (answer[0] == 'y' || answer[0] == 'Y');
}

enum cli_exit
cmd_users_delete(struct cli *c)
{
	const char *path = cmd_users_path(c), *user = c->args.words[0];
	struct err err = { 0 };

	if (path == NULL)
		return CLI_BAD_CONFIG;
	if (!confirmed(c, user))
		return cli_fail(CLI_ERROR, "not deleted; --yes does not ask");
	return done(users_edit_delete(path, str_from(user), &err), &err, user,
	    "deleted");
}

static enum cli_exit
set_enabled(struct cli *c, bool enabled)
{
	const char *path = cmd_users_path(c), *user = c->args.words[0];
	struct err err = { 0 };

	if (path == NULL)
		return CLI_BAD_CONFIG;
	return done(users_edit_set_enabled(path, str_from(user), enabled,
			&err),
	    &err, user, enabled ? "enabled" : "disabled");
}

enum cli_exit
cmd_users_enable(struct cli *c)
{
	return set_enabled(c, true);
}

enum cli_exit
cmd_users_disable(struct cli *c)
{
	return set_enabled(c, false);
}

enum cli_exit
cmd_users_expires(struct cli *c)
{
	const char *path = cmd_users_path(c), *user = c->args.words[0];
	char text[CLOCK_TEXT_SIZE], what[CLOCK_TEXT_SIZE + 16];
	struct err err = { 0 };
	enum cli_exit code;
	uint64_t wall_us;

	if (path == NULL)
		return CLI_BAD_CONFIG;
	code = read_time(c->args.words[1], &wall_us);
	if (code != CLI_OK)
		return code;
	clock_format(text, wall_us, 3);
	snprintf(what, sizeof(what), "expires %s",
	    wall_us != 0 ? text : "never");
	return done(users_edit_set_expires(path, str_from(user), wall_us,
			&err),
	    &err, user, what);
}

/* Sets a key whose values are all words after the user; --`none`: there are
 * none. */
static enum cli_exit
set_words(struct cli *c, const char *key, const char *none,
    enum users_edit_result (*set)(const char *path, struct str name,
	const struct str *values, size_t n, struct err *err))
{
	const char *path = cmd_users_path(c), *user = c->args.words[0];
	size_t n = c->args.n_words - 1;
	struct str values[CLI_WORDS_MAX];
	struct err err = { 0 };
	char what[32];

	if (path == NULL)
		return CLI_BAD_CONFIG;
	if ((n == 0) != (cli_get(&c->args, none) != NULL))
		return cli_fail(CLI_USAGE, "which %s? all of them, or --%s",
		    key, none);
	for (size_t i = 0; i < n; i++)
		values[i] = str_from(c->args.words[i + 1]);
	snprintf(what, sizeof(what), "%s changed", key);
	return done(set(path, str_from(user), values, n, &err), &err, user,
	    what);
}

enum cli_exit
cmd_users_groups(struct cli *c)
{
	return set_words(c, "groups", "none", users_edit_set_groups);
}

enum cli_exit
cmd_users_sources(struct cli *c)
{
	return set_words(c, "sources", "any", users_edit_set_sources);
}

enum cli_exit
cmd_users_networks(struct cli *c)
{
	return set_words(c, "networks", "none", users_edit_set_networks);
}

enum cli_exit
cmd_users_limits(struct cli *c)
{
	const char *path = cmd_users_path(c), *user = c->args.words[0];
	const char *class = c->args.n_words > 1 ? c->args.words[1] : NULL;
	struct err err = { 0 };

	if (path == NULL)
		return CLI_BAD_CONFIG;
	if ((class == NULL) != (cli_get(&c->args, "none") != NULL))
		return cli_fail(CLI_USAGE, "which class? its name, or --none");
	return done(users_edit_set_limits(path, str_from(user),
			str_from(class), &err),
	    &err, user, "limits changed");
}
