/* SPDX-License-Identifier: MIT */
#include "service/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum takes { TAKES_NOTHING, TAKES_CONFIG, TAKES_SET, TAKES_OVER };

static const struct option {
	const char *name;
	enum takes takes;
	enum args_mode mode;	/* of an option that takes nothing */
	unsigned extra;		/* enum args_extra; 0: all daemons have it */
	const char *value;	/* its name in the help */
	const char *help;
} options[] = {
	{ "--config", TAKES_CONFIG, ARGS_RUN, 0, "FILE",
	    "configuration (default: " ARGS_CONFIG_DEFAULT ")" },
	{ "--set", TAKES_SET, ARGS_RUN, 0, "KEY=VALUE",
	    "set a key above file and environment; may repeat" },
	{ "--check", TAKES_NOTHING, ARGS_CHECK, 0, "",
	    "check the configuration and end" },
	{ "--print-config", TAKES_NOTHING, ARGS_PRINT_CONFIG, 0, "",
	    "print the configuration in force and end" },
	{ "--health", TAKES_NOTHING, ARGS_HEALTH, 0, "",
	    "ask the running daemon whether it is ready" },
	{ "--migrate", TAKES_NOTHING, ARGS_MIGRATE, ARGS_HAS_MIGRATE, "",
	    "bring the database's schema up to date and end" },
	{ "--takeover", TAKES_OVER, ARGS_RUN, ARGS_HAS_TAKEOVER, "",
	    "take the listeners over from the one that runs" },
	{ "--help", TAKES_NOTHING, ARGS_HELP, 0, "", "show this and end" },
	{ "--version", TAKES_NOTHING, ARGS_VERSION, 0, "",
	    "show the version and end" },
};

/* The option that `arg` names, and what follows its "=" or NULL. */
static const struct option *
option_find(const char *arg, const char **value)
{
	size_t len = strcspn(arg, "=");

	*value = arg[len] == '=' ? arg + len + 1 : NULL;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strlen(options[i].name) == len &&
		    memcmp(options[i].name, arg, len) == 0)
			return &options[i];
	return NULL;
}

static int
set_mode(struct args *a, const struct option *o, struct err *err)
{
	if (a->mode != ARGS_RUN && a->mode != o->mode)
		return err_set(err, "%s: only one of these can be done at once",
		    o->name);
	a->mode = o->mode;
	return 0;
}

/* Takes argv[*i], and the argument after it where the option has one. */
static int
take(struct args *a, char **argv, int *i, struct err *err)
{
	const char *value;
	const struct option *o = option_find(argv[*i], &value);

	if (o == NULL)
		return err_set(err, "%s: unknown option", argv[*i]);
	if ((o->takes == TAKES_NOTHING || o->takes == TAKES_OVER) &&
	    value != NULL)
		return err_set(err, "%s: takes no value", o->name);
	if (o->takes == TAKES_NOTHING)
		return set_mode(a, o, err);
	if (o->takes == TAKES_OVER) {
		a->takeover = true;
		return 0;
	}
	if (value == NULL && (value = argv[*i + 1]) != NULL)
		++*i;
	if (value == NULL || *value == '\0')
		return err_set(err, "%s: needs %s", o->name, o->value);
	if (o->takes == TAKES_SET)
		a->set[a->n_set++] = value;
	else if (a->config != NULL)
		return err_set(err, "%s: given twice", o->name);
	else
		a->config = value;
	return 0;
}

int
args_parse(struct args *out, int argc, char **argv, struct err *err)
{
	*out = (struct args){ 0 };
	out->set = xcalloc((size_t)argc + 1, sizeof(*out->set));
	for (int i = 1; i < argc; i++)
		if (take(out, argv, &i, err) != 0) {
			args_fini(out);
			return -1;
		}
	if (out->takeover && out->mode != ARGS_RUN) {
		args_fini(out);
		return err_set(err, "--takeover: goes with a start only");
	}
	return 0;
}

void
args_help(FILE *out, const char *daemon, const char *what, unsigned extras)
{
	fprintf(out, "sallyport-%s: %s\n\nUsage: sallyport-%s [options]\n\n",
	    daemon, what, daemon);
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const struct option *o = &options[i];
		int used;

		if ((o->extra & ~extras) != 0)
			continue;
		used = fprintf(out, "  %s%s%s", o->name,
		    *o->value ? " " : "", o->value);

		fprintf(out, "%*s%s\n", used < 22 ? 22 - used : 1, "", o->help);
	}
	fputs("\nSIGTERM, SIGINT: drain and end; again: end now."
	    " SIGHUP: reload.\n"
	    "Exit codes: 0, 1 error, 2 usage, 78 bad configuration.\n", out);
}

void
args_fini(struct args *a)
{
	free(a->set);
	*a = (struct args){ 0 };
}
