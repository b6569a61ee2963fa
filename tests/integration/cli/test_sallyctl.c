/* SPDX-License-Identifier: MIT */
/* The binary itself: usage, users, configuration, completion, sessions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli.h"
#include "crypt/passhash.h"
#include "ctl.h"
#include "http_peer.h"
#include "users/users_file.h"

#define PASSWORD "correct horse"
#define ADD "users add --file users.toml --password-stdin "

static int
setup(void **state)
{
	*state = xcalloc(1, sizeof(struct ctl));
	ctl_init(*state);
	return 0;
}

static int
teardown(void **state)
{
	ctl_fini(*state);
	free(*state);
	return 0;
}

/* ---- usage ---- */

static void
test_help(void **state)
{
	struct ctl *c = *state;

	for (const struct cli_command *k = cli_commands; k->noun != NULL; k++) {
		char *line = xasprintf("%s %s --help", k->noun, k->verb);

		ctl_expect(c, CLI_OK, line, NULL);
		assert_non_null(strstr(c->out, k->help));
		assert_string_equal(c->err, "");
		for (const struct cli_option *o = k->options; o->name != NULL;
		     o++)
			assert_non_null(strstr(c->out, o->name));
		ctl_expect(c, CLI_OK, "--help", NULL);
		assert_non_null(strstr(c->out, k->help));
		free(line);
	}
}

/* "users --help" is what people type who look for its verbs. */
static void
test_help_of_a_noun(void **state)
{
	static const char *const lines[] = {
		"users --help", "users -h", "help users",
		"--config nowhere.toml users --help",
	};
	struct ctl *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		ctl_expect(c, CLI_OK, lines[i], NULL);
		assert_non_null(strstr(c->out, "usage: sallyctl users VERB"));
		assert_non_null(strstr(c->out, "passwd"));
		assert_null(strstr(c->out, "acl "));
		assert_string_equal(c->err, "");
	}
	ctl_expect(c, CLI_USAGE, "nothing --help", NULL);
}

static void
test_usage(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "", "usage: sallyctl" },
		{ "users", "usage: sallyctl users" },
		{ "users drop bob", "no command \"users drop\"; sallyctl "
		    "users --help" },
		{ "nothing here", "no command \"nothing here\"" },
		{ "users add", "expected USER" },
		{ "users add a b", "expected USER" },
		{ "users list more", "expected no argument" },
		{ "users list --live --file x", "no --file" },
		{ "users list --fil x", "did you mean --file?" },
		{ "users list -o xml", "--output xml: expected table or json" },
		{ "users list -o", "--output needs a value" },
		{ "users list --json -o table", "not together with --json" },
		{ "users list --json -o xml", "not together with --json" },
		{ "users list --json=yes", "--json takes no value" },
		{ "telemetry", "usage: sallyctl telemetry VERB" },
		{ "telemetry list bob", "expected no argument" },
		{ "telemetry list --user bob", "unknown option --user" },
		{ "telemetry list --severity", "--severity needs a value" },
		{ "users add bob --file u.toml", "no terminal" },
		{ "config validate", "--file is needed" },
		{ "sessions show ../x", "not a session's id" },
		{ "sessions list --last soon", "expected a time" },
		{ "sessions stats --window 0s", "expected a time" },
	};
	struct ctl *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ctl_expect(c, CLI_USAGE, cases[i].line, NULL);
		assert_non_null(strstr(c->err, cases[i].says));
		assert_string_equal(c->out, "");
	}
	ctl_expect(c, CLI_OK, "--version", NULL);
	assert_string_equal(c->out, "sallyctl " SALLYPORT_VERSION "\n");
}

/* ---- users ---- */

