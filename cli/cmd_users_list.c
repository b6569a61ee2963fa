/* SPDX-License-Identifier: MIT */
/* sallyctl users list: what the file says, or what authd has in force. */
#include "cli.h"

#include <jansson.h>
#include <stdlib.h>

#include "auth_rpc.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cmd_users.h"
#include "out.h"
#include "users/users_file.h"

static json_t *
strings(struct auth_rpc_texts t)
{
	json_t *a = json_array();

	for (size_t i = 0; i < t.n; i++)
		json_array_append_new(a, json_string(t.v[i]));
	return a;
}

static json_t *
time_or_null(uint64_t wall_us)
{
	char text[CLOCK_TEXT_SIZE];

	if (wall_us == 0)
		return json_null();
	clock_format(text, wall_us, 3);
	return json_string(text);
}

/* A row for `arg`, the array of them. */
static void
on_user(void *arg, const struct auth_rpc_user *u)
{
	json_t *rows = arg;

	json_array_append_new(rows, json_pack(
	    "{s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:b}",
	    "username", u->name, "groups", strings(u->groups),
	    "enabled", (int)u->enabled, "expires", time_or_null(u->expires_us),
	    "limits", *u->limits != '\0' ? json_string(u->limits) :
					   json_null(),
	    "sources", strings(u->sources), "networks", strings(u->networks),
	    "password", (int)u->has_password));
}

/* ---- from the file ---- */

static struct auth_rpc_texts
cidr_texts(const struct cidr_list *l)
{
	char **v = xcalloc(l->n + 1, sizeof(*v));

	for (size_t i = 0; i < l->n; i++) {
		char text[CIDR_TEXT_SIZE];

		cidr_format(text, &l->v[i]);
		v[i] = xstrdup(text);
	}
	return (struct auth_rpc_texts){ v, l->n };
}

static void
texts_fini(struct auth_rpc_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
	free((void *)t->v);
}

static void
add_user(json_t *rows, const struct user *u)
{
	struct auth_rpc_texts sources = cidr_texts(&u->sources);
	struct auth_rpc_texts networks = cidr_texts(&u->networks);
	const struct auth_rpc_user row = {
		.name = u->name.ptr, .groups = { u->groups.v, u->groups.n },
		.enabled = u->enabled, .expires_us = u->expires_us,
		.sources = sources, .networks = networks,
		.limits = u->limits != NULL ? u->limits : "",
		.has_password = u->hash != NULL,
	};

	on_user(rows, &row);
	texts_fini(&sources);
	texts_fini(&networks);
}

static enum cli_exit
add_file(struct cli *c, json_t *rows)
{
	const char *path = cmd_users_path(c);
	struct users_notes notes = { 0 };
	struct users_file *f = NULL;
	enum cli_exit code = CLI_OK;
	struct err err = { 0 };

	if (path == NULL)
		return CLI_BAD_CONFIG;
	if (users_file_load(&f, path, &notes) == 0) {
		for (size_t i = 0; i < users_file_count(f); i++)
			add_user(rows, users_file_at(f, i));
	} else {
		users_notes_err(&notes, &err);
		code = cli_fail(CLI_BAD_CONFIG, "%s", err.text);
	}
	users_notes_fini(&notes);
	users_file_free(&f);
	return code;
}

/* ---- the command ---- */

static void
show(const struct cli *c, const json_t *rows)
{
	static const struct out_column columns[] = {
		{ "USER", "username", NULL },
		{ "GROUPS", "groups", NULL },
		{ "ENABLED", "enabled", NULL },
		{ "EXPIRES", "expires", NULL },
		{ "PASSWORD", "password", NULL },
		{ "LIMITS", "limits", NULL },
		{ "SOURCES", "sources", NULL },
		{ "NETWORKS", "networks", NULL },
	};

	if (c->json)
		out_json(rows);
	else
		out_table(rows, columns, ARRAY_LEN(columns));
}

enum cli_exit
cmd_users_list(struct cli *c)
{
	bool live = cli_get(&c->args, "live") != NULL;
	json_t *rows = json_array();
	enum cli_exit code;

	if (live && cli_get(&c->args, "file") != NULL)
		code = cli_fail(CLI_USAGE, "--live asks authd: no --file");
	else if (live)
		code = auth_rpc_users(c, on_user, rows);
	else
		code = add_file(c, rows);
	if (code == CLI_OK)
		show(c, rows);
	json_decref(rows);
	return code;
}
