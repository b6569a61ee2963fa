/* SPDX-License-Identifier: MIT */
/* Prints docs/sallyctl.md from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const char intro[] =
    "# sallyctl\n"
    "\n"
    "`sallyctl NOUN VERB [OPTION]...`. Made from the table of commands in\n"
    "`cli/commands.c`.\n"
    "\n"
    "Data goes to standard output, as a table or with `-o json` as JSON; all\n"
    "else goes to standard error. `. <(sallyctl completion bash)` completes\n"
    "commands and options in bash. Passwords come from the terminal or from\n"
    "standard input, never from an argument.\n"
    "\n"
    "What a command needs: `users add|passwd|enable|disable|expires|groups|\n"
    "sources|networks|limits|delete|list` edit or read the users file itself;\n"
    "`users list --live|reload|test|failures|unlock` ask authd and `acl test`\n"
    "acld over their admin sockets ([privileges.md](privileges.md) says who\n"
    "may); `sessions` and `telemetry` ask apid with an API token.\n"
    "\n"
    "| exit code | means |\n"
    "| --- | --- |\n"
    "| 0 | done; `users test`: the login is accepted |\n"
    "| 1 | error |\n"
    "| 2 | usage |\n"
    "| 3 | no such user, session or file |\n"
    "| 4 | denied; `users test`: the login is refused |\n"
    "| 5 | exists already |\n"
    "| 6 | the daemon does not answer |\n"
    "| 7 | `--expect` expected something else |\n"
    "| 78 | the configuration or the users file has errors |\n";

/* `|` would begin another cell. */
static void
print_cell(const char *s)
{
	for (; *s != '\0'; s++)
		printf("%s%c", *s == '|' ? "\\" : "", *s);
}

static void
print_options(const struct cli_option *o)
{
	if (o->name != NULL)
		puts("\n| option | meaning |\n| --- | --- |");
	for (; o->name != NULL; o++) {
		printf("| `--%s%s", o->name, o->value != NULL ? " " : "");
		print_cell(o->value != NULL ? o->value : "");
		printf("` | ");
		print_cell(o->help);
		puts(" |");
	}
}

int
main(void)
{
	fputs(intro, stdout);
	puts("\n## Every command");
	print_options(cli_globals);
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++) {
		if (c == cli_commands || strcmp(c->noun, c[-1].noun) != 0)
			printf("\n## %s\n", c->noun);
		printf("\n### %s %s%s%s\n\n%s.\n", c->noun, c->verb,
		    *c->words != '\0' ? " " : "", c->words, c->help);
		print_options(c->options);
	}
	return 0;
}
