/* SPDX-License-Identifier: MIT */
/* sallyctl config: check and show sallyport.toml. */
#include "cli.h"

#include <stdio.h>
#include <unistd.h>

#include "config/config.h"

static void
say(const struct config_errors *e)
{
	if (e->text.len > 0)
		fwrite(e->text.ptr, 1, e->text.len, stderr);
}

enum cli_exit
cmd_config_validate(struct cli *c)
{
	const char *file = cli_get(&c->args, "file");
	struct config_sources from = { .path = file, .environ = NULL };
	struct config_errors errors = { 0 }, warnings = { 0 };
	struct settings *s = NULL;
	int result;

	if (file == NULL)
		file = from.path = cli_get(&c->args, "config");
	if (file == NULL)
		return cli_fail(CLI_USAGE, "--file is needed");
	result = config_load(&s, &from, &errors, &warnings);
	say(&warnings);
	say(&errors);
	if (result == 0)
		printf("%s: valid\n", file);
	config_errors_fini(&errors);
	config_errors_fini(&warnings);
	config_free(&s);
	return result == 0 ? CLI_OK : CLI_BAD_CONFIG;
}

enum cli_exit
cmd_config_show(struct cli *c)
{
	const struct settings *s = cli_settings(c);

	if (s == NULL)
		return CLI_BAD_CONFIG;
	config_print(s, NULL, stdout);
	return CLI_OK;
}

enum cli_exit
cmd_config_sample(struct cli *c)
{
	(void)c;
	config_print_sample(stdout);
	return CLI_OK;
}