/* The hash in users.toml is of that password, and of no other. */
static void
assert_password(const struct ctl *c, const char *user, const char *password)
{
	char *path = xasprintf("%s/users.toml", c->dir);
	struct users_notes notes = { 0 };
	struct users_file *f = NULL;
	const struct user *u;

	assert_int_equal(users_file_load(&f, path, &notes), 0);
	u = users_file_find(f, str_from(user));
	assert_non_null(u);
	assert_int_equal(passhash_verify(str_from(password), u->hash),
	    PASSHASH_RIGHT);
	assert_int_equal(passhash_verify(STR("another"), u->hash),
	    PASSHASH_WRONG);
	users_notes_fini(&notes);
	users_file_free(&f);
	free(path);
}

static void
assert_unsaid(const struct ctl *c)
{
	char *file = ctl_read(c, "users.toml");

	assert_null(strstr(c->out, PASSWORD));
	assert_null(strstr(c->err, PASSWORD));
	assert_null(strstr(file, PASSWORD));
	free(file);
}

static void
test_users(void **state)
{
	struct ctl *c = *state;
	char *before, *after;

	ctl_expect(c, CLI_OK, ADD "bob --group staff --group=ops",
	    PASSWORD "\n");
	assert_string_equal(c->out, "bob: added\n");
	assert_unsaid(c);
	assert_password(c, "bob", PASSWORD);

	ctl_expect(c, CLI_CONFLICT, ADD "bob", "other\n");
	ctl_expect(c, CLI_OK, ADD "eve", "no end of line");
	assert_password(c, "eve", "no end of line");
	ctl_expect(c, CLI_OK, "users list --file users.toml", NULL);
	assert_string_equal(c->out,
	    "USER  GROUPS     ENABLED  EXPIRES  PASSWORD  LIMITS  SOURCES  "
	    "NETWORKS\n"
	    "bob   staff,ops  yes      -        yes       -       -        -\n"
	    "eve   -          yes      -        yes       -       -        -\n");

	ctl_expect(c, CLI_OK,
	    "users passwd bob --file users.toml --password-stdin", "changed\n");
	assert_password(c, "bob", "changed");
	ctl_expect(c, CLI_NOT_FOUND,
	    "users passwd joe --file users.toml --password-stdin", "x\n");

	before = ctl_read(c, "users.toml");
	ctl_expect(c, CLI_ERROR, "users delete bob --file users.toml", "y\n");
	after = ctl_read(c, "users.toml");
	assert_string_equal(before, after);
	free(before);
	free(after);
	ctl_expect(c, CLI_OK, "users delete bob --yes --file users.toml", NULL);
	ctl_expect(c, CLI_NOT_FOUND,
	    "users delete bob --yes --file users.toml", NULL);
	ctl_expect(c, CLI_OK, "-o json users list --file users.toml", NULL);
	assert_string_equal(c->out,
	    "[\n  {\n    \"username\": \"eve\",\n    \"groups\": [],\n"
	    "    \"enabled\": true,\n    \"expires\": null,\n"
	    "    \"limits\": null,\n    \"sources\": [],\n"
	    "    \"networks\": [],\n    \"password\": true\n  }\n]\n");
}

