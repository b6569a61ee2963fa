/* SPDX-License-Identifier: MIT */
/*
 * terms: what is made of a listener's words.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proxy/socks5.h"
#include "proxy/terms.h"

#define WORDS_MAX 4

/* A list that ends with NULL. */
static struct string_list
list_of(const char *const *words)
{
	struct string_list l = { .v = (char **)words };

	while (l.n < WORDS_MAX && words[l.n] != NULL)
		l.n++;
	return l;
}

#define NONE SOCKS5_METHOD_NONE
#define PASS SOCKS5_METHOD_USERPASS

static void
test_methods(void **state)
{
	static const struct {
		const char *client[WORDS_MAX], *socks[WORDS_MAX];
		bool allow;		/* anonymous */
		struct terms want;
	} cases[] = {
		{ { "none" }, { "userpass" }, false,
		    { AUTH_NONE, AUTH_USERPASS, false, { PASS }, 1 } },
		{ { "none" }, { "pam.username" }, false,
		    { AUTH_NONE, AUTH_PAM_USERNAME, false, { PASS }, 1 } },
		{ { "none" }, { "none" }, true,
		    { AUTH_NONE, AUTH_NONE, true, { NONE }, 1 } },
		{ { "none" }, { "userpass", "none" }, true,
		    { AUTH_NONE, AUTH_USERPASS, true, { PASS, NONE }, 2 } },
		{ { "none" }, { "none", "pam.username" }, true,
		    { AUTH_NONE, AUTH_PAM_USERNAME, true, { NONE, PASS }, 2 } },
		{ { "pam.address" }, { "none" }, false,
		    { AUTH_PAM_ADDRESS, AUTH_NONE, true, { NONE }, 1 } },
		{ { "pam.address" }, { "userpass" }, true,
		    { AUTH_PAM_ADDRESS, AUTH_USERPASS, false, { PASS }, 1 } },
		/* asked beside none, it is asked: never a weaker one */
		{ { "none", "pam.address" }, { "none" }, false,
		    { AUTH_PAM_ADDRESS, AUTH_NONE, true, { NONE }, 1 } },
		/* nobody said twice that nobody need log in */
		{ { "none" }, { "none" }, false,
		    { AUTH_NONE, AUTH_NONE, false, { 0 }, 0 } },
		{ { "none" }, { "none", "userpass" }, false,
		    { AUTH_NONE, AUTH_USERPASS, false, { PASS }, 1 } },
		/* one method on the wire */
		{ { "none" }, { "userpass", "pam.username" }, false,
		    { AUTH_NONE, AUTH_PAM_USERNAME, false, { PASS }, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct terms *want = &cases[i].want;
		struct listener_config cfg = {
			.client_methods = list_of(cases[i].client),
			.socks_methods = list_of(cases[i].socks),
			.allow_anonymous = cases[i].allow,
		};
		struct terms t;

		terms_read(&t, &cfg);
		assert_int_equal(t.client, want->client);
		assert_int_equal(t.login, want->login);
		assert_int_equal(t.login_optional, want->login_optional);
		assert_int_equal(t.n_methods, want->n_methods);
		assert_memory_equal(t.methods, want->methods, t.n_methods);
	}
}

static void
test_carriers_and_commands(void **state)
{
	static const char *const carriers[] = { "socks4", "http", NULL };
	static const char *const commands[] = { "udp", "bind", NULL };
	static const char *const none[] = { NULL };
	struct listener_config cfg = { .carriers = list_of(carriers),
		.commands = list_of(commands) };
	struct terms t;

	(void)state;
	terms_read(&t, &cfg);
	assert_int_equal(t.carriers, 1u << CARRIER_SOCKS4 |
	    1u << CARRIER_SOCKS4A | 1u << CARRIER_HTTP);
	assert_int_equal(t.commands, 1u << COMMAND_UDP | 1u << COMMAND_BIND);
	cfg.carriers = cfg.commands = list_of(none);
	terms_read(&t, &cfg);
	assert_int_equal(t.carriers, 0);
	assert_int_equal(t.commands, 0);
}

static void
test_sources(void **state)
{
	static const struct {
		const char *from;
		bool admitted;
	} cases[] = {
		{ "10.1.2.3", true }, { "10.2.0.0", false },
		{ "2001:db8::1", true }, { "2001:db9::1", false },
		{ "::ffff:10.1.0.1", true }, { "127.0.0.1", false },
	};
	struct cidr nets[2];
	struct cidr_list anywhere = { NULL, 0 }, some = { nets, 2 };
	struct err err;

	(void)state;
	assert_int_equal(cidr_parse(&nets[0], STR("10.1.0.0/16"), &err), 0);
	assert_int_equal(cidr_parse(&nets[1], STR("2001:db8::/32"), &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a;

		assert_true(addr_parse(&a, str_from(cases[i].from)));
		assert_int_equal(terms_admit(&some, &a), cases[i].admitted);
		assert_true(terms_admit(&anywhere, &a));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_carriers_and_commands),
		cmocka_unit_test(test_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
