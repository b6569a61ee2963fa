/* SPDX-License-Identifier: MIT */
#include "apid/params.h"

#include <string.h>

#include "base/clock.h"
#include "net/cidr.h"
#include "net/name.h"

/* Where a value is being read. */
struct reading {
	struct params *p;
	const struct param *def;
	struct param_value *v;
	uint64_t now_us;
	struct problem_errors *errors;
};

static bool
bad(struct reading *r, const char *expected)
{
	problem_add(r->errors, str_from(r->def->name), "bad_value",
	    "%s: expected %s", r->def->name, expected);
	return false;
}

/* ---- types ---- */

static bool
read_number(struct reading *r)
{
	char expected[96];
	struct text t = text_on(expected, sizeof(expected));

	if (str_to_u64(r->v->text, r->def->max, &r->v->number) &&
	    r->v->number >= r->def->min)
		return true;
	text_fmt(&t, "a number from %llu to %llu",
	    (unsigned long long)r->def->min, (unsigned long long)r->def->max);
	return bad(r, expected);
}

static bool
read_text(struct reading *r)
{
	char expected[96];
	struct text t = text_on(expected, sizeof(expected));

	if (r->v->text.len <= r->def->max)
		return true;
	text_fmt(&t, "at most %llu bytes", (unsigned long long)r->def->max);
	return bad(r, expected);
}

static bool
read_time(struct reading *r)
{
	struct str s = r->v->text;
	uint64_t ms;

	if (s.len > 1 && s.ptr[0] == '-' &&
	    value_parse_duration((struct str){ s.ptr + 1, s.len - 1 }, &ms,
	        NULL) == 0 && ms <= r->now_us / 1000) {
		r->v->number = r->now_us - ms * 1000;
		return true;
	}
	if (clock_parse(s.ptr, s.len, &r->v->number) == 0)
		return true;
	return bad(r, "a time such as 2026-11-20T12:00:00Z, or -24h");
}