/* One key at a time; what is before and behind it stays. */
static void
test_users_edit(void **state)
{
	static const struct {
		const char *args, *says, *line;
	} cases[] = {
		{ "disable bob", "bob: disabled\n", "no       -      " },
		{ "enable bob", "bob: enabled\n", "yes      -      " },
		{ "expires bob 2099-01-01", "bob: expires "
		    "2099-01-01T00:00:00.000Z\n", "2099-01-01T00:00:00.000Z" },
		{ "expires bob 2099-01-01T02:00:00+01:00", "bob: expires "
		    "2099-01-01T01:00:00.000Z\n", "2099-01-01T01:00:00.000Z" },
		{ "expires bob never", "bob: expires never\n", "yes      - " },
		{ "groups bob a b c", "bob: groups changed\n", "a,b,c" },
		{ "groups bob --none", "bob: groups changed\n",
		    "bob   -       yes" },
		{ "sources bob 10.0.0.0/8 ::1", "bob: sources changed\n",
		    "yes       -       10.0.0.0/8,::1/128  -" },
		{ "limits bob big", "bob: limits changed\n",
		    "yes       big     10.0.0.0/8,::1/128  -" },
		{ "sources bob --any", "bob: sources changed\n",
		    "yes       big     -  " },
		{ "networks bob 10.1.0.0/16 ::2", "bob: networks changed\n",
		    "big     -        10.1.0.0/16,::2/128\n" },
		{ "networks bob --none", "bob: networks changed\n",
		    "big     -        -\n" },
		{ "limits bob --none", "bob: limits changed\n",
		    "yes       -       -  " },
	};
	static const struct {
		int code;
		const char *args;
	} bad[] = {
		{ CLI_NOT_FOUND, "disable joe" },
		{ CLI_NOT_FOUND, "enable joe" },
		{ CLI_NOT_FOUND, "expires joe never" },
		{ CLI_NOT_FOUND, "groups joe a" },
		{ CLI_USAGE, "disable" }, { CLI_USAGE, "expires bob" },
		{ CLI_USAGE, "expires bob soon" },
		{ CLI_USAGE, "expires bob 2099-01-01T00:00:00" },
		{ CLI_USAGE, "expires bob 1970-01-01" },
		{ CLI_USAGE, "groups bob" }, { CLI_USAGE, "groups bob a --none" },
		{ CLI_USAGE, "groups bob a\tb" },
		{ CLI_NOT_FOUND, "sources joe ::1" },
		{ CLI_USAGE, "sources bob" },
		{ CLI_USAGE, "sources bob ::1 --any" },
		{ CLI_USAGE, "sources bob here" },
		{ CLI_USAGE, "sources bob 10.0.0.1/8" },
		{ CLI_NOT_FOUND, "networks joe ::1" },
		{ CLI_USAGE, "networks bob" },
		{ CLI_USAGE, "networks bob ::1 --none" },
		{ CLI_USAGE, "networks bob here" },
		{ CLI_USAGE, "networks bob ::1 ::1" },
		{ CLI_CONFLICT, "networks bob 10.9.0.0/16" },
		{ CLI_NOT_FOUND, "limits joe --none" },
		{ CLI_USAGE, "limits bob" },
		{ CLI_USAGE, "limits bob big --none" },
		{ CLI_USAGE, "limits bob big small" },
		{ CLI_USAGE, "limits bob b+g" },
	};
	struct ctl *c = *state;
	char line[160], *before, *after;

	ctl_expect(c, CLI_OK, ADD "bob --group old", PASSWORD "\n");
	ctl_expect(c, CLI_OK, ADD "eve", PASSWORD "\n");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(line, sizeof(line), "users %s --file users.toml",
		    cases[i].args);
		ctl_expect(c, CLI_OK, line, NULL);
		assert_string_equal(c->out, cases[i].says);
		ctl_expect(c, CLI_OK, "users list --file users.toml", NULL);
		if (strstr(c->out, cases[i].line) == NULL)
			fail_msg("%s: %s", cases[i].args, c->out);
	}
	ctl_expect(c, CLI_OK, "users networks eve 10.9.0.0/16 --file "
	    "users.toml", NULL);
	before = ctl_read(c, "users.toml");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(line, sizeof(line), "users %s --file users.toml",
		    bad[i].args);
		ctl_expect(c, bad[i].code, line, NULL);
	}
	after = ctl_read(c, "users.toml");
	assert_string_equal(before, after);
	free(before);
	free(after);
	assert_password(c, "bob", PASSWORD);
}

