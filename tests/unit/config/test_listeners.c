/* SPDX-License-Identifier: MIT */
/* [[proxy.listeners]]: reading, sharing, rules, printing, reloading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "directory.h"

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* NULL, with what is wrong in `errors`. */
static struct settings *
try_text(const char *path, const char *text, struct config_errors *errors)
{
	struct config_sources from = { .path = path };
	struct settings *s = NULL;
	int rc;

	write_file(path, text);
	rc = config_load(&s, &from, errors, NULL);
	assert_int_equal(rc, errors->n == 0 ? 0 : -1);
	assert_int_equal(unlink(path), 0);
	return s;
}

static struct settings *
load_text(const char *path, const char *text)
{
	struct config_errors errors = { 0 };
	struct settings *s = try_text(path, text, &errors);

	if (s == NULL)
		fail_msg("%s%s", text, errors.text.ptr);
	return s;
}

static void
assert_same(const struct settings *a, const struct settings *b)
{
	assert_int_equal(a->listeners.n, b->listeners.n);
	for (size_t i = 0; i < a->listeners.n * config_listener.n; i++) {
		size_t at = i / config_listener.n;
		const struct config_key *k =
		    &config_listener.keys[i % config_listener.n];
		union value x = value_at(k->type,
		    (const char *)&a->listeners.v[at] + k->offset);
		union value y = value_at(k->type,
		    (const char *)&b->listeners.v[at] + k->offset);

		if (!value_types[k->type].equal(&x, &y))
			fail_msg("%s of %s differs", k->full,
			    a->listeners.v[at].name);
	}
}

/* ---- what is read ---- */

static const struct {
	const char *path, *text;
} spellings[] = {
	{ "a.toml",
	    "[proxy]\ncarriers = ['socks5']\nanonymous_user = 'x'\n"
	    "[[proxy.listeners]]\nname = 'lan'\n"
	    "listen = ['127.0.0.1:1', '[::1]:1']\n"
	    "socks_methods = ['pam.username']\nsources = '10.0.0.0/8'\n"
	    "[[proxy.listeners]]\nname = 'hosts'\nlisten = '127.0.0.2:1'\n"
	    "client_methods = 'pam.address'\nsocks_methods = 'none'\n"
	    "carriers = 'http, socks4'\ncommands = ['connect']\n"
	    "mask_bound_address = true\nanonymous_user = 'y'\n" },
	{ "a.toml",
	    "proxy.carriers = 'socks5'\nproxy.anonymous_user = 'x'\n"
	    "proxy.listeners = [{ name = 'lan', sources = ['10.0.0.0/8'], "
	    "listen = '127.0.0.1:1,[::1]:1', "
	    "socks_methods = 'pam.username' },\n"
	    "{ name = 'hosts', listen = ['127.0.0.2:1'], "
	    "client_methods = ['pam.address'], socks_methods = ['none'], "
	    "carriers = ['http', 'socks4'], commands = 'connect', "
	    "mask_bound_address = true, anonymous_user = 'y' }]\n" },
	{ "a.yaml",
	    "proxy:\n  carriers: socks5\n  anonymous_user: x\n"
	    "  listeners:\n"
	    "  - name: lan\n    listen: [127.0.0.1:1, '[::1]:1']\n"
	    "    socks_methods: pam.username\n"
	    "    sources:\n    - 10.0.0.0/8\n"
	    "  - {name: hosts, listen: 127.0.0.2:1, commands: connect,\n"
	    "     client_methods: [pam.address], socks_methods: none,\n"
	    "     carriers: [http, socks4], mask_bound_address: true,\n"
	    "     anonymous_user: y}\n" },
};

