/* SPDX-License-Identifier: MIT */
#include "apid/json.h"

#include <stdlib.h>

#include "base/clock.h"

/* Escaping makes four bytes of one. */
#define TEXT_SIZE (4 * 1024 + 1)

static json_t *
json_escaped(struct str s)
{
	char array[TEXT_SIZE];
	struct text t = text_on(array, sizeof(array));

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c >= 0x20 && c < 0x7f)
			text_str(&t, (struct str){ &s.ptr[i], 1 });
		else
			text_fmt(&t, "\\x%02x", c);
	}
	return json_stringn(array, t.len);
}

json_t *
json_text(struct str s)
{
	return str_is_utf8(s) && !str_has_nul(s) ?
	    json_stringn_nocheck(s.ptr, s.len) : json_escaped(s);
}

json_t *
json_time(uint64_t wall_us)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(text, wall_us, 3);
	return json_string(text);
}

json_t *
json_u64(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static int
on_json(const char *p, size_t len, void *arg)
{
	bytes_add(arg, p, len);
	return 0;
}

void
json_write(struct bytes *out, const json_t *o)
{
	json_dump_callback(o, on_json, out,
	    JSON_COMPACT | JSON_REAL_PRECISION(15));
	bytes_add(out, "\n", 1);
}

json_t *
json_schema(const char *const (*members)[2])
{
	json_t *properties = json_object(), *required = json_array();

	for (; (*members)[0] != NULL; members++) {
		json_object_set_new(properties, (*members)[0],
		    json_loads((*members)[1], JSON_DECODE_ANY, NULL));
		json_array_append_new(required, json_string((*members)[0]));
	}
	return json_pack("{s:s, s:o, s:o}", "type", "object", "properties",
	    properties, "required", required);
}
