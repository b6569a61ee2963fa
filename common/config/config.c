/* SPDX-License-Identifier: MIT */
/*
 * Loading: defaults, then the file, the environment and --set, each of which
 * ends in config_set_value(). A value that is bad leaves the one before in
 * place and marks its key, so that no rule speaks of what was already reported.
 */
#include "config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_impl.h"

#define ERRORS_KEPT 100

/* ---- errors ---- */

void
config_errors_add(struct config_errors *e, const char *fmt, ...)
{
	char line[ERR_TEXT_MAX];
	va_list ap;

	if (e == NULL || ++e->n > ERRORS_KEPT)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	bytes_fmt(&e->text, "%s\n", line);
}

void
config_errors_fini(struct config_errors *e)
{
	bytes_fini(&e->text);
	e->n = 0;
}

struct origin *
config_loader_slot(const struct loader *l, const struct config_key *k)
{
	const struct settings *s = l->s;

	if (l->listener == NULL)
		return config_origin_slot(s, k);
	return config_listener_slot(
	    s, (size_t)(l->listener - s->listeners.v), k);
}

void
config_bad_value(struct loader *l, const struct config_key *k,
    const char *where, const char *why)
{
	config_loader_slot(l, k)->failed = true;
	config_errors_add(l->errors, "%s: %s: %s", where, k->full, why);
}

/* ---- values ---- */

void
config_print_limit(struct bytes *b, const struct config_key *k, uint64_t n)
{
	if (k->type == VALUE_DURATION)
		value_print_duration(b, n);
	else if (k->type == VALUE_BYTES)
		value_print_bytes(b, n);
	else
		bytes_fmt(b, "%llu", (unsigned long long)n);
}

/* "70000000 is above 1000000", "has more than 16 entries". */
int
config_check_range(
    const struct config_key *k, const union value *v, struct err *err)
{
	const struct value_ops *ops = &value_types[k->type];
	struct bytes b = { 0 };

	if (ops->measured == MEASURE_NONE)
		return 0;
	uint64_t n = ops->measure(v);
	if ((n >= k->min && n <= k->max) || (n == 0 && k->zero))
		return 0;
	if (ops->measured != MEASURE_NUMBER)
		return n < k->min
			   ? err_set(err, "must not be empty")
			   : err_set(err, "has more than %llu %s",
				 (unsigned long long)k->max,
				 ops->measured == MEASURE_LENGTH ? "bytes"
								 : "entries");
	config_print_limit(&b, k, n);
	bytes_fmt(&b, n > k->max ? " is above " : " is below ");
	config_print_limit(&b, k, n > k->max ? k->max : k->min);
	if (n < k->min && k->zero)
		bytes_fmt(&b, " and not 0");
	err_set(err, "%s", b.ptr);
	bytes_fini(&b);
	return -1;
}

static struct str
trim(struct str s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = (struct str){ s.ptr + 1, s.len - 1 };
	while (
	    s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Takes the text before the next comma off `rest`. */
static struct str
next_entry(struct str *rest)
{
	const char *comma = memchr(rest->ptr, ',', rest->len);
	size_t n = comma == NULL ? rest->len : (size_t)(comma - rest->ptr);
	struct str entry = { rest->ptr, n };

	n += comma != NULL;
	*rest = (struct str){ rest->ptr + n, rest->len - n };
	return trim(entry);
}

/* One more entry than is allowed is enough to say so. */
static int
read_entries(const struct config_key *k, union value *v, struct str text,
    struct err *err)
{
	const struct value_ops *ops = &value_types[k->type];
	bool more = trim(text).len > 0;

	while (more && ops->measure(v) <= k->max) {
		struct str entry = next_entry(&text);

		more = text.len > 0;
		if (ops->parse(v, entry, k->choices, err) < 0)
			return -1;
	}
	return 0;
}

int
config_read_text(const struct config_key *k, union value *v, struct str text,
    struct err *err)
{
	const struct value_ops *ops = &value_types[k->type];
	int r = ops->list ? read_entries(k, v, text, err)
			  : ops->parse(v, text, k->choices, err);

	if (r == 0 && config_check_range(k, v, err) == 0)
		return 0;
	ops->free(v);
	memset(v, 0, sizeof(*v));
	return -1;
}

void
config_set_value(struct loader *l, const struct config_key *k,
    const union value *v, const struct source *src)
{
	struct origin *slot = config_loader_slot(l, k);
	void *base = l->listener == NULL ? (void *)l->s : l->listener;
	void *field = (char *)base + k->offset;
	union value old = value_at(k->type, field);

	value_types[k->type].free(&old);
	value_store(k->type, field, v);
	slot->from = src->from;
	free(slot->where);
	slot->where = src->where == NULL ? NULL : xstrdup(src->where);
}

/* The file and the environment may say a thing only once. */
bool
config_said_twice(
    struct loader *l, const struct config_key *k, const struct source *src)
{
	const struct origin *slot = config_loader_slot(l, k);
	char why[200];
	struct text t = text_on(why, sizeof(why));

	if (slot->from != src->from || src->from == ORIGIN_FLAG)
		return false;
	text_fmt(&t, "set twice, first at %s", slot->where);
	config_bad_value(l, k, src->where, why);
	return true;
}

static void
set_defaults(struct loader *l)
{
	for (const struct config_section *s = config_sections; s->name; s++) {
		for (size_t i = 0; i < s->n; i++) {
			const struct config_key *k = &s->keys[i];
			struct err err;
			union value v = { 0 };
			int r =
			    config_read_text(k, &v, str_from(k->initial), &err);

			ASSERT(r == 0);
			value_store(k->type, (char *)l->s + k->offset, &v);
		}
	}
}

/* ---- whole settings ---- */

int
config_load(struct settings **out, const struct config_sources *from,
    struct config_errors *errors, struct config_errors *warnings)
{
	struct settings *s = xcalloc(1, sizeof(*s));
	struct loader l = { .s = s, .errors = errors, .warnings = warnings };
	struct origins *o = xcalloc(1, sizeof(*o));

	*out = NULL;
	o->keys = xcalloc(config_key_count(), sizeof(*o->keys));
	s->origins = o;
	set_defaults(&l);
	if (from->path != NULL)
		config_read_file(&l, from->path);
	for (size_t i = 0; from->environ != NULL && from->environ[i]; i++)
		config_read_variable(&l, from->environ[i]);
	for (size_t i = 0; i < from->n_set; i++)
		config_read_set(&l, from->set[i]);
	config_listeners_complete(s);
	if (!l.unread)
		config_check_rules(s, errors);
	if (errors->n > ERRORS_KEPT)
		bytes_fmt(
		    &errors->text, "and %u more\n", errors->n - ERRORS_KEPT);
	if (errors->n == 0)
		*out = s;
	else
		config_free(&s);
	return errors->n == 0 ? 0 : -1;
}

void
config_free(struct settings **sp)
{
	struct settings *s = *sp;

	if (s == NULL)
		return;
	struct origins *o = s->origins;
	struct origin *slot = o->keys;
	config_listeners_free(s);
	for (const struct config_section *in = config_sections; in->name;
	     in++) {
		for (size_t i = 0; i < in->n; i++, slot++) {
			const struct config_key *k = &in->keys[i];
			union value v =
			    value_at(k->type, (char *)s + k->offset);

			value_types[k->type].free(&v);
			free(slot->where);
		}
	}
	free(o->tables);
	free(o->keys);
	free(o);
	free(s);
	*sp = NULL;
}

enum config_origin
config_origin_of(const struct settings *s, const struct config_key *k)
{
	return config_origin_slot(s, k)->from;
}
