/* SPDX-License-Identifier: MIT */
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/tree.h"
#include "config/value_impl.h"

#define NODES_TEXT (1u << NODE_STRING | 1u << NODE_PLAIN)
#define NODES_NUMBER (1u << NODE_INT | 1u << NODE_PLAIN)
#define NODES_QUANTITY (NODES_TEXT | 1u << NODE_INT)
#define NODES_BOOL (1u << NODE_BOOL | 1u << NODE_PLAIN)

/* ---- units ---- */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit time_units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
	{ "d", 86400000 }, { NULL, 0 },
};

static const struct unit size_units[] = {
	{ "", 1 }, { "KiB", 1024 }, { "MiB", 1048576 }, { "GiB", 1073741824 },
	{ NULL, 0 },
};

int
value_fail(struct err *err, struct str s, const char *why)
{
	char shown[96];
	struct text t = text_on(shown, sizeof(shown));

	if (s.len > 60)
		s.len = 60;
	text_escaped(&t, s);
	return err_set(err, "\"%s\" %s", shown, why);
}

/* 0; -1: not digits and one of `units`, or beyond 64 bits. */
static int
parse_with_unit(struct str s, const struct unit *units, uint64_t *out)
{
	size_t digits = 0;

	while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
		digits++;
	struct str number = { s.ptr, digits };
	struct str unit = { s.ptr + digits, s.len - digits };
	for (; units->name != NULL; units++)
		if (str_eq(unit, str_from(units->name)))
			return str_to_u64(number, UINT64_MAX, out) &&
				!__builtin_mul_overflow(*out, units->factor,
				    out) ? 0 : -1;
	return -1;
}

int
value_parse_duration(struct str s, uint64_t *ms, struct err *err)
{
	uint64_t bare;

	if (str_to_u64(s, UINT64_MAX, &bare)) {
		*ms = 0;
		return bare == 0 ? 0 : value_fail(err, s,
		    "has no unit (ms, s, m, h, d)");
	}
	if (parse_with_unit(s, time_units, ms) < 0)
		return value_fail(err, s, "is not a duration such as \"10s\" "
		    "(ms, s, m, h, d)");
	return 0;
}

int
value_parse_bytes(struct str s, uint64_t *out, struct err *err)
{
	if (parse_with_unit(s, size_units, out) < 0)
		return value_fail(err, s, "is not a size such as \"64KiB\" "
		    "(KiB, MiB, GiB)");
	return 0;
}

static void
print_with_unit(struct bytes *out, const struct unit *units, uint64_t n)
{
	const struct unit *best = units;

	for (const struct unit *u = units; u->name != NULL; u++)
		if (n % u->factor == 0)
			best = u;
	bytes_fmt(out, "%llu%s", (unsigned long long)(n / best->factor),
	    n == 0 ? "" : best->name);
}

void
value_print_duration(struct bytes *out, uint64_t ms)
{
	print_with_unit(out, time_units, ms);
}

void
value_print_bytes(struct bytes *out, uint64_t n)
{
	print_with_unit(out, size_units, n);
}

void
value_print_quoted(struct bytes *out, const char *s)
{
	bytes_fmt(out, "\"");
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			bytes_fmt(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			bytes_fmt(out, "\\u%04x", c);
		else
			bytes_add(out, s, 1);
	}
	bytes_fmt(out, "\"");
}

/* ---- bool, numbers ---- */

static int
bool_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	(void)choices;
	v->boolean = str_eq(s, STR("true"));
	return v->boolean || str_eq(s, STR("false"))
		? 0 : value_fail(err, s, "is neither true nor false");
}

static void
bool_print(const union value *v, const char *const *choices, struct bytes *out)
{
	(void)choices;
	bytes_fmt(out, "%s", v->boolean ? "true" : "false");
}

static bool
bool_equal(const union value *a, const union value *b)
{
	return a->boolean == b->boolean;
}

static int
u32_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	uint64_t n;

	(void)choices;
	if (!str_to_u64(s, UINT32_MAX, &n))
		return value_fail(err, s, "is not a whole number from 0 to "
		    "4294967295");
	v->u32 = (uint32_t)n;
	return 0;
}

