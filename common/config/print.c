/* SPDX-License-Identifier: MIT */
/* What people read: --print-config, the sample and the reference page. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_impl.h"

static void
print_value(FILE *out, const struct config_key *k, const union value *v)
{
	struct bytes b = { 0 };

	value_types[k->type].print(v, k->choices, &b);
	fwrite(b.ptr, 1, b.len, out);
	bytes_fini(&b);
}

static void
print_default(FILE *out, const struct config_key *k)
{
	union value v = { 0 };
	struct err err;
	int r = config_read_text(k, &v, str_from(k->initial), &err);

	ASSERT(r == 0);
	print_value(out, k, &v);
	value_types[k->type].free(&v);
}

/* ---- the settings in force ---- */

static void
print_line(
    FILE *out, const struct config_key *k, const void *base, const char *where)
{
	union value v = value_at(k->type, (const char *)base + k->offset);

	fprintf(out, "%s = ", k->name);
	print_value(out, k, &v);
	fprintf(out, "\t# %s\n", where);
}

static void
print_listener(FILE *out, const struct settings *s, size_t i)
{
	fprintf(out, "\n[[%s]]\n", config_listener.name);
	for (size_t n = 0; n < config_listener.n; n++) {
		const struct config_key *k = &config_listener.keys[n];
		const struct origin *slot = config_listener_slot(s, i, k);

		print_line(out, k, &s->listeners.v[i],
		    slot->shared ? "as above" : slot->where);
	}
}

/* Where listeners have tables there is no proxy.listen. */
static void
print_key(FILE *out, const struct settings *s, const struct config_key *k)
{
	const char *where = config_origin_slot(s, k)->where;

	if (config_has_tables(s) && strcmp(k->full, "proxy.listen") == 0)
		return;
	print_line(out, k, s, where == NULL ? "default" : where);
}

void
config_print(const struct settings *s, const char *section, FILE *out)
{
	const char *gap = "";

	for (const struct config_section *in = config_sections; in->name;
	     in++) {
		if (section != NULL && strcmp(section, in->name) != 0)
			continue;
		fprintf(out, "%s[%s]\n", gap, in->name);
		gap = "\n";
		for (size_t i = 0; i < in->n; i++)
			print_key(out, s, &in->keys[i]);
		if (!config_has_tables(s) || strcmp(in->name, "proxy") != 0)
			continue;
		for (size_t i = 0; i < s->listeners.n; i++)
			print_listener(out, s, i);
	}
}

/* ---- ranges in words ---- */

/* "100ms to 2m", "at most 31 bytes", "error, warn, …"; "" if nothing is to be
 * said. */
static void
range_words(struct bytes *b, const struct config_key *k)
{
	static const char *const nouns[] = {
		[MEASURE_NUMBER] = "",
		[MEASURE_LENGTH] = " bytes",
		[MEASURE_ENTRIES] = " entries",
	};
	enum value_measure measured = value_types[k->type].measured;

	for (size_t i = 0; k->choices != NULL && k->choices[i] != NULL; i++)
		bytes_fmt(b, "%s%s", i == 0 ? "" : ", ", k->choices[i]);
	if (k->choices != NULL || measured == MEASURE_NONE)
		return;
	bytes_fmt(b, "%s", k->zero ? "0, or " : "");
	if (measured != MEASURE_NUMBER && k->min == 0) {
		bytes_fmt(b, "at most ");
	} else {
		config_print_limit(b, k, k->min);
		bytes_fmt(b, " to ");
	}
	config_print_limit(b, k, k->max);
	bytes_fmt(b, "%s", nouns[measured]);
}

static const char *
change_words(const struct config_key *k)
{
	return k->reload == CONFIG_RELOAD ? "reload" : "restart";
}

/* ---- the sample ---- */

static void
sample_key(FILE *out, const struct config_key *k, bool yaml)
{
	const char *indent = yaml ? "  " : "";
	struct bytes range = { 0 };

	range_words(&range, k);
	fprintf(out, "%s# %s (%s%s%s)\n", indent, k->help,
	    range.len > 0 ? range.ptr : "", range.len > 0 ? "; " : "",
	    change_words(k));
	fprintf(out, "%s%s%s ", indent, k->name, yaml ? ":" : " =");
	print_default(out, k);
	fprintf(out, "\n");
	bytes_fini(&range);
}