static void
test_spellings(void **state)
{
	struct settings *first =
	    load_text(spellings[0].path, spellings[0].text);
	const struct listener_config *lan = &first->listeners.v[0];
	const struct listener_config *hosts = &first->listeners.v[1];

	(void)state;
	assert_int_equal(first->listeners.n, 2);
	assert_string_equal(lan->name, "lan");
	assert_int_equal(lan->listen.n, 2);
	assert_int_equal(lan->sources.n, 1);
	assert_string_equal(lan->socks_methods.v[0], "pam.username");
	assert_string_equal(hosts->name, "hosts");
	assert_int_equal(hosts->listen.n, 1);
	assert_string_equal(hosts->client_methods.v[0], "pam.address");
	assert_string_equal(hosts->carriers.v[1], "socks4");
	assert_true(hosts->mask_bound_address);
	assert_string_equal(hosts->anonymous_user, "y");
	for (size_t i = 1; i < ARRAY_LEN(spellings); i++) {
		struct settings *s =
		    load_text(spellings[i].path, spellings[i].text);

		assert_same(first, s);
		config_free(&s);
	}
	config_free(&first);
}

/* What a listener does not say is what the proxy has, said or not. */
static void
test_shared(void **state)
{
	struct settings *s = load_text(spellings[0].path, spellings[0].text);
	const struct listener_config *lan = &s->listeners.v[0];
	const struct listener_config *hosts = &s->listeners.v[1];

	(void)state;
	assert_int_equal(lan->carriers.n, 1);
	assert_string_equal(lan->carriers.v[0], "socks5");
	assert_string_equal(lan->anonymous_user, "x");
	assert_string_equal(lan->client_methods.v[0], "none");
	assert_int_equal(lan->commands.n, 2);
	assert_false(lan->mask_bound_address);
	assert_int_equal(hosts->sources.n, 0);
	assert_string_equal(s->proxy.socks_methods.v[0], "userpass");
	config_free(&s);
}

/* ---- what is refused ---- */

#define HEAD "[[proxy.listeners]]\n"
#define LAN HEAD "name = 'lan'\nlisten = '127.0.0.1:1'\n"

