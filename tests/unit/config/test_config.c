/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
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

static struct settings *
load_from(const struct config_sources *from)
{
	struct config_errors errors = { 0 }, warnings = { 0 };
	struct settings *s = NULL;

	if (config_load(&s, from, &errors, &warnings) < 0)
		fail_msg("%s", errors.text.ptr);
	assert_int_equal(errors.n, 0);
	assert_int_equal(warnings.n, 0);
	return s;
}

static struct settings *
load_text(const char *path, const char *text)
{
	struct config_sources from = { .path = path };
	struct settings *s;

	write_file(path, text);
	s = load_from(&from);
	assert_int_equal(unlink(path), 0);
	return s;
}

static struct settings *
load_defaults(void)
{
	return load_from(&(struct config_sources){ 0 });
}

/* Every key of both has the same value; names the first that has not. */
static void
assert_same(const struct settings *a, const struct settings *b)
{
	for (const struct config_section *in = config_sections; in->name;
	     in++) {
		for (size_t i = 0; i < in->n; i++) {
			const struct config_key *k = &in->keys[i];
			union value x = value_at(k->type,
			    (const char *)a + k->offset);
			union value y = value_at(k->type,
			    (const char *)b + k->offset);

			if (!value_types[k->type].equal(&x, &y))
				fail_msg("%s differs", k->full);
		}
	}
}

typedef void print_fn(FILE *out);

