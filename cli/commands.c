/* SPDX-License-Identifier: MIT */
/* The commands of sallyctl and their options. */
#include "cli.h"

const struct cli_option cli_globals[] = {
	{ "config", "FILE", "sallyport.toml (default " CLI_DEFAULT_CONFIG ")" },
	{ "output", "table|json", "form of the answer, also -o" },
	{ "json", NULL, "the same as --output json" },
	{ "help", NULL, "this text" },
	{ NULL, NULL, NULL },
};

static const struct cli_option no_options[] = { { NULL, NULL, NULL } };

static const struct cli_option acl_test_options[] = {
	{ "user", "USER", "who asks" },
	{ "dest", "HOST", "name or address" },
	{ "port", "PORT", "1 to 65535" },
	{ "protocol", "tcp|udp", "default tcp" },
	{ "source", "ADDRESS", "where the client is (default 127.0.0.1)" },
	{ "group", "GROUP", "a group authd would report; repeatable" },
	{ "resolved", "ADDRESS", "what the name resolves to; repeatable" },
	{ "expect", "allow|block|redirect",
	    "exit 7 when the decision is another" },
	{ NULL, NULL, NULL },
};

static const struct cli_option config_validate_options[] = {
	{ "file", "FILE", "the file to check (default: --config)" },
	{ NULL, NULL, NULL },
};

#define REST_OPTIONS                                                     \
	{ "server", "URL", "http://HOST:PORT of apid, or SALLYPORT_SERVER" }, \
	{ "token-file", "FILE",                                           \
	    "API token (default: SALLYPORT_TOKEN, SALLYPORT_TOKEN_FILE)" },\
	{ NULL, NULL, NULL }

static const struct cli_option sessions_list_options[] = {
	{ "active", NULL, "running ones instead of ended ones" },
	{ "user", "USER", "only this user's" },
	{ "last", "TIME", "only since then, like 24h" },
	{ "status", "STATUS", "closed, failed or rejected" },
	{ "dest-ip", "ADDRESS", "only to this address or range" },
	{ "dest-host", "NAME", "only to this name" },
	{ "source-ip", "ADDRESS", "only from this client" },
	{ "limit", "N", "at most so many (1 to 1000, default 100)" },
	{ "cursor", "CURSOR", "go on where a list ended" },
	REST_OPTIONS,
};

static const struct cli_option rest_options[] = { REST_OPTIONS };

static const struct cli_option sessions_stats_options[] = {
	{ "window", "TIME", "how far back, like 24h (default: apid's)" },
	REST_OPTIONS,
};

static const struct cli_option setup_options[] = {
	{ "dir", "DIR", "where the secrets are (default /secrets)" },
	{ NULL, NULL, NULL },
};

static const struct cli_option setup_hello_options[] = {
	{ "socks", "HOST:PORT", "of the proxy (default 127.0.0.1:1080)" },
	{ "api", "HOST:PORT", "of the API (default 127.0.0.1:8080)" },
	{ NULL, NULL, NULL },
};

static const struct cli_option telemetry_list_options[] = {
	{ "minutes", "N", "only of the last N minutes (default 1440)" },
	{ "since", "TIME", "only from then on: RFC 3339, or like -24h" },
	{ "until", "TIME", "only before then" },
	{ "severity", "SEVERITY",
	    "info, warning or error, or several with commas" },
	{ "category", "CATEGORY", "like auth,security" },
	{ "limit", "N", "at most so many (1 to 500, default 100)" },
	{ "cursor", "CURSOR", "go on where a list ended" },
	REST_OPTIONS,
};

#define USERS_FILE \
	{ "file", "FILE", "the users file (default: authd.users_file)" }