static const struct {
	const char *text, *errors;
} broken[] = {
	{ "[proxy]\nlisteners = 5\n",
	    "a.toml:2:13: proxy.listeners: expected a list of tables, each "
	    "headed [[proxy.listeners]], not a number\n" },
	{ "[proxy.listeners]\nname = 'lan'\n",
	    "a.toml:1:1: proxy.listeners: expected a list of tables, each "
	    "headed [[proxy.listeners]], not a table\n" },
	{ "[proxy]\nlisteners = []\n",
	    "a.toml:2:13: proxy.listeners: is empty; leave it out to have "
	    "one listener for each of proxy.listen\n" },
	{ "[proxy]\nlisteners = ['127.0.0.1:1']\n",
	    "a.toml:2:14: proxy.listeners: expected a table, not a string\n" },
	{ HEAD,
	    "a.toml:1:1: proxy.listeners: a listener needs name, such as "
	    "name = \"lan\"\n"
	    "a.toml:1:1: proxy.listeners: a listener needs listen, such as "
	    "listen = [\"127.0.0.1:1080\"]\n" },
	{ LAN "sock_methods = 'none'\n",
	    "a.toml:4:1: proxy.listeners.sock_methods: unknown key; did you "
	    "mean proxy.listeners.socks_methods?\n" },
	{ LAN "zzzzzzzz = 1\n",
	    "a.toml:4:1: proxy.listeners.zzzzzzzz: unknown key\n" },
	{ LAN "workers = 2\n[proxy.listeners.timeouts]\nidle = '1s'\n",
	    "a.toml:4:1: proxy.listeners.workers: not for one listener; set "
	    "proxy.workers for all\n"
	    "a.toml:5:18: proxy.listeners.timeouts: not for one listener; "
	    "set proxy.timeouts for all\n" },
	{ LAN "'' = 1\n'socks\\n_methods' = 1\n",
	    "a.toml:4:1: proxy.listeners.: unknown key\n"
	    "a.toml:5:1: proxy.listeners.socks\\\\n_methods: unknown key; "
	    "did you mean proxy.listeners.socks_methods?\n" },
	{ "[[proxy.listener]]\nname = 'lan'\n",
	    "a.toml:1:9: proxy.listener: unknown key; did you mean "
	    "proxy.listeners?\n" },
	{ "[[listeners]]\nname = 'lan'\n",
	    "a.toml:1:3: listeners: unknown section; did you mean "
	    "proxy.listeners?\n" },
	{ HEAD "name = 5\nlisten = 'x'\nsocks_methods = ['gssapi', 'none']\n"
	    "sources = ['10.0.0.1/8', 1]\nallow_anonymous = 'yes'\n"
	    "carriers = []\nanonymous_user = ''\n",
	    "a.toml:2:8: proxy.listeners.name: expected a string, not a "
	    "number\n"
	    "a.toml:3:10: proxy.listeners.listen: \"x\" is not an address "
	    "with a port, such as \"127.0.0.1:1080\" or \"[::1]:1080\"\n"
	    "a.toml:4:18: proxy.listeners.socks_methods: \"gssapi\" is none "
	    "of none, userpass, pam.username\n"
	    "a.toml:5:12: proxy.listeners.sources: bits are set behind the "
	    "prefix: write 10.0.0.0/8 for the range or 10.0.0.1 for the one "
	    "address\n"
	    "a.toml:5:26: proxy.listeners.sources: expected a string, not a "
	    "number\n"
	    "a.toml:6:19: proxy.listeners.allow_anonymous: expected true or "
	    "false, not a string\n"
	    "a.toml:7:12: proxy.listeners.carriers: must not be empty\n"
	    "a.toml:8:18: proxy.listeners.anonymous_user: must not be "
	    "empty\n" },
	{ HEAD "name = ''\nlisten = []\n",
	    "a.toml:2:8: proxy.listeners.name: must not be empty\n"
	    "a.toml:3:10: proxy.listeners.listen: must not be empty\n" },
	{ HEAD "name = 'a b'\nlisten = '127.0.0.1:1'\n",
	    "a.toml:2:8: proxy.listeners.name: listener a b: expected a name "
	    "of letters, digits, . _ : and -\n" },
	{ HEAD "name = '12345678901234567890123456789012"
	    "123456789012345678901234567890123'\nlisten = '127.0.0.1:1'\n",
	    "a.toml:2:8: proxy.listeners.name: has more than 64 bytes\n" },
	{ LAN HEAD "name = 'lan'\nlisten = ['127.0.0.1:2', '127.0.0.1:1']\n",
	    "a.toml:5:8: proxy.listeners.name: listener lan: another "
	    "listener has this name\n"
	    "a.toml:6:10: proxy.listeners.listen: listener lan: 127.0.0.1:1 "
	    "is also an address of listener lan\n" },
	{ "[proxy]\nlisten = '127.0.0.1:9'\n" LAN,
	    "a.toml:2:10: proxy.listen: each of [[proxy.listeners]] has its "
	    "own; move these addresses there\n" },
	{ "proxy.listeners = [{ name = 'a', listen = '127.0.0.1:1' }]\n"
	    "[proxy.timeouts]\nidle = '1s'\nidel = 1\n",
	    "a.toml:4:1: proxy.timeouts.idel: unknown key; did you mean "
	    "proxy.timeouts.idle?\n" },
	/* Two names of the same thing. */
	{ "['proxy.listeners']\nx = 1\n",
	    "a.toml:1:1: proxy.listeners: expected a list of tables, each "
	    "headed [[proxy.listeners]], not a table\n" },
	{ "'proxy.listeners' = [{ name = 'a', listen = '127.0.0.1:1' }]\n"
	    "[[proxy.listeners]]\nname = 'b'\nlisten = '127.0.0.1:2'\n",
	    "a.toml:2:1: proxy.listeners: set twice\n" },
	/* The rules, and whose key and place they name. */
	{ LAN "socks_methods = ['none']\n",
	    "a.toml:4:17: proxy.listeners.socks_methods: listener lan: none "
	    "lets everybody in; set allow_anonymous = true if that is "
	    "meant\n" },
	{ "[proxy]\nsocks_methods = ['none']\n" LAN HEAD
	    "name = 'b'\nlisten = '127.0.0.1:2'\nallow_anonymous = true\n",
	    "a.toml:2:17: proxy.socks_methods: listener lan: none lets "
	    "everybody in; set allow_anonymous = true if that is meant\n" },
	{ LAN "socks_methods = ['userpass', 'pam.username']\n",
	    "a.toml:4:17: proxy.listeners.socks_methods: listener lan: "
	    "userpass and pam.username look the same to clients; list one of "
	    "them\n" },
	{ LAN "client_methods = ['pam.address', 'none']\n",
	    "a.toml:4:18: proxy.listeners.client_methods: listener lan: none "
	    "beside pam.address would let in whom PAM refuses; list one of "
	    "them\n" },
	{ LAN "carriers = 'socks4'\ncommands = 'connect'\n",
	    "a.toml:4:12: proxy.listeners.carriers: listener lan: socks4 has "
	    "no login and would refuse everybody; add another carrier, or "
	    "none to socks_methods\n" },
	{ LAN "carriers = 'http'\n",
	    "a.toml:4:12: proxy.commands: listener lan: udp needs socks5 "
	    "among carriers\n" },
	{ LAN "carriers = 'http'\ncommands = 'bind'\n",
	    "a.toml:5:12: proxy.listeners.commands: listener lan: bind needs "
	    "socks5 or socks4 among carriers\n" },
	{ LAN HEAD "name = 'wan'\nlisten = ['127.0.0.1:9', '10.0.0.1:9']\n",
	    "a.toml:6:10: proxy.listeners.listen: listener wan: 10.0.0.1:9 "
	    "is not loopback, and passwords would cross the network in "
	    "clear; listen on loopback, or set allow_cleartext_password = "
	    "true\n" },
	{ HEAD "name = 'wan'\nlisten = '0.0.0.0:9'\n"
	    "allow_cleartext_password = true\n",
	    "a.toml:3:10: proxy.listeners.listen: listener wan: 0.0.0.0:9 is "
	    "open to all networks, and passwords would cross them in clear; "
	    "listen on loopback, or set allow_cleartext_password = true and "
	    "sources to private networks only\n" },
	{ HEAD "name = 'wan'\nlisten = '203.0.113.7:9'\n"
	    "sources = '10.0.0.0/8'\nallow_cleartext_password = true\n",
	    "a.toml:3:10: proxy.listeners.listen: listener wan: "
	    "203.0.113.7:9 is a public address, and passwords would cross "
	    "the network in clear, which allow_cleartext_password cannot "
	    "allow there; listen on loopback or a private address\n" },
};

