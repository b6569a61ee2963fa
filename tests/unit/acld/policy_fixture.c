/* SPDX-License-Identifier: MIT */
#include "policy_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/tree.h"

struct acld_config
fixture_config(void)
{
	return (struct acld_config){ .max_rules = 1000000 };
}

struct policy *
fixture_parse(const char *path, const char *text,
    const struct acld_config *cfg, struct policy_report *report)
{
	struct policy *p = NULL;
	struct tree *tree;
	struct err err;
	int rc;

	if (tree_parse(&tree, path, str_from(text), &err) != 0) {
		policy_notes_add(&report->errors, NULL, 0, 0, "%s", err.text);
		return NULL;
	}
	rc = policy_load_tree(&p, tree, cfg, report);
	assert_int_equal(rc, report->errors.total == 0 ? 0 : -1);
	assert_true((p != NULL) == (rc == 0));
	tree_free(&tree);
	return p;
}

struct policy *
fixture_policy(const char *text)
{
	struct acld_config cfg = fixture_config();
	struct policy_report report = { .expect_failures = 0 };
	struct policy *p = fixture_parse("acl.toml", text, &cfg, &report);
	struct err err;

	if (p == NULL) {
		(void)policy_notes_err(&report.errors, &err);
		fail_msg("%s", err.text);
	}
	policy_report_fini(&report);
	return p;
}

char *
fixture_read(const char *path)
{
	struct bytes b = { NULL, 0, 0 };
	char part[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		fail_msg("%s: no such file", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		bytes_add(&b, part, n);
	fclose(f);
	bytes_add(&b, "", 1);
	return b.ptr;
}

unsigned
fixture_addrs(const char *list, struct addr *out, unsigned max)
{
	char *copy = xstrdup(list), *save = NULL;
	unsigned n = 0;

	for (char *s = strtok_r(copy, ",", &save); s != NULL;
	     s = strtok_r(NULL, ",", &save)) {
		assert_true(n < max);
		if (!addr_parse(&out[n++], str_from(s)))
			fail_msg("`%s` is no address", s);
	}
	free(copy);
	return n;
}

void
fixture_cidrs(const char *list, struct cidr_list *l)
{
	char *copy = xstrdup(list), *save = NULL;
	struct err err;

	for (char *s = strtok_r(copy, ",", &save); s != NULL;
	     s = strtok_r(NULL, ",", &save)) {
		l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
		if (cidr_parse(&l->v[l->n++], str_from(s), &err) != 0)
			fail_msg("`%s`: %s", s, err.text);
	}
	free(copy);
}