static char *
printed(print_fn *print)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *
printed_settings(const struct settings *s, const char *section)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	config_print(s, section, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static const struct config_key *
key(const char *full)
{
	for (const struct config_section *in = config_sections; in->name; in++)
		for (size_t i = 0; i < in->n; i++)
			if (strcmp(in->keys[i].full, full) == 0)
				return &in->keys[i];
	fail_msg("no key %s", full);
	return NULL;
}

static void
test_defaults(void **state)
{
	struct settings *s = load_defaults();

	(void)state;
	assert_int_equal(s->proxy.timeouts_idle, 3600000);
	assert_int_equal(s->proxy.timeouts_lifetime, 0);
	assert_int_equal(s->proxy.relay_buffer, 65536);
	assert_int_equal(s->proxy.listen.n, 1);
	assert_int_equal(s->proxy.listen.v[0].port, 1080);
	assert_int_equal(s->proxy.socks_methods.n, 1);
	assert_string_equal(s->proxy.socks_methods.v[0], "userpass");
	assert_int_equal(s->log.level, LOG_INFO);
	assert_int_equal(s->log.format, LOG_FORMAT_AUTO);
	assert_string_equal(s->sessiond.database, "");
	assert_int_equal(s->acld.own_addresses.n, 0);
	assert_int_equal(s->authd.group_sources.n, 2);
	assert_string_equal(s->authd.pam_confdir, "");
	assert_int_equal(s->authd.guessing_window, 900000);
	for (const struct config_section *in = config_sections; in->name; in++)
		for (size_t i = 0; i < in->n; i++)
			assert_int_equal(config_origin_of(s, &in->keys[i]),
			    ORIGIN_DEFAULT);
	config_free(&s);
	assert_null(s);
	config_free(&s);
}

/* Without tables a listener an address, with what the proxy has. */
static void
test_listeners_of_addresses(void **state)
{
	struct settings *s = load_text("a.toml", "[proxy]\n"
	    "listen = ['127.0.0.1:1', '[::1]:2']\ncarriers = 'http'\n"
	    "sources = ['10.0.0.0/8', '::1']\nmask_bound_address = true\n"
	    "anonymous_user = 'x'\ncommands = 'connect'\n");
	static const char *const names[] = { "127.0.0.1:1", "[::1]:2" };

	(void)state;
	assert_int_equal(s->listeners.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct listener_config *l = &s->listeners.v[i];

		assert_string_equal(l->name, names[i]);
		assert_int_equal(l->listen.n, 1);
		assert_true(endpoint_eq(&l->listen.v[0],
		    &s->proxy.listen.v[i]));
		assert_int_equal(l->sources.n, 2);
		assert_string_equal(l->client_methods.v[0], "none");
		assert_string_equal(l->socks_methods.v[0], "userpass");
		assert_int_equal(l->carriers.n, 1);
		assert_string_equal(l->commands.v[0], "connect");
		assert_string_equal(l->anonymous_user, "x");
		assert_true(l->mask_bound_address);
		assert_false(l->allow_anonymous);
		assert_false(l->allow_cleartext_password);
	}
	config_free(&s);
}

/* What holds for every row of the key tables. */
static void
test_tables(void **state)
{
	(void)state;
	for (const struct config_section *in = config_sections; in->name;
	     in++) {
		assert_true(in->n > 0);
		for (size_t i = 0; i < in->n; i++) {
			const struct config_key *k = &in->keys[i];
			size_t n = strlen(in->name);

			assert_memory_equal(k->full, in->name, n);
			assert_int_equal(k->full[n], '.');
			assert_string_equal(k->full + n + 1, k->name);
			assert_true(strlen(k->full) < 64);
			assert_true(k->min <= k->max);
			assert_true(k->offset < sizeof(struct settings));
			assert_ptr_equal(key(k->full), k);
			assert_null(strchr(k->help, '|'));
			assert_true(k->type != VALUE_CHOICE || k->choices);
		}
	}
}

static void
test_choices(void **state)
{
	(void)state;
	assert_int_equal(config_choice_index(config_log_levels, "trace"),
	    LOG_TRACE);
	assert_int_equal(config_choice_index(config_log_formats, "json"),
	    LOG_FORMAT_JSON);
	assert_int_equal(config_choice_index(config_socks_methods, "none"),
	    CONFIG_SOCKS_NONE);
	assert_int_equal(config_choice_index(config_socks_methods, "userpass"),
	    CONFIG_SOCKS_USERPASS);
	assert_int_equal(config_choice_index(config_socks_methods, "gssapi"),
	    -1);
	assert_int_equal(config_choice_index(config_socks_methods,
	    "pam.username"), CONFIG_SOCKS_PAM_USERNAME);
	assert_int_equal(config_choice_index(config_client_methods,
	    "pam.address"), CONFIG_CLIENT_PAM_ADDRESS);
	assert_int_equal(config_choice_index(config_group_sources, "nss"),
	    CONFIG_GROUPS_NSS);
	assert_int_equal(config_choice_index(config_carriers, "http"),
	    CONFIG_CARRIER_HTTP);
	assert_int_equal(config_choice_index(config_commands, "udp"),
	    CONFIG_COMMAND_UDP);
}

/* What a list of words has and has not. */
static void
test_words(void **state)
{
	struct settings *s = load_defaults();

	(void)state;
	assert_true(config_has_word(&s->proxy.carriers, "socks4"));
	assert_true(config_has_word(&s->proxy.commands, "udp"));
	assert_false(config_has_word(&s->proxy.commands, "bind"));
	assert_false(config_has_word(&s->proxy.commands, "con"));
	assert_false(config_has_word(&(struct string_list){ 0 }, "bind"));
	config_free(&s);
}

/* The same content in all the ways that it can be written. */
static const char *const same_toml[] = {
	"[proxy]\nlisten = ['127.0.0.1:1', '[::1]:2']\nworkers = 3\n"
	"mask_bound_address = true\ntimeouts.idle = '2h'\n"
	"timeouts.lifetime = 0\nrelay.splice_after = 4096\n"
	"udp.ports = '40000-40999'\n"
	"udp.advertise = ['10.0.0.0/8=10.0.0.7', '203.0.113.7']\n"
	"[log]\nlevel = 'debug'\n[acld]\nown_addresses = '10.0.0.0/8'\n"
	"[sessiond]\ndatabase = 'sqlite:x.db'\n",
	"proxy.listen = '127.0.0.1:1,[::1]:2'\nproxy.workers = 0x3\n"
	"proxy.mask_bound_address = true\n"
	"log = { level = 'debug' }\nsessiond.database = '''sqlite:x.db'''\n"
	"[proxy.udp]\nports = \"40000-40999\"\n"
	"advertise = '10.0.0.0/8=10.0.0.7, 203.0.113.7'\n"
	"[acld]\nown_addresses = ['10.0.0.0/8']\n[proxy.timeouts]\n"
	"idle = '120m'\nlifetime = '0'\n[proxy.relay]\n"
	"splice_after = '4KiB'\n",
	"[proxy]\n'timeouts.idle' = '7200s'\nmask_bound_address = true\n"
	"listen = ' 127.0.0.1:1 , [::1]:2 '\nworkers = 3\n"
	"'relay.splice_after' = '4KiB'\n'udp.ports' = '40000-40999'\n"
	"udp = { advertise = ['10.0.0.0/8=10.0.0.7', '203.0.113.7'] }\n"
	"[log]\nlevel = \"debug\"\n"
	"[acld]\nown_addresses = ['10.0.0.0/8']\n"
	"[sessiond]\ndatabase = 'sqlite:x.db'\n",
};

static const char *const same_yaml[] = {
	"proxy:\n  listen:\n  - 127.0.0.1:1\n  - '[::1]:2'\n  workers: 3\n"
	"  mask_bound_address: true\n  timeouts:\n    idle: 2h\n"
	"    lifetime: 0\n  relay: {splice_after: 4096}\n"
	"  udp:\n    ports: 40000-40999\n    advertise:\n"
	"    - 10.0.0.0/8=10.0.0.7\n    - 203.0.113.7\n"
	"log:\n  level: debug\nacld: {own_addresses: 10.0.0.0/8}\n"
	"sessiond:\n  database: sqlite:x.db\n",
	"proxy: {listen: ['127.0.0.1:1', '[::1]:2'], workers: 3,\n"
	"  mask_bound_address: true, timeouts.idle: \"120m\",\n"
	"  relay.splice_after: 4KiB, udp: {ports: \"40000-40999\",\n"
	"  advertise: \"10.0.0.0/8=10.0.0.7,203.0.113.7\"}}\n"
	"log.level: debug\n"
	"acld.own_addresses: [10.0.0.0/8]\n"
	"sessiond.database: \"sqlite:x.db\"\n",
};

static void
test_spellings(void **state)
{
	struct settings *first = load_text("a.toml", same_toml[0]);

	(void)state;
	assert_int_equal(first->proxy.listen.n, 2);
	assert_int_equal(first->proxy.workers, 3);
	assert_int_equal(first->proxy.timeouts_idle, 7200000);
	assert_int_equal(first->proxy.relay_splice_after, 4096);
	assert_int_equal(first->proxy.udp_ports.low, 40000);
	assert_int_equal(first->proxy.udp_ports.high, 40999);
	assert_int_equal(first->proxy.udp_advertise.n, 2);
	assert_int_equal(first->log.level, LOG_DEBUG);
	assert_int_equal(first->acld.own_addresses.n, 1);
	assert_string_equal(first->sessiond.database, "sqlite:x.db");
	for (size_t i = 1; i < ARRAY_LEN(same_toml); i++) {
		struct settings *s = load_text("a.toml", same_toml[i]);

		assert_same(first, s);
		config_free(&s);
	}
	for (size_t i = 0; i < ARRAY_LEN(same_yaml); i++) {
		struct settings *s = load_text("a.yaml", same_yaml[i]);

		assert_same(first, s);
		config_free(&s);
	}
	config_free(&first);
}

static void
test_sample_is_default(void **state)
{
	char *toml = printed(config_print_sample);
	char *yaml = printed(config_print_sample_yaml);
	struct settings *s = load_defaults();
	struct settings *a = load_text("sample.toml", toml);
	struct settings *b = load_text("sample.yaml", yaml);

	(void)state;
	assert_same(s, a);
	assert_same(s, b);
	for (const struct config_section *in = config_sections; in->name;
	     in++) {
		for (size_t i = 0; i < in->n; i++) {
			const struct config_key *k = &in->keys[i];

			/* The sample has every key, and every help. */
			assert_int_equal(config_origin_of(a, k), ORIGIN_FILE);
			assert_int_equal(config_origin_of(b, k), ORIGIN_FILE);
			assert_non_null(strstr(toml, k->help));
			assert_non_null(strstr(yaml, k->help));
		}
	}
	config_free(&s);
	config_free(&a);
	config_free(&b);
	free(toml);
	free(yaml);
}

/* What --print-config shows is a file that means the same. */
static void
test_print_is_a_file(void **state)
{
	struct settings *s = load_text("a.toml", "[proxy]\n"
	    "carriers = ['http', 'socks5']\ncommands = 'udp'\n"
	    "source_address = ['127.0.0.9', '::1']\n"
	    "udp.ports = '40000-40999'\nbind.ports = 'ephemeral'\n"
	    "udp.advertise = ['10.0.0.0/8=10.0.0.7', '203.0.113.7', '::1']\n"
	    "udp.bytes_per_second = '3MiB'\ntimeouts.udp_idle = '90s'\n");
	char *text = printed_settings(s, "proxy");
	struct settings *again = load_text("b.toml", text);

	(void)state;
	assert_same(s, again);
	assert_int_equal(again->proxy.udp_advertise.n, 3);
	assert_int_equal(again->proxy.source_address.n, 2);
	config_free(&s);
	config_free(&again);
	free(text);
}

static void
test_reference_is_complete(void **state)
{
	char *page = printed(config_print_reference);

	(void)state;
	assert_non_null(strstr(page, "## [proxy]"));
	assert_non_null(strstr(page, "| `timeouts.idle` | duration | `\"1h\"` "
	    "| 0, or 1s to 30d | reload | A session"));
	for (const struct config_section *in = config_sections; in->name; in++)
		for (size_t i = 0; i < in->n; i++)
			assert_non_null(strstr(page, in->keys[i].help));
	free(page);
}

/* Each row adds a source; the last one that speaks wins. */
static void
test_precedence(void **state)
{
	char *environ_of[] = { "SALLYPORT_PROXY__WORKERS=3",
		"SALLYPORT_PROXY__TIMEOUTS__IDLE=3m",
		"SALLYPORT_PROXY__LISTEN=127.0.0.1:3, [::1]:3",
		"SALLYPORT_PROXY__UDP__ADVERTISE=::/0=::2,10.0.0.0/8=10.0.0.2",
		"SALLYPORT_PROXY__BIND__PORTS=2000-2001", NULL };
	const char *const set[] = { "proxy.workers=4", "proxy.workers=5",
		"proxy.bind.advertise=10.0.0.0/8=10.0.0.3",
		"proxy.bind.ports=ephemeral" };
	struct config_sources from = { 0 };
	struct settings *s;

	(void)state;
	write_file("a.toml", "[proxy]\nworkers = 2\ntimeouts.idle = '2m'\n"
	    "instance = 'file'\n");
	from.path = "a.toml";
	s = load_from(&from);
	assert_int_equal(s->proxy.workers, 2);
	assert_int_equal(config_origin_of(s, key("proxy.workers")),
	    ORIGIN_FILE);
	config_free(&s);

	from.environ = environ_of;
	s = load_from(&from);
	assert_int_equal(s->proxy.workers, 3);
	assert_int_equal(s->proxy.timeouts_idle, 180000);
	assert_int_equal(s->proxy.listen.n, 2);
	assert_int_equal(s->proxy.udp_advertise.n, 2);
	assert_int_equal(s->proxy.bind_ports.high, 2001);
	assert_int_equal(config_origin_of(s, key("proxy.workers")),
	    ORIGIN_ENV);
	config_free(&s);

	from.set = set;
	from.n_set = ARRAY_LEN(set);
	s = load_from(&from);
	assert_int_equal(s->proxy.workers, 5);
	assert_int_equal(s->proxy.timeouts_idle, 180000);
	assert_int_equal(s->proxy.bind_advertise.n, 1);
	assert_int_equal(s->proxy.bind_ports.high, 0);
	assert_string_equal(s->proxy.instance, "file");
	assert_int_equal(config_origin_of(s, key("proxy.workers")),
	    ORIGIN_FLAG);
	assert_int_equal(config_origin_of(s, key("proxy.timeouts.idle")),
	    ORIGIN_ENV);
	assert_int_equal(config_origin_of(s, key("proxy.instance")),
	    ORIGIN_FILE);
	assert_int_equal(config_origin_of(s, key("proxy.user")),
	    ORIGIN_DEFAULT);
	config_free(&s);
	assert_int_equal(unlink("a.toml"), 0);
}

static void
test_variables(void **state)
{
	static const struct {
		const char *variable;
		const char *warning;	/* NULL: not configuration at all */
	} table[] = {
		{ "SALLYPORT_SOCKS_PORT=1", NULL },
		{ "SALLYPORT_STATE=/x", NULL },
		{ "SALLYPORT_PASSWORD=hunter2", NULL },
		{ "SALLYPORT_=1", NULL },
		{ "SALLYPORT=1", NULL },
		{ "OTHER_SALLYPORT_PROXY__X=1", NULL },
		{ "sallyport_proxy__workers=x", NULL },
		{ "SALLYPORT_PROXY__X", NULL },
		{ "SALLYPORT_PROXY__WORKER=hunter2",
		    "SALLYPORT_PROXY__WORKER: unknown variable; did you mean "
		    "SALLYPORT_PROXY__WORKERS?\n" },
		{ "SALLYPORT_PROXY__TIMEOUT=1",
		    "SALLYPORT_PROXY__TIMEOUT: unknown variable; did you mean "
		    "SALLYPORT_PROXY__TIMEOUTS__IDLE?\n" },
		{ "SALLYPORT_PROXY__timeouts__idle=1",
		    "SALLYPORT_PROXY__timeouts__idle: unknown variable\n" },
		{ "SALLYPORT_QQQQQQQQ__QQQQQQQQ=1",
		    "SALLYPORT_QQQQQQQQ__QQQQQQQQ: unknown variable\n" },
		{ "SALLYPORT__=1", "SALLYPORT__: unknown variable\n" },
		{ "SALLYPORT_A__B\n\xff=1",
		    "SALLYPORT_A__B\\x0a\\xff: unknown variable\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char *environ_of[] = { (char *)table[i].variable, NULL };
		struct config_sources from = { .environ = environ_of };
		struct config_errors errors = { 0 }, warnings = { 0 };
		struct settings *s = NULL;

		assert_int_equal(config_load(&s, &from, &errors, &warnings),
		    0);
		assert_int_equal(warnings.n, table[i].warning != NULL);
		if (table[i].warning != NULL)
			assert_string_equal(warnings.text.ptr,
			    table[i].warning);
		config_free(&s);
		config_errors_fini(&warnings);
	}
}

static void
test_secret_from_file(void **state)
{
	static const struct {
		const char *content, *value;
	} table[] = {
		{ "sqlite:hunter2", "sqlite:hunter2" },
		{ "sqlite:hunter2\n", "sqlite:hunter2" },
		{ "sqlite:hunter2\r\n", "sqlite:hunter2" },
		{ "", "" }, { "\n", "" },
	};
	char *environ_of[] = { "SALLYPORT_APID__DATABASE_FILE=secret", NULL };
	const char *const set[] = { "apid.database_file=secret" };

	(void)state;
	write_file("a.toml", "[apid]\ndatabase_file = 'secret'\n");
	for (size_t i = 0; i < ARRAY_LEN(table) * 3; i++) {
		struct config_sources from = { 0 };
		struct settings *s;

		if (i % 3 == 0)
			from.path = "a.toml";
		else if (i % 3 == 1)
			from.environ = environ_of;
		else
			from = (struct config_sources){ .set = set,
				.n_set = 1 };
		write_file("secret", table[i / 3].content);
		s = load_from(&from);
		assert_string_equal(s->apid.database, table[i / 3].value);
		config_free(&s);
	}
	assert_int_equal(unlink("secret"), 0);
	assert_int_equal(unlink("a.toml"), 0);
}

static void
test_print(void **state)
{
	struct settings *s = load_text("a.toml", "[sessiond]\n"
	    "database = 'sqlite:hunter2'\nqueue = '2MiB'\n");
	char *all = printed_settings(s, NULL);
	char *one = printed_settings(s, "sessiond");

	(void)state;
	assert_non_null(strstr(all, "[proxy]\n"));
	assert_non_null(strstr(all, "workers = 0\t# default\n"));
	assert_non_null(strstr(all, "\n[sessiond]\n"));
	assert_non_null(strstr(one, "database = \"***\"\t# a.toml:2:12\n"));
	assert_non_null(strstr(one, "queue = \"2MiB\"\t# a.toml:3:9\n"));
	assert_null(strstr(one, "[proxy]"));
	assert_null(strstr(all, "hunter2"));
	assert_memory_equal(one, "[sessiond]\n", 11);
	free(all);
	free(one);
	config_free(&s);
}

/* What --print-config says, but for secrets, means the same when read. */
static void
test_print_reads_back(void **state)
{
	struct settings *s = load_text("a.toml", "[proxy]\nworkers = 3\n"
	    "listen = ['[::1]:5']\ninstance = 'a\"b\\c'\n");
	char *text = printed_settings(s, NULL);
	struct settings *again = load_text("b.toml", text);

	(void)state;
	assert_same(s, again);
	config_free(&s);
	config_free(&again);
	free(text);
}

static void
test_restart_needed(void **state)
{
	static const struct {
		const char *text, *section;
		const char *names;	/* NULL: none */
	} table[] = {
		{ "", "proxy", NULL },
		{ "proxy.timeouts.idle = '2h'", "proxy", NULL },
		{ "proxy.workers = 3", "proxy", "proxy.workers" },
		{ "proxy.workers = 3", "authd", NULL },
		{ "proxy.workers = 3", NULL, "proxy.workers" },
		{ "proxy.workers = 3\nproxy.listen = '[::1]:1'\n"
		  "proxy.user = 'x'\nproxy.timeouts.idle = '2h'", "proxy",
		    "proxy.user, proxy.listen, proxy.workers" },
		{ "proxy.listen = ['127.0.0.1:1080']", "proxy", NULL },
		{ "log.format = 'json'\nlog.level = 'debug'", "log",
		    "log.format" },
		{ "apid.database = 'sqlite:hunter2'", NULL,
		    "apid.database" },
	};
	struct settings *old = load_defaults();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct settings *s = load_text("a.toml", table[i].text);
		char names[256];
		struct text t = text_on(names, sizeof(names));

		assert_int_equal(config_restart_needed(old, s,
		    table[i].section, &t), table[i].names != NULL);
		assert_string_equal(names,
		    table[i].names != NULL ? table[i].names : "");
		config_free(&s);
	}
	config_free(&old);
}

static void
test_daemon(void **state)
{
	static const char *const names[] = { "proxy", "authd", "acld",
		"sessiond", "apid" };
	struct settings *s = load_text("a.toml", "[acld]\nuser = 'u'\n"
	    "group = 'g'\nrun_dir = '/r'\nstate_dir = '/s'\n"
	    "admin_listen = '127.0.0.1:7'\n");
	struct daemon_config d = config_daemon(s, "acld");

	(void)state;
	assert_string_equal(d.user, "u");
	assert_string_equal(d.group, "g");
	assert_string_equal(d.run_dir, "/r");
	assert_string_equal(d.state_dir, "/s");
	assert_int_equal(d.admin_listen.port, 7);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		d = config_daemon(s, names[i]);
		if (strcmp(names[i], "acld") != 0)
			assert_int_equal(d.admin_listen.port, 9181 + i);
	}
	config_free(&s);
}

