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

#include <stdbool.h>
#include <stdio.h>

#include "config/settings.h"
#include "config/value.h"

enum config_reload { CONFIG_RESTART, CONFIG_RELOAD };
enum config_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENV, ORIGIN_FLAG };

struct config_key {
	const char *name;	/* within the section, "timeouts.idle" */
	const char *full;	/* "proxy.timeouts.idle" */
	enum value_type type;
	size_t offset;		/* in struct settings, listener_config */
	const char *initial;	/* the default, as it would be written */
	uint64_t min, max;	/* numbers, durations, sizes, lengths */
	bool zero;		/* 0 is allowed below min */
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
/* What each of [[proxy.listeners]] has; offsets are in a listener_config. */
extern const struct config_section config_listener;

/* All errors of a load, in order; at most 100 are kept. Starts zeroed. */
struct config_errors {
	struct bytes text;	/* a line each; a NUL follows, not counted */
	unsigned n;		/* all, kept or not */
};

struct config_sources {
	const char *path;		/* NULL: no file; else TOML or YAML */
	char *const *environ;		/* NULL: none */
	const char *const *set;		/* "proxy.workers=2"; may be NULL */
	size_t n_set;
};

/*
 * Loads and checks everything: types, ranges, unknown keys with the nearest
 * known one, and the rules between keys. 0, or -1 with every error in `errors`
 * ("file:line:column: proxy.listen: …", "SALLYPORT_PROXY__X: proxy.x: …").
 * Warnings (unknown SALLYPORT_ variables with `__`) go to `warnings`. No
 * message holds the value of a SECRET.
 */
int config_load(struct settings **out, const struct config_sources *from,
    struct config_errors *errors, struct config_errors *warnings) MUST_CHECK;
void config_free(struct settings **sp);
void config_errors_fini(struct config_errors *e);

/* `section` NULL: all. TOML with a comment for each origin; secrets ***. */
void config_print(const struct settings *s, const char *section, FILE *out);
/* A commented sample of all keys with defaults and help, as TOML or YAML. */
void config_print_sample(FILE *out);
void config_print_sample_yaml(FILE *out);
/* docs/configuration-reference.md. */
void config_print_reference(FILE *out);
/* Names of RESTART keys of `section` (NULL: all) whose values differ, joined by
 * ", ", into `out`; false if none differ. */
bool config_restart_needed(const struct settings *old,
    const struct settings *new, const char *section, struct text *out);
enum config_origin config_origin_of(const struct settings *s,
    const struct config_key *k);

/* The five keys with which each daemon's section starts. `section` is one of
 * proxy, authd, acld, sessiond, apid. */
struct daemon_config config_daemon(const struct settings *s,
    const char *section);
/*
 * Where that daemon finds a socket of the bus ("auth", "decide", "policy",
 * "events", "admin_acl", "admin_auth"): bus.<socket>, or if that is empty
 * ipc://<its run_dir>/<socket>.sock. The caller frees it.
 */
char *config_bus_address(const struct settings *s, const char *section,
    const char *socket) MUST_CHECK;

/* The words of CHOICE and CHOICES keys, by enum; each ends with NULL. */
extern const char *const config_log_levels[];	/* enum log_level */
extern const char *const config_log_formats[];	/* enum log_format */
extern const char *const config_socks_methods[]; /* enum config_socks_method */
extern const char *const config_client_methods[]; /* config_client_method */
extern const char *const config_group_sources[]; /* config_group_source */
extern const char *const config_carriers[];	/* enum config_carrier */
extern const char *const config_commands[];	/* enum config_command */
extern const char *const config_user_series[];	/* enum config_user_series */
/* The index of `word`, or -1. */
int config_choice_index(const char *const *choices, const char *word);
/* Does the list of a CHOICES key have `word`? */
bool config_has_word(const struct string_list *l, const char *word);

#endif
