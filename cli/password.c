/* SPDX-License-Identifier: MIT */
#include "password.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>

#include "base/mem.h"

/* A NUL is no part of a password. */
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

static bool
prompt_again(FILE *tty, const char *first)
{
	char again[PASSWORD_MAX + 1] = "";
	bool same = prompt(tty, "Again: ", again) && strcmp(first, again) == 0;

	secret_wipe(again, sizeof(again));
	return same;
}

static enum cli_exit
ask_terminal(bool twice, char out[static PASSWORD_MAX + 1])
{
	FILE *tty = fopen("/dev/tty", "r+e");
	bool ok;

	if (tty == NULL)
		return cli_fail(CLI_USAGE,
		    "no terminal to ask for the password; use "
		    "--password-stdin");
	ok = prompt(tty, "Password: ", out) &&
	    (!twice || prompt_again(tty, out));
	fclose(tty);
	if (!ok)
		return cli_fail(CLI_ERROR, "empty, over %d bytes%s",
		    PASSWORD_MAX, twice ? ", or not the same twice" : "");
	return CLI_OK;
}

enum cli_exit
password_read(struct cli *c, bool twice, char out[static PASSWORD_MAX + 1])
{
	if (cli_get(&c->args, "password-stdin") == NULL)
		return ask_terminal(twice, out);
	if (read_line(stdin, out))
		return CLI_OK;
	return cli_fail(CLI_ERROR,
	    "standard input has no password of 1 to %d bytes", PASSWORD_MAX);
}
