/* SPDX-License-Identifier: MIT */
#include "proxy/terms.h"

#include "config/config.h"
#include "proxy/socks5.h"

static bool
lists(const struct string_list *list, const char *const *words, unsigned word)
{
	return config_has_word(list, words[word]);
}

static enum record_auth
read_login(const struct listener_config *cfg)
{
	const struct string_list *methods = &cfg->socks_methods;

	if (lists(methods, config_socks_methods, CONFIG_SOCKS_PAM_USERNAME))
		return AUTH_PAM_USERNAME;
	if (lists(methods, config_socks_methods, CONFIG_SOCKS_USERPASS))
		return AUTH_USERPASS;
	return AUTH_NONE;
}

/* None, by itself, opens nothing: somebody said so twice, or the client's
 * address was asked about. */
static bool
read_optional(const struct terms *t, const struct listener_config *cfg)
{
	return lists(&cfg->socks_methods, config_socks_methods,
	    CONFIG_SOCKS_NONE) &&
	    (cfg->allow_anonymous || t->client != AUTH_NONE);
}

static void
add_method(struct terms *t, enum socks5_method method)
{
	for (unsigned i = 0; i < t->n_methods; i++)
		if (t->methods[i] == method)
			return;
	t->methods[t->n_methods++] = (uint8_t)method;
}

/* In the order of the list; on the wire both logins are one method. */
static void
read_methods(struct terms *t, const struct string_list *names)
{
	const char *none = config_socks_methods[CONFIG_SOCKS_NONE];

	t->n_methods = 0;
	for (size_t i = 0; i < names->n; i++)
		if (!str_eq(str_from(names->v[i]), str_from(none)))
			add_method(t, SOCKS5_METHOD_USERPASS);
		else if (t->login_optional)
			add_method(t, SOCKS5_METHOD_NONE);
}

static unsigned
read_carriers(const struct string_list *names)
{
	static const unsigned bits[] = {
		[CONFIG_CARRIER_SOCKS5] = 1u << CARRIER_SOCKS5,
		[CONFIG_CARRIER_SOCKS4] =
		    1u << CARRIER_SOCKS4 | 1u << CARRIER_SOCKS4A,
		[CONFIG_CARRIER_HTTP] = 1u << CARRIER_HTTP,
	};
	unsigned all = 0;

	for (unsigned i = 0; i < ARRAY_LEN(bits); i++)
		if (lists(names, config_carriers, i))
			all |= bits[i];
	return all;
}

static unsigned
read_commands(const struct string_list *names)
{
	static const enum record_command commands[] = {
		[CONFIG_COMMAND_CONNECT] = COMMAND_CONNECT,
		[CONFIG_COMMAND_BIND] = COMMAND_BIND,
		[CONFIG_COMMAND_UDP] = COMMAND_UDP,
	};
	unsigned all = 0;

	for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
		if (lists(names, config_commands, i))
			all |= 1u << commands[i];
	return all;
}

void
terms_read(struct terms *t, const struct listener_config *cfg)
{
	t->client = lists(&cfg->client_methods, config_client_methods,
	    CONFIG_CLIENT_PAM_ADDRESS) ? AUTH_PAM_ADDRESS : AUTH_NONE;
	t->login = read_login(cfg);
	t->login_optional = read_optional(t, cfg);
	read_methods(t, &cfg->socks_methods);
	t->carriers = read_carriers(&cfg->carriers);
	t->commands = read_commands(&cfg->commands);
}

bool
terms_admit(const struct cidr_list *sources, const struct addr *from)
{
	for (size_t i = 0; i < sources->n; i++)
		if (cidr_has(&sources->v[i], from))
			return true;
	return sources->n == 0;
}