/* Commented out, since it takes the place of proxy.listen. */
static void
sample_listener(FILE *out, bool yaml)
{
	const char *indent = yaml ? "  " : "";
	const char *sign = yaml ? ":" : " =";

	fprintf(out, "\n%s# Each of [[%s]], in place of proxy.listen:\n",
	    indent, config_listener.name);
	fprintf(out, yaml ? "  # listeners:\n" : "# [[%s]]\n",
	    config_listener.name);
	for (size_t i = 0; i < config_listener.n; i++) {
		const struct config_key *k = &config_listener.keys[i];

		if (config_proxy_key(k) == NULL)
			fprintf(out, "%s# # %s\n", indent, k->help);
		fprintf(out, "%s# %s%s%s ", indent,
		    !yaml    ? ""
		    : i == 0 ? "- "
			     : "  ",
		    k->name, sign);
		print_default(out, k);
		fprintf(out, "\n");
	}
}

static void
print_sample(FILE *out, bool yaml)
{
	fprintf(out, "# Every key of Sallyport with its default. Keep the "
		     "lines that you change.\n");
	for (const struct config_section *in = config_sections; in->name;
	     in++) {
		fprintf(out, "\n# %s\n", in->help);
		fprintf(out, yaml ? "%s:\n" : "[%s]\n", in->name);
		for (size_t i = 0; i < in->n; i++)
			sample_key(out, &in->keys[i], yaml);
		if (strcmp(in->name, "proxy") == 0)
			sample_listener(out, yaml);
	}
}

void
config_print_sample(FILE *out)
{
	print_sample(out, false);
}

void
config_print_sample_yaml(FILE *out)
{
	print_sample(out, true);
}

/* ---- the reference page ---- */

static const char introduction[] =
    "<!-- Generated by config_doc from common/config/keys; do not edit. -->\n"
    "# Configuration reference\n"
    "\n"
    "All daemons read one file, `sallyport.toml`. YAML with the same keys is "
    "read as\nwell, if the name ends in `.yaml` or `.yml`. A later source "
    "wins:\n"
    "\n"
    "1. the default;\n"
    "2. the file (`--config FILE`);\n"
    "3. the environment: section and key in capitals with `__` for each dot,\n"
    "   `SALLYPORT_PROXY__TIMEOUTS__IDLE=30m`. Lists have commas between "
    "their\n   entries. Variables without `__` are never configuration;\n"
    "4. `--set proxy.timeouts.idle=30m`.\n"
    "\n"
    "Tables and dotted keys are the same: `[proxy.timeouts]` with `idle`, and "
    "`[proxy]`\nwith `timeouts.idle`. Durations have a unit (`250ms`, `10s`, "
    "`5m`, `1h`, `30d`),\nsizes may (`64KiB`, `1MiB`, `4GiB`). A secret is "
    "never shown; it can also be read\nfrom a file, which `<key>_file` or "
    "`SALLYPORT_<SECTION>__<KEY>_FILE` names.\n"
    "\n"
    "Keys marked *reload* take effect on SIGHUP, the others at the next "
    "start.\n`--check` reports every error of a file, `--print-config` every "
    "value and where\nit comes from.\n";

static const char columns[] =
    "| key | type | default | range | change | meaning |\n"
    "| --- | --- | --- | --- | --- | --- |\n";

/* `k` of a section, or of a listener. */
static void
reference_row(FILE *out, const struct config_key *k, bool listener)
{
	const struct config_key *shared = listener ? config_proxy_key(k) : NULL;
	struct bytes range = { 0 };

	range_words(&range, k);
	fprintf(out, "| `%s` | %s | ", k->name, value_types[k->type].name);
	if (!listener) {
		fprintf(out, "`");
		print_default(out, k);
		fprintf(out, "`");
	} else if (shared == NULL || strcmp(k->name, "listen") == 0) {
		fprintf(out, "needed");
	} else {
		fprintf(out, "`%s`", shared->full);
	}
	fprintf(out, " | %s | %s | %s |\n", range.len > 0 ? range.ptr : "",
	    change_words(k), k->help);
	bytes_fini(&range);
}

static void
reference_listeners(FILE *out)
{
	fprintf(out,
	    "\n## [[%s]]\n\n%s, in place of `proxy.listen`: "
	    "[listeners.md](listeners.md). The file alone can\nhave them. A "
	    "key that is absent has the proxy's value.\n\n%s",
	    config_listener.name, config_listener.help, columns);
	for (size_t i = 0; i < config_listener.n; i++)
		reference_row(out, &config_listener.keys[i], true);
}

void
config_print_reference(FILE *out)
{
	fputs(introduction, out);
	for (const struct config_section *in = config_sections; in->name;
	     in++) {
		fprintf(out, "\n## [%s]\n\n%s.\n\n", in->name, in->help);
		fputs(columns, out);
		for (size_t i = 0; i < in->n; i++)
			reference_row(out, &in->keys[i], false);
		if (strcmp(in->name, "proxy") == 0)
			reference_listeners(out);
	}
}
