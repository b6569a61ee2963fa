/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"

#define DEFAULT_CONFIG "/etc/sallyport/sallyport.toml"

const struct cli_option cli_globals[] = {
	{ "config", "FILE", "sallyport.toml (default " DEFAULT_CONFIG ")" },
	{ "output", "table|json", "form of the answer, also -o" },
	{ "help", NULL, "this text" },
	{ NULL, NULL, NULL },
};

static const struct cli_option no_options[] = { { NULL, NULL, NULL } };

static const struct cli_option acl_test_options[] = {
	{ "user", "USER", "who asks" },
	{ "dest", "HOST", "name or address" },
	{ "port", "PORT", "1 to 65535" },
	{ "protocol", "tcp|udp", "default tcp" },
	{ "source", "ADDRESS", "where the client is (default 127.0.0.1)" },
	{ "group", "GROUP", "a group authd would report; repeatable" },
	{ "resolved", "ADDRESS", "what the name resolves to; repeatable" },
	{ "expect", "allow|block", "exit 7 when the decision is another" },
	{ NULL, NULL, NULL },
};

static const struct cli_option config_validate_options[] = {
	{ "file", "FILE", "the file to check (default: --config)" },
	{ NULL, NULL, NULL },
};

#define REST_OPTIONS                                                     \
	{ "server", "URL", "http://HOST:PORT of apid, or SALLYPORT_SERVER" }, \
	{ "token-file", "FILE", "API token (default: SALLYPORT_TOKEN)" },    \
	{ NULL, NULL, NULL }

static const struct cli_option sessions_list_options[] = {
	{ "active", NULL, "running ones instead of ended ones" },
	{ "user", "USER", "only this user's" },
	{ "last", "TIME", "only since then, like 24h" },
	{ "status", "STATUS", "closed, failed or rejected" },
	{ "dest-ip", "ADDRESS", "only to this address or range" },
	{ "dest-host", "NAME", "only to this name" },
	{ "source-ip", "ADDRESS", "only from this client" },
	{ "limit", "N", "at most so many (1 to 1000, default 100)" },
	{ "cursor", "CURSOR", "go on where a list ended" },
	REST_OPTIONS,
};

static const struct cli_option rest_options[] = { REST_OPTIONS };

static const struct cli_option sessions_stats_options[] = {
	{ "window", "TIME", "how far back, like 24h (default: apid's)" },
	REST_OPTIONS,
};

#define USERS_FILE \
	{ "file", "FILE", "the users file (default: authd.users_file)" }

