/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "prom.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SAMPLES_MAX 2000
#define METRICS_MAX 200

struct page {
	struct str metrics[METRICS_MAX], samples[SAMPLES_MAX];
	unsigned n_metrics, n_samples;
	struct str type;	/* of the last metric */
	/* of the histogram under way */
	double edge, count;
};

static bool
starts(struct str s, const char *with)
{
	size_t n = strlen(with);

	return s.len >= n && memcmp(s.ptr, with, n) == 0;
}

static void
past(struct str *s, size_t n)
{
	assert_true(n <= s->len);
	s->ptr += n;
	s->len -= n;
}

static void
expect(struct str *s, const char *what)
{
	if (!starts(*s, what))
		fail_msg("no %s at: %.*s", what, (int)s->len, s->ptr);
	past(s, strlen(what));
}

static struct str
name(struct str *s)
{
	struct str n = { s->ptr, 0 };

	while (n.len < s->len && (isalpha((unsigned char)s->ptr[n.len]) ||
	        s->ptr[n.len] == '_' || (n.len > 0 &&
	            isdigit((unsigned char)s->ptr[n.len]))))
		n.len++;
	assert_true(n.len > 0);
	past(s, n.len);
	return n;
}

/* `"…"`; the raw text between. */
static struct str
quoted(struct str *s)
{
	struct str v = { s->ptr + 1, 0 };

	for (expect(s, "\""); !starts(*s, "\""); v.len++) {
		if (starts(*s, "\\")) {
			past(s, 1);
			v.len++;
			assert_true(starts(*s, "\\") || starts(*s, "\"") ||
			    starts(*s, "n"));
		}
		past(s, 1);
	}
	past(s, 1);
	assert_true(str_is_utf8(v));
	return v;
}

static double
number(struct str s)
{
	char text[64], *end;
	double v;

	assert_true(str_copy(text, sizeof(text), s));
	v = strtod(text, &end);
	assert_true(s.len > 0 && *end == '\0' &&
	    !isspace((unsigned char)*text));
	return v;
}

static void
read_head(struct page *p, struct str help, struct str type)
{
	struct str of;

	expect(&help, "# HELP ");
	of = name(&help);
	expect(&help, " ");
	expect(&type, "# TYPE ");
	assert_true(str_eq(name(&type), of));
	expect(&type, " ");
	assert_true(str_eq(type, STR("counter")) ||
	    str_eq(type, STR("gauge")) || str_eq(type, STR("histogram")));
	for (unsigned i = 0; i < p->n_metrics; i++)
		assert_false(str_eq(p->metrics[i], of));
	assert_true(p->n_metrics < METRICS_MAX);
	p->metrics[p->n_metrics++] = of;
	p->type = type;
	p->edge = p->count = -1;
}

static void
judge(struct page *p, struct str suffix, struct str le, double v)
{
	if (!str_eq(p->type, STR("histogram"))) {
		assert_int_equal(suffix.len, 0);
	} else if (str_eq(suffix, STR("_bucket"))) {
		/* A new set of labels begins anew. */
		if (p->edge > 1e300)
			p->edge = p->count = -1;
		assert_true(number(le) > p->edge && v >= p->count);
		p->edge = number(le);
		p->count = v;
	} else if (str_eq(suffix, STR("_count"))) {
		assert_true(p->edge > 1e300 && v == p->count);
	} else {
		assert_true(str_eq(suffix, STR("_sum")));
	}
}

static void
read_sample(struct page *p, struct str line)
{
	struct str all = line, n = name(&line), of, le = { "", 0 };

	assert_true(p->n_metrics > 0 && p->n_samples < SAMPLES_MAX);
	of = p->metrics[p->n_metrics - 1];
	assert_true(n.len >= of.len && memcmp(n.ptr, of.ptr, of.len) == 0);
	past(&n, of.len);
	if (starts(line, "{")) {
		do {
			struct str label, value;

			past(&line, 1);
			label = name(&line);
			expect(&line, "=");
			value = quoted(&line);
			if (str_eq(label, STR("le")))
				le = value;
		} while (starts(line, ","));
		expect(&line, "}");
	}
	all.len = (size_t)(line.ptr - all.ptr);
	for (unsigned i = 0; i < p->n_samples; i++)
		assert_false(str_eq(p->samples[i], all));
	p->samples[p->n_samples++] = all;
	expect(&line, " ");
	judge(p, n, le, number(line));
}

static struct str
next_line(const char **page)
{
	const char *end = strchr(*page, '\n');
	struct str line = { *page, 0 };

	assert_non_null(end);
	line.len = (size_t)(end - *page);
	*page = end + 1;
	return line;
}

unsigned
prom_check(const char *page)
{
	static struct page p;

	p = (struct page){ 0 };
	while (*page != '\0') {
		struct str line = next_line(&page);

		if (starts(line, "#"))
			read_head(&p, line, next_line(&page));
		else
			read_sample(&p, line);
	}
	return p.n_samples;
}

double
prom_value(const char *page, const char *sample)
{
	while (*page != '\0') {
		struct str line = next_line(&page);

		if (starts(line, sample) && line.ptr[strlen(sample)] == ' ') {
			past(&line, strlen(sample) + 1);
			return number(line);
		}
	}
	fail_msg("no sample %s", sample);
	return 0;
}
