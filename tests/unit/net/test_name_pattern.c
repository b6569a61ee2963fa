/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/name_pattern.h"

#define L10 "aaaaaaaaaa"
#define L60 L10 L10 L10 L10 L10 L10

static struct name_pattern
pattern(struct str text)
{
	struct err err = { "" };
	struct name_pattern p;

	if (name_pattern_parse(&p, text, &err) != 0)
		fail_msg("%s: %s", text.ptr, err.text);
	return p;
}

static const struct {
	struct str in;
	enum name_pattern_kind kind;
	const char *text;
} good[] = {
	{ STR("*"), NAME_PATTERN_ALL, "" },
	{ STR("example.com"), NAME_PATTERN_EXACT, "example.com" },
	{ STR("Example.COM."), NAME_PATTERN_EXACT, "example.com" },
	{ STR("localhost"), NAME_PATTERN_EXACT, "localhost" },
	{ STR("**.Example.COM."), NAME_PATTERN_SUFFIX, "example.com" },
	{ STR("**.com"), NAME_PATTERN_SUFFIX, "com" },
	{ STR("*.example.com"), NAME_PATTERN_LABELS, "*.example.com" },
	{ STR("*.Example.COM."), NAME_PATTERN_LABELS, "*.example.com" },
	{ STR("API.*.com"), NAME_PATTERN_LABELS, "api.*.com" },
	{ STR("prod-*.x"), NAME_PATTERN_LABELS, "prod-*.x" },
	{ STR("*a*b*.x"), NAME_PATTERN_LABELS, "*a*b*.x" },
	{ STR("www.*"), NAME_PATTERN_LABELS, "www.*" },
	{ STR("*.*"), NAME_PATTERN_LABELS, "*.*" },
	{ STR("*-1"), NAME_PATTERN_LABELS, "*-1" },
	{ STR("1*.example"), NAME_PATTERN_LABELS, "1*.example" },
	{ STR("*" L60 "aa.x"), NAME_PATTERN_LABELS, "*" L60 "aa.x" },
};

static void
parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct name_pattern p = pattern(good[i].in);

		assert_int_equal(p.kind, good[i].kind);
		assert_string_equal(p.text, good[i].text);
		assert_int_equal(p.len, strlen(good[i].text));
	}
}

static const struct {
	struct str in;
	const char *says;
} bad[] = {
	{ STR(""), "valid host name" },
	{ STR("."), "valid host name" },
	{ STR("a..b"), "valid host name" },
	{ STR("a b"), "valid host name" },
	{ STR("a\0"), "valid host name" },
	{ STR("*.a\0"), "valid host name" },
	{ STR("*.m\xc3\xbcnchen.de"), "valid host name" },
	{ STR("?.example.com"), "valid host name" },
	{ STR("*."), "everything is `*`" },
	{ STR("**"), "everything is `*`" },
	{ STR("**."), "everything is `*`" },
	{ STR("*.."), "valid host name" },
	{ STR(".*"), "valid host name" },
	{ STR("*..com"), "valid host name" },
	{ STR("**.."), "valid host name" },
	{ STR("**a.com"), "only at the start" },
	{ STR("a**.com"), "only at the start" },
	{ STR("a.**.com"), "only at the start" },
	{ STR("*.**"), "only at the start" },
	{ STR("***"), "only at the start" },
	{ STR("***.com"), "only at the start" },
	{ STR("**.*.com"), "no wildcards can follow" },
	{ STR("**.a*"), "no wildcards can follow" },
	{ STR("**.1.2.3.4"), "an address" },
	{ STR("1.2.3.4"), "an address" },
	{ STR("::1"), "an address" },
	{ STR("10.0.0.*"), "range of addresses" },
	{ STR("10.*"), "range of addresses" },
	{ STR("*.1"), "range of addresses" },
	{ STR("*.0x1"), "valid host name" },
	{ STR("a*.1"), "valid host name" },
	{ STR("10.0.0.0/8"), "valid host name" },
	{ STR("**.10"), "valid host name" },
	{ STR("*" L60 "aaa.x"), "valid host name" },
	{ STR("*." L60 "." L60 "." L60 "." L60 ".aaaaaa.a"),
	    "valid host name" },
	{ STR("*." L60 "." L60 "." L60 "." L60 "." L60), "longer" },
};

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { "" };
		struct name_pattern p;

		if (name_pattern_parse(&p, bad[i].in, &err) != -1)
			fail_msg("%s is accepted", bad[i].in.ptr);
		if (strstr(err.text, bad[i].says) == NULL)
			fail_msg("%s: %s", bad[i].in.ptr, err.text);
	}
}

