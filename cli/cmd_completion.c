/* SPDX-License-Identifier: MIT */
/* sallyctl completion: a script for the shell, from the table of commands. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

/* The nouns, each once. */
static void
print_nouns(void)
{
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++)
		if (c == cli_commands || strcmp(c->noun, c[-1].noun) != 0)
			printf(" %s", c->noun);
}

static void
print_verbs(const char *noun)
{
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++)
		if (strcmp(c->noun, noun) == 0)
			printf(" %s", c->verb);
}

static void
print_options(const struct cli_option *o)
{
	for (; o->name != NULL; o++)
		printf(" --%s", o->name);
}

enum cli_exit
cmd_completion_bash(struct cli *cli)
{
	(void)cli;
	puts("# . <(sallyctl completion bash)\n"
	     "_sallyctl() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} words=\n"
	     "\tcase $COMP_CWORD:${COMP_WORDS[1]}:${COMP_WORDS[2]} in");
	printf("\t1:*) words=\"");
	print_nouns();
	puts("\" ;;");
	for (const struct cli_command *c = cli_commands; c->noun != NULL; c++) {
		if (c == cli_commands || strcmp(c->noun, c[-1].noun) != 0) {
			printf("\t2:%s:*) words=\"", c->noun);
			print_verbs(c->noun);
			puts("\" ;;");
		}
		printf("\t*:%s:%s) words=\"", c->noun, c->verb);
		print_options(c->options);
		print_options(cli_globals);
		puts("\" ;;");
	}
	puts("\tesac\n"
	     "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	     "}\n"
	     "complete -o default -F _sallyctl sallyctl");
	return CLI_OK;
}
