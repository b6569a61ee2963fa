/* SPDX-License-Identifier: MIT */
/*
 * settings: the values of sallyport.toml in C, one struct a section, generated
 * from keys/<section>.def. Read-only after config_load.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "config/value.h"

/* Indices of config_socks_methods; proxy.socks_methods holds the words. The
 * fields log.level and log.format are enum log_level, enum log_format. */
enum config_socks_method {
	CONFIG_SOCKS_NONE, CONFIG_SOCKS_USERPASS, CONFIG_SOCKS_PAM_USERNAME,
};
/* Indices of config_client_methods, config_group_sources, config_carriers and
 * config_commands in the same way; the numbers of commands are those of RFC
 * 1928, section 4, less one. */
enum config_client_method { CONFIG_CLIENT_NONE, CONFIG_CLIENT_PAM_ADDRESS };
enum config_group_source { CONFIG_GROUPS_FILE, CONFIG_GROUPS_NSS };
enum config_carrier {
	CONFIG_CARRIER_SOCKS5, CONFIG_CARRIER_SOCKS4, CONFIG_CARRIER_HTTP,
};
enum config_command {
	CONFIG_COMMAND_CONNECT, CONFIG_COMMAND_BIND, CONFIG_COMMAND_UDP,
};
/* metrics.user_series */
enum config_user_series {
	CONFIG_USER_SERIES_OFF, CONFIG_USER_SERIES_LIST,
	CONFIG_USER_SERIES_TOP,
};

#define CONFIG_C_BOOL		bool
#define CONFIG_C_U32		uint32_t
#define CONFIG_C_DURATION	uint64_t
#define CONFIG_C_BYTES		uint64_t
#define CONFIG_C_STRING		char *
#define CONFIG_C_PATH		char *
#define CONFIG_C_SECRET		char *
#define CONFIG_C_CHOICE		uint32_t
#define CONFIG_C_STRINGS	struct string_list
#define CONFIG_C_ENDPOINT	struct endpoint
#define CONFIG_C_ENDPOINTS	struct endpoint_list
#define CONFIG_C_CIDRS		struct cidr_list
#define CONFIG_C_PORTS		struct port_range
#define CONFIG_C_ADVERTISED	struct advertised_list

#define KEY(name, field, type, initial, min, max, reload, help) \
	CONFIG_C_##type field;
#define KEY0 KEY
#define CHOICE(name, field, initial, choices, reload, help) uint32_t field;
#define CHOICES(name, field, initial, choices, reload, help) \
	struct string_list field;
#define SECTION(name, help) struct name##_config {
#define SECTION_END() };

#include "config/keys/all.def"

#undef KEY
#undef KEY0
#undef CHOICE
#undef CHOICES
#undef SECTION
#undef SECTION_END

/*
 * Addresses, and what holds for the clients that come in there in place of
 * the keys of the same names in proxy_config, whose values it may share.
 */
#define LISTENER_KEY(name, field, type, initial, min, max, reload, help) \
	CONFIG_C_##type field;
#define LISTENER_CHOICES(name, field, initial, choices, reload, help) \
	struct string_list field;

struct listener_config {
#include "config/keys/listener.def"
};

#undef LISTENER_KEY
#undef LISTENER_CHOICES

#define CONFIG_LISTEN_MAX 16	/* listeners, and addresses of all together */

/* At least one: of [[proxy.listeners]], or else one for each address of
 * proxy.listen with that for a name. Names are unique, but for two addresses
 * with the same port 0. */
struct listener_list {
	struct listener_config *v;
	size_t n;
};

/* What every daemon's section starts with; borrowed from the settings. */
struct daemon_config {
	struct endpoint admin_listen;
	char *user, *group;
	char *run_dir, *state_dir;
	char *admin_group;	/* of all daemons: bus.admin_group */
};

struct settings {
	struct bus_config bus;
	struct log_config log;
	struct metrics_config metrics;
	struct proxy_config proxy;
	struct authd_config authd;
	struct acld_config acld;
	struct sessiond_config sessiond;
	struct apid_config apid;
	struct listener_list listeners;
	void *origins;		/* config.c's: where each value came from */
};

#endif