/* A user with every key that `add` takes. */
static void
test_users_add_whole(void **state)
{
	struct ctl *c = *state;

	ctl_expect(c, CLI_OK, ADD "bob --group a --source 10.0.0.0/8 "
	    "--expires 2099-01-01 --limits big --source=::1 --group b "
	    "--network 10.1.0.0/16 --network=::2", PASSWORD "\n");
	ctl_expect(c, CLI_OK, ADD "eve --expires never", PASSWORD "\n");
	ctl_expect(c, CLI_CONFLICT, ADD "joe --network ::2", PASSWORD "\n");
	assert_non_null(strstr(c->err,
	    "::2/128 is already a network of the user bob"));
	ctl_expect(c, CLI_OK, "users list --file users.toml", NULL);
	assert_string_equal(c->out,
	    "USER  GROUPS  ENABLED  EXPIRES                   PASSWORD  "
	    "LIMITS  SOURCES             NETWORKS\n"
	    "bob   a,b     yes      2099-01-01T00:00:00.000Z  yes       "
	    "big     10.0.0.0/8,::1/128  10.1.0.0/16,::2/128\n"
	    "eve   -       yes      -                         yes       "
	    "-       -                   -\n");
	assert_password(c, "bob", PASSWORD);
}

/* What is wrong is said before anybody is asked for a password: there is no
 * terminal here, which would be said otherwise. */
static void
test_users_add_bad(void **state)
{
	static const struct {
		const char *args, *says;
	} cases[] = {
		{ "joe --source 10.0.0.1/8", "10.0.0.1/8: bits are set" },
		{ "joe --source here", "here: not an IP address" },
		{ "joe --network ::1/8", "::1/8: bits are set" },
		{ "joe --network ::1 --network ::1/128",
		    "::1/128: the network is given twice" },
		{ "joe --limits b+g", "the name of a limits class" },
		{ "joe --limits=", "the name of a limits class" },
		{ "joe --expires soon", "soon: expected a time" },
		{ "joe --expires=", "expected a time" },
		{ "joe --group a\tb", "a\\x09b: not a group's name" },
		{ "joe --group a --group A", "the group a is given twice" },
		{ "j\te", "expected a user name" },
	};
	struct ctl *c = *state;

	ctl_write(c, "users.toml", "");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *line = xasprintf("users add --file users.toml %s",
		    cases[i].args);

		ctl_expect(c, CLI_USAGE, line, NULL);
		if (strstr(c->err, cases[i].says) == NULL)
			fail_msg("%s: %s", line, c->err);
		free(line);
	}
	ctl_expect(c, CLI_OK, "users list --json --file users.toml", NULL);
	assert_string_equal(c->out, "[]\n");
}

/* The path comes from the configuration where --file does not say it. */
static void
test_users_configured(void **state)
{
	struct ctl *c = *state;
	char *toml = xasprintf("[authd]\nusers_file = \"%s/users.toml\"\n",
	    c->dir);

	ctl_write(c, "sallyport.toml", toml);
	free(toml);
	ctl_expect(c, CLI_OK, "--config sallyport.toml users add bob "
	    "--password-stdin", PASSWORD "\n");
	assert_password(c, "bob", PASSWORD);
	ctl_write(c, "sallyport.toml", "[authd]\nusers_fil = \"x\"\n");
	ctl_expect(c, CLI_BAD_CONFIG, "users list --config sallyport.toml",
	    NULL);
	assert_non_null(strstr(c->err, "users_fil"));
}

static void
test_users_bad(void **state)
{
	char long_line[300];
	struct ctl *c = *state;

	memset(long_line, 'x', 256);
	strcpy(long_line + 256, "\n");
	ctl_expect(c, CLI_ERROR, ADD "bob", long_line);
	ctl_expect(c, CLI_ERROR, ADD "bob", "");
	ctl_expect(c, CLI_ERROR, ADD "bob", "\n" PASSWORD "\n");
	ctl_expect(c, CLI_OK, ADD "bob", long_line + 1);
	ctl_expect(c, CLI_USAGE, ADD "b\tb", PASSWORD "\n");
	ctl_expect(c, CLI_USAGE, ADD "ann --group a\tb", PASSWORD "\n");
	ctl_write(c, "users.toml", "[[users]\n");
	ctl_expect(c, CLI_BAD_CONFIG, ADD "ann", PASSWORD "\n");
	assert_non_null(strstr(c->err, "users.toml:1:"));
	ctl_expect(c, CLI_BAD_CONFIG, "users list --file users.toml", NULL);
	assert_non_null(strstr(c->err, "users.toml:1:"));
	ctl_expect(c, CLI_ERROR, "users add bob --password-stdin "
	    "--file missing/users.toml", PASSWORD "\n");
}

