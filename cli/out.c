/* SPDX-License-Identifier: MIT */
#include "out.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

#define CELL_MAX 256

struct cell {
	char text[CELL_MAX];
};

static struct str
string_of(const json_t *v)
{
	return (struct str){ json_string_value(v), json_string_length(v) };
}

/* "a,b" */
static void
text_list(struct text *t, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (t->len > 0)
			text_fmt(t, ",");
		text_escaped(t, string_of(json_array_get(list, i)));
	}
}

static void
cell_fill(struct cell *c, const json_t *v)
{
	struct text t = text_on(c->text, sizeof(c->text));

	switch (v == NULL ? JSON_NULL : json_typeof(v)) {
	case JSON_STRING:
		text_escaped(&t, string_of(v));
		break;
	case JSON_ARRAY:
		text_list(&t, v);
		break;
	case JSON_INTEGER:
		text_fmt(&t, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		text_fmt(&t, "%.3f", json_real_value(v));
		break;
	case JSON_TRUE:
		text_fmt(&t, "yes");
		break;
	case JSON_FALSE:
		text_fmt(&t, "no");
		break;
	default:
		break;
	}
	if (t.len == 0)		/* would shift the row for awk and cut */
		text_fmt(&t, "-");
}

/* Characters, not bytes: what a terminal shows. */
static size_t
cell_width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
print_cell(const char *text, size_t width, bool last)
{
	size_t have = cell_width(text);

	fputs(text, stdout);
	if (!last)
		printf("%*s", (int)(width > have ? width - have : 0) + 2, "");
}

static const json_t *
value_of(const json_t *row, const struct out_column *column)
{
	const json_t *v = json_object_get(row, column->member);

	if (column->fallback != NULL && (v == NULL || json_is_null(v)))
		v = json_object_get(row, column->fallback);
	return v;
}

void
out_table(const json_t *rows, const struct out_column *columns, size_t n)
{
	size_t n_rows = json_array_size(rows);
	struct cell *cells = xcalloc(n_rows * n + 1, sizeof(*cells));
	size_t *widths = xcalloc(n, sizeof(*widths));

	for (size_t c = 0; c < n; c++)
		widths[c] = cell_width(columns[c].title);
	for (size_t r = 0; r < n_rows; r++)
		for (size_t c = 0; c < n; c++) {
			struct cell *cell = &cells[r * n + c];
			size_t width;

			cell_fill(cell,
			    value_of(json_array_get(rows, r), &columns[c]));
			width = cell_width(cell->text);
			if (width > widths[c])
				widths[c] = width;
		}
	for (size_t c = 0; n_rows > 0 && c < n; c++)
		print_cell(columns[c].title, widths[c], c + 1 == n);
	puts(n_rows > 0 ? "" : "nothing");
	for (size_t r = 0; r < n_rows; r++) {
		for (size_t c = 0; c < n; c++)
			print_cell(cells[r * n + c].text, widths[c], c + 1 == n);
		putchar('\n');
	}
	free(cells);
	free(widths);
}

static struct cell
name_cell(const char *name)
{
	struct cell c = { "" };
	struct text t = text_on(c.text, sizeof(c.text));

	text_escaped(&t, str_from(name));
	return c;
}

/* More than a line has room for: all but words and lists of words. */
static bool
is_nested(const json_t *v)
{
	return json_is_object(v) || (json_is_array(v) &&
	    !json_is_string(json_array_get(v, 0)));
}

void
out_members(const json_t *object)
{
	const char *name;
	const json_t *value;
	size_t width = 0;
	json_t *o = (json_t *)object;	/* the macro wants it so */

	json_object_foreach(o, name, value) {
		struct cell cell = name_cell(name);

		if (!is_nested(value) && cell_width(cell.text) > width)
			width = cell_width(cell.text);
	}
	json_object_foreach(o, name, value) {
		struct cell cell = name_cell(name);

		if (is_nested(value))
			continue;
		print_cell(cell.text, width, false);
		cell_fill(&cell, value);
		puts(cell.text);
	}
}

void
out_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}