static const struct {
	const char *pattern, *name;
	bool match;
} matches[] = {
	{ "*", "a", true },
	{ "*", "a.b.c", true },
	{ "evil.com", "evil.com", true },
	{ "EVIL.com.", "evil.com", true },
	{ "evil.com", "www.evil.com", false },
	{ "evil.com", "evil.co", false },
	{ "evil.com", "evil.comm", false },
	{ "evil.com", "notevil.com", false },
	{ "*.example.com", "a.example.com", true },
	{ "*.example.com", "example.com", false },
	{ "*.example.com", "a.b.example.com", false },
	{ "*.example.com", "aexample.com", false },
	{ "*.example.com", "a.example.com.evil", false },
	{ "api.*.com", "api.x.com", true },
	{ "api.*.com", "api.com", false },
	{ "api.*.com", "api.x.y.com", false },
	{ "api.*.com", "xapi.x.com", false },
	{ "**.x.com", "a.x.com", true },
	{ "**.x.com", "a.b.c.x.com", true },
	{ "**.x.com", "x.com", false },
	{ "**.x.com", "ax.com", false },
	{ "**.x.com", "a.x.com.a", false },
	{ "**.x", "a.b", false },
	{ "prod-*.x", "prod-1.x", true },
	{ "prod-*.x", "prod-.x", true },
	{ "prod-*.x", "prod.x", false },
	{ "prod-*.x", "prod-1.y.x", false },
	{ "prod-*.x", "xprod-1.x", false },
	{ "*-prod.x", "a-prod.x", true },
	{ "*-prod.x", "a-prod-prod.x", true },
	{ "*-prod.x", "a-prodx.x", false },
	{ "a*b*c.x", "abc.x", true },
	{ "a*b*c.x", "axbbxcc.x", true },
	{ "a*b*c.x", "axbbxcd.x", false },
	{ "a*b*c.x", "a-bb-cc.x", true },
	{ "a*b*c.x", "acb.x", false },
	{ "www.*", "www.com", true },
	{ "www.*", "www", false },
	{ "*.*", "a.b", true },
	{ "*.*", "a", false },
	{ "*.*", "a.b.c", false },
	{ "*a.*b", "xa.yb", true },
	{ "*a.*b", "xa.y", false },
	{ "*a.*b", "x.yab", false },
};

static void
matching(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(matches); i++) {
		struct name_pattern p = pattern(str_from(matches[i].pattern));

		if (name_pattern_match(&p, str_from(matches[i].name)) !=
		    matches[i].match)
			fail_msg("%s %s", matches[i].pattern, matches[i].name);
	}
}

static uint32_t
next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* Text of up to `max` bytes of `alphabet`; few letters make many hits. */
static struct str
random_text(char *to, size_t max, const char *alphabet, uint32_t *x)
{
	size_t n = 1 + next_random(x) % max, letters = strlen(alphabet);

	for (size_t i = 0; i < n; i++)
		to[i] = alphabet[(next_random(x) >> 8) % letters];
	to[n] = '\0';
	return (struct str){ to, n };
}

/* Does the label `p` with its wildcards match the label `s`? */
static bool
naive_label(struct str p, struct str s)
{
	if (p.len == 0)
		return s.len == 0;
	if (p.ptr[0] != '*')
		return s.len > 0 && p.ptr[0] == s.ptr[0] &&
		    naive_label((struct str){ p.ptr + 1, p.len - 1 },
		    (struct str){ s.ptr + 1, s.len - 1 });
	for (size_t i = 0; i <= s.len; i++)
		if (naive_label((struct str){ p.ptr + 1, p.len - 1 },
		    (struct str){ s.ptr + i, s.len - i }))
			return true;
	return false;
}

static struct str
take_label(struct str *s)
{
	struct str label = { s->ptr, 0 };

	while (label.len < s->len && s->ptr[label.len] != '.')
		label.len++;
	s->ptr += label.len;
	s->len -= label.len;
	if (s->len > 0) {
		s->ptr++;
		s->len--;
	}
	return label;
}

/* The rules of design.md 4.4 as they are written, on text of the file. */
static bool
naive(struct str p, struct str name)
{
	if (str_eq(p, STR("*")))
		return true;
	if (p.len > 3 && memcmp(p.ptr, "**.", 3) == 0) {
		p = (struct str){ p.ptr + 3, p.len - 3 };
		while (name.len > 0) {
			take_label(&name);
			if (name.len > 0 && str_eq(p, name))
				return true;
		}
		return false;
	}
	while (p.len > 0 && name.len > 0) {
		struct str pl = take_label(&p), nl = take_label(&name);

		if (!naive_label(pl, nl))
			return false;
	}
	return p.len == 0 && name.len == 0;
}

static void
agrees_with_naive_matcher(void **state)
{
	char a[16], b[16];
	unsigned hits = 0, tried = 0;
	uint32_t x = 2463534242;
	struct name_pattern p;
	struct dest d;

	(void)state;
	for (unsigned round = 0; round < 300000; round++) {
		struct str text = random_text(a, 10, "ab..**", &x);
		struct str host = random_text(b, 12, "aab.", &x);
		bool match;

		if (name_pattern_parse(&p, text, NULL) != 0 ||
		    name_canonical(&d, host) != NAME_OK)
			continue;
		/* Both sides without the trailing dot. */
		text.len -= text.ptr[text.len - 1] == '.';
		host = (struct str){ d.name, d.name_len };
		match = name_pattern_match(&p, host);
		if (match != naive(text, host))
			fail_msg("%s %s", a, d.name);
		tried++;
		hits += match && p.kind == NAME_PATTERN_LABELS;
	}
	/* The inputs must have been worth it. */
	assert_in_range(tried, 10000, 300000);
	assert_in_range(hits, 500, tried);
}

/* 30 stars and no match: a matcher that backtracks freely never returns. */
static void
time_is_bounded(void **state)
{
	char text[] = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a"
	    "*a*a*a.x";
	struct name_pattern p = pattern(str_from(text));

	(void)state;
	assert_false(name_pattern_match(&p, STR(L60 "aab.x")));
	assert_true(name_pattern_match(&p, STR(L60 "aaa.x")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(matching),
		cmocka_unit_test(agrees_with_naive_matcher),
		cmocka_unit_test(time_is_bounded),
	};

	return cmocka_run_group_tests_name("net_name_pattern", tests, NULL,
	    NULL);
}