static void
test_bus_address(void **state)
{
	static const struct {
		const char *section, *socket, *address;
	} table[] = {
		{ "proxy", "auth", "ipc:///p/auth.sock" },
		{ "authd", "auth", "ipc:///run/sallyport/auth.sock" },
		{ "proxy", "decide", "tcp://127.0.0.1:7001" },
		{ "acld", "decide", "tcp://127.0.0.1:7001" },
		{ "acld", "policy", "ipc:///run/sallyport/policy.sock" },
		{ "sessiond", "events", "ipc:///run/sallyport/events.sock" },
		{ "apid", "admin_acl", "ipc:///run/sallyport/admin_acl.sock" },
		{ "authd", "admin_auth",
		    "ipc:///run/sallyport/admin_auth.sock" },
	};
	struct settings *s = load_text("a.toml",
	    "bus.decide = 'tcp://127.0.0.1:7001'\nproxy.run_dir = '/p'\n");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char *address = config_bus_address(s, table[i].section,
		    table[i].socket);

		assert_string_equal(address, table[i].address);
		free(address);
	}
	config_free(&s);
}

/* The longest run_dir leaves room for the longest socket: 107 bytes. */
static void
test_run_dir_fits(void **state)
{
	static const char *const names[] = { "proxy.run_dir", "authd.run_dir",
		"acld.run_dir", "sessiond.run_dir", "apid.run_dir" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_true(key(names[i])->max + strlen("/admin_auth.sock") <=
		    107);
}

/* What the rules must let pass. */
static void
test_rules_allow(void **state)
{
	static const char *const table[] = {
		"proxy.socks_methods = 'none'\nproxy.allow_anonymous = true",
		"proxy.socks_methods = ['none', 'userpass']\n"
		"proxy.allow_anonymous = true",
		/* Without passwords nothing crosses the network in clear. */
		"proxy.socks_methods = 'none'\nproxy.allow_anonymous = true\n"
		"proxy.listen = '0.0.0.0:1080'",
		"proxy.listen = ['127.1.2.3:1', '[::1]:1']",
		"proxy.listen = '0.0.0.0:1'\nproxy.sources = '10.0.0.0/8'\n"
		"proxy.allow_cleartext_password = true",
		"proxy.timeouts.connect = '5s'",
		"proxy.dns.ttl_min = '300s'",
		"bus.auth = 'ipc:///x'\nbus.decide = 'ipc://relative.sock'",
		"bus.auth = 'tcp://127.0.0.1:1'\nbus.decide = 'tcp://[::1]:1'",
		"metrics.namespace = 'rustsocks'",
		"sessiond.database = 'sqlite:/x'\napid.database = 'sqlite:y'",
		"apid.listen = '[::]:80'\napid.allow_cleartext = true",
		"proxy.timeouts = { idle = 0, half_open = '0', lifetime = 0, "
		"keepalive = 0, user_timeout = '0s' }",
		"authd.cache_ttl = '0'\nproxy.lease.login = 0",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct settings *s = load_text("a.toml", table[i]);

		config_free(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_listeners_of_addresses),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_sample_is_default),
		cmocka_unit_test(test_print_is_a_file),
		cmocka_unit_test(test_reference_is_complete),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_secret_from_file),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_print_reads_back),
		cmocka_unit_test(test_restart_needed),
		cmocka_unit_test(test_daemon),
		cmocka_unit_test(test_bus_address),
		cmocka_unit_test(test_run_dir_fits),
		cmocka_unit_test(test_rules_allow),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
