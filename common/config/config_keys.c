/* SPDX-License-Identifier: MIT */
/* The tables of keys, and finding a key by name or by likeness. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config_impl.h"

const char *const config_log_levels[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info",
	[LOG_DEBUG] = "debug", [LOG_TRACE] = "trace", NULL,
};

const char *const config_log_formats[] = {
	[LOG_FORMAT_AUTO] = "auto", [LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_LOGFMT] = "logfmt", [LOG_FORMAT_JSON] = "json", NULL,
};

const char *const config_socks_methods[] = {
	[CONFIG_SOCKS_NONE] = "none", [CONFIG_SOCKS_USERPASS] = "userpass",
	[CONFIG_SOCKS_PAM_USERNAME] = "pam.username", NULL,
};

const char *const config_client_methods[] = {
	[CONFIG_CLIENT_NONE] = "none",
	[CONFIG_CLIENT_PAM_ADDRESS] = "pam.address", NULL,
};

const char *const config_group_sources[] = {
	[CONFIG_GROUPS_FILE] = "file", [CONFIG_GROUPS_NSS] = "nss", NULL,
};

const char *const config_carriers[] = {
	[CONFIG_CARRIER_SOCKS5] = "socks5", [CONFIG_CARRIER_SOCKS4] = "socks4",
	[CONFIG_CARRIER_HTTP] = "http", NULL,
};

const char *const config_commands[] = {
	[CONFIG_COMMAND_CONNECT] = "connect", [CONFIG_COMMAND_BIND] = "bind",
	[CONFIG_COMMAND_UDP] = "udp", NULL,
};

const char *const config_user_series[] = {
	[CONFIG_USER_SERIES_OFF] = "off", [CONFIG_USER_SERIES_LIST] = "list",
	[CONFIG_USER_SERIES_TOP] = "top", NULL,
};

/* Expansion one: an array of keys for each section. */
#define FULL_NAME_(section, name) #section "." name
#define FULL_NAME(section, name) FULL_NAME_(section, name)
#define ROW(key, whole, at, value, text, lo, hi, nil, words, when, about) \
	{ .name = key, .full = whole, .type = VALUE_##value,              \
	    .offset = at, .initial = text, .min = lo, .max = hi,          \
	    .zero = nil, .choices = words, .reload = CONFIG_##when,       \
	    .help = about },
#define KEY_ROW(key, field, value, text, lo, hi, nil, words, when, about) \
	ROW(key, FULL_NAME(CONFIG_IN, key),                               \
	    offsetof(struct settings, CONFIG_IN.field), value, text, lo,  \
	    hi, nil, words, when, about)
#define KEY(name, field, type, initial, min, max, reload, help) \
	KEY_ROW(name, field, type, initial, min, max, false, NULL, reload, help)
#define KEY0(name, field, type, initial, min, max, reload, help) \
	KEY_ROW(name, field, type, initial, min, max, true, NULL, reload, help)
#define CHOICE(name, field, initial, choices, reload, help)          \
	KEY_ROW(name, field, CHOICE, initial, 0, 0, false, choices,  \
	    reload, help)
#define CHOICES(name, field, initial, choices, reload, help)          \
	KEY_ROW(name, field, STRINGS, initial, 1, 16, false, choices, \
	    reload, help)
#define SECTION(name, help) static const struct config_key name##_keys[] = {
#define SECTION_END() };
#include "config/keys/all.def"
#undef KEY
#undef KEY0
#undef CHOICE
#undef CHOICES
#undef SECTION
#undef SECTION_END