static void
u32_print(const union value *v, const char *const *choices, struct bytes *out)
{
	(void)choices;
	bytes_fmt(out, "%lu", (unsigned long)v->u32);
}

static bool
u32_equal(const union value *a, const union value *b)
{
	return a->u32 == b->u32;
}

static uint64_t
u32_measure(const union value *v)
{
	return v->u32;
}

static int
choice_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	struct bytes list = { 0 };

	for (uint32_t i = 0; choices[i] != NULL; i++) {
		if (str_eq(s, str_from(choices[i]))) {
			v->u32 = i;
			bytes_fini(&list);
			return 0;
		}
		bytes_fmt(&list, "%s%s", i == 0 ? "is none of " : ", ",
		    choices[i]);
	}
	value_fail(err, s, list.ptr);
	bytes_fini(&list);
	return -1;
}

static void
choice_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	value_print_quoted(out, choices[v->u32]);
}

static int
duration_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	(void)choices;
	return value_parse_duration(s, &v->u64, err);
}

static void
duration_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	(void)choices;
	bytes_fmt(out, "\"");
	value_print_duration(out, v->u64);
	bytes_fmt(out, "\"");
}

static int
size_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	(void)choices;
	return value_parse_bytes(s, &v->u64, err);
}

static void
size_print(const union value *v, const char *const *choices, struct bytes *out)
{
	(void)choices;
	bytes_fmt(out, "\"");
	value_print_bytes(out, v->u64);
	bytes_fmt(out, "\"");
}

static bool
u64_equal(const union value *a, const union value *b)
{
	return a->u64 == b->u64;
}

static uint64_t
u64_measure(const union value *v)
{
	return v->u64;
}

static void
nothing_free(union value *v)
{
	(void)v;
}

/* ---- text ---- */

static int
string_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	(void)choices;
	if (!str_is_printable(s) || !str_is_utf8(s))
		return err_set(err, "has a control character or is not UTF-8");
	v->string = xmemdup0(s.ptr, s.len);
	return 0;
}

static void
string_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	(void)choices;
	value_print_quoted(out, v->string);
}

static void
secret_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	(void)choices;
	value_print_quoted(out, *v->string == '\0' ? "" : "***");
}

static bool
string_equal(const union value *a, const union value *b)
{
	return strcmp(a->string, b->string) == 0;
}

static uint64_t
string_measure(const union value *v)
{
	return strlen(v->string);
}

static void
string_free(union value *v)
{
	free(v->string);
	v->string = NULL;
}

static void
secret_free(union value *v)
{
	if (v->string != NULL)
		secret_wipe(v->string, strlen(v->string));
	string_free(v);
}

/* ---- lists ---- */

static int
strings_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	struct string_list *l = &v->strings;
	union value item = { 0 };

	if (choices != NULL && choice_parse(&item, s, choices, err) < 0)
		return -1;
	if (s.len == 0)
		return err_set(err, "has an empty entry");
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(str_from(l->v[i]), s))
			return value_fail(err, s, "is listed twice");
	if (string_parse(&item, s, NULL, err) < 0)
		return -1;
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = item.string;
	return 0;
}

static void
strings_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	(void)choices;
	bytes_fmt(out, "[");
	for (size_t i = 0; i < v->strings.n; i++) {
		bytes_fmt(out, "%s", i == 0 ? "" : ", ");
		value_print_quoted(out, v->strings.v[i]);
	}
	bytes_fmt(out, "]");
}

static bool
strings_equal(const union value *a, const union value *b)
{
	if (a->strings.n != b->strings.n)
		return false;
	for (size_t i = 0; i < a->strings.n; i++)
		if (strcmp(a->strings.v[i], b->strings.v[i]) != 0)
			return false;
	return true;
}

static uint64_t
strings_measure(const union value *v)
{
	return v->strings.n;
}

static void
strings_free(union value *v)
{
	for (size_t i = 0; i < v->strings.n; i++)
		free(v->strings.v[i]);
	free(v->strings.v);
	v->strings = (struct string_list){ 0 };
}

static int
endpoint_parse_value(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	(void)choices;
	if (!endpoint_parse(&v->endpoint, s))
		return value_fail(err, s, "is not an address with a port, "
		    "such as \"127.0.0.1:1080\" or \"[::1]:1080\"");
	return 0;
}