static const struct cli_option users_add_options[] = {
	{ "group", "GROUP", "a group of the user; repeatable" },
	{ "password-stdin", NULL, "read the password from standard input" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_passwd_options[] = {
	{ "password-stdin", NULL, "read the password from standard input" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_delete_options[] = {
	{ "yes", NULL, "do not ask" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_list_options[] = {
	USERS_FILE,
	{ NULL, NULL, NULL },
};

const struct cli_command cli_commands[] = {
	{ "acl", "test", "", 0, 0, "Ask acld what it would decide, and why",
	    acl_test_options, cmd_acl_test },
	{ "config", "validate", "", 0, 0, "Check a configuration file",
	    config_validate_options, cmd_config_validate },
	{ "config", "show", "", 0, 0, "Print every value and where it is from",
	    no_options, cmd_config_show },
	{ "config", "sample", "", 0, 0, "Print a file with all keys, explained",
	    no_options, cmd_config_sample },
	{ "sessions", "list", "", 0, 0, "Ended sessions, newest first",
	    sessions_list_options, cmd_sessions_list },
	{ "sessions", "show", "ID", 1, 1, "All that is known of a session",
	    rest_options, cmd_sessions_show },
	{ "sessions", "stats", "", 0, 0, "Totals, top users and destinations",
	    sessions_stats_options, cmd_sessions_stats },
	{ "users", "add", "USER", 1, 1, "Add a user to the users file",
	    users_add_options, cmd_users_add },
	{ "users", "passwd", "USER", 1, 1, "Change a user's password",
	    users_passwd_options, cmd_users_passwd },
	{ "users", "delete", "USER", 1, 1, "Delete a user",
	    users_delete_options, cmd_users_delete },
	{ "users", "list", "", 0, 0, "Users of the users file, without hashes",
	    users_list_options, cmd_users_list },
	{ "completion", "bash", "", 0, 0, "Print completion for bash",
	    no_options, cmd_completion_bash },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};

enum cli_exit
cli_fail(enum cli_exit code, const char *fmt, ...)
{
	va_list ap;

	fputs("sallyctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

const struct settings *
cli_settings(struct cli *c)
{
	struct config_sources from = {
		.path = cli_get(&c->args, "config"),
		.environ = environ,
	};
	struct config_errors errors = { 0 }, warnings = { 0 };

	if (c->settings != NULL)
		return c->settings;
	if (from.path == NULL && access(DEFAULT_CONFIG, F_OK) == 0)
		from.path = DEFAULT_CONFIG;
	if (config_load(&c->settings, &from, &errors, &warnings) != 0)
		fwrite(errors.text.ptr, 1, errors.text.len, stderr);
	config_errors_fini(&errors);
	config_errors_fini(&warnings);
	return c->settings;
}

/* ---- help ---- */

static void
print_options(const struct cli_option *o)
{
	for (; o->name != NULL; o++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", o->name,
		    o->value != NULL ? " " : "",
		    o->value != NULL ? o->value : "");
		printf("  %-28s %s\n", left, o->help);
	}
}

static enum cli_exit
help_all(FILE *out)
{
	fputs("usage: sallyctl NOUN VERB [OPTION]...\n\n", out);
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++)
		fprintf(out, "  %-10s %-9s %-5s %s\n", c->noun, c->verb,
		    c->words, c->help);
	fputs("\nsallyctl NOUN VERB --help tells the options of a command; "
	      "--version the version.\n", out);
	return CLI_OK;
}

static enum cli_exit
help_command(const struct cli_command *c)
{
	printf("usage: sallyctl %s %s%s%s [OPTION]...\n\n%s.\n\n", c->noun,
	    c->verb, *c->words != '\0' ? " " : "", c->words, c->help);
	print_options(c->options);
	print_options(cli_globals);
	return CLI_OK;
}

/* ---- dispatch ---- */

static const struct cli_command *
command_find(const char *noun, const char *verb)
{
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++)
		if (strcmp(c->noun, noun) == 0 && strcmp(c->verb, verb) == 0)
			return c;
	return NULL;
}

static int
parse_output(struct cli *c, struct err *err)
{
	const char *output = cli_get(&c->args, "output");

	c->json = output != NULL && strcmp(output, "json") == 0;
	if (output == NULL || c->json || strcmp(output, "table") == 0)
		return 0;
	return err_set(err, "--output %s: expected table or json", output);
}

static enum cli_exit
run(const struct cli_command *command, int argc, char **argv)
{
	struct cli c = { 0 };
	struct err err = { 0 };
	enum cli_exit code;

	if (cli_parse(&c.args, command->options, argc, argv, &err) != 0 ||
	    parse_output(&c, &err) != 0)
		return cli_fail(CLI_USAGE, "%s %s: %s", command->noun,
		    command->verb, err.text);
	if (cli_get(&c.args, "help") != NULL)
		return help_command(command);
	if (c.args.n_words < command->min_words ||
	    c.args.n_words > command->max_words)
		return cli_fail(CLI_USAGE, "%s %s: expected %s", command->noun,
		    command->verb,
		    *command->words != '\0' ? command->words : "no argument");
	code = command->run(&c);
	config_free(&c.settings);
	return code;
}

/* --config FILE and -o may also stand before the noun, as people type them:
 * turns the arguments so that noun and verb come first. */
static void
globals_last(int argc, char **argv)
{
	int n = 1;

	while (n + 1 < argc && (strcmp(argv[n], "--config") == 0 ||
				   strcmp(argv[n], "--output") == 0 ||
				   strcmp(argv[n], "-o") == 0))
		n += 2;
	for (int i = 1; i < n; i += 2) {
		char *name = argv[1], *value = argv[2];

		memmove(argv + 1, argv + 3,
		    (size_t)(argc - 3) * sizeof(argv[0]));
		argv[argc - 2] = name;
		argv[argc - 1] = value;
	}
}

int
main(int argc, char **argv)
{
	const struct cli_command *command;

	log_setup("sallyctl", LOG_ERROR, LOG_FORMAT_TEXT, 0);
	globals_last(argc, argv);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("sallyctl " SALLYPORT_VERSION);
		return CLI_OK;
	}
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 ||
			     strcmp(argv[1], "help") == 0))
		return help_all(stdout);
	if (argc < 3) {
		help_all(stderr);
		return CLI_USAGE;
	}
	command = command_find(argv[1], argv[2]);
	if (command == NULL)
		return cli_fail(CLI_USAGE,
		    "no command \"%s %s\"; sallyctl --help lists them",
		    argv[1], argv[2]);
	return run(command, argc - 3, argv + 3);
}
