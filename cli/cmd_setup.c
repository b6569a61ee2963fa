/* SPDX-License-Identifier: MIT */
/*
 * sallyctl setup: the secrets of a new installation, and how to try it.
 *
 * A directory for each reader, so that each can be a volume of its own and no
 * daemon sees what another is given:
 *
 *	db/		passwords of PostgreSQL's roles, for its first start
 *	migrate/	owner.password		sessiond/	writer.password
 *	apid/		reader.password, tokens.toml
 *	authd/		users.toml		demo/	password, token
 *
 * Two files with one password are made from each other; what is there is never
 * changed. Secrets go from file to file and, by `show` alone, to stdout.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "crypt/digest.h"
#include "crypt/passhash.h"
#include "out.h"
#include "setup_file.h"
#include "users/users_edit.h"

#define DEFAULT_DIR "/secrets"
#define DEMO_USER "demo"
#define SECRET_MAX 256		/* with the NUL */
#define HEX_SIZE(n) (2 * (n) + 1)

/* What init did, a row a file. */
struct setup {
	const char *dir;
	json_t *rows;
	struct err err;
};

static const struct {
	const char *file, *twin;	/* twin: the same, for another reader */
	const char *prefix;
	size_t bytes;			/* of randomness */
} secrets[] = {
	{ "db/admin.password", NULL, "", 24 },
	{ "db/owner.password", "migrate/owner.password", "", 24 },
	{ "db/writer.password", "sessiond/writer.password", "", 24 },
	{ "db/reader.password", "apid/reader.password", "", 24 },
	{ "demo/password", NULL, "", 12 },
	{ "demo/token", NULL, "spt_", 32 },
};

static const char *
directory(const struct cli *c)
{
	const char *dir = cli_get(&c->args, "dir");

	return dir != NULL ? dir : DEFAULT_DIR;
}

static char *
path_of(const char *dir, const char *file)
{
	return xasprintf("%s/%s", dir, file);
}

static void
hex(char *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* ---- init: files with one secret ---- */

static int
note(struct setup *s, const char *file, enum setup_file made)
{
	if (made == SETUP_FILE_FAILED)
		return -1;
	json_array_append_new(s->rows, json_pack("{s:s, s:s}", "file", file,
	    "state", made == SETUP_FILE_MADE ? "made" : "kept"));
	return 0;
}

static int
make_file(struct setup *s, const char *file, struct str text)
{
	char *path = path_of(s->dir, file);
	int rc = note(s, file, setup_file_make(path, text, &s->err));

	free(path);
	return rc;
}

/* 1: read; 0: there is none; -1: err says why not. */
static int
read_secret(struct setup *s, const char *file, char out[static SECRET_MAX])
{
	char *path = path_of(s->dir, file);
	int rc = setup_file_line(path, out, SECRET_MAX, &s->err);

	free(path);
	return rc;
}

static void
draw(char out[static SECRET_MAX], const char *prefix, size_t n)
{
	uint8_t bytes[32];
	size_t len = strlen(prefix);

	ASSERT(n <= sizeof(bytes) && len + HEX_SIZE(n) <= SECRET_MAX);
	random_bytes(bytes, n);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): hex does */
	memcpy(out, prefix, len);
	hex(out + len, bytes, n);
	secret_wipe(bytes, sizeof(bytes));
}

static int
make_secret(struct setup *s, size_t i)
{
	const char *file = secrets[i].file, *twin = secrets[i].twin;
	char secret[SECRET_MAX + 1];
	int found = read_secret(s, file, secret), rc = -1;

	if (found == 0 && twin != NULL)
		found = read_secret(s, twin, secret);
	if (found == 0)
		draw(secret, secrets[i].prefix, secrets[i].bytes);
	if (found >= 0) {
		struct str text = { secret, strlen(secret) + 1 };

		secret[text.len - 1] = '\n';
		rc = make_file(s, file, text);
		if (rc == 0 && twin != NULL)
			rc = make_file(s, twin, text);
	}
	secret_wipe(secret, sizeof(secret));
	return rc;
}

/* ---- init: what is made from them ---- */

