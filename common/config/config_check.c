/* SPDX-License-Identifier: MIT */
/* The rules between keys, a function for each section that has some. */
#include <string.h>
#include <sys/un.h>

#include "config/config_impl.h"

/* What a socket's path may have, without the NUL. */
#define IPC_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct check {
	const struct settings *s;
	struct config_errors *errors;
};

#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The slot of a key of config_sections, by name. */
static const struct origin *
slot_of(const struct check *c, const char *full)
{
	const struct config_key *k = config_find(full);

	ASSERT(k != NULL);
	return config_origin_slot(c->s, k);
}

/*
 * Reports `what` about the first of the keys that a rule looked at, at the
 * first place where one of them was set; but not if a value of one of them was
 * refused, since the rule then saw the value before.
 */
static void
broken(const struct check *c, const char *const *keys, const char *what)
{
	const char *where = NULL;

	for (size_t i = 0; keys[i] != NULL; i++) {
		const struct origin *slot = slot_of(c, keys[i]);

		if (slot->failed)
			return;
		if (where == NULL)
			where = slot->where;
	}
	if (where != NULL)
		config_errors_add(
		    c->errors, "%s: %s: %s", where, keys[0], what);
	else
		config_errors_add(c->errors, "%s: %s", keys[0], what);
}

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* ---- bus ---- */

/* NULL: it may be used. */
static const char *
bad_bus_address(const char *address)
{
	struct endpoint at;

	if (has_prefix(address, "ipc://")) {
		size_t n = strlen(address) - strlen("ipc://");

		if (n == 0)
			return "ipc:// needs the path of a socket";
		return n <= IPC_PATH_MAX
			   ? NULL
			   : "the path of a socket has at most 107 bytes";
	}
	if (!has_prefix(address, "tcp://"))
		return "expected ipc://PATH, or tcp://127.0.0.1:PORT";
	if (!endpoint_parse(&at, str_from(address + strlen("tcp://"))) ||
	    at.port == 0)
		return "expected tcp:// with an address and a port, such as "
		       "tcp://127.0.0.1:7001";
	if (!addr_is_loopback(&at.addr))
		return "tcp:// is not encrypted and may be used on loopback "
		       "only; use ipc://";
	return NULL;
}

static void
check_bus(const struct check *c)
{
	const struct bus_config *b = &c->s->bus;
	const struct {
		const char *full, *address;
	} sockets[] = {
		{ "bus.auth", b->auth },
		{ "bus.decide", b->decide },
		{ "bus.policy", b->policy },
		{ "bus.events", b->events },
		{ "bus.admin_acl", b->admin_acl },
		{ "bus.admin_auth", b->admin_auth },
	};

	for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
		const char *address = sockets[i].address;
		const char *bad = NULL;

		if (*address == '\0')
			continue;
		bad = bad_bus_address(address);
		for (size_t j = 0; bad == NULL && j < i; j++)
			if (strcmp(address, sockets[j].address) == 0)
				bad = "another socket has the same address";
		if (bad != NULL)
			broken(c, KEYS(sockets[i].full), bad);
	}
}

/* ---- metrics ---- */

static void
check_metrics(const struct check *c)
{
	const char *s = c->s->metrics.namespace;
	size_t good = strspn(s, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	if (s[good] != '\0' || (*s >= '0' && *s <= '9'))
		broken(c, KEYS("metrics.namespace"),
		    "expected letters, digits and _, no digit first");
	if (c->s->metrics.user_series == CONFIG_USER_SERIES_LIST &&
	    c->s->metrics.user_list.n == 0)
		broken(c, KEYS("metrics.user_list", "metrics.user_series"),
		    "user_series = list needs at least one user");
}

/* ---- listeners ---- */

/* The first that can be reached from elsewhere, or NULL. */
static const struct endpoint *
open_listener(const struct endpoint_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!addr_is_loopback(&l->v[i].addr))
			return &l->v[i];
	return NULL;
}

