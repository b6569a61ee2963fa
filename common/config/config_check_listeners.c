/* SPDX-License-Identifier: MIT */
/*
 * The rules between the keys of a listener. Without [[proxy.listeners]] the
 * addresses of proxy.listen are one, so that nothing is said twice.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/config_impl.h"

struct check {
	const struct settings *s;
	struct config_errors *errors;
	const struct listener_config *l;
	size_t i;           /* its index, if `table` */
	bool table;         /* one of [[proxy.listeners]] */
	const char *prefix; /* of keys that a message names */
};

#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Where the listener has `name` from; `full` is its key there. */
static const struct origin *
slot_of(const struct check *c, const char *name, const char **full)
{
	const struct config_key *k = config_listener_key(name);
	const struct config_key *all = config_proxy_key(k);
	const struct origin *slot =
	    c->table ? config_listener_slot(c->s, c->i, k) : NULL;

	if (slot != NULL && (!slot->shared || slot->failed)) {
		*full = k->full;
		return slot;
	}
	*full = all->full;
	return config_origin_slot(c->s, all);
}

static void broken(const struct check *c, const char *const *keys,
    const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * Reports it about the first of the keys that a rule looked at, at the first
 * place where one of them was set; but not if a value of one was refused.
 */
static void
broken(const struct check *c, const char *const *keys, const char *fmt, ...)
{
	const char *first = NULL, *where = NULL, *full;
	char what[512];
	va_list ap;

	for (size_t i = 0; keys[i] != NULL; i++) {
		const struct origin *slot = slot_of(c, keys[i], &full);

		if (slot->failed)
			return;
		if (where == NULL)
			where = slot->where;
		if (first == NULL)
			first = full;
	}
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	config_errors_add(c->errors, "%s%s%s: %s%s%s%s",
	    where != NULL ? where : "", where != NULL ? ": " : "", first,
	    c->table ? "listener " : "", c->table ? c->l->name : "",
	    c->table ? ": " : "", what);
}

static bool
has_method(const struct check *c, enum config_socks_method m)
{
	return config_has_word(&c->l->socks_methods, config_socks_methods[m]);
}

static bool
has_client_method(const struct check *c, enum config_client_method m)
{
	return config_has_word(&c->l->client_methods, config_client_methods[m]);
}

static bool
has_carrier(const struct check *c, enum config_carrier carrier)
{
	return config_has_word(&c->l->carriers, config_carriers[carrier]);
}

static bool
has_command(const struct check *c, enum config_command command)
{
	return config_has_word(&c->l->commands, config_commands[command]);
}

/* ---- who comes in ---- */

static void
check_methods(const struct check *c)
{
	bool by_address = has_client_method(c, CONFIG_CLIENT_PAM_ADDRESS);

	if (by_address && has_client_method(c, CONFIG_CLIENT_NONE))
		broken(c, KEYS("client_methods"),
		    "none beside pam.address would let in whom PAM refuses; "
		    "list one of them");
	if (has_method(c, CONFIG_SOCKS_USERPASS) &&
	    has_method(c, CONFIG_SOCKS_PAM_USERNAME))
		broken(c, KEYS("socks_methods"),
		    "userpass and pam.username look the same to clients; "
		    "list one of them");
	if (has_method(c, CONFIG_SOCKS_NONE) && !by_address &&
	    !c->l->allow_anonymous)
		broken(c,
		    KEYS("socks_methods", "client_methods", "allow_anonymous"),
		    "none lets everybody in; set %sallow_anonymous = true "
		    "if that is meant",
		    c->prefix);
}

/* ---- passwords in clear (threats.md, P-7) ---- */

/* Who can come in at an address, and so who can listen on the way. */
enum reach { REACH_MACHINE, REACH_PRIVATE, REACH_EVERYBODY };

static bool
sources_are_private(const struct cidr_list *sources)
{
	for (size_t i = 0; i < sources->n; i++)
		if (!cidr_is_private(&sources->v[i]))
			return false;
	return sources->n > 0;
}

static enum reach
reach_of(const struct addr *at, const struct cidr_list *sources)
{
	if (addr_is_loopback(at))
		return REACH_MACHINE;
	if (addr_is_private(at) ||
	    (addr_is_unspecified(at) && sources_are_private(sources)))
		return REACH_PRIVATE;
	return REACH_EVERYBODY;
}

static void
refuse_cleartext(
    const struct check *c, const struct endpoint *at, enum reach reach)
{
	const char *const *keys = KEYS(
	    "listen", "socks_methods", "sources", "allow_cleartext_password");
	char shown[ENDPOINT_TEXT_SIZE];

	endpoint_format(shown, at);
	if (reach == REACH_PRIVATE)
		broken(c, keys,
		    "%s is not loopback, and passwords would cross the "
		    "network in clear; listen on loopback, or set "
		    "%sallow_cleartext_password = true",
		    shown, c->prefix);
	else if (addr_is_unspecified(&at->addr))
		broken(c, keys,
		    "%s is open to all networks, and passwords would cross "
		    "them in clear; listen on loopback, or set "
		    "%sallow_cleartext_password = true and %ssources to "
		    "private networks only",
		    shown, c->prefix, c->prefix);
	else
		broken(c, keys,
		    "%s is a public address, and passwords would cross the "
		    "network in clear, which allow_cleartext_password cannot "
		    "allow there; listen on loopback or a private address",
		    shown);
}

/* The first address that must not be; one error a listener is enough. */
static void
check_cleartext(const struct check *c)
{
	const struct endpoint_list *listen = &c->l->listen;

	if (!has_method(c, CONFIG_SOCKS_USERPASS) &&
	    !has_method(c, CONFIG_SOCKS_PAM_USERNAME))
		return;
	for (size_t i = 0; i < listen->n; i++) {
		const struct endpoint *at = &listen->v[i];
		enum reach reach = reach_of(&at->addr, &c->l->sources);

		if (reach == REACH_MACHINE ||
		    (reach == REACH_PRIVATE && c->l->allow_cleartext_password))
			continue;
		refuse_cleartext(c, at, reach);
		return;
	}
}

/* ---- carriers ---- */

/* SOCKS4 has no login, no UDP; HTTP has CONNECT only. */
static void
check_carriers(const struct check *c)
{
	bool socks5 = has_carrier(c, CONFIG_CARRIER_SOCKS5);
	bool socks4 = has_carrier(c, CONFIG_CARRIER_SOCKS4);

	if (socks4 && c->l->carriers.n == 1 &&
	    !has_method(c, CONFIG_SOCKS_NONE))
		broken(c, KEYS("carriers", "socks_methods"),
		    "socks4 has no login and would refuse everybody; add "
		    "another carrier, or none to %ssocks_methods",
		    c->prefix);
	if (has_command(c, CONFIG_COMMAND_UDP) && !socks5)
		broken(c, KEYS("commands", "carriers"),
		    "udp needs socks5 among %scarriers", c->prefix);
	if (has_command(c, CONFIG_COMMAND_BIND) && !socks5 && !socks4)
		broken(c, KEYS("commands", "carriers"),
		    "bind needs socks5 or socks4 among %scarriers", c->prefix);
}

static void
check_listener(const struct check *c)
{
	check_methods(c);
	check_cleartext(c);
	check_carriers(c);
}

/* ---- all together ---- */

static void
check_name(const struct check *c)
{
	const char *name = c->l->name;
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._:-");

	if (name[good] != '\0')
		broken(c, KEYS("name"),
		    "expected a name of letters, digits, . _ : and -");
	for (size_t i = 0; i < c->i; i++)
		if (strcmp(name, c->s->listeners.v[i].name) == 0) {
			broken(
			    c, KEYS("name"), "another listener has this name");
			return;
		}
}

static bool
has_address(const struct listener_config *l, const struct endpoint *at)
{
	for (size_t i = 0; i < l->listen.n; i++)
		if (at->port != 0 && endpoint_eq(&l->listen.v[i], at))
			return true;
	return false;
}

static void
check_addresses(const struct check *c)
{
	const struct listener_config *others = c->s->listeners.v;
	char shown[ENDPOINT_TEXT_SIZE];
	size_t before = 0;

	for (size_t i = 0; i < c->i; before += others[i++].listen.n)
		for (size_t j = 0; j < c->l->listen.n; j++) {
			const struct endpoint *at = &c->l->listen.v[j];

			if (!has_address(&others[i], at))
				continue;
			endpoint_format(shown, at);
			broken(c, KEYS("listen"),
			    "%s is also an address of listener %s", shown,
			    others[i].name);
		}
	if (before <= CONFIG_LISTEN_MAX &&
	    before + c->l->listen.n > CONFIG_LISTEN_MAX)
		broken(c, KEYS("listen"),
		    "the listeners have more than %d addresses together",
		    CONFIG_LISTEN_MAX);
}

static void
check_tables(struct check *c)
{
	const struct origin *slot;
	const char *full;

	slot = slot_of(c, "listen", &full);
	if (slot->from != ORIGIN_DEFAULT)
		broken(c, KEYS("listen"),
		    "each of [[proxy.listeners]] has its own; move these "
		    "addresses there");
	c->table = true;
	c->prefix = "";
	for (c->i = 0; c->i < c->s->listeners.n; c->i++) {
		c->l = &c->s->listeners.v[c->i];
		check_name(c);
		check_addresses(c);
		check_listener(c);
	}
}

void
config_check_listeners(const struct settings *s, struct config_errors *e)
{
	struct listener_config all = s->listeners.v[0];
	struct check c = { .s = s, .errors = e, .l = &all, .prefix = "proxy." };

	all.listen = s->proxy.listen;
	if (config_has_tables(s))
		check_tables(&c);
	else
		check_listener(&c);
}