static void
test_broken(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct config_errors errors = { 0 };
		struct settings *s =
		    try_text("a.toml", broken[i].text, &errors);

		assert_null(s);
		if (strcmp(errors.text.ptr, broken[i].errors) != 0) {
			print_error("%s\nexpected %sgot      %s\n",
			    broken[i].text, broken[i].errors,
			    errors.text.ptr);
			wrong++;
		}
		config_errors_fini(&errors);
	}
	assert_int_equal(wrong, 0);
}

/* Sixteen listeners are read, and sixteen addresses of all together. */
static void
test_many(void **state)
{
	static const struct {
		unsigned listeners, addresses;
		const char *says;	/* NULL: good */
	} table[] = {
		{ 16, 1, NULL }, { 1, 16, NULL }, { 4, 4, NULL },
		{ 17, 1, "a.toml:1:1: proxy.listeners: has more than 16 "
			 "entries\n" },
		{ 6, 3, "a.toml:18:10: proxy.listeners.listen: listener l5: "
			"the listeners have more than 16 addresses "
			"together\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct config_errors errors = { 0 };
		struct bytes text = { 0 };
		struct settings *s;

		for (unsigned n = 0; n < table[i].listeners; n++) {
			bytes_fmt(&text, HEAD "name = 'l%u'\nlisten = [", n);
			for (unsigned a = 0; a < table[i].addresses; a++)
				bytes_fmt(&text, "'127.0.%u.%u:1',", n, a);
			bytes_fmt(&text, "]\n");
		}
		s = try_text("a.toml", text.ptr, &errors);
		assert_int_equal(s != NULL, table[i].says == NULL);
		if (s == NULL)
			assert_string_equal(errors.text.ptr, table[i].says);
		else
			assert_int_equal(s->listeners.n, table[i].listeners);
		config_free(&s);
		config_errors_fini(&errors);
		bytes_fini(&text);
	}
}

/* Tables are for the file: nothing else may seem to set one. */
static void
test_only_in_the_file(void **state)
{
	static const struct {
		const char *variable, *set, *errors;
	} table[] = {
		{ "SALLYPORT_PROXY__LISTENERS=x", NULL,
		    "SALLYPORT_PROXY__LISTENERS: proxy.listeners: listeners "
		    "of their own are for the file only\n" },
		{ "SALLYPORT_PROXY__LISTENERS__0__NAME=x", NULL,
		    "SALLYPORT_PROXY__LISTENERS__0__NAME: "
		    "proxy.listeners.0.name: listeners of their own are for "
		    "the file only\n" },
		{ NULL, "proxy.listeners=x",
		    "--set: proxy.listeners: listeners of their own are for "
		    "the file only\n" },
		{ NULL, "proxy.listeners.sources=10.0.0.0/8",
		    "--set: proxy.listeners.sources: listeners of their own "
		    "are for the file only\n" },
		{ "SALLYPORT_PROXY__LISTEN=127.0.0.1:2", NULL,
		    "SALLYPORT_PROXY__LISTEN: proxy.listen: each of "
		    "[[proxy.listeners]] has its own; move these addresses "
		    "there\n" },
	};

	(void)state;
	write_file("a.toml", LAN);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char *environ_of[] = { (char *)table[i].variable, NULL };
		struct config_sources from = { .path = "a.toml",
			.environ = environ_of, .set = &table[i].set,
			.n_set = table[i].set != NULL };
		struct config_errors errors = { 0 };
		struct settings *s = NULL;

		assert_int_equal(config_load(&s, &from, &errors, NULL), -1);
		assert_string_equal(errors.text.ptr, table[i].errors);
		config_errors_fini(&errors);
	}
	assert_int_equal(unlink("a.toml"), 0);
}