/* ---- configuration ---- */

static void
test_validate(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "[proxy]\nlisen = \"127.0.0.1:1\"\n", "x.toml:2:1:" },
		{ "[proxy]\nlisten = 7\n", "x.toml:2:" },
		{ "[proxy\n", "x.toml:1:" },
		{ "[[proxy.listeners]]\nname = \"a\"\nlisten = "
		  "\"0.0.0.0:1\"\n", "x.toml:3:10: proxy.listeners.listen: "
					"listener a: " },
	};
	struct ctl *c = *state;

	ctl_write(c, "x.toml", "[log]\nlevel = \"info\"\n");
	ctl_expect(c, CLI_OK, "config validate --file x.toml", NULL);
	assert_string_equal(c->out, "x.toml: valid\n");
	ctl_expect(c, CLI_OK, "--config x.toml config validate", NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ctl_write(c, "x.toml", bad[i].text);
		ctl_expect(c, CLI_BAD_CONFIG, "config validate --file x.toml",
		    NULL);
		assert_non_null(strstr(c->err, bad[i].says));
		assert_string_equal(c->out, "");
	}
	ctl_expect(c, CLI_BAD_CONFIG, "config validate --file none.toml", NULL);
	assert_non_null(strstr(c->err, "none.toml"));
}

/* What `sample` prints is a valid file, and `show` shows where from. */
static void
test_sample(void **state)
{
	struct ctl *c = *state;
	char *sample;

	ctl_expect(c, CLI_OK, "config sample", NULL);
	sample = xstrdup(c->out);
	ctl_write(c, "sample.toml", sample);
	free(sample);
	ctl_expect(c, CLI_OK, "config validate --file sample.toml", NULL);
	assert_string_equal(c->err, "");
	ctl_write(c, "x.toml", "[log]\nlevel = \"debug\"\n");
	ctl_expect(c, CLI_OK, "config show --config x.toml", NULL);
	assert_non_null(strstr(c->out, "debug"));
}

/* What `show` prints of listeners is a file that means the same. */
static void
test_listeners(void **state)
{
	struct ctl *c = *state;
	char *shown;

	ctl_write(c, "x.yaml", "proxy:\n  listeners:\n"
	    "  - {name: a, listen: 127.0.0.1:1}\n"
	    "  - {name: b, listen: 127.0.0.1:2, commands: connect}\n");
	ctl_expect(c, CLI_OK, "config show --config x.yaml", NULL);
	shown = xstrdup(c->out);
	assert_non_null(strstr(shown, "\nname = \"b\"\t# x.yaml:4:12\n"));
	ctl_write(c, "x.toml", shown);
	ctl_expect(c, CLI_OK, "config validate --file x.toml", NULL);
	ctl_expect(c, CLI_OK, "config show --config x.toml", NULL);
	for (char *p = shown, *q = c->out; *p != '\0'; p++, q++) {
		/* Only where it is from may differ. */
		if (*p == '\t') {
			p += strcspn(p, "\n");
			q += strcspn(q, "\n");
		}
		assert_int_equal(*p, *q);
	}
	free(shown);
}

/* ---- completion, by bash itself ---- */