/* Expansion two: the sections. */
#define KEY(name, field, type, initial, min, max, reload, help)
#define KEY0(name, field, type, initial, min, max, reload, help)
#define CHOICE(name, field, initial, choices, reload, help)
#define CHOICES(name, field, initial, choices, reload, help)
#define SECTION(section, about)              \
	{ .name = #section, .help = about,   \
	    .keys = section##_keys, .n = ARRAY_LEN(section##_keys) },
#define SECTION_END()
const struct config_section config_sections[] = {
#include "config/keys/all.def"
	{ NULL, NULL, NULL, 0 },
};
#undef KEY
#undef KEY0
#undef CHOICE
#undef CHOICES
#undef SECTION
#undef SECTION_END

/* Expansion three: the keys of a listener. */
#define LISTENER_ROW(key, field, value, text, lo, hi, words, when, about) \
	ROW(key, "proxy.listeners." key,                                  \
	    offsetof(struct listener_config, field), value, text, lo, hi, \
	    false, words, when, about)
#define LISTENER_KEY(name, field, type, initial, min, max, reload, help) \
	LISTENER_ROW(                                                    \
	    name, field, type, initial, min, max, NULL, reload, help)
#define LISTENER_CHOICES(name, field, initial, choices, reload, help) \
	LISTENER_ROW(name, field, STRINGS, initial, 1, 16, choices,   \
	    reload, help)
static const struct config_key listener_keys[] = {
#include "config/keys/listener.def"
};
#undef LISTENER_KEY
#undef LISTENER_CHOICES

const struct config_section config_listener = {
	.name = "proxy.listeners",
	.help = "Addresses with rules of their own",
	.keys = listener_keys, .n = ARRAY_LEN(listener_keys),
};

size_t
config_key_count(void)
{
	size_t n = 0;

	for (const struct config_section *s = config_sections; s->name; s++)
		n += s->n;
	return n;
}

struct origin *
config_origin_slot(const struct settings *s, const struct config_key *k)
{
	struct origin *slot = ((struct origins *)s->origins)->keys;

	for (const struct config_section *in = config_sections; in->name; in++)
		for (size_t i = 0; i < in->n; i++, slot++)
			if (&in->keys[i] == k)
				return slot;
	ASSERT(false && "a key of config_sections");
	return NULL;
}

const struct config_key *
config_find(const char *full)
{
	for (const struct config_section *s = config_sections; s->name; s++)
		for (size_t i = 0; i < s->n; i++)
			if (strcmp(s->keys[i].full, full) == 0)
				return &s->keys[i];
	return NULL;
}

const struct config_key *
config_listener_key(const char *name)
{
	for (size_t i = 0; i < config_listener.n; i++)
		if (strcmp(config_listener.keys[i].name, name) == 0)
			return &config_listener.keys[i];
	return NULL;
}

const struct config_key *
config_find_file(const char *full)
{
	static const char suffix[] = "_file";
	size_t n = strlen(full), m = sizeof(suffix) - 1;
	const struct config_key *k;
	char name[64];

	if (n <= m || strcmp(full + n - m, suffix) != 0 ||
	    !str_copy(name, sizeof(name), (struct str){ full, n - m }))
		return NULL;
	k = config_find(name);
	return k != NULL && k->type == VALUE_SECRET ? k : NULL;
}

bool
config_is_table(const char *name)
{
	size_t n = strlen(name);

	for (const struct config_section *s = config_sections; s->name; s++)
		for (size_t i = 0; i < s->n; i++)
			if (strncmp(s->keys[i].full, name, n) == 0 &&
			    s->keys[i].full[n] == '.')
				return true;
	return false;
}

#define UNLIKE 1000u

/*
 * How unlike `name` what was written is: a slip of the finger, then the
 * beginning of a name, then its last part, then half of the letters.
 */
static unsigned
unlikeness(const char *written, const char *name)
{
	unsigned d = str_distance(str_from(written), str_from(name));
	size_t n = strlen(written), m = strlen(name);

	if (d <= 2 && d < n)
		return d;
	if (n > 0 && strncmp(name, written, n) == 0)
		return 100 + d;
	if (n < m && name[m - n - 1] == '.' && strcmp(name + m - n,
	    written) == 0)
		return 200 + d;
	return 2 * (size_t)d <= (n > m ? n : m) ? 300 + d : UNLIKE;
}

static const struct config_section *
nearest_section(const char *written)
{
	const struct config_section *best = NULL;
	unsigned least = UNLIKE;

	for (const struct config_section *s = config_sections; s->name; s++) {
		unsigned u = unlikeness(written, s->name);

		if (u < least) {
			least = u;
			best = s;
		}
	}
	return best;
}

const char *
config_nearest_in(const struct config_section *s, const char *written)
{
	const char *best = NULL;
	unsigned least = UNLIKE;

	for (size_t i = 0; i < s->n; i++) {
		unsigned u = unlikeness(written, s->keys[i].name);

		if (u < least) {
			least = u;
			best = s->keys[i].full;
		}
	}
	return best;
}

/* A key of exactly this name in whatever section. */
static const char *
same_name(const char *written)
{
	for (const struct config_section *s = config_sections; s->name; s++)
		for (size_t i = 0; i < s->n; i++)
			if (strcmp(s->keys[i].name, written) == 0)
				return s->keys[i].full;
	return NULL;
}

const char *
config_nearest(const char *full)
{
	const struct config_section *s;
	const char *dot = strchr(full, '.');
	const char *name = dot == NULL ? full : dot + 1;
	const char *found;
	char section[64];

	if (strlen(full) >= sizeof(section) ||
	    !str_copy(section, sizeof(section), (struct str){ full,
		dot == NULL ? strlen(full) : (size_t)(dot - full) }))
		return NULL;
	s = nearest_section(section);
	if (dot == NULL)
		return s != NULL ? s->name : same_name(name);
	found = s != NULL ? config_nearest_in(s, name) : NULL;
	return found != NULL ? found : same_name(name);
}

void
config_env_name(struct text *out, const char *full)
{
	text_fmt(out, "SALLYPORT_");
	for (; *full != '\0'; full++) {
		char c = *full >= 'a' && *full <= 'z' ? (char)(*full - 32)
						      : *full;

		text_fmt(out, c == '.' ? "__" : "%c", c);
	}
}

int
config_choice_index(const char *const *choices, const char *word)
{
	for (int i = 0; choices[i] != NULL; i++)
		if (strcmp(choices[i], word) == 0)
			return i;
	return -1;
}

bool
config_has_word(const struct string_list *l, const char *word)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], word) == 0)
			return true;
	return false;
}

/* The field of "<section>.<name>", which is there. */
static const void *
field_of(const struct settings *s, const char *section, const char *name)
{
	char full[64];
	struct text t = text_on(full, sizeof(full));

	text_fmt(&t, "%s.%s", section, name);
	const struct config_key *k = config_find(full);
	ASSERT(k != NULL);
	return (const char *)s + k->offset;
}

static char *
string_of(const struct settings *s, const char *section, const char *name)
{
	return *(char *const *)field_of(s, section, name);
}

struct daemon_config
config_daemon(const struct settings *s, const char *section)
{
	return (struct daemon_config){
		.admin_listen = *(const struct endpoint *)field_of(s, section,
		    "admin_listen"),
		.user = string_of(s, section, "user"),
		.group = string_of(s, section, "group"),
		.run_dir = string_of(s, section, "run_dir"),
		.state_dir = string_of(s, section, "state_dir"),
		.admin_group = string_of(s, "bus", "admin_group"),
	};
}

char *
config_bus_address(const struct settings *s, const char *section,
    const char *socket)
{
	const char *set = string_of(s, "bus", socket);

	if (*set != '\0')
		return xstrdup(set);
	return xasprintf("ipc://%s/%s.sock", string_of(s, section, "run_dir"),
	    socket);
}
