/* SPDX-License-Identifier: MIT */
/*
 * cli: what every command of sallyctl is given, and the table it stands in.
 *
 * `sallyctl NOUN VERB`. Data goes to stdout as a table or as JSON, everything
 * else to stderr. A command's options are a table of its own, from which come
 * parsing, --help and completion. One thread.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "config/settings.h"

#define CLI_DEFAULT_CONFIG "/etc/sallyport/sallyport.toml"

/* Exit codes (parity.md section 12). */
enum cli_exit {
	CLI_OK = 0,
	CLI_ERROR = 1,
	CLI_USAGE = 2,
	CLI_NOT_FOUND = 3,
	CLI_DENIED = 4,
	CLI_CONFLICT = 5,
	CLI_UNREACHABLE = 6,
	CLI_DIFFERENT = 7,
	CLI_BAD_CONFIG = 78,
};

struct cli_option {
	const char *name;	/* without the dashes; NULL ends a table */
	const char *value;	/* what its value is called; NULL: a flag */
	const char *help;
};

#define CLI_OPTIONS_MAX 64
#define CLI_WORDS_MAX 257	/* a user and as many networks as he may have */

/* What the command line said, borrowed from argv. */
struct cli_args {
	struct {
		const char *name, *value;
	} given[CLI_OPTIONS_MAX];
	unsigned n_given;
	const char *words[CLI_WORDS_MAX];	/* after noun and verb */
	unsigned n_words;
};

struct cli {
	struct cli_args args;
	bool json;
	struct settings *settings;	/* see cli_settings */
};

struct cli_command {
	const char *noun, *verb;
	const char *words;	/* positional arguments, as in --help */
	unsigned min_words, max_words;
	const char *help;
	const struct cli_option *options;
	enum cli_exit (*run)(struct cli *c);
};

/* commands.c: all of them, ended by noun NULL; cli_globals are the options of
 * each. */
extern const struct cli_command cli_commands[];
extern const struct cli_option cli_globals[];

/* ---- args.c ---- */

/* Parses what follows noun and verb. -1: err says what is wrong. */
int cli_parse(struct cli_args *out, const struct cli_option *options,
    int argc, char **argv, struct err *err) MUST_CHECK;
/* The last value given; "" for a flag; NULL: not given. */
const char *cli_get(const struct cli_args *a, const char *name);
/* The i-th value of an option that may be repeated; NULL: no more. */
const char *cli_get_nth(const struct cli_args *a, const char *name, unsigned i);

/* ---- cli.c ---- */

/* Loads sallyport.toml when first needed; NULL: the errors were printed. */
const struct settings *cli_settings(struct cli *c);
/* "sallyctl: …" on stderr; returns `code`. */
enum cli_exit cli_fail(enum cli_exit code, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* ---- the commands ---- */

enum cli_exit cmd_acl_test(struct cli *c);
enum cli_exit cmd_completion_bash(struct cli *c);
enum cli_exit cmd_config_sample(struct cli *c);
enum cli_exit cmd_config_show(struct cli *c);
enum cli_exit cmd_config_validate(struct cli *c);
enum cli_exit cmd_sessions_list(struct cli *c);
enum cli_exit cmd_sessions_show(struct cli *c);
enum cli_exit cmd_sessions_stats(struct cli *c);
enum cli_exit cmd_setup_hello(struct cli *c);
enum cli_exit cmd_setup_init(struct cli *c);
enum cli_exit cmd_setup_show(struct cli *c);
enum cli_exit cmd_telemetry_list(struct cli *c);
enum cli_exit cmd_users_add(struct cli *c);
enum cli_exit cmd_users_delete(struct cli *c);
enum cli_exit cmd_users_disable(struct cli *c);
enum cli_exit cmd_users_enable(struct cli *c);
enum cli_exit cmd_users_expires(struct cli *c);
enum cli_exit cmd_users_failures(struct cli *c);
enum cli_exit cmd_users_groups(struct cli *c);
enum cli_exit cmd_users_limits(struct cli *c);
enum cli_exit cmd_users_list(struct cli *c);
enum cli_exit cmd_users_networks(struct cli *c);
enum cli_exit cmd_users_passwd(struct cli *c);
enum cli_exit cmd_users_reload(struct cli *c);
enum cli_exit cmd_users_sources(struct cli *c);
enum cli_exit cmd_users_test(struct cli *c);
enum cli_exit cmd_users_unlock(struct cli *c);

#endif