static void
test_completion(void **state)
{
	static const struct {
		const char *typed, *has, *has_not;
	} cases[] = {
		{ "us", "users", "acl" },
		{ "''", "sessions", "list" },
		{ "users pa", "passwd", "add" },
		{ "users so", "sources", "groups" },
		{ "users sources bob --a", "--any", "--none" },
		{ "users netw", "networks", "sources" },
		{ "users networks bob --n", "--none", "--any" },
		{ "users add --li", "--limits", "--source" },
		{ "users add --ne", "--network", "--source" },
		{ "users ''", "delete", "validate" },
		{ "users add --pass", "--password-stdin", "--group" },
		{ "users un", "unlock", "list" },
		{ "users test --m", "--method", "--source" },
		{ "users list --l", "--live", "--file" },
		{ "acl test --", "--expect", "--active" },
		{ "acl test --user bob --c", "--config", "--user" },
	};
	struct ctl *c = *state;

	ctl_expect(c, CLI_OK, "completion bash", NULL);
	ctl_write(c, "completion", c->out);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *command = xasprintf("cd %s && bash -n completion && "
		    "bash -c '. ./completion; COMP_WORDS=(sallyctl '\"%s\"'); "
		    "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _sallyctl; "
		    "echo \" ${COMPREPLY[*]} \"' >reply", c->dir,
		    cases[i].typed);
		char *has = xasprintf(" %s ", cases[i].has);
		char *has_not = xasprintf(" %s ", cases[i].has_not);
		char *reply;

		/* NOLINTNEXTLINE(cert-env33-c): a shell is what is tested */
		assert_int_equal(system(command), 0);
		reply = ctl_read(c, "reply");
		assert_non_null(strstr(reply, has));
		assert_null(strstr(reply, has_not));
		free(command);
		free(has);
		free(has_not);
		free(reply);
	}
}

/* ---- sessions ---- */

#define OK "HTTP/1.1 200 OK\r\n\r\n"

/* Asks a peer that answers with `answer`; `asked` is the path it must see. */
static void
expect_asked(struct ctl *c, int code, const char *options, const char *answer,
    const char *asked)
{
	struct http_peer p;
	char *line, *request;

	http_peer_start(&p, answer, HTTP_PEER_CLOSE);
	line = xasprintf("%s --server %s", options, p.server);
	request = xasprintf("GET %s HTTP/1.0\r\n", asked);
	ctl_expect(c, code, line, NULL);
	http_peer_stop(&p);
	assert_int_equal(strncmp(p.request, request, strlen(request)), 0);
	free(line);
	free(request);
}

static void
test_sessions(void **state)
{
	static const char page[] = OK "{\"items\":[{\"user\":\"bob\","
	    "\"dest_host\":null,\"dest_ip\":\"192.0.2.9\",\"dest_port\":80}],"
	    "\"next_cursor\":\"abc\"}";
	struct ctl *c = *state;

	expect_asked(c, CLI_OK, "sessions list --active", OK "{\"items\":[]}",
	    "/api/sessions/active");
	assert_string_equal(c->out, "nothing\n");
	expect_asked(c, CLI_OK, "sessions list --user b&b --last 90m --limit 5 "
	    "--dest-ip 10.0.0.0/8 --cursor x=y", page,
	    "/api/sessions/history?hours=2&user=b%26b&dest_ip=10.0.0.0%2F8"
	    "&limit=5&cursor=x%3Dy");
	assert_non_null(strstr(c->out, "192.0.2.9"));
	assert_string_equal(c->err, "more: --cursor abc\n");
	expect_asked(c, CLI_OK, "sessions stats --window 1d",
	    OK "{\"total_sessions\":3,\"top_users\":[{\"user\":\"bob\"}]}",
	    "/api/sessions/stats?window_hours=24");
	assert_non_null(strstr(c->out, "total_sessions  3\n"));
	expect_asked(c, CLI_OK, "sessions show 0a-1 -o json",
	    OK "{\"user\":\"bob\"}", "/api/sessions/0a-1");
	assert_string_equal(c->out, "{\n  \"user\": \"bob\"\n}\n");
	expect_asked(c, CLI_NOT_FOUND, "sessions show 0a-1",
	    "HTTP/1.1 404 N\r\n\r\n{\"title\":\"Not found\"}",
	    "/api/sessions/0a-1");
	expect_asked(c, CLI_DENIED, "sessions list",
	    "HTTP/1.1 401 N\r\n\r\n{\"title\":\"No\"}",
	    "/api/sessions/history");
}

