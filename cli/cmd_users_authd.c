/* SPDX-License-Identifier: MIT */
/* sallyctl users: what is asked of authd itself, who has it all in force. */
#include "cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth_rpc.h"
#include "base/clock.h"
#include "base/mem.h"
#include "out.h"
#include "password.h"

#define NAME_MAX_BYTES 255

/* --source, or `initial` where it is not given. */
static enum cli_exit
read_source(const struct cli_args *a, const char *initial, struct addr *out)
{
	const char *source = cli_get(a, "source");

	if (source == NULL)
		source = initial;
	if (addr_parse(out, str_from(source)))
		return CLI_OK;
	return cli_fail(CLI_USAGE, "--source %s: expected an address", source);
}

/* The name on the command line; empty: none. */
static enum cli_exit
read_name(const struct cli_args *a, struct str *out)
{
	*out = str_from(a->n_words > 0 ? a->words[0] : "");
	if (a->n_words > 0 && (out->len == 0 || out->len > NAME_MAX_BYTES))
		return cli_fail(CLI_USAGE, "a name has 1 to %d bytes",
		    NAME_MAX_BYTES);
	return CLI_OK;
}

/* Names that fail may be any bytes; null: there was none. */
static json_t *
bytes_string(struct str s)
{
	char array[4 * NAME_MAX_BYTES + 1];
	struct text t = text_on(array, sizeof(array));

	if (s.len == 0)
		return json_null();
	if (str_is_utf8(s))
		return json_stringn(s.ptr, s.len);
	text_escaped(&t, s);
	return json_stringn(t.ptr, t.len);
}

/* ---- reload ---- */

enum cli_exit
cmd_users_reload(struct cli *c)
{
	unsigned n = 0;
	enum cli_exit code = auth_rpc_reload(c, &n);

	if (code == CLI_OK)
		printf("%u user%s in force\n", n, n == 1 ? "" : "s");
	return code;
}

/* ---- test ---- */

struct test {
	const struct cli *c;
	enum cli_exit code;
};

static const struct {
	const char *name;
	enum cli_exit code;
} results[] = {
	[AUTH_RPC_OK] = { "ok", CLI_OK },
	[AUTH_RPC_FAILED] = { "failed", CLI_DENIED },
	[AUTH_RPC_THROTTLED] = { "throttled", CLI_DENIED },
	[AUTH_RPC_BUSY] = { "busy", CLI_ERROR },
};

static json_t *
text_or_null(const char *s)
{
	return *s != '\0' ? json_string(s) : json_null();
}

static json_t *
describe(const struct auth_rpc_verdict *v)
{
	char expires[CLOCK_TEXT_SIZE] = "";
	json_t *groups = json_array();

	for (size_t i = 0; i < v->groups.n; i++)
		json_array_append_new(groups, json_string(v->groups.v[i]));
	if (v->expires_us != 0)
		clock_format(expires, v->expires_us, 3);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:I}",
	    "result", results[v->result].name, "why", text_or_null(v->why),
	    "user", text_or_null(v->user), "groups", groups,
	    "limits", text_or_null(v->limits),
	    "expires", text_or_null(expires),
	    "source_bound", (int)v->source_bound,
	    "delay_ms", (json_int_t)v->delay_ms);
}

static void
on_verdict(void *arg, const struct auth_rpc_verdict *v)
{
	struct test *t = arg;
	json_t *o = describe(v);

	if (t->c->json)
		out_json(o);
	else
		out_members(o);
	json_decref(o);
	t->code = results[v->result].code;
}

static enum cli_exit
read_login(const struct cli_args *a, struct auth_rpc_login *l)
{
	const char *method = cli_get(a, "method");
	bool by_address;
	enum cli_exit code = read_name(a, &l->user);

	if (code == CLI_OK)
		code = read_source(a, "127.0.0.1", &l->source);
	if (code != CLI_OK)
		return code;
	l->method = method != NULL ? method : "userpass";
	by_address = strcmp(l->method, "pam.address") == 0;
	if (!by_address && strcmp(l->method, "userpass") != 0 &&
	    strcmp(l->method, "pam.username") != 0)
		return cli_fail(CLI_USAGE, "--method %s: userpass, "
		    "pam.username or pam.address", l->method);
	if (by_address && (a->n_words > 0 || cli_get(a, "source") == NULL))
		return cli_fail(CLI_USAGE, "--method pam.address goes with "
		    "--source and without a name");
	if (!by_address && a->n_words == 0)
		return cli_fail(CLI_USAGE, "--method %s: whose login?",
		    l->method);
	return CLI_OK;
}

enum cli_exit
cmd_users_test(struct cli *c)
{
	char password[PASSWORD_MAX + 1] = "";
	struct test t = { .c = c, .code = CLI_ERROR };
	struct auth_rpc_login l;
	enum cli_exit code = read_login(&c->args, &l);

	if (code == CLI_OK && l.user.len > 0)
		code = password_read(c, false, password);
	l.password = str_from(password);
	if (code == CLI_OK)
		code = auth_rpc_test(c, &l, on_verdict, &t);
	secret_wipe(password, sizeof(password));
	return code == CLI_OK ? t.code : code;
}

/* ---- failures and unlock ---- */

static void
on_failure(void *arg, const struct auth_rpc_failure *f)
{
	json_t *rows = arg;
	char source[ADDR_TEXT_SIZE];

	addr_format(source, &f->source);
	json_array_append_new(rows, json_pack("{s:o, s:s, s:I, s:f, s:f}",
	    "user", bytes_string(f->user), "source", source,
	    "failures", (json_int_t)f->failures,
	    "wait_seconds", f->wait_ms / 1e3, "age_seconds", f->age_ms / 1e3));
}

static void
show_failures(const struct cli *c, const json_t *rows)
{
	static const struct out_column columns[] = {
		{ "USER", "user", NULL },
		{ "SOURCE", "source", NULL },
		{ "FAILURES", "failures", NULL },
		{ "WAIT_S", "wait_seconds", NULL },
		{ "AGE_S", "age_seconds", NULL },
	};

	if (c->json)
		out_json(rows);
	else
		out_table(rows, columns, ARRAY_LEN(columns));
}

enum cli_exit
cmd_users_failures(struct cli *c)
{
	json_t *rows = json_array();
	uint64_t remembered = 0;
	struct str user;
	enum cli_exit code = read_name(&c->args, &user);

	if (code == CLI_OK)
		code = auth_rpc_failures(c, user, on_failure, rows,
		    &remembered);
	if (code == CLI_OK) {
		show_failures(c, rows);
		if (remembered > json_array_size(rows) && user.len == 0)
			fprintf(stderr, "the latest %zu of %" PRIu64 "\n",
			    json_array_size(rows), remembered);
	}
	json_decref(rows);
	return code;
}

enum cli_exit
cmd_users_unlock(struct cli *c)
{
	bool all = cli_get(&c->args, "all") != NULL;
	bool from = cli_get(&c->args, "source") != NULL;
	uint64_t cleared = 0;
	struct addr source;
	struct str user;
	enum cli_exit code = read_name(&c->args, &user);

	if (code == CLI_OK && all == (user.len > 0))
		code = cli_fail(CLI_USAGE, "whom? a name or --all");
	if (code == CLI_OK && from)
		code = read_source(&c->args, "", &source);
	if (code == CLI_OK)
		code = auth_rpc_unlock(c, user, from ? &source : NULL,
		    &cleared);
	if (code == CLI_OK)
		printf("%s: %" PRIu64 " entr%s forgotten\n",
		    all ? "all" : user.ptr, cleared, cleared == 1 ? "y" :
								    "ies");
	return code;
}
