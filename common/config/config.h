/* SPDX-License-Identifier: MIT */
/*
 * config: sallyport.toml as one table of keys per section.
 *
 * keys/<section>.def has one line a key. It is expanded twice: into the struct
 * of settings.h and into the table from which come checking, environment
 * names, --check, --print-config, the sample file and the reference page.
 * The order of precedence is default, file, environment, --set.
 *
 * A struct settings is immutable once loaded; who loaded it frees it.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdio.h>

#include "config/settings.h"
#include "config/value.h"

enum config_reload { CONFIG_RESTART, CONFIG_RELOAD };
enum config_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENV, ORIGIN_FLAG };

struct config_key {
	const char *name;	/* within the section, "timeouts.idle" */
	enum value_type type;
	size_t offset;		/* in struct settings */
	const char *initial;	/* the default, as it would be written */
	uint64_t min, max;	/* numbers, durations, sizes, list lengths */
	const char *const *choices;	/* CHOICE, and STRINGS if closed */
	enum config_reload reload;
	const char *help;
};

struct config_section {
	const char *name;	/* "proxy" */
	const char *help;
	const struct config_key *keys;
	size_t n;
};

/* Ends with name NULL. */
extern const struct config_section config_sections[];

/* All errors of a load, in order; at most 100 are kept. */
struct config_errors {
	struct bytes text;	/* a line each */
	unsigned n;
};

struct config_sources {
	const char *path;		/* NULL: no file */
	char *const *environ;		/* NULL: none */
	const char *const *set;		/* "proxy.workers=2"; may be NULL */
	size_t n_set;
};

/*
 * Loads and checks everything: types, ranges, unknown keys with the nearest
 * known one, and the rules between keys. 0, or -1 with every error in `errors`
 * ("file:line:column: proxy.listen: …", "SALLYPORT_PROXY__X: …").
 * Warnings (unknown SALLYPORT_ variables with `__`) go to `warnings`.
 */
int config_load(struct settings **out, const struct config_sources *from,
    struct config_errors *errors, struct config_errors *warnings) MUST_CHECK;
void config_free(struct settings **sp);
void config_errors_fini(struct config_errors *e);

/* `section` NULL: all. TOML with a comment for each origin; secrets ***. */
void config_print(const struct settings *s, const char *section, FILE *out);
/* A commented sample of all keys with defaults and help. */
void config_print_sample(FILE *out);
/* docs/configuration-reference.md. */
void config_print_reference(FILE *out);
/* Names of RESTART keys of `section` whose values differ, joined by ", ", into
 * `out`; false if none differ. */
bool config_restart_needed(const struct settings *old,
    const struct settings *new, const char *section, struct text *out);
enum config_origin config_origin_of(const struct settings *s,
    const struct config_key *k);

#endif