static void
broken_listener(const struct check *c, const char *const *keys,
    const struct endpoint *at, const char *why)
{
	char what[512], shown[ENDPOINT_TEXT_SIZE];
	struct text t = text_on(what, sizeof(what));

	endpoint_format(shown, at);
	text_fmt(&t, "%s is not loopback, and %s", shown, why);
	broken(c, keys, what);
}

/* ---- proxy ---- */

static void
check_proxy_source(const struct check *c)
{
	const struct cidr_list *l = &c->s->proxy.source_address;

	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].bits != 128)
			broken(c, KEYS("proxy.source_address"),
			    "expected addresses, not ranges");
		else if (addr_is_unspecified(&l->v[i].base))
			broken(c, KEYS("proxy.source_address"),
			    "0.0.0.0 and :: are no address to send from; "
			    "leave it empty to let the kernel choose");
	}
	if (l->n == 2 && l->v[0].v4 == l->v[1].v4)
		broken(c, KEYS("proxy.source_address"),
		    "has two addresses of one family; one is used");
}

static void
check_proxy(const struct check *c)
{
	const struct proxy_config *p = &c->s->proxy;

	config_check_listeners(c->s, c->errors);
	check_proxy_source(c);
	if (p->timeouts_connect_attempt > p->timeouts_connect)
		broken(c,
		    KEYS("proxy.timeouts.connect_attempt",
			"proxy.timeouts.connect"),
		    "is above proxy.timeouts.connect");
	if (p->dns_ttl_min > p->dns_ttl_max)
		broken(c, KEYS("proxy.dns.ttl_min", "proxy.dns.ttl_max"),
		    "is above proxy.dns.ttl_max");
	for (size_t i = 0; i < p->dns_servers.n; i++)
		if (p->dns_servers.v[i].port == 0)
			broken(c, KEYS("proxy.dns.servers"),
			    "a name server "
			    "needs a port, usually 53");
}

/* ---- authd ---- */

/* It becomes the name of a file below authd.pam.confdir or /etc/pam.d. */
static void
check_pam_service(const struct check *c, const char *full, const char *name)
{
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._-");

	if (name[good] != '\0' || *name == '.')
		broken(c, KEYS(full),
		    "expected the name of a PAM service: letters, digits, "
		    ". _ -, no dot first");
}

static void
check_authd(const struct check *c)
{
	const struct authd_config *a = &c->s->authd;

	check_pam_service(
	    c, "authd.pam.username_service", a->pam_username_service);
	check_pam_service(
	    c, "authd.pam.address_service", a->pam_address_service);
	if (a->guessing_delay_base > a->guessing_delay_max)
		broken(c,
		    KEYS("authd.guessing.delay_base",
			"authd.guessing.delay_max"),
		    "is above authd.guessing.delay_max");
}

/* ---- sessiond, apid ---- */

/* The value may hold a password: it is not shown. */
static void
check_database(const struct check *c, const char *full, const char *database)
{
	if (*database == '\0')
		return;
	if (has_prefix(database, "sqlite:")) {
		if (database[strlen("sqlite:")] == '\0')
			broken(c, KEYS(full), "expected sqlite:FILE");
	} else if (!has_prefix(database, "postgresql://") &&
		   !has_prefix(database, "postgres://")) {
		broken(c, KEYS(full),
		    "expected sqlite:FILE or postgresql://USER@HOST/NAME");
	}
}

static void
check_sessiond(const struct check *c)
{
	check_database(c, "sessiond.database", c->s->sessiond.database);
}

static void
check_apid(const struct check *c)
{
	const struct apid_config *a = &c->s->apid;
	const struct endpoint *open = open_listener(&a->listen);

	check_database(c, "apid.database", a->database);
	if (open != NULL && !a->allow_cleartext)
		broken_listener(c, KEYS("apid.listen", "apid.allow_cleartext"),
		    open,
		    "tokens would cross the network in clear; listen on "
		    "loopback, or set apid.allow_cleartext = true");
}

void
config_check_rules(const struct settings *s, struct config_errors *e)
{
	struct check c = { s, e };

	check_bus(&c);
	check_metrics(&c);
	check_proxy(&c);
	check_authd(&c);
	check_sessiond(&c);
	check_apid(&c);
}
