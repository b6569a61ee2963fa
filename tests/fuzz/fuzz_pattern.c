/* SPDX-License-Identifier: MIT */
/*
 * The first line is text of a policy, tried as a name pattern, an address
 * range and an endpoint; the rest is a destination that is matched with them.
 * What parses must come back from its own text and agree with a slow matcher.
 */
#include <string.h>

#include "fuzz.h"
#include "net/name_pattern.h"
#include "net/special.h"

/* The meaning of a pattern, said without thought for time. */
static bool
slow_match(const char *p, const char *name)
{
	if (*p == '\0' || *name == '\0')
		return (*p == '*' && slow_match(p + 1, name)) || *p == *name;
	if (*p == '*')
		return slow_match(p + 1, name) ||
		    (*name != '.' && slow_match(p, name + 1));
	return *p == *name && slow_match(p + 1, name + 1);
}

static unsigned
count_stars(const struct name_pattern *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->len; i++)
		n += p->text[i] == '*';
	return n;
}

static void
check_pattern(struct str text, const struct dest *d)
{
	struct name_pattern p, again;
	struct err err = { "" };

	if (name_pattern_parse(&p, text, &err) != 0) {
		ASSERT(err.text[0] != '\0');
		return;
	}
	ASSERT(strlen(p.text) == p.len);
	if (p.kind == NAME_PATTERN_EXACT || p.kind == NAME_PATTERN_LABELS) {
		ASSERT(name_pattern_parse(&again,
		    (struct str){ p.text, p.len }, NULL) == 0);
		ASSERT(again.kind == p.kind && again.len == p.len &&
		    memcmp(again.text, p.text, p.len) == 0);
	}
	if (d == NULL)
		return;
	bool hit = name_pattern_match(&p,
	    (struct str){ d->name, d->name_len });
	/* Slow grows without bound in the number of stars. */
	if (p.kind == NAME_PATTERN_LABELS && count_stars(&p) <= 4)
		ASSERT(hit == slow_match(p.text, d->name));
	else if (p.kind == NAME_PATTERN_EXACT)
		ASSERT(hit == (strcmp(p.text, d->name) == 0));
}

static void
check_cidr(struct str text, const struct addr *a)
{
	char out[CIDR_TEXT_SIZE];
	struct err err = { "" };
	struct cidr c, again;

	if (cidr_parse(&c, text, &err) != 0) {
		ASSERT(err.text[0] != '\0');
		return;
	}
	cidr_format(out, &c);
	ASSERT(cidr_parse(&again, str_from(out), NULL) == 0);
	ASSERT(cidr_covers(&c, &again) && cidr_covers(&again, &c));
	ASSERT(cidr_has(&c, &c.base));
	/* What is closed at its first address is closed in part. */
	if (special_range(&c.base, NULL, 0) != NULL && c.bits == 128)
		ASSERT(special_overlap(&c) != NULL);
	if (a != NULL && cidr_has(&c, a) && special_overlap(&c) == NULL &&
	    special_range(a, NULL, 0) != NULL)
		/* Only an ISATAP id may hide in an open range. */
		ASSERT(!c.v4 && c.bits < 96);
}

static void
check_endpoint(struct str text)
{
	char out[ENDPOINT_TEXT_SIZE];
	struct endpoint e, again;

	if (!endpoint_parse(&e, text))
		return;
	endpoint_format(out, &e);
	ASSERT(endpoint_parse(&again, str_from(out)));
	ASSERT(endpoint_eq(&e, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, host = { "", 0 };
	const char *eol = size == 0 ? NULL : memchr(data, '\n', size);
	enum name_result r;
	struct dest d;

	if (eol != NULL) {
		text.len = (size_t)(eol - text.ptr);
		host = (struct str){ eol + 1, size - text.len - 1 };
	}
	r = name_canonical(&d, host);
	check_pattern(text, r == NAME_OK ? &d : NULL);
	check_cidr(text, r == NAME_IS_ADDR ? &d.addr : NULL);
	check_endpoint(text);
	return 0;
}