static const struct cli_option users_add_options[] = {
	{ "group", "GROUP", "a group of the user; repeatable" },
	{ "source", "SOURCE", "an address or range that the user may come from "
	    "(default: anywhere); repeatable" },
	{ "network", "NETWORK", "an address or range whose clients are the "
	    "user (pam.address); repeatable" },
	{ "limits", "CLASS", "a class of limits" },
	{ "expires", "TIME|never",
	    "when the user's logins end (default never)" },
	{ "password-stdin", NULL, "read the password from standard input" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_passwd_options[] = {
	{ "password-stdin", NULL, "read the password from standard input" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_delete_options[] = {
	{ "yes", NULL, "do not ask" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_edit_options[] = {
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_groups_options[] = {
	{ "none", NULL, "take all groups away" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_sources_options[] = {
	{ "any", NULL, "let the user come from anywhere" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_networks_options[] = {
	{ "none", NULL, "take all networks away" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_limits_options[] = {
	{ "none", NULL, "take the class away" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_list_options[] = {
	{ "live", NULL, "what authd has in force instead of the file" },
	USERS_FILE,
	{ NULL, NULL, NULL },
};

static const struct cli_option users_test_options[] = {
	{ "method", "METHOD",
	    "userpass (default), pam.username or pam.address" },
	{ "source", "ADDRESS", "where the client is (default 127.0.0.1; "
	    "pam.address: must be given)" },
	{ "password-stdin", NULL, "read the password from standard input" },
	{ NULL, NULL, NULL },
};

static const struct cli_option users_unlock_options[] = {
	{ "all", NULL, "everybody" },
	{ "source", "ADDRESS", "only failures from there (IPv6: from its /64)" },
	{ NULL, NULL, NULL },
};

const struct cli_command cli_commands[] = {
	{ "acl", "test", "", 0, 0, "Ask acld what it would decide, and why",
	    acl_test_options, cmd_acl_test },
	{ "config", "validate", "", 0, 0, "Check a configuration file",
	    config_validate_options, cmd_config_validate },
	{ "config", "show", "", 0, 0, "Print every value and where it is from",
	    no_options, cmd_config_show },
	{ "config", "sample", "", 0, 0, "Print a file with all keys, explained",
	    no_options, cmd_config_sample },
	{ "sessions", "list", "", 0, 0, "Ended sessions, newest first",
	    sessions_list_options, cmd_sessions_list },
	{ "sessions", "show", "ID", 1, 1, "All that is known of a session",
	    rest_options, cmd_sessions_show },
	{ "sessions", "stats", "", 0, 0, "Totals, top users and destinations",
	    sessions_stats_options, cmd_sessions_stats },
	{ "setup", "init", "", 0, 0, "Make the secrets that are missing",
	    setup_options, cmd_setup_init },
	{ "setup", "show", "", 0, 0, "Print the demo user's login and API token",
	    setup_options, cmd_setup_show },
	{ "setup", "hello", "", 0, 0, "Tell how to try what docker compose runs",
	    setup_hello_options, cmd_setup_hello },
	{ "telemetry", "list", "", 0, 0, "What daemons noticed, newest first",
	    telemetry_list_options, cmd_telemetry_list },
	{ "users", "add", "USER", 1, 1, "Add a user to the users file",
	    users_add_options, cmd_users_add },
	{ "users", "passwd", "USER", 1, 1, "Change a user's password",
	    users_passwd_options, cmd_users_passwd },
	{ "users", "enable", "USER", 1, 1, "Let a user log in again",
	    users_edit_options, cmd_users_enable },
	{ "users", "disable", "USER", 1, 1, "Refuse a user's logins",
	    users_edit_options, cmd_users_disable },
	{ "users", "expires", "USER TIME|never", 2, 2,
	    "Set when a user's logins end",
	    users_edit_options, cmd_users_expires },
	{ "users", "groups", "USER [GROUP]...", 1, CLI_WORDS_MAX,
	    "Set all groups of a user",
	    users_groups_options, cmd_users_groups },
	{ "users", "sources", "USER [SOURCE]...", 1, CLI_WORDS_MAX,
	    "Set all addresses and ranges that a user may come from",
	    users_sources_options, cmd_users_sources },
	{ "users", "networks", "USER [NETWORK]...", 1, CLI_WORDS_MAX,
	    "Set all addresses and ranges whose clients are a user",
	    users_networks_options, cmd_users_networks },
	{ "users", "limits", "USER [CLASS]", 1, 2,
	    "Set the class of limits of a user",
	    users_limits_options, cmd_users_limits },
	{ "users", "delete", "USER", 1, 1, "Delete a user",
	    users_delete_options, cmd_users_delete },
	{ "users", "list", "", 0, 0, "Users of the users file, without hashes",
	    users_list_options, cmd_users_list },
	{ "users", "reload", "", 0, 0, "Have authd read the users file now",
	    no_options, cmd_users_reload },
	{ "users", "test", "[USER]", 0, 1,
	    "Ask authd whether a login would be accepted, and why not",
	    users_test_options, cmd_users_test },
	{ "users", "failures", "[USER]", 0, 1, "Who failed to log in of late",
	    no_options, cmd_users_failures },
	{ "users", "unlock", "[USER]", 0, 1, "Forget failed logins",
	    users_unlock_options, cmd_users_unlock },
	{ "completion", "bash", "", 0, 0, "Print completion for bash",
	    no_options, cmd_completion_bash },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};
