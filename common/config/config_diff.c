/* SPDX-License-Identifier: MIT */
/* What a reload would have to change, and cannot. */
#include <string.h>

#include "config/config_impl.h"

/* Names, with ", " between them. */
struct names {
	struct text *out;
	bool any;
};

static void
add(struct names *n, const char *full, const char *listener)
{
	text_fmt(n->out, "%s%s%s%s", n->any ? ", " : "", full,
	    listener == NULL ? "" : " of ", listener == NULL ? "" : listener);
	n->any = true;
}

/* `a` and `b` are what the offset of `k` is in. */
static bool
needs_restart(const struct config_key *k, const void *a, const void *b)
{
	union value x = value_at(k->type, (const char *)a + k->offset);
	union value y = value_at(k->type, (const char *)b + k->offset);

	return k->reload == CONFIG_RESTART &&
	       !value_types[k->type].equal(&x, &y);
}

/* What both have from the proxy is told as the proxy's. */
static void
add_listener(struct names *names, const struct settings *old,
    const struct settings *new, size_t i)
{
	for (size_t n = 0; n < config_listener.n; n++) {
		const struct config_key *k = &config_listener.keys[n];
		bool both = config_listener_slot(old, i, k)->shared &&
			    config_listener_slot(new, i, k)->shared;

		if (!both && needs_restart(
				 k, &old->listeners.v[i], &new->listeners.v[i]))
			add(names, k->full, new->listeners.v[i].name);
	}
}

static bool
same_names(const struct listener_list *a, const struct listener_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].name, b->v[i].name) != 0)
			return false;
	return true;
}

static void
add_listeners(
    struct names *names, const struct settings *old, const struct settings *new)
{
	bool before = config_has_tables(old), after = config_has_tables(new);

	if (!before && !after)
		return;
	if (before != after || !same_names(&old->listeners, &new->listeners)) {
		add(names, config_listener.name, NULL);
		return;
	}
	for (size_t i = 0; i < new->listeners.n; i++)
		add_listener(names, old, new, i);
}

bool
config_restart_needed(const struct settings *old, const struct settings *new,
    const char *section, struct text *out)
{
	struct names names = { out, false };

	for (const struct config_section *in = config_sections; in->name;
	     in++) {
		if (section != NULL && strcmp(section, in->name) != 0)
			continue;
		for (size_t i = 0; i < in->n; i++)
			if (needs_restart(&in->keys[i], old, new))
				add(&names, in->keys[i].full, NULL);
		if (strcmp(in->name, "proxy") == 0)
			add_listeners(&names, old, new);
	}
	return names.any;
}
