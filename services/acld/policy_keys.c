/* SPDX-License-Identifier: MIT */
#include "acld/policy_keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A guess further away than this helps nobody. */
#define GUESS_MAX 3

void
policy_complain(struct policy_parser *p, const struct node *n,
    const char *fmt, ...)
{
	char what[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	policy_notes_add(p->errors, p->tree->path, (unsigned)n->line,
	    (unsigned)n->column, "%s", what);
}

static const struct policy_key *
nearest(const char *name, const struct policy_key *keys, size_t n)
{
	const struct policy_key *best = NULL;
	unsigned least = GUESS_MAX + 1;

	for (size_t i = 0; i < n; i++) {
		unsigned d = str_distance(str_from(name),
		    str_from(keys[i].name));

		if (d < least && keys[i].read != NULL) {
			least = d;
			best = &keys[i];
		}
	}
	return best;
}

/* A key's error stands where the key does, not its value. */
static void
complain_key(struct policy_parser *p, const struct node *n,
    const struct policy_key *known, const struct policy_key *guess)
{
	const char *path = p->tree->path;
	unsigned line = (unsigned)n->key_line, column = (unsigned)n->key_column;

	if (known != NULL)
		policy_notes_add(p->errors, path, line, column,
		    "%s: not supported in this release yet", n->key);
	else if (guess != NULL)
		policy_notes_add(p->errors, path, line, column,
		    "unknown key `%s`; did you mean `%s`?", n->key,
		    guess->name);
	else
		policy_notes_add(p->errors, path, line, column,
		    "unknown key `%s`", n->key);
}

void
policy_keys_read(struct policy_parser *p, const struct node *table,
    const struct policy_key *keys, size_t n, void *object)
{
	const struct node *values[POLICY_KEYS_MAX] = { NULL };

	ASSERT(n <= POLICY_KEYS_MAX);
	if (table->kind != NODE_TABLE) {
		policy_complain(p, table, "must be a table, not %s",
		    node_kind_name(table));
		return;
	}
	for (size_t i = 0; i < table->n; i++) {
		const struct node *kid = table->kids[i];
		size_t k = 0;

		while (k < n && strcmp(keys[k].name, kid->key) != 0)
			k++;
		if (k == n)
			complain_key(p, kid, NULL, nearest(kid->key, keys, n));
		else if (keys[k].read == NULL)
			complain_key(p, kid, &keys[k], NULL);
		else
			values[k] = kid;
	}
	for (size_t k = 0; k < n; k++) {
		if (values[k] != NULL)
			keys[k].read(p, values[k], object);
		else if (keys[k].required)
			policy_complain(p, table, "`%s` is missing",
			    keys[k].name);
	}
}

void
policy_keys_each(struct policy_parser *p, const struct node *list,
    policy_key_fn *read, void *object)
{
	const char *key = list->key == NULL ? "" : list->key;

	if (list->kind != NODE_LIST)
		policy_complain(p, list, "%s: must be a list, not %s", key,
		    node_kind_name(list));
	else if (list->n == 0)
		policy_complain(p, list, "%s: an empty list; leave the key "
		    "out or name something", key);
	else
		for (size_t i = 0; i < list->n; i++)
			read(p, list->kids[i], object);
}

bool
policy_read_text(struct policy_parser *p, const struct node *n, size_t max,
    struct str *out)
{
	const char *text = node_is_nothing(n) ? NULL : node_string(n);

	if (text == NULL) {
		policy_complain(p, n, "must be a string, not %s",
		    node_kind_name(n));
		return false;
	}
	*out = str_from(text);
	if (out->len == 0 || out->len > max) {
		policy_complain(p, n, "must have 1 to %zu bytes", max);
		return false;
	}
	if (!str_is_clean(*out)) {
		policy_complain(p, n, "must be printable UTF-8");
		return false;
	}
	return true;
}

bool
policy_read_cidr(struct policy_parser *p, const struct node *n,
    struct cidr *out)
{
	struct str s;
	struct err err;

	if (!policy_read_text(p, n, CIDR_TEXT_SIZE, &s))
		return false;
	if (cidr_parse(out, s, &err) == 0)
		return true;
	policy_complain(p, n, "`%s`: %s", s.ptr, err.text);
	return false;
}

bool
policy_read_port(struct policy_parser *p, const struct node *n, uint16_t *out)
{
	const char *text = node_string(n);
	uint64_t v = 0;
	bool ok = n->kind == NODE_INT ? node_u64(n, &v) == 0
	    : text != NULL && str_to_u64(str_from(text), UINT16_MAX, &v);

	if (!ok || v == 0 || v > UINT16_MAX) {
		policy_complain(p, n, "a port is a number from 1 to 65535");
		return false;
	}
	*out = (uint16_t)v;
	return true;
}

bool
policy_read_word(struct policy_parser *p, const struct node *n,
    const struct policy_word *words, uint8_t *out)
{
	char list[256];
	struct text known = text_on(list, sizeof(list));
	struct str s;

	if (!policy_read_text(p, n, 255, &s))
		return false;
	for (const struct policy_word *w = words; w->word != NULL; w++) {
		if (str_eq(s, str_from(w->word))) {
			*out = w->value;
			return true;
		}
		text_fmt(&known, "%s`%s`", w == words ? "" : ", ", w->word);
	}
	policy_complain(p, n, "`%s` is none of %s", s.ptr, list);
	return false;
}