/* The others reach listeners that do not say otherwise. */
static void
test_variables_of_the_proxy(void **state)
{
	char *environ_of[] = { "SALLYPORT_PROXY__COMMANDS=connect",
		"SALLYPORT_PROXY__SOURCES=10.0.0.0/8", NULL };
	struct config_sources from = { .path = "a.toml",
		.environ = environ_of };
	struct config_errors errors = { 0 };
	struct settings *s = NULL;

	(void)state;
	write_file("a.toml", LAN "sources = ['::1']\n");
	assert_int_equal(config_load(&s, &from, &errors, NULL), 0);
	assert_int_equal(s->listeners.v[0].commands.n, 1);
	assert_int_equal(s->listeners.v[0].sources.n, 1);
	assert_false(s->listeners.v[0].sources.v[0].v4);
	config_free(&s);
	assert_int_equal(unlink("a.toml"), 0);
}

/* ---- passwords in clear: threats.md, P-7 ---- */

enum { NEVER, ALLOWED, ALWAYS };	/* good, or only if it is allowed */

static const struct {
	const char *listen;
	const char *sources;	/* of [[proxy.listeners]] */
	int good;
} reaches[] = {
	{ "'127.0.0.1:1'", "[]", ALWAYS },
	{ "'127.255.0.1:1'", "['0.0.0.0/0']", ALWAYS },
	{ "'[::1]:1'", "[]", ALWAYS },
	{ "['127.0.0.1:1', '[::1]:1']", "[]", ALWAYS },
	{ "'10.1.2.3:1'", "[]", ALLOWED },
	{ "'10.1.2.3:1'", "['0.0.0.0/0']", ALLOWED },
	{ "'172.16.0.1:1'", "[]", ALLOWED },
	{ "'172.31.255.255:1'", "[]", ALLOWED },
	{ "'192.168.1.1:1'", "[]", ALLOWED },
	{ "'100.64.0.1:1'", "[]", ALLOWED },
	{ "'169.254.1.1:1'", "[]", ALLOWED },
	{ "'[fd00::1]:1'", "[]", ALLOWED },
	{ "'[fe80::1]:1'", "[]", ALLOWED },
	{ "['127.0.0.1:1', '10.1.2.3:1']", "[]", ALLOWED },
	{ "'172.15.255.255:1'", "[]", NEVER },
	{ "'172.32.0.1:1'", "[]", NEVER },
	{ "'100.128.0.1:1'", "[]", NEVER },
	{ "'203.0.113.7:1'", "[]", NEVER },
	{ "'203.0.113.7:1'", "['10.0.0.0/8']", NEVER },
	{ "'203.0.113.7:1'", "['127.0.0.1']", NEVER },
	{ "'[2001:db8::1]:1'", "['fd00::/8']", NEVER },
	{ "['10.1.2.3:1', '203.0.113.7:1']", "[]", NEVER },
	{ "'0.0.0.0:1'", "[]", NEVER },
	{ "'0.0.0.0:1'", "['0.0.0.0/0']", NEVER },
	{ "'0.0.0.0:1'", "['203.0.113.0/24']", NEVER },
	{ "'0.0.0.0:1'", "['10.0.0.0/8', '203.0.113.7']", NEVER },
	{ "'0.0.0.0:1'", "['10.0.0.0/7']", NEVER },
	{ "'0.0.0.0:1'", "['10.0.0.0/8']", ALLOWED },
	{ "'0.0.0.0:1'", "['127.0.0.0/8']", ALLOWED },
	{ "'0.0.0.0:1'", "['10.0.0.0/8', '127.0.0.1']", ALLOWED },
	{ "'[::ffff:0.0.0.0]:1'", "[]", NEVER },
	{ "'[::]:1'", "[]", NEVER },
	{ "'[::]:1'", "['::/0']", NEVER },
	{ "'[::]:1'", "['fc00::/7', 'fe80::/10', '::1']", ALLOWED },
	{ "['0.0.0.0:1', '[::]:1']", "['10.0.0.0/8', 'fd00::/8']", ALLOWED },
	{ "['127.0.0.1:1', '0.0.0.0:2']", "[]", NEVER },
};