static void
endpoint_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	char text[ENDPOINT_TEXT_SIZE];

	(void)choices;
	endpoint_format(text, &v->endpoint);
	value_print_quoted(out, text);
}

static bool
endpoint_equal(const union value *a, const union value *b)
{
	return endpoint_eq(&a->endpoint, &b->endpoint);
}

static int
endpoints_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	struct endpoint_list *l = &v->endpoints;
	union value item = { 0 };

	if (endpoint_parse_value(&item, s, choices, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		if (endpoint_eq(&l->v[i], &item.endpoint) &&
		    item.endpoint.port != 0)
			return value_fail(err, s, "is listed twice");
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = item.endpoint;
	return 0;
}

static void
endpoints_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	bytes_fmt(out, "[");
	for (size_t i = 0; i < v->endpoints.n; i++) {
		union value item = { .endpoint = v->endpoints.v[i] };

		bytes_fmt(out, "%s", i == 0 ? "" : ", ");
		endpoint_print(&item, choices, out);
	}
	bytes_fmt(out, "]");
}

static bool
endpoints_equal(const union value *a, const union value *b)
{
	if (a->endpoints.n != b->endpoints.n)
		return false;
	for (size_t i = 0; i < a->endpoints.n; i++)
		if (!endpoint_eq(&a->endpoints.v[i], &b->endpoints.v[i]))
			return false;
	return true;
}

static uint64_t
endpoints_measure(const union value *v)
{
	return v->endpoints.n;
}

static void
endpoints_free(union value *v)
{
	free(v->endpoints.v);
	v->endpoints = (struct endpoint_list){ 0 };
}

static int
cidrs_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	struct cidr_list *l = &v->cidrs;
	struct cidr item;

	(void)choices;
	if (cidr_parse(&item, s, err) < 0)
		return -1;
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = item;
	return 0;
}

static void
cidrs_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	char text[CIDR_TEXT_SIZE];

	(void)choices;
	bytes_fmt(out, "[");
	for (size_t i = 0; i < v->cidrs.n; i++) {
		cidr_format(text, &v->cidrs.v[i]);
		bytes_fmt(out, "%s", i == 0 ? "" : ", ");
		value_print_quoted(out, text);
	}
	bytes_fmt(out, "]");
}

static bool
cidrs_equal(const union value *a, const union value *b)
{
	if (a->cidrs.n != b->cidrs.n)
		return false;
	for (size_t i = 0; i < a->cidrs.n; i++) {
		const struct cidr *x = &a->cidrs.v[i], *y = &b->cidrs.v[i];

		if (x->bits != y->bits || x->v4 != y->v4 ||
		    !addr_eq(&x->base, &y->base))
			return false;
	}
	return true;
}

static uint64_t
cidrs_measure(const union value *v)
{
	return v->cidrs.n;
}

static void
cidrs_free(union value *v)
{
	free(v->cidrs.v);
	v->cidrs = (struct cidr_list){ 0 };
}

/* ---- the table ---- */