/* ---- telemetry ---- */

static void
test_telemetry(void **state)
{
	static const char page[] = OK "{\"items\":[{\"id\":\"0a\","
	    "\"timestamp\":\"2026-09-21T14:13:20.123Z\","
	    "\"severity\":\"warning\",\"category\":\"security\","
	    "\"event\":\"guessing_detected\",\"message\":\"a\\u001b[2Jb\","
	    "\"component\":\"authd\",\"instance\":\"host-1\","
	    "\"details\":{\"user\":\"bob\"},\"suppressed\":3},"
	    "{\"timestamp\":\"2026-09-21T14:13:19.000Z\","
	    "\"severity\":null,\"message\":null,\"suppressed\":0}],"
	    "\"next_cursor\":\"abc\"}";
	struct ctl *c = *state;

	expect_asked(c, CLI_OK, "telemetry list", OK "{\"items\":[],"
	    "\"next_cursor\":null}", "/api/telemetry/events");
	assert_string_equal(c->out, "nothing\n");
	assert_string_equal(c->err, "");
	expect_asked(c, CLI_OK, "telemetry list --minutes 5 --severity "
	    "warning,error --category a&b --limit 2 --cursor x=y", page,
	    "/api/telemetry/events?minutes=5&severity=warning%2Cerror"
	    "&category=a%26b&limit=2&cursor=x%3Dy");
	assert_string_equal(c->out,
	    "TIME                      SEVERITY  CATEGORY  EVENT"
	    "              COMPONENT  INSTANCE  SUPPRESSED  MESSAGE\n"
	    "2026-09-21T14:13:20.123Z  warning   security  "
	    "guessing_detected  authd      host-1    3           a\\x1b[2Jb\n"
	    "2026-09-21T14:13:19.000Z  -         -         -"
	    "                  -          -         0           -\n");
	assert_string_equal(c->err, "more: --cursor abc\n");
	expect_asked(c, CLI_OK, "telemetry list --since -2h --until "
	    "2026-09-21T16:00:00+02:00", OK "{\"items\":[]}",
	    "/api/telemetry/events?since=-2h"
	    "&until=2026-09-21T16%3A00%3A00%2B02%3A00");
	expect_asked(c, CLI_OK, "telemetry list --json", OK "{\"items\":[]}",
	    "/api/telemetry/events");
	assert_string_equal(c->out, "{\n  \"items\": []\n}\n");
	expect_asked(c, CLI_OK, "--json telemetry list", OK "{\"items\":[]}",
	    "/api/telemetry/events");
	assert_string_equal(c->out, "{\n  \"items\": []\n}\n");
	expect_asked(c, CLI_ERROR, "telemetry list --severity warn",
	    "HTTP/1.1 400 B\r\n\r\n{\"title\":\"Bad parameter\","
	    "\"detail\":\"severity: expected one of info\"}",
	    "/api/telemetry/events?severity=warn");
	assert_string_equal(c->err, "sallyctl: 400 Bad parameter: "
	    "severity: expected one of info\n");
	expect_asked(c, CLI_ERROR, "telemetry list",
	    "HTTP/1.1 503 S\r\n\r\n{\"title\":\"The database cannot be "
	    "read\"}", "/api/telemetry/events");
	expect_asked(c, CLI_DENIED, "telemetry list",
	    "HTTP/1.1 403 F\r\n\r\n{\"title\":\"No\"}",
	    "/api/telemetry/events");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_help, setup, teardown),
		cmocka_unit_test_setup_teardown(test_help_of_a_noun, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users_add_whole, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_users_add_bad, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_users_edit, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_users_configured, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_users_bad, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_validate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sample, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listeners, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_completion, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_sessions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_telemetry, setup,
		    teardown),
	};

	if (argc != 2 || !ctl_set_binary(argv[1]))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