static const struct {
	const char *methods;
	bool password;
} method_sets[] = {
	{ "['userpass']", true }, { "['pam.username']", true },
	{ "['none', 'userpass']", true }, { "['pam.username', 'none']", true },
	{ "['none']", false },
};

/* The same in the words of the proxy and in those of a listener. */
static bool
is_good(const char *head, const char *settings)
{
	struct config_errors errors = { 0 };
	struct bytes text = { 0 };
	struct settings *s;
	bool good;

	bytes_fmt(&text, "%s%s", head, settings);
	s = try_text("a.toml", text.ptr, &errors);
	good = s != NULL;
	if (!good) {
		assert_int_equal(errors.n, 1);
		assert_non_null(strstr(errors.text.ptr, " in clear"));
	}
	config_free(&s);
	config_errors_fini(&errors);
	bytes_fini(&text);
	return good;
}

static void
test_cleartext(void **state)
{
	size_t n = ARRAY_LEN(reaches) * ARRAY_LEN(method_sets) * 2;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		size_t r = i / 2 / ARRAY_LEN(method_sets);
		size_t m = i / 2 % ARRAY_LEN(method_sets);
		bool allow = i % 2 != 0;
		bool good = !method_sets[m].password ||
		    reaches[r].good == ALWAYS ||
		    (reaches[r].good == ALLOWED && allow);
		struct bytes text = { 0 };

		bytes_fmt(&text, "listen = %s\nsources = %s\n"
		    "socks_methods = %s\nallow_anonymous = true\n"
		    "allow_cleartext_password = %s\n", reaches[r].listen,
		    reaches[r].sources, method_sets[m].methods,
		    allow ? "true" : "false");
		if (is_good("[proxy]\n", text.ptr) != good ||
		    is_good(HEAD "name = 'x'\n", text.ptr) != good)
			fail_msg("expected %s:\n%s", good ? "good" : "refused",
			    text.ptr);
		bytes_fini(&text);
	}
}

