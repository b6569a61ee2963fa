/* SPDX-License-Identifier: MIT */
/* sallyctl: finds the command, parses its options, runs it. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"

/* ---- help ---- */

static void
print_options(const struct cli_option *o)
{
	for (; o->name != NULL; o++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", o->name,
		    o->value != NULL ? " " : "",
		    o->value != NULL ? o->value : "");
		printf("  %-31s %s\n", left, o->help);
	}
}

/* All commands, or those about one thing. */
static void
help_list(FILE *out, const char *noun)
{
	fprintf(out, "usage: sallyctl %s VERB [OPTION]...\n\n",
	    noun != NULL ? noun : "NOUN");
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++)
		if (noun == NULL || strcmp(c->noun, noun) == 0)
			fprintf(out, "  %-10s %-9s %-15s  %s\n", c->noun,
			    c->verb, c->words, c->help);
	fputs("\nsallyctl NOUN VERB --help tells the options of a command; "
	      "--version the version.\n", out);
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

static bool
is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
	    strcmp(word, "help") == 0;
}

static bool
is_noun(const char *word)
{
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++)
		if (strcmp(c->noun, word) == 0)
			return true;
	return false;
}

/* What was typed is no command: is it a question, or half of one? */
static enum cli_exit
no_command(int argc, char **argv)
{
	const char *first = argc >= 2 ? argv[1] : "";
	const char *second = argc >= 3 ? argv[2] : "";
	bool asks = is_help(first) || is_help(second);
	const char *noun = is_help(first) ? second : first;

	if (!is_noun(noun))
		noun = NULL;
	if (*second != '\0' && !is_help(first) && !(asks && noun != NULL))
		return cli_fail(CLI_USAGE, "no command \"%s %s\"; sallyctl "
		    "%s%s--help lists them", first, second,
		    noun != NULL ? noun : "", noun != NULL ? " " : "");
	help_list(asks ? stdout : stderr, noun);
	return asks ? CLI_OK : CLI_USAGE;
}

static int
parse_output(struct cli *c, struct err *err)
{
	const char *output = cli_get(&c->args, "output");
	bool flag = cli_get(&c->args, "json") != NULL;

	c->json = flag || (output != NULL && strcmp(output, "json") == 0);
	if (output == NULL || strcmp(output, "json") == 0 ||
	    (strcmp(output, "table") == 0 && !flag))
		return 0;
	if (flag)
		return err_set(err, "--output %s: not together with --json",
		    output);
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

/* How many arguments an option takes that may stand before the noun; 0: it is
 * none of those. */
static int
leading(const char *arg)
{
	if (strcmp(arg, "--json") == 0)
		return 1;
	return strcmp(arg, "--config") == 0 || strcmp(arg, "--output") == 0 ||
	    strcmp(arg, "-o") == 0 ? 2 : 0;
}

/* --config FILE and -o may also stand before the noun, as people type them:
 * turns the arguments so that noun and verb come first. */
static void
globals_last(int argc, char **argv)
{
	int n = 0, took;

	while (n + 1 < argc && (took = leading(argv[n + 1])) > 0 &&
	    n + took < argc)
		n += took;
	for (; n > 0; n--) {
		char *first = argv[1];

		memmove(argv + 1, argv + 2,
		    (size_t)(argc - 2) * sizeof(argv[0]));
		argv[argc - 1] = first;
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
	command = argc >= 3 ? command_find(argv[1], argv[2]) : NULL;
	if (command == NULL)
		return no_command(argc, argv);
	return run(command, argc - 3, argv + 3);
}
