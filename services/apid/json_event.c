/* SPDX-License-Identifier: MIT */
#include "apid/json.h"

/* As deep as details may be nested: some readers of JSON take a whole page for
 * damaged that is nested deeper than they like. */
#define DETAILS_DEPTH 16

static bool
is_shallow(json_t *v, unsigned levels)
{
	const char *name;
	json_t *child;
	size_t i;

	if (!json_is_object(v) && !json_is_array(v))
		return true;
	if (levels == 0)
		return false;
	json_object_foreach(v, name, child)
		if (!is_shallow(child, levels - 1))
			return false;
	json_array_foreach(v, i, child)
		if (!is_shallow(child, levels - 1))
			return false;
	return true;
}

/* An object; the database's word is not taken for it. */
static json_t *
details_json(struct str s)
{
	json_t *o = s.len <= RECORD_DETAILS_MAX ? json_loadb(s.ptr, s.len,
	    JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (json_is_object(o) && is_shallow(o, DETAILS_DEPTH))
		return o;
	json_decref(o);
	return json_null();
}

static json_t *
text_or_null(struct str s)
{
	return s.len > 0 ? json_text(s) : json_null();
}

static json_t *
severity_json(uint64_t v)
{
	return v >= SEVERITY_INFO && v <= SEVERITY_ERROR ?
	    json_string(record_severity_name((enum record_severity)v)) :
	    json_null();
}

json_t *
json_event(const struct query_event *e)
{
	json_t *o = json_object();
	char id[ID_TEXT_SIZE];

	id_format(id, &e->id);
	json_object_set_new(o, "id", json_string(id));
	json_object_set_new(o, "timestamp", json_time(e->at_us));
	json_object_set_new(o, "severity", severity_json(e->severity));
	json_object_set_new(o, "category", json_text(e->category));
	json_object_set_new(o, "event", json_text(e->event));
	json_object_set_new(o, "message", text_or_null(e->message));
	json_object_set_new(o, "component", json_text(e->component));
	json_object_set_new(o, "instance", json_text(e->instance));
	json_object_set_new(o, "details", details_json(e->details));
	json_object_set_new(o, "suppressed", json_u64(e->suppressed));
	return o;
}

#define STRING(help) "{\"type\":\"string\",\"description\":\"" help "\"}"
#define MAYBE(type, more, help)                                       \
	"{\"type\":[\"" type "\",\"null\"]," more                     \
	"\"description\":\"" help "\"}"

json_t *
json_event_schema(void)
{
	static const char *const members[][2] = {
		{ "id", "{\"type\":\"string\",\"format\":\"uuid\","
			"\"description\":\"UUIDv7\"}" },
		{ "timestamp", "{\"type\":\"string\",\"format\":"
			"\"date-time\",\"description\":\"When it was "
			"noticed\"}" },
		{ "severity", MAYBE("string", "\"enum\":[\"info\","
			"\"warning\",\"error\",null],",
			"Null: one that this release does not know") },
		{ "category", STRING("Such as auth or security") },
		{ "event", STRING("What happened, by a name that stays") },
		{ "message", MAYBE("string", "", "The same, for people") },
		{ "component", STRING("The kind of daemon that noticed it") },
		{ "instance", STRING("Which of them") },
		{ "details", MAYBE("object", "",
			"What else is known; members as the event has them") },
		{ "suppressed", "{\"type\":\"integer\",\"minimum\":0,"
			"\"description\":\"Alike ones before it that were "
			"not told\"}" },
		{ NULL, NULL },
	};

	return json_schema(members);
}