/* One listener's rule is nothing to another. */
static void
test_rules_are_per_listener(void **state)
{
	static const char *const table[] = {
		LAN HEAD "name = 'open'\nlisten = '0.0.0.0:2'\n"
			 "socks_methods = 'none'\nallow_anonymous = true\n",
		LAN "carriers = 'http'\ncommands = 'connect'\n",
		"[proxy]\ncommands = ['connect', 'bind', 'udp']\n" LAN HEAD
		    "name = 's4'\nlisten = '127.0.0.1:2'\n"
		    "carriers = 'socks4'\ncommands = 'connect, bind'\n"
		    "socks_methods = 'none'\nallow_anonymous = true\n",
		/* Whose address is asked for is not anonymous. */
		LAN "client_methods = 'pam.address'\n"
		    "socks_methods = 'none'\n",
		LAN "client_methods = 'pam.address'\n"
		    "carriers = ['socks5', 'socks4', 'http']\n"
		    "socks_methods = ['none', 'pam.username']\n",
		HEAD "name = 'a'\nlisten = '0.0.0.0:2'\n"
		     "client_methods = 'pam.address'\n"
		     "socks_methods = 'none'\n",
		/* No listener has what is wrong with the proxy's values. */
		"[proxy]\nsocks_methods = 'none'\n" LAN
		    "socks_methods = 'userpass'\n",
		/* The kernel chooses two ports. */
		HEAD "name = 'a'\nlisten = '127.0.0.1:0'\n" HEAD
		     "name = 'b'\nlisten = '127.0.0.1:0'\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct settings *s = load_text("a.toml", table[i]);

		config_free(&s);
	}
}

/* ---- what is printed ---- */

static char *
printed(const struct settings *s, const char *section)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	config_print(s, section, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
test_print_reads_back(void **state)
{
	struct settings *s = load_text(spellings[0].path, spellings[0].text);
	char *text = printed(s, NULL);
	struct settings *again = load_text("b.toml", text);

	(void)state;
	assert_same(s, again);
	config_free(&again);
	free(text);
	config_free(&s);
}

static void
test_print_says_from_where(void **state)
{
	struct settings *s = load_text("a.toml", "[proxy]\nworkers = 1\n" LAN
	    "carriers = 'http'\ncommands = 'connect'\n");
	struct settings *plain = load_text("a.toml", "proxy.workers = 1\n");
	char *text = printed(s, "proxy"), *other = printed(s, "authd");
	char *none = printed(plain, NULL);

	(void)state;
	assert_non_null(strstr(text, "\n[[proxy.listeners]]\n"
	    "name = \"lan\"\t# a.toml:4:8\n"
	    "listen = [\"127.0.0.1:1\"]\t# a.toml:5:10\n"
	    "sources = []\t# as above\n"));
	assert_non_null(strstr(text, "\ncarriers = [\"http\"]\t# a.toml:6:12"
	    "\n"));
	assert_null(strstr(text, "listen = [\"127.0.0.1:1080\"]"));
	assert_null(strstr(other, "listeners"));
	assert_null(strstr(none, "listeners"));
	assert_non_null(strstr(none, "listen = [\"127.0.0.1:1080\"]\t# "
	    "default\n"));
	free(text);
	free(other);
	free(none);
	config_free(&plain);
	config_free(&s);
}

/* Every key of a listener is in the samples, which have none in force, and
 * in the reference. */
static void
test_explained(void **state)
{
	static void (*const prints[])(FILE *out) = {
		config_print_sample, config_print_sample_yaml,
		config_print_reference,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prints); i++) {
		char *text = NULL;
		const char *place;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		assert_non_null(out);
		prints[i](out);
		assert_int_equal(fclose(out), 0);
		place = strstr(text, "[[proxy.listeners]]");
		assert_non_null(place);
		for (size_t n = 0; n < config_listener.n; n++)
			assert_non_null(
			    strstr(place, config_listener.keys[n].name));
		assert_non_null(strstr(place, config_listener.keys[0].help));
		free(text);
	}
}

