/* SPDX-License-Identifier: MIT */
/* sallyctl users: edit the users file; authd sees the change by itself. */
#include "cli.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "out.h"
#include "users/users_edit.h"
#include "users/users_file.h"

#define PASSWORD_MAX 255
#define GROUPS_MAX 64

static const char *
users_path(struct cli *c)
{
	const char *file = cli_get(&c->args, "file");
	const struct settings *s;

	if (file != NULL)
		return file;
	s = cli_settings(c);
	return s != NULL ? s->authd.users_file : NULL;
}

/* ---- the password: from the terminal without echo, or standard input ---- */

/* 1 to 255 bytes up to the end of the line; a NUL is no part of a password. */
static bool
read_line(FILE *f, char out[static PASSWORD_MAX + 1])
{
	size_t len = 0;
	int byte;

	while ((byte = fgetc(f)) != EOF && byte != '\n') {
		if (len == PASSWORD_MAX || byte == '\0')
			return false;
		out[len++] = (char)byte;
	}
	out[len] = '\0';
	return len > 0;
}

static bool
prompt(FILE *tty, const char *what, char out[static PASSWORD_MAX + 1])
{
	struct termios before, silent;
	bool ok;

	if (tcgetattr(fileno(tty), &before) != 0)
		return false;
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	fputs(what, tty);
	fflush(tty);
	tcsetattr(fileno(tty), TCSAFLUSH, &silent);
	ok = read_line(tty, out);
	tcsetattr(fileno(tty), TCSAFLUSH, &before);
	fputc('\n', tty);
	return ok;
}

static enum cli_exit
ask_twice(char out[static PASSWORD_MAX + 1])
{
	char again[PASSWORD_MAX + 1] = "";
	FILE *tty = fopen("/dev/tty", "r+e");
	bool same;

	if (tty == NULL)
		return cli_fail(CLI_USAGE,
		    "no terminal to ask for the password; use "
		    "--password-stdin");
	same = prompt(tty, "Password: ", out) &&
	    prompt(tty, "Again: ", again) && strcmp(out, again) == 0;
	fclose(tty);
	secret_wipe(again, sizeof(again));
	if (!same)
		return cli_fail(CLI_ERROR,
		    "empty, over 255 bytes, or not the same twice");
	return CLI_OK;
}

/* Reads a password and gives its hash. */
static enum cli_exit
hash_password(struct cli *c, char hash[static PASSHASH_MAX])
{
	char password[PASSWORD_MAX + 1] = "";
	enum cli_exit code = CLI_OK;
	struct err err = { 0 };

	if (cli_get(&c->args, "password-stdin") == NULL)
		code = ask_twice(password);
	else if (!read_line(stdin, password))
		code = cli_fail(CLI_ERROR,
		    "standard input has no password of 1 to 255 bytes");
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

enum cli_exit
cmd_users_add(struct cli *c)
{
	const char *path = users_path(c), *group;
	struct str groups[GROUPS_MAX];
	char hash[PASSHASH_MAX];
	struct users_edit_user user = {
		.name = str_from(c->args.words[0]),
		.groups = groups,
	};
	struct err err = { 0 };
	enum cli_exit code;

	if (path == NULL)
		return CLI_BAD_CONFIG;
	while ((group = cli_get_nth(&c->args, "group",
		    (unsigned)user.n_groups)) != NULL) {
		if (user.n_groups == GROUPS_MAX)
			return cli_fail(CLI_USAGE, "at most 64 groups");
		groups[user.n_groups++] = str_from(group);
	}
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
	const char *path = users_path(c);
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
	const char *path = users_path(c), *user = c->args.words[0];
	struct err err = { 0 };

	if (path == NULL)
		return CLI_BAD_CONFIG;
	if (!confirmed(c, user))
		return cli_fail(CLI_ERROR, "not deleted; --yes does not ask");
	return done(users_edit_delete(path, str_from(user), &err), &err, user,
	    "deleted");
}

static json_t *
describe(const struct user *u)
{
	char expires[CLOCK_TEXT_SIZE];
	struct bytes groups = { 0 };
	json_t *o;

	if (u->expires_us != 0)
		clock_format(expires, u->expires_us, 3);
	for (size_t i = 0; i < u->groups.n; i++)
		bytes_fmt(&groups, "%s%s", i > 0 ? "," : "", u->groups.v[i]);
	o = json_pack("{s:s%, s:s%, s:b, s:o}", "username", u->name.ptr,
	    u->name.len, "groups", groups.len > 0 ? groups.ptr : "",
	    groups.len, "enabled", (int)u->enabled, "expires",
	    u->expires_us != 0 ? json_string(expires) : json_null());
	bytes_fini(&groups);
	return o;
}

enum cli_exit
cmd_users_list(struct cli *c)
{
	static const struct out_column columns[] = {
		{ "USER", "username", NULL },
		{ "GROUPS", "groups", NULL },
		{ "ENABLED", "enabled", NULL },
		{ "EXPIRES", "expires", NULL },
	};
	const char *path = users_path(c);
	struct users_notes notes = { 0 };
	struct users_file *f = NULL;
	struct err err = { 0 };
	json_t *rows;

	if (path == NULL)
		return CLI_BAD_CONFIG;
	if (users_file_load(&f, path, &notes) != 0) {
		users_notes_err(&notes, &err);
		users_notes_fini(&notes);
		return cli_fail(CLI_BAD_CONFIG, "%s", err.text);
	}
	rows = json_array();
	for (size_t i = 0; i < users_file_count(f); i++)
		json_array_append_new(rows, describe(users_file_at(f, i)));
	if (c->json)
		out_json(rows);
	else
		out_table(rows, columns, ARRAY_LEN(columns));
	json_decref(rows);
	users_notes_fini(&notes);
	users_file_free(&f);
	return CLI_OK;
}
