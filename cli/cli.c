/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "config/config.h"

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
	if (from.path == NULL && access(CLI_DEFAULT_CONFIG, F_OK) == 0)
		from.path = CLI_DEFAULT_CONFIG;
	if (config_load(&c->settings, &from, &errors, &warnings) != 0)
		fwrite(errors.text.ptr, 1, errors.text.len, stderr);
	config_errors_fini(&errors);
	config_errors_fini(&warnings);
	return c->settings;
}