/* What the sample has behind its signs is a listener that can be had. */
static void
test_sample_is_good(void **state)
{
	char *text = NULL, *from, *to;
	struct settings *s;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	config_print_sample(out);
	assert_int_equal(fclose(out), 0);
	from = strstr(text, "# [[proxy.listeners]]\n");
	assert_non_null(from);
	for (to = text; strncmp(from, "# ", 2) == 0;) {
		size_t n = strcspn(from, "\n") + 1;

		memmove(to, from + 2, n - 2);
		to += n - 2;
		from += n;
	}
	*to = '\0';
	s = load_text("a.toml", text);
	assert_string_equal(s->listeners.v[0].name, "main");
	assert_true(endpoint_eq(&s->listeners.v[0].listen.v[0],
	    &s->proxy.listen.v[0]));
	config_free(&s);
	free(text);
}

/* ---- reload ---- */

static void
test_restart_needed(void **state)
{
	static const struct {
		const char *old, *new;
		const char *names;	/* "": a reload is enough */
	} table[] = {
		{ LAN, LAN, "" },
		{ LAN, LAN "sources = ['::1']\nanonymous_user = 'z'\n"
			   "mask_bound_address = true\n", "" },
		{ "[proxy]\nsources = '10.0.0.0/8'\n" LAN, LAN, "" },
		{ LAN, LAN "socks_methods = ['userpass']\n", "" },
		{ LAN, LAN "socks_methods = 'pam.username'\n"
			   "commands = 'connect'\n",
		    "proxy.listeners.socks_methods of lan, "
		    "proxy.listeners.commands of lan" },
		{ LAN, "[proxy]\ncommands = 'connect'\n" LAN,
		    "proxy.commands" },
		{ LAN "commands = 'connect'\n",
		    "[proxy]\ncommands = 'connect'\n" LAN, "proxy.commands" },
		{ LAN, HEAD "name = 'lan'\nlisten = '127.0.0.1:2'\n",
		    "proxy.listeners.listen of lan" },
		{ LAN, HEAD "name = 'wan'\nlisten = '127.0.0.1:1'\n",
		    "proxy.listeners" },
		{ LAN, LAN HEAD "name = 'b'\nlisten = '127.0.0.1:2'\n",
		    "proxy.listeners" },
		{ LAN, "", "proxy.listeners" },
		{ "", LAN, "proxy.listeners" },
		{ "proxy.listen = '127.0.0.1:1'", "proxy.listen = '[::1]:1'",
		    "proxy.listen" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct settings *old = load_text("a.toml", table[i].old);
		struct settings *new = load_text("a.toml", table[i].new);
		char names[256];
		struct text t = text_on(names, sizeof(names));

		assert_int_equal(
		    config_restart_needed(old, new, "proxy", &t),
		    *table[i].names != '\0');
		assert_string_equal(names, table[i].names);
		assert_false(config_restart_needed(old, new, "authd", &t));
		config_free(&old);
		config_free(&new);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_only_in_the_file),
		cmocka_unit_test(test_variables_of_the_proxy),
		cmocka_unit_test(test_cleartext),
		cmocka_unit_test(test_rules_are_per_listener),
		cmocka_unit_test(test_print_reads_back),
		cmocka_unit_test(test_print_says_from_where),
		cmocka_unit_test(test_explained),
		cmocka_unit_test(test_sample_is_good),
		cmocka_unit_test(test_restart_needed),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
