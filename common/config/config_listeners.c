/* SPDX-License-Identifier: MIT */
/*
 * The listeners of the proxy: those of [[proxy.listeners]], or one for each
 * address of proxy.listen. What a listener does not say is the proxy's value,
 * which it shares.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_impl.h"

static struct origins *
origins_of(const struct settings *s)
{
	return s->origins;
}

bool
config_has_tables(const struct settings *s)
{
	return origins_of(s)->tables != NULL;
}

struct origin *
config_listener_slot(
    const struct settings *s, size_t i, const struct config_key *k)
{
	size_t key = (size_t)(k - config_listener.keys);

	ASSERT(i < s->listeners.n && key < config_listener.n);
	return &origins_of(s)->listeners[i * config_listener.n + key];
}

const struct config_key *
config_proxy_key(const struct config_key *k)
{
	char full[64];
	struct text t = text_on(full, sizeof(full));

	text_fmt(&t, "proxy.%s", k->name);
	return config_find(full);
}

struct listener_config *
config_listener_add(struct settings *s)
{
	struct listener_list *l = &s->listeners;
	struct origins *o = origins_of(s);
	size_t keys = config_listener.n;

	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	o->listeners = xreallocarray(
	    o->listeners, (l->n + 1) * keys, sizeof(*o->listeners));
	memset(&o->listeners[l->n * keys], 0, keys * sizeof(*o->listeners));
	l->v[l->n] = (struct listener_config){ 0 };
	return &l->v[l->n++];
}

/* The proxy's value where listener `i` has none; the name is its own. */
static void
share(struct settings *s, size_t i, const struct config_key *k)
{
	struct origin *slot = config_listener_slot(s, i, k);
	const struct config_key *from = config_proxy_key(k);
	union value v = { 0 };

	if (slot->from != ORIGIN_DEFAULT || from == NULL)
		return;
	v = value_at(from->type, (const char *)s + from->offset);
	value_store(k->type, (char *)&s->listeners.v[i] + k->offset, &v);
	slot->shared = true;
}

static void
complete(struct settings *s, size_t i)
{
	for (size_t k = 0; k < config_listener.n; k++)
		share(s, i, &config_listener.keys[k]);
	if (s->listeners.v[i].name == NULL)
		s->listeners.v[i].name = xstrdup("");
}

void
config_listeners_complete(struct settings *s)
{
	const struct endpoint_list *listen = &s->proxy.listen;
	char text[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < s->listeners.n; i++)
		complete(s, i);
	if (s->listeners.n > 0)
		return;
	/* There may be something else by that name. */
	free(origins_of(s)->tables);
	origins_of(s)->tables = NULL;
	for (size_t i = 0; i < listen->n; i++) {
		struct listener_config *l = config_listener_add(s);

		endpoint_format(text, &listen->v[i]);
		l->name = xstrdup(text);
		complete(s, i);
		l->listen = (struct endpoint_list){ &listen->v[i], 1 };
	}
}

void
config_listeners_free(struct settings *s)
{
	for (size_t i = 0; i < s->listeners.n; i++) {
		for (size_t n = 0; n < config_listener.n; n++) {
			const struct config_key *k = &config_listener.keys[n];
			struct origin *slot = config_listener_slot(s, i, k);
			union value v = value_at(k->type,
			    (const char *)&s->listeners.v[i] + k->offset);

			if (!slot->shared)
				value_types[k->type].free(&v);
			free(slot->where);
		}
	}
	free(origins_of(s)->listeners);
	free(s->listeners.v);
}
