/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/tree.h"

static struct tree *
parse(const char *path, const char *text)
{
	struct tree *t = NULL;
	struct err err = { 0 };

	if (tree_parse(&t, path, str_from(text), &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(t->path, path);
	return t;
}

/* "key kind line:column-last", depth first; a letter for each kind. */
static void
describe(struct bytes *out, const struct node *n)
{
	static const char kinds[] = "TLSIFBDP";

	bytes_fmt(out, "%s%c%d:%d-%d", n->key != NULL ? n->key : "",
	    kinds[n->kind], n->line, n->column, n->last_line);
	if (n->text != NULL)
		bytes_fmt(out, "=%s", n->text);
	bytes_fmt(out, " ");
	for (size_t i = 0; i < n->n; i++)
		describe(out, n->kids[i]);
}

static void
test_shape(void **state)
{
	static const struct {
		const char *path, *text, *shape;
	} table[] = {
		{ "a.toml", "", "T1:1-1 " },
		{ "a.yaml", "", "T1:1-1 " },
		{ "a.yaml", "# nothing\n", "T1:1-1 " },
		/* The order is the file's, not the alphabet's. */
		{ "a.toml", "z = 1\na = 'x'\n",
		    "T1:1-2 zI1:5-1=1 aS2:5-2=x " },
		{ "a.yml", "z: 1\na: 'x'\n",
		    "T1:1-2 zP1:4-1=1 aS2:4-2=x " },
		{ "a.toml", "[b.c]\nd = true\n[a]\ne = 1.5\n",
		    "T1:1-4 bT1:1-2 cT1:1-2 dB2:5-2=true aT3:1-4 "
		    "eF4:5-4=1.5 " },
		{ "a.toml", "[[r]]\nx = 0x10\n\n[[r]]\nx = [1,\n 2]\n",
		    "T1:1-6 rL1:1-6 T1:1-2 xI2:5-2=16 T4:1-6 xL5:5-6 "
		    "I5:6-5=1 I6:2-6=2 " },
		{ "a.yaml", "r:\n- x: 0x10\n-\n  x: [1,\n   \"2\"]\n",
		    "T1:1-5 rL2:1-5 T2:3-2 xP2:6-2=0x10 T4:3-5 xL4:6-5 "
		    "P4:7-4=1 S5:4-5=2 " },
		{ "a.toml", "t = 2024-01-02T03:04:05.120Z\nd = 2024-01-02\n"
		    "h = 07:30:00\nz = 2024-01-02 03:04:05+01:30",
		    "T1:1-4 tD1:5-1=2024-01-02T03:04:05.12Z "
		    "dD2:5-2=2024-01-02 hD3:5-3=07:30:00 "
		    "zD4:5-4=2024-01-02T03:04:05+01:30 " },
		/* Columns are characters, not bytes. */
		{ "a.toml", "a = ['\xc3\xa9', 'b']",
		    "T1:1-1 aL1:5-1 S1:6-1=\xc3\xa9 S1:11-1=b " },
		{ "a.yaml", "a: ['\xc3\xa9', 'b']",
		    "T1:1-1 aL1:4-1 S1:5-1=\xc3\xa9 S1:10-1=b " },
		/* YAML 1.1's surprises stay words. */
		{ "a.yaml", "{a: no, b: 1e3, c: 12:30, d: ~, e: }",
		    "T1:1-1 aP1:5-1=no bP1:12-1=1e3 cP1:20-1=12:30 "
		    "dP1:30-1=~ eP1:36-1= " },
		{ "a.yaml", "a: |\n  x\n  y\nb: >\n  z\n",
		    "T1:1-5 aS1:4-3=x\ny\n bS4:4-5=z\n " },
		/* What only looks deep. */
		{ "a.toml", "a = '...................' # ..................\n"
		    "b = \"\"\"\n\\\"[[[[[[[[[[[[[[[[[[[\"\"\"\"\"\n",
		    "T1:1-3 aS1:5-1=................... "
		    "bS2:5-3=\"[[[[[[[[[[[[[[[[[[[\"\" " },
		{ "a.toml", "a = \"\\\"..................\"",
		    "T1:1-1 aS1:5-1=\".................. " },
		{ "a.toml", "a = [1.1,1.1,1.1,1.1,1.1,1.1,1.1,1.1,1.1,1.1,"
		    "1.1,1.1,1.1,1.1,1.1,1.1,1.1]\n[b]\nc = 1",
		    NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct tree *t = parse(table[i].path, table[i].text);
		struct bytes shape = { 0 };

		describe(&shape, t->root);
		if (table[i].shape != NULL)
			assert_string_equal(shape.ptr, table[i].shape);
		bytes_fini(&shape);
		tree_free(&t);
		assert_null(t);
	}
}

static void
test_keys(void **state)
{
	struct tree *t = parse("a.toml", "[s]\n  a.b = 1\n");
	struct tree *y = parse("a.yaml", "s:\n  a: {b: 1}\n");
	const struct node *a = node_get(node_get(t->root, "s"), "a");

	(void)state;
	assert_int_equal(a->key_line, 2);
	assert_int_equal(a->key_column, 3);
	assert_int_equal(node_get(a, "b")->key_column, 5);
	assert_int_equal(node_get(a, "b")->column, 9);
	assert_null(node_get(a, "c"));
	assert_null(node_get(node_get(a, "b"), "c"));
	assert_int_equal(node_get(node_get(y->root, "s"), "a")->key_column, 3);
	tree_free(&t);
	tree_free(&y);
	tree_free(&y);
}

/* One value each, and what it may be read as. */
static void
test_typed(void **state)
{
	static const struct {
		const char *path, *text, *kind;
		int boolean;		/* -1: is none */
		int64_t number;		/* -1 */
		const char *string;	/* NULL */
	} table[] = {
		{ "a.toml", "v = true", "true or false", 1, -1, NULL },
		{ "a.toml", "v = 7", "a number", -1, 7, NULL },
		{ "a.toml", "v = -7", "a number", -1, -1, NULL },
		{ "a.toml", "v = 7.0", "a number with a fraction", -1, -1,
		    NULL },
		{ "a.toml", "v = '7'", "a string", -1, -1, "7" },
		{ "a.toml", "v = ''", "a string", -1, -1, "" },
		{ "a.toml", "v = []", "a list", -1, -1, NULL },
		{ "a.toml", "v = {}", "a table", -1, -1, NULL },
		{ "a.toml", "v = 07:00:00", "a date or time", -1, -1, NULL },
		{ "a.yaml", "v: true", "an unquoted word", 1, -1, "true" },
		{ "a.yaml", "v: false", "an unquoted word", 0, -1, "false" },
		{ "a.yaml", "v: yes", "an unquoted word", -1, -1, "yes" },
		{ "a.yaml", "v: 7", "an unquoted word", -1, 7, "7" },
		{ "a.yaml", "v: 0x7", "an unquoted word", -1, -1, "0x7" },
		{ "a.yaml", "v: '7'", "a string", -1, -1, "7" },
		{ "a.yaml", "v: 'true'", "a string", -1, -1, "true" },
		{ "a.yaml", "v:", "nothing", -1, -1, NULL },
		{ "a.yaml", "v: ~", "nothing", -1, -1, NULL },
		{ "a.yaml", "v: null", "nothing", -1, -1, NULL },
		{ "a.yaml", "v: 'null'", "a string", -1, -1, "null" },
		{ "a.yaml", "v: 99999999999999999999", "an unquoted word", -1,
		    -1, "99999999999999999999" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct tree *t = parse(table[i].path, table[i].text);
		const struct node *n = node_get(t->root, "v");
		bool boolean = false;
		uint64_t number = 0;

		assert_string_equal(node_kind_name(n), table[i].kind);
		assert_int_equal(node_bool(n, &boolean) < 0 ? -1 : boolean,
		    table[i].boolean);
		assert_int_equal(node_u64(n, &number) < 0 ? -1 :
		    (int64_t)number, table[i].number);
		if (table[i].string != NULL)
			assert_string_equal(node_string(n), table[i].string);
		else
			assert_null(node_string(n));
		tree_free(&t);
	}
}

static void
test_node_err(void **state)
{
	struct tree *t = parse("etc/a.toml", "\n\nv = 1\n");
	struct err err;

	(void)state;
	assert_int_equal(node_err(&err, t, node_get(t->root, "v"), "bad %s",
	    "luck"), -1);
	assert_string_equal(err.text, "etc/a.toml:3:5: bad luck");
	tree_free(&t);
}

/* `n` times `part` between `before` and `after`. */
static struct bytes
repeated(const char *before, const char *part, size_t n, const char *after)
{
	struct bytes b = { 0 };

	bytes_add(&b, before, strlen(before));
	for (size_t i = 0; i < n; i++)
		bytes_add(&b, part, strlen(part));
	bytes_add(&b, after, strlen(after));
	return b;
}

static void
test_hostile(void **state)
{
	static const struct {
		const char *path, *before, *part;
		size_t n;
		const char *after, *err;
	} table[] = {
		{ "a.toml", "[a", ".a", 500000, "]",
		    "a.toml:1:33: more than 16 levels deep" },
		{ "a.toml", "a", " . 'a'", 500000, " = 1",
		    "a.toml:1:93: more than 16 levels deep" },
		{ "a.toml", "a = ", "[", 500000, "",
		    "a.toml:1:21: more than 16 levels deep" },
		{ "a.toml", "a = ", "{a=", 500000, "",
		    "a.toml:1:53: more than 16 levels deep" },
		{ "a.toml", "a = [\n", "[", 500000, "",
		    "a.toml:2:16: more than 16 levels deep" },
		/* A quote before the end of a string begins no other. */
		{ "a.toml", "a = [\"\"\"x\"\"\"\", ", "[", 500000, "",
		    "a.toml:1:31: more than 16 levels deep" },
		/* Each part is shallow, the whole is not. */
		{ "a.toml", "a = ", "{a.a.a=", 10, "1}}}}}}}}}}",
		    "a.toml:1:40: more than 16 levels deep" },
		{ "a.yaml", "a: ", "[", 500000, "",
		    "a.yaml:1:19: more than 16 levels deep" },
		{ "a.yaml", "", "- ", 500000, "a",
		    "a.yaml:1:33: more than 16 levels deep" },
		{ "a.yaml", "", "{a: ", 500000, "",
		    "a.yaml:1:65: more than 16 levels deep" },
		{ "a.toml", "a = \"", "\xff", 1, "\"",
		    "a.toml:1:6: not valid UTF-8" },
		{ "a.yaml", "\xc3\xa9: ", "\xed\xa0\x80", 1, "",
		    "a.yaml:1:4: not valid UTF-8" },
		{ "a.toml", "a = 1\n# ", "\xe2\x82", 1, "",
		    "a.toml:2:3: not valid UTF-8" },
		{ "a.yaml", "a: ", "k", 1, "\xc3",
		    "a.yaml:1:5: not valid UTF-8" },
		{ "a.yaml", "a: &b [", "x, ", 100, "]\nc: *b",
		    "a.yaml:2:4: aliases (*\xe2\x80\xa6) are not supported" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bytes b = repeated(table[i].before, table[i].part,
		    table[i].n, table[i].after);
		struct tree *t = NULL;
		struct err err = { 0 };

		assert_int_equal(tree_parse(&t, table[i].path,
		    (struct str){ b.ptr, b.len }, &err), -1);
		assert_null(t);
		assert_string_equal(err.text, table[i].err);
		bytes_fini(&b);
	}
}

static void
test_large(void **state)
{
	static const struct {
		const char *path, *before, *after;
	} table[] = {
		{ "a.toml", "\"", "\" = 1" },
		{ "a.toml", "a = \"", "\"" },
		{ "a.yaml", "a: \"", "\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bytes b = repeated(table[i].before, "k", 1 << 20,
		    table[i].after);
		struct tree *t = NULL;
		struct err err = { 0 };

		assert_int_equal(tree_parse(&t, table[i].path,
		    (struct str){ b.ptr, b.len }, &err), 0);
		assert_int_equal(t->root->n, 1);
		tree_free(&t);
		bytes_fini(&b);
	}
}

static void
test_nul_and_size(void **state)
{
	static const char nul[] = "a = 1\nb\0 = 2";
	char *large = calloc(1, (64u << 20) + 1);
	struct tree *t = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tree_parse(&t, "a.toml",
	    (struct str){ nul, sizeof(nul) - 1 }, &err), -1);
	assert_string_equal(err.text, "a.toml:2:2: a NUL byte");
	assert_non_null(large);
	assert_int_equal(tree_parse(&t, "a.toml",
	    (struct str){ large, (64u << 20) + 1 }, &err), -1);
	assert_string_equal(err.text, "a.toml: larger than 64 MiB");
	free(large);
}

/* Many keys: nothing here may take the square of their number. */
static void
test_many_keys(void **state)
{
	static const char *const paths[] = { "a.toml", "a.yaml" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct bytes b = { 0 };
		struct tree *t = NULL;
		struct err err = { 0 };

		for (int k = 20000; k > 0; k--)
			bytes_fmt(&b, i == 0 ? "k%d = 1\n" : "k%d: 1\n", k);
		assert_int_equal(tree_parse(&t, paths[i],
		    (struct str){ b.ptr, b.len }, &err), 0);
		assert_int_equal(t->root->n, 20000);
		assert_string_equal(t->root->kids[0]->key, "k20000");
		assert_int_equal(t->root->last_line, 20000);
		tree_free(&t);
		bytes_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_typed),
		cmocka_unit_test(test_node_err),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_nul_and_size),
		cmocka_unit_test(test_many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
