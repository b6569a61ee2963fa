/* SPDX-License-Identifier: MIT */
/*
 * config_impl: what config*.c and print.c share; not for other rooms.
 */
#ifndef CONFIG_CONFIG_IMPL_H
#define CONFIG_CONFIG_IMPL_H

#include "config/config.h"

/* Where a value came from. */
struct origin {
	enum config_origin from;
	char *where;	/* "file:line:column", variable, "--set"; or NULL */
	bool failed;	/* some source gave a bad value */
	bool shared;	/* of a listener: the value belongs to the proxy */
};

/* What settings.origins points to. */
struct origins {
	struct origin *keys;	/* one for each key, in their order */
	struct origin *listeners;	/* config_listener.n for each */
	char *tables;	/* where [[proxy.listeners]] is; NULL: nowhere */
};

struct origin *config_origin_slot(const struct settings *s,
    const struct config_key *k);
size_t config_key_count(void);

/* The same of a key of config_listener in listener `i`. */
struct origin *config_listener_slot(const struct settings *s, size_t i,
    const struct config_key *k);
/* The key that holds where a listener does not say `k`; NULL: none does. */
const struct config_key *config_proxy_key(const struct config_key *k);
/* Do the listeners come from [[proxy.listeners]]? */
bool config_has_tables(const struct settings *s);
/* One more, empty; moves the others. Borrowed from `s`. */
struct listener_config *config_listener_add(struct settings *s);
/* Shares the proxy's values with listeners that have none of their own; makes
 * the listeners of proxy.listen if there are no tables. */
void config_listeners_complete(struct settings *s);
void config_listeners_free(struct settings *s);

/* "proxy.timeouts.idle"; NULL: no such key. */
const struct config_key *config_find(const char *full);
/* "sessiond.database_file": the SECRET whose value that file holds. */
const struct config_key *config_find_file(const char *full);
/* "sources" in config_listener; NULL: no such key. */
const struct config_key *config_listener_key(const char *name);
/* Are there keys "<name>.…"? */
bool config_is_table(const char *name);
/* The key or section most like `full`, or NULL. Owned by the tables. */
const char *config_nearest(const char *full);
/* The full name of the key of `s` most like `name`, or NULL. */
const char *config_nearest_in(const struct config_section *s,
    const char *name);

/* What did-you-mean adds to a message: "; did you mean X?", "" for NULL. */
struct config_hint {
	char text[128];
};
struct config_hint config_did_you_mean(const char *name);

#define CONFIG_NAME_MAX 200	/* room for any name, and to show one */

/* "SALLYPORT_PROXY__TIMEOUTS__IDLE" of "proxy.timeouts.idle". */
void config_env_name(struct text *out, const char *full);

/* `v` is zeroed; reads text as environment and --set have it, lists with
 * commas between their entries. -1: `err` says why, `v` is zeroed. */
int config_read_text(const struct config_key *k, union value *v,
    struct str text, struct err *err) MUST_CHECK;
int config_check_range(const struct config_key *k, const union value *v,
    struct err *err) MUST_CHECK;
/* `n` as `min` or `max` of `k`, in its unit. */
void config_print_limit(struct bytes *b, const struct config_key *k,
    uint64_t n);

/* Where a value is being read from. */
struct source {
	enum config_origin from;
	const char *where;
};

struct loader {
	struct settings *s;
	const struct tree *tree;	/* while the file is read */
	struct listener_config *listener;	/* while its table is read:
						 * keys are those of it */
	struct config_errors *errors, *warnings;
	bool unread;	/* the file could not be parsed at all */
};

/* The slot of `k`, a key of l->listener if there is one. */
struct origin *config_loader_slot(const struct loader *l,
    const struct config_key *k);
/* Reports a bad value for `k` and marks the key. */
void config_bad_value(struct loader *l, const struct config_key *k,
    const char *where, const char *why);
/* Takes `v`, which is good. */
void config_set_value(struct loader *l, const struct config_key *k,
    const union value *v, const struct source *src);
/* Reports it and says true: the same source had this key before. */
bool config_said_twice(struct loader *l, const struct config_key *k,
    const struct source *src);

/* Takes `text`, or the content of the file at `path`, for `k`. */
void config_take_text(struct loader *l, const struct config_key *k,
    struct str text, const struct source *src);
void config_take_file(struct loader *l, const struct config_key *k,
    const char *path, const struct source *src);

/* The sources, in config_file.c and config_sources.c. */
void config_read_file(struct loader *l, const char *path);
void config_read_variable(struct loader *l, const char *entry);
void config_read_set(struct loader *l, const char *entry);

void config_errors_add(struct config_errors *e, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* The rules between keys; says nothing about keys that failed. */
void config_check_rules(const struct settings *s, struct config_errors *e);
/* Those of the listeners. */
void config_check_listeners(const struct settings *s,
    struct config_errors *e);

#endif
