/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <string.h>

static const struct cli_option *
option_find(const struct cli_option *table, struct str name)
{
	for (const struct cli_option *o = table; o->name != NULL; o++)
		if (str_eq(str_from(o->name), name))
			return o;
	return NULL;
}

/* The nearest option, for a message; NULL: none is near. */
static const char *
option_near(const struct cli_option *const tables[2], struct str name)
{
	const char *best = NULL;
	unsigned least = 4;

	for (unsigned t = 0; t < 2; t++)
		for (const struct cli_option *o = tables[t]; o->name != NULL;
		     o++) {
			unsigned d = str_distance(str_from(o->name), name);

			if (d < least) {
				least = d;
				best = o->name;
			}
		}
	return best;
}

static int
option_unknown(const struct cli_option *const tables[2], const char *arg,
    struct str name, struct err *err)
{
	const char *near = option_near(tables, name);

	if (near == NULL)
		return err_set(err, "unknown option %s", arg);
	return err_set(err, "unknown option %s; did you mean --%s?", arg, near);
}

/* One option at argv[i]; the number of arguments it took, or -1. */
static int
option_take(struct cli_args *out, const struct cli_option *const tables[2],
    int left, char **argv, struct err *err)
{
	/* -o is the only short one, for its frequency. */
	const char *arg = strcmp(argv[0], "-o") == 0 ? "--output" : argv[0];
	const char *equals = strchr(arg, '=');
	struct str name = str_from(arg + 2);
	const struct cli_option *o;
	const char *value = "";
	int took = 1;

	if (equals != NULL)
		name.len = (size_t)(equals - arg - 2);
	o = option_find(tables[0], name);
	if (o == NULL)
		o = option_find(tables[1], name);
	if (o == NULL || arg[0] != '-' || arg[1] != '-')
		return option_unknown(tables, argv[0], name, err);
	if (o->value == NULL && equals != NULL)
		return err_set(err, "--%s takes no value", o->name);
	if (o->value != NULL && equals != NULL) {
		value = equals + 1;
	} else if (o->value != NULL) {
		if (left < 2)
			return err_set(err, "--%s needs a value: %s", o->name,
			    o->value);
		value = argv[1];
		took = 2;
	}
	if (out->n_given == ARRAY_LEN(out->given))
		return err_set(err, "too many options");
	out->given[out->n_given].name = o->name;
	out->given[out->n_given].value = value;
	out->n_given++;
	return took;
}

int
cli_parse(struct cli_args *out, const struct cli_option *options, int argc,
    char **argv, struct err *err)
{
	const struct cli_option *const tables[2] = { options, cli_globals };
	bool only_words = false;

	for (int i = 0; i < argc;) {
		int took = 1;

		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-' &&
		    argv[i][1] != '\0') {
			took = option_take(out, tables, argc - i, argv + i, err);
		} else if (out->n_words == ARRAY_LEN(out->words)) {
			return err_set(err, "too many arguments");
		} else {
			out->words[out->n_words++] = argv[i];
		}
		if (took < 0)
			return -1;
		i += took;
	}
	return 0;
}

const char *
cli_get(const struct cli_args *a, const char *name)
{
	const char *value = NULL;

	for (unsigned i = 0; i < a->n_given; i++)
		if (strcmp(a->given[i].name, name) == 0)
			value = a->given[i].value;
	return value;
}

const char *
cli_get_nth(const struct cli_args *a, const char *name, unsigned nth)
{
	for (unsigned i = 0; i < a->n_given; i++)
		if (strcmp(a->given[i].name, name) == 0 && nth-- == 0)
			return a->given[i].value;
	return NULL;
}