/* The first and the last address of a range. */
static void
ends_of(const struct cidr *c, struct addr *low, struct addr *high)
{
	*low = *high = c->base;
	for (unsigned bit = c->bits; bit < 128; bit++)
		high->b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

static bool
take_address(struct param_value *v)
{
	struct err err;
	struct cidr c;

	if (cidr_parse(&c, v->text, &err) != 0)
		return false;
	ends_of(&c, &v->low, &v->high);
	return true;
}

static bool
read_address(struct reading *r)
{
	return take_address(r->v) ||
	    bad(r, "an address or a range such as 10.0.0.0/8");
}

/* Makes the text canonical where it lies: that is never longer. */
static bool
take_name(struct param_value *v)
{
	struct dest d;

	if (name_canonical(&d, v->text) != NAME_OK)
		return false;
	memcpy((char *)(uintptr_t)v->text.ptr, d.name, d.name_len);
	v->text.len = d.name_len;
	v->is_name = true;
	return true;
}

static bool
read_destination(struct reading *r)
{
	return take_address(r->v) || take_name(r->v) ||
	    bad(r, "an address, a range such as 10.0.0.0/8, or a host name");
}

static bool
read_name(struct reading *r)
{
	return take_name(r->v) || bad(r, "a host name");
}

static bool
read_word(struct reading *r)
{
	const struct param_word *w;
	char expected[200];
	struct text t = text_on(expected, sizeof(expected));

	for (w = r->def->words; w->word != NULL; w++) {
		if (str_eq(r->v->text, str_from(w->word))) {
			r->v->number = w->number;
			return true;
		}
		text_fmt(&t, "%s%s", w == r->def->words ? "one of " : ", ",
		    w->word);
	}
	return bad(r, expected);
}

static bool (*const readers[PARAM_TYPES])(struct reading *r) = {
	[PARAM_NUMBER] = read_number, [PARAM_TEXT] = read_text,
	[PARAM_TIME] = read_time, [PARAM_ADDRESS] = read_address,
	[PARAM_DESTINATION] = read_destination, [PARAM_NAME] = read_name,
	[PARAM_WORD] = read_word,
};

/* ---- the string ---- */

static int
hex(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Decodes into the memory of `p`, where all of a target has room. */
static struct str
decode(struct params *p, struct str raw, bool plus_is_space)
{
	struct str out = { p->memory + p->used, 0 };

	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];

		if (c == '%' && raw.len - i >= 3) {
			c = (char)(hex(raw.ptr[i + 1]) << 4 |
			    hex(raw.ptr[i + 2]));
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		ASSERT(p->used < sizeof(p->memory));
		p->memory[p->used++] = c;
		out.len++;
	}
	return out;
}

/* Cuts `rest` at `sep`; gives what stood before it. */
static struct str
cut(struct str *rest, char sep)
{
	const char *at = memchr(rest->ptr, sep, rest->len);
	struct str head = *rest;

	if (at == NULL) {
		*rest = (struct str){ rest->ptr + rest->len, 0 };
		return head;
	}
	head.len = (size_t)(at - rest->ptr);
	*rest = (struct str){ at + 1, rest->len - head.len - 1 };
	return head;
}

static bool
read_value(struct reading *r, struct str raw)
{
	struct params *p = r->p;

	if (p->n == PARAMS_MAX)
		return bad(r, "fewer values: there are more than 64 in all");
	r->v = &p->v[p->n];
	*r->v = (struct param_value){ .param = r->def };
	r->v->text = decode(p, raw, r->def->type != PARAM_TIME);
	if (r->v->text.len == 0)
		return bad(r, "a value");
	if (!str_is_utf8(r->v->text) || !str_is_printable(r->v->text))
		return bad(r, "printable UTF-8");
	if (!readers[r->def->type](r))
		return false;
	p->n++;
	return true;
}

static bool
read_values(struct reading *r, struct str raw)
{
	bool good = true;

	if (!r->def->many) {
		if (params_get(r->p, r->def->name) == NULL)
			return read_value(r, raw);
		problem_add(r->errors, str_from(r->def->name), "repeated",
		    "%s: given twice", r->def->name);
		return false;
	}
	do {
		good &= read_value(r, cut(&raw, ','));
	} while (raw.len > 0 && r->p->n < PARAMS_MAX);
	return good;
}

static bool
unknown(const struct param *defs, struct str name,
    struct problem_errors *errors)
{
	const char *nearest = NULL;
	char shown[64];
	struct text t = text_on(shown, sizeof(shown));
	unsigned best = 3;

	text_escaped(&t, name);
	for (; defs->name != NULL; defs++) {
		unsigned d = str_distance(name, str_from(defs->name));

		if (d < best) {
			best = d;
			nearest = defs->name;
		}
	}
	if (nearest != NULL)
		problem_add(errors, name, "unknown_parameter",
		    "unknown parameter %s; did you mean %s?", shown, nearest);
	else
		problem_add(errors, name, "unknown_parameter",
		    "unknown parameter %s", shown);
	return false;
}

bool
params_parse(struct params *p, const struct param *defs, struct str query,
    uint64_t now_us, struct problem_errors *errors)
{
	bool good = true;

	p->n = p->used = 0;
	while (query.len > 0) {
		struct str raw = cut(&query, '&');
		struct str name = cut(&raw, '=');
		struct reading r = { .p = p, .now_us = now_us,
			.errors = errors };

		if (name.len == 0 && raw.len == 0)
			continue;
		for (r.def = defs; r.def->name != NULL; r.def++)
			if (str_eq(name, str_from(r.def->name)))
				break;
		good &= r.def->name == NULL ? unknown(defs, name, errors) :
		    read_values(&r, raw);
	}
	return good;
}

const struct param_value *
params_get(const struct params *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].param->name, name) == 0)
			return &p->v[i];
	return NULL;
}

uint64_t
params_number(const struct params *p, const char *name, uint64_t absent)
{
	const struct param_value *v = params_get(p, name);

	return v != NULL ? v->number : absent;
}

void
params_canonical(const struct params *p, const struct param *defs,
    struct bytes *out)
{
	for (; defs->name != NULL; defs++) {
		if (strcmp(defs->name, "cursor") == 0 ||
		    strcmp(defs->name, "limit") == 0)
			continue;
		for (size_t i = 0; i < p->n; i++)
			if (p->v[i].param == defs)
				bytes_fmt(out, "%s=%zu:%.*s\n", defs->name,
				    p->v[i].text.len, (int)p->v[i].text.len,
				    p->v[i].text.ptr);
	}
}