static int
add_user(struct setup *s, const char *path, const char *password)
{
	char hash[PASSHASH_MAX];
	struct users_edit_user user = { .name = STR(DEMO_USER) };

	if (passhash_make(hash, str_from(password), 0, &s->err) != 0)
		return -1;
	user.hash = str_from(hash);
	switch (users_edit_add(path, &user, &s->err)) {
	case USERS_EDIT_DONE:
		return note(s, "authd/users.toml", SETUP_FILE_MADE);
	case USERS_EDIT_EXISTS:		/* another setup was faster */
		return note(s, "authd/users.toml", SETUP_FILE_KEPT);
	default:
		return -1;
	}
}

/* Users that are there stay as they are, also where the demo is not one. */
static int
make_users(struct setup *s)
{
	char *path = path_of(s->dir, "authd/users.toml");
	char password[SECRET_MAX];
	int rc = -1;

	if (access(path, F_OK) == 0)
		rc = note(s, "authd/users.toml", SETUP_FILE_KEPT);
	else if (setup_file_directory(path, &s->err) == 0 &&
	    read_secret(s, "demo/password", password) == 1) {
		rc = add_user(s, path, password);
		secret_wipe(password, sizeof(password));
	}
	free(path);
	return rc;
}

static int
make_tokens(struct setup *s)
{
	char token[SECRET_MAX], digest[HEX_SIZE(DIGEST_SIZE)], *text;
	uint8_t sum[DIGEST_SIZE];
	int rc;

	if (read_secret(s, "demo/token", token) != 1)
		return -1;
	digest_sha256(sum, token, strlen(token));
	secret_wipe(token, sizeof(token));
	hex(digest, sum, sizeof(sum));
	text = xasprintf(
	    "# SHA-256 of API tokens; apid reads it on change.\n"
	    "[[tokens]]\nname = \"" DEMO_USER "\"\nsha256 = \"%s\"\n"
	    "scopes = [\"read\", \"operate\", \"policy\", \"admin\"]\n", digest);
	rc = make_file(s, "apid/tokens.toml", str_from(text));
	free(text);
	return rc;
}

enum cli_exit
cmd_setup_init(struct cli *c)
{
	static const struct out_column columns[] = {
		{ "FILE", "file", NULL },
		{ "STATE", "state", NULL },
	};
	struct setup s = { .dir = directory(c), .rows = json_array() };
	enum cli_exit code = CLI_OK;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(secrets); i++)
		rc = make_secret(&s, i);
	if (rc == 0)
		rc = make_users(&s);
	if (rc == 0)
		rc = make_tokens(&s);
	if (rc != 0)
		code = cli_fail(CLI_ERROR, "%s", s.err.text);
	else if (c->json)
		out_json(s.rows);
	else
		out_table(s.rows, columns, ARRAY_LEN(columns));
	json_decref(s.rows);
	return code;
}

/* ---- show, hello ---- */

enum cli_exit
cmd_setup_show(struct cli *c)
{
	struct setup s = { .dir = directory(c) };
	char password[SECRET_MAX], token[SECRET_MAX];
	enum cli_exit code = CLI_OK;
	int rc = read_secret(&s, "demo/password", password);

	if (rc == 1)
		rc = read_secret(&s, "demo/token", token);
	if (rc == 1)
		printf("SALLYPORT_USER=" DEMO_USER "\nSALLYPORT_PASSWORD=%s\n"
		       "SALLYPORT_TOKEN=%s\n", password, token);
	else if (rc == 0)
		code = cli_fail(CLI_NOT_FOUND,
		    "%s/demo: nothing is set up yet; sallyctl setup init "
		    "does it", s.dir);
	else
		code = cli_fail(CLI_ERROR, "%s", s.err.text);
	secret_wipe(password, sizeof(password));
	secret_wipe(token, sizeof(token));
	return code;
}

enum cli_exit
cmd_setup_hello(struct cli *c)
{
	const char *socks = cli_get(&c->args, "socks");
	const char *api = cli_get(&c->args, "api");

	if (socks == NULL)
		socks = "127.0.0.1:1080";
	if (api == NULL)
		api = "127.0.0.1:8080";
	printf("ready\n"
	    "  eval \"$(docker compose run --rm -T cli setup show)\"    "
	    "# SALLYPORT_USER, _PASSWORD, _TOKEN\n"
	    "  curl -x socks5h://$SALLYPORT_USER:$SALLYPORT_PASSWORD@%s "
	    "http://example.com/\n"
	    "  curl -H \"Authorization: Bearer $SALLYPORT_TOKEN\" "
	    "http://%s/api/sessions/history\n"
	    "  docker compose run --rm cli sessions list\n", socks, api);
	return CLI_OK;
}
