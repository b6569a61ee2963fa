/* SPDX-License-Identifier: MIT */
#include "acld/policy_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Longest name of a user or group, in bytes. */
#define OWNER_NAME_MAX 255

void *
policy_array_grow(void *v, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return v;
	*cap = *cap == 0 ? 16 : *cap * 2;
	return xreallocarray(v, *cap, size);
}

void
policy_rules_init(struct policy_rules *r)
{
	memset(r, 0, sizeof(*r));
	map_init(&r->users);
	map_init(&r->groups);
	policy_rules_owner(r, POLICY_EVERYBODY, STR(""));
}

struct policy_owner *
policy_rules_owner(struct policy_rules *r, enum policy_owner_kind kind,
    struct str name)
{
	struct map *map = kind == POLICY_USER ? &r->users : &r->groups;
	struct policy_owner *o = xcalloc(1, sizeof(*o));

	o->kind = kind;
	o->index = (uint32_t)r->owners.n;
	o->name = xmemdup0(name.ptr, name.len);
	if (kind == POLICY_GROUP)
		str_lower(o->name, name.len);
	if (kind != POLICY_EVERYBODY) {
		name.ptr = o->name;
		if (map_find(map, name) != NULL) {
			free(o->name);
			free(o);
			return NULL;
		}
		map_insert(map, &o->node, name);
	}
	*policy_array_add(&r->owners) = o;
	return o;
}

static struct policy_owner *
owner_of(struct map_node *node)
{
	if (node == NULL)
		return NULL;
	return container_of(node, struct policy_owner, node);
}

struct policy_owner *
policy_rules_user(const struct policy_rules *r, struct str name)
{
	return owner_of(map_find(&r->users, name));
}

struct policy_owner *
policy_rules_group(const struct policy_rules *r, struct str name)
{
	char lower[OWNER_NAME_MAX];

	if (name.len > sizeof(lower) || name.len == 0)
		return NULL;
	memcpy(lower, name.ptr, name.len);
	str_lower(lower, name.len);
	name.ptr = lower;
	return owner_of(map_find(&r->groups, name));
}

uint32_t
policy_rules_text(struct policy_rules *r, struct str s)
{
	uint32_t at = (uint32_t)r->texts.len;

	bytes_add(&r->texts, s.ptr, s.len);
	bytes_add(&r->texts, "", 1);
	return at;
}

static uint8_t
count_labels(struct str s)
{
	uint8_t n = s.len > 0;

	for (size_t i = 0; i < s.len; i++)
		n = (uint8_t)(n + (s.ptr[i] == '.'));
	return n;
}

/* What follows the last label that has a wildcard. */
static struct str
literal_tail(struct str s)
{
	size_t star = s.len, dot;

	while (s.ptr[star - 1] != '*')
		star--;
	for (dot = star; dot < s.len && s.ptr[dot] != '.'; dot++)
		;
	if (dot == s.len)
		return STR("");
	return (struct str){ s.ptr + dot + 1, s.len - dot - 1 };
}

static void
add_name(struct policy_rules *r, const struct name_pattern *p)
{
	struct policy_target t = { .kind = TARGET_ANY };
	struct str text = { p->text, p->len };

	switch (p->kind) {
	case NAME_PATTERN_ALL:
		*policy_array_add(&r->targets) = t;
		return;
	case NAME_PATTERN_EXACT:
		t.kind = TARGET_EXACT;
		break;
	case NAME_PATTERN_SUFFIX:
		t.kind = TARGET_SUFFIX;
		break;
	case NAME_PATTERN_LABELS:
		text = literal_tail(text);
		if (text.len > 0 && text.len + 2 == p->len) {
			t.kind = TARGET_LABEL;
			break;
		}
		t.kind = TARGET_PATTERN;
		t.pattern = (uint32_t)r->patterns.n;
		*policy_array_add(&r->patterns) = *p;
		break;
	}
	t.len = (uint8_t)text.len;
	t.labels = count_labels(text);
	t.text = policy_rules_text(r, text);
	*policy_array_add(&r->targets) = t;
}

static bool
has_any(struct str s, const char *bytes)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr(bytes, s.ptr[i]) != NULL)
			return true;
	return false;
}

/* Digits and dots only, or what no name can have: meant as an address. */
static bool
looks_like_address(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.ptr[i] < '0' || s.ptr[i] > '9') && s.ptr[i] != '.')
			return has_any(s, "/:");
	return s.len > 0;
}

int
policy_rules_target(struct policy_rules *r, struct str s, struct err *err)
{
	struct policy_target t = { .kind = TARGET_V6 };
	struct name_pattern p;

	if (looks_like_address(s)) {
		if (cidr_parse(&t.cidr, s, err) != 0)
			return -1;
		if (t.cidr.v4)
			t.kind = TARGET_V4;
		*policy_array_add(&r->targets) = t;
		return 0;
	}
	if (name_pattern_parse(&p, s, err) != 0)
		return -1;
	add_name(r, &p);
	return 0;
}

static int
by_first(const void *a, const void *b)
{
	const struct policy_ports *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void
policy_rules_join_ports(struct policy_rules *r, size_t first)
{
	size_t n = r->ports.n - first, last = 0;
	struct policy_ports *v;

	if (n < 2)
		return;
	v = r->ports.v + first;
	qsort(v, n, sizeof(*v), by_first);
	for (size_t i = 1; i < n; i++) {
		if (v[i].first > v[last].last + 1)
			v[++last] = v[i];
		else if (v[i].last > v[last].last)
			v[last].last = v[i].last;
	}
	r->ports.n = first + last + 1;
}

size_t
policy_rules_memory(const struct policy_rules *r)
{
	size_t owner = sizeof(struct policy_owner) + sizeof(void *);

	return r->owners.n * owner +
	    r->rules.cap * sizeof(*r->rules.v) +
	    r->targets.cap * sizeof(*r->targets.v) +
	    r->ports.cap * sizeof(*r->ports.v) +
	    r->sources.cap * sizeof(*r->sources.v) +
	    r->patterns.cap * sizeof(*r->patterns.v) + r->texts.cap;
}

void
policy_rules_fini(struct policy_rules *r)
{
	for (size_t i = 0; i < r->owners.n; i++) {
		free(r->owners.v[i]->groups);
		free(r->owners.v[i]->name);
		free(r->owners.v[i]);
	}
	free(r->owners.v);
	free(r->rules.v);
	free(r->targets.v);
	free(r->ports.v);
	free(r->sources.v);
	free(r->patterns.v);
	map_fini(&r->users);
	map_fini(&r->groups);
	bytes_fini(&r->texts);
	memset(r, 0, sizeof(*r));
}
