/* SPDX-License-Identifier: MIT */
/*
 * toml++'s tables into nodes: the one C++ file. Exceptions end here.
 *
 * toml++ frees its tables recursively and puts no limit on `[a.a.a.…]`, so a
 * scan of our own looks at the depth before it may read the text.
 */
#include <algorithm>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <toml++/toml.h>

extern "C" {
#include "base/mem.h"
#include "config/tree_build.h"
}

namespace {

struct node_deleter {
	void
	operator()(struct node *n) const
	{
		node_free(&n);
	}
};
using node_ptr = std::unique_ptr<struct node, node_deleter>;

struct refused {
	toml::source_position at;
	const char *what;
};

/* ---- depth, before parsing ---- */

struct scan {
	const char *p, *end;
	int line = 1, column = 1;
	int brackets = 0;	/* open [ and { */
	int dots = 0;		/* in the key that is being read */
};

/* Goes on by n bytes; columns count characters. */
void
skip(scan &s, size_t n)
{
	for (; n > 0 && s.p < s.end; n--, s.p++) {
		if (*s.p == '\n') {
			s.line++;
			s.column = 1;
		} else if ((static_cast<unsigned char>(*s.p) & 0xc0) != 0x80) {
			s.column++;
		}
	}
}

bool
at_triple(const scan &s, char quote)
{
	return s.end - s.p >= 3 && s.p[0] == quote && s.p[1] == quote &&
	    s.p[2] == quote;
}

/* Over a string of any of the four kinds; a broken one ends with its line. */
void
skip_string(scan &s)
{
	const char quote = *s.p;
	const bool many = at_triple(s, quote);

	skip(s, many ? 3 : 1);
	while (s.p < s.end) {
		if (*s.p == '\\' && quote == '"') {
			skip(s, 2);
		} else if (many && at_triple(s, quote)) {
			skip(s, 3);
			/* One or two quotes may stand before the end. */
			for (int i = 0; i < 2 && s.p < s.end && *s.p == quote;
			     i++)
				skip(s, 1);
			return;
		} else if (!many && (*s.p == quote || *s.p == '\n')) {
			skip(s, 1);
			return;
		} else {
			skip(s, 1);
		}
	}
}

void
skip_comment(scan &s)
{
	while (s.p < s.end && *s.p != '\n')
		skip(s, 1);
}

void
check_depth(struct str text)
{
	scan s{ text.ptr, text.ptr + text.len };

	while (s.p < s.end) {
		const char c = *s.p;

		if (c == '"' || c == '\'') {
			skip_string(s);
			continue;
		}
		if (c == '#') {
			skip_comment(s);
			continue;
		}
		if (c == '.')
			s.dots++;
		else if (c == '[' || c == '{')
			s.brackets++;
		else if ((c == ']' || c == '}') && s.brackets > 0)
			s.brackets--;
		if (std::string_view("[]{}=,\n").find(c) !=
		    std::string_view::npos)
			s.dots = 0;
		if (s.brackets > TREE_DEPTH_MAX || s.dots >= TREE_DEPTH_MAX)
			throw refused{
				{ static_cast<toml::source_index>(s.line),
				    static_cast<toml::source_index>(s.column) },
				"more than 16 levels deep"
			};
		skip(s, 1);
	}
}

/* ---- conversion ---- */

node_ptr convert(const toml::node &from, int depth);

node_ptr
scalar(enum node_kind kind, const toml::node &from, const std::string &text)
{
	const auto &at = from.source().begin;
	node_ptr n(node_new(kind, static_cast<int>(at.line),
	    static_cast<int>(at.column)));

	n->last_line = static_cast<int>(from.source().end.line);
	if (node_set_text(n.get(), { text.data(), text.size() }) < 0)
		throw refused{ at, "a NUL in a string" };
	return n;
}

template <typename T>
std::string
printed(const T &value)
{
	std::ostringstream out;

	out.imbue(std::locale::classic());
	out << value;
	return out.str();
}

node_ptr
convert_table(const toml::table &from, node_ptr n, int depth)
{
	using entry = std::pair<const toml::key *, const toml::node *>;
	std::vector<entry> entries;

	for (auto &&[key, value] : from)
		entries.emplace_back(&key, &value);
	std::sort(entries.begin(), entries.end(),
	    [](const entry &a, const entry &b) {
		    return a.first->source().begin < b.first->source().begin;
	    });
	for (const auto &[key, value] : entries) {
		const std::string_view name = key->str();
		const auto &at = key->source().begin;

		if (name.find('\0') != std::string_view::npos)
			throw refused{ at, "a NUL in a key" };
		node_ptr kid = convert(*value, depth);
		kid->key = xmemdup0(name.data(), name.size());
		kid->key_line = static_cast<int>(at.line);
		kid->key_column = static_cast<int>(at.column);
		node_add(n.get(), kid.release());
	}
	return n;
}

node_ptr
convert_list(const toml::array &from, node_ptr n, int depth)
{
	for (const toml::node &item : from)
		node_add(n.get(), convert(item, depth).release());
	return n;
}

node_ptr
convert(const toml::node &from, int depth)
{
	const auto &at = from.source().begin;

	switch (from.type()) {
	case toml::node_type::string:
		return scalar(NODE_STRING, from, from.as_string()->get());
	case toml::node_type::integer:
		return scalar(NODE_INT, from,
		    std::to_string(from.as_integer()->get()));
	case toml::node_type::floating_point:
		return scalar(NODE_FLOAT, from,
		    printed(from.as_floating_point()->get()));
	case toml::node_type::boolean:
		return scalar(NODE_BOOL, from,
		    from.as_boolean()->get() ? "true" : "false");
	case toml::node_type::date:
		return scalar(NODE_DATETIME, from,
		    printed(from.as_date()->get()));
	case toml::node_type::time:
		return scalar(NODE_DATETIME, from,
		    printed(from.as_time()->get()));
	case toml::node_type::date_time:
		return scalar(NODE_DATETIME, from,
		    printed(from.as_date_time()->get()));
	default: break;
	}
	if (depth >= TREE_DEPTH_MAX)
		throw refused{ at, "more than 16 levels deep" };
	const bool table = from.is_table();
	node_ptr n(node_new(table ? NODE_TABLE : NODE_LIST,
	    static_cast<int>(at.line), static_cast<int>(at.column)));
	n->last_line = static_cast<int>(from.source().end.line);
	return table ? convert_table(*from.as_table(), std::move(n), depth + 1)
		     : convert_list(*from.as_array(), std::move(n), depth + 1);
}

/* Nothing is thrown beyond this function. */
int
read_all(struct node **root, const char *path, struct str text,
    struct err *err) noexcept
try {
	check_depth(text);
	const toml::parse_result parsed = toml::parse(
	    std::string_view(text.len > 0 ? text.ptr : "", text.len));
	const toml::table &table = parsed;

	*root = convert(table, 0).release();
	return 0;
} catch (const refused &e) {
	return tree_error_at(err, path, static_cast<int>(e.at.line),
	    static_cast<int>(e.at.column), e.what);
} catch (const toml::parse_error &e) {
	const auto &at = e.source().begin;

	return tree_error_at(err, path, static_cast<int>(at.line),
	    static_cast<int>(at.column),
	    std::string(e.description()).c_str());
} catch (const std::exception &e) {
	return err_set(err, "%s: %s", path, e.what());
} catch (...) {
	return err_set(err, "%s: not readable as TOML", path);
}

} // namespace

extern "C" int
tree_toml(struct node **root, const char *path, struct str text,
    struct err *err)
{
	return read_all(root, path, text, err);
}