const struct value_ops value_types[] = {
	[VALUE_BOOL] = {
		.name = "true or false", .expected = "true or false",
		.size = sizeof(bool), .kinds = NODES_BOOL,
		.parse = bool_parse, .print = bool_print, .equal = bool_equal,
		.free = nothing_free,
	},
	[VALUE_U32] = {
		.name = "number", .expected = "a whole number",
		.size = sizeof(uint32_t), .kinds = NODES_NUMBER,
		.measured = MEASURE_NUMBER, .measure = u32_measure,
		.parse = u32_parse, .print = u32_print, .equal = u32_equal,
		.free = nothing_free,
	},
	[VALUE_DURATION] = {
		.name = "duration", .expected = "a duration such as \"10s\"",
		.size = sizeof(uint64_t), .kinds = NODES_QUANTITY,
		.measured = MEASURE_NUMBER, .measure = u64_measure,
		.parse = duration_parse, .print = duration_print,
		.equal = u64_equal, .free = nothing_free,
	},
	[VALUE_BYTES] = {
		.name = "size", .expected = "a size such as \"64KiB\"",
		.size = sizeof(uint64_t), .kinds = NODES_QUANTITY,
		.measured = MEASURE_NUMBER, .measure = u64_measure,
		.parse = size_parse, .print = size_print,
		.equal = u64_equal, .free = nothing_free,
	},
	[VALUE_STRING] = {
		.name = "string", .expected = "a string",
		.size = sizeof(char *), .kinds = NODES_TEXT,
		.measured = MEASURE_LENGTH, .measure = string_measure,
		.parse = string_parse, .print = string_print,
		.equal = string_equal, .free = string_free,
	},
	[VALUE_PATH] = {
		.name = "path", .expected = "a path",
		.size = sizeof(char *), .kinds = NODES_TEXT,
		.measured = MEASURE_LENGTH, .measure = string_measure,
		.parse = string_parse, .print = string_print,
		.equal = string_equal, .free = string_free,
	},
	[VALUE_SECRET] = {
		.name = "secret", .expected = "a string", .hidden = true,
		.size = sizeof(char *), .kinds = NODES_TEXT,
		.measured = MEASURE_LENGTH, .measure = string_measure,
		.parse = string_parse, .print = secret_print,
		.equal = string_equal, .free = secret_free,
	},
	[VALUE_CHOICE] = {
		.name = "choice", .expected = "a word",
		.size = sizeof(uint32_t), .kinds = NODES_TEXT,
		.parse = choice_parse, .print = choice_print,
		.equal = u32_equal, .free = nothing_free,
	},
	[VALUE_STRINGS] = {
		.name = "list of strings", .expected = "a list of strings",
		.size = sizeof(struct string_list), .kinds = NODES_TEXT,
		.list = true,
		.measured = MEASURE_ENTRIES, .measure = strings_measure,
		.parse = strings_parse, .print = strings_print,
		.equal = strings_equal, .free = strings_free,
	},
	[VALUE_ENDPOINT] = {
		.name = "address and port",
		.expected = "an address with a port, such as "
		    "\"127.0.0.1:1080\"",
		.size = sizeof(struct endpoint), .kinds = NODES_TEXT,
		.parse = endpoint_parse_value, .print = endpoint_print,
		.equal = endpoint_equal, .free = nothing_free,
	},
	[VALUE_ENDPOINTS] = {
		.name = "list of addresses and ports",
		.expected = "a list of addresses with ports, such as "
		    "[\"127.0.0.1:1080\"]",
		.size = sizeof(struct endpoint_list), .kinds = NODES_TEXT,
		.list = true,
		.measured = MEASURE_ENTRIES, .measure = endpoints_measure,
		.parse = endpoints_parse, .print = endpoints_print,
		.equal = endpoints_equal, .free = endpoints_free,
	},
	[VALUE_CIDRS] = {
		.name = "list of address ranges",
		.expected = "a list of ranges such as [\"10.0.0.0/8\"]",
		.size = sizeof(struct cidr_list), .kinds = NODES_TEXT,
		.list = true,
		.measured = MEASURE_ENTRIES, .measure = cidrs_measure,
		.parse = cidrs_parse, .print = cidrs_print,
		.equal = cidrs_equal, .free = cidrs_free,
	},
	[VALUE_PORTS] = {
		.name = "range of ports",
		.expected = "a range of ports such as \"40000-40999\", or "
		    "\"ephemeral\"",
		.size = sizeof(struct port_range), .kinds = NODES_TEXT,
		.parse = ports_parse, .print = ports_print,
		.equal = ports_equal, .free = nothing_free,
	},
	[VALUE_ADVERTISED] = {
		.name = "list of advertised addresses",
		.expected = "a list of addresses such as "
		    "[\"10.0.0.0/8=10.0.0.7\", \"203.0.113.7\"]",
		.size = sizeof(struct advertised_list), .kinds = NODES_TEXT,
		.list = true,
		.measured = MEASURE_ENTRIES, .measure = advertised_measure,
		.parse = advertised_parse, .print = advertised_print,
		.equal = advertised_equal, .free = advertised_free,
	},
};

union value
value_at(enum value_type type, const void *p)
{
	union value v = { 0 };

	memcpy(&v, p, value_types[type].size);
	return v;
}

void
value_store(enum value_type type, void *p, const union value *v)
{
	memcpy(p, v, value_types[type].size);
}
