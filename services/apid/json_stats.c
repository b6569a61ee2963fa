/* SPDX-License-Identifier: MIT */
#include "apid/json.h"

static uint64_t
bytes_of(const struct query_sum *s)
{
	return s->bytes_up + s->bytes_down;
}

static json_t *
top_json(const char *name, const struct query_top *top, size_t n)
{
	json_t *list = json_array(), *o;

	for (size_t i = 0; i < n; i++) {
		o = json_object();
		json_object_set_new(o, name, json_text(str_from(top[i].key)));
		json_object_set_new(o, "session_count",
		    json_u64(top[i].sessions));
		json_object_set_new(o, "bytes_sent",
		    json_u64(top[i].bytes_up));
		json_object_set_new(o, "bytes_received",
		    json_u64(top[i].bytes_down));
		json_array_append_new(list, o);
	}
	return list;
}

json_t *
json_stats(const struct query_stats *s, uint64_t now_us,
    unsigned window_hours)
{
	const struct query_sum *w = &s->window;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "window_hours", window_hours },
		{ "active_sessions", s->active },
		{ "total_sessions", w->sessions },
		{ "total_bytes", bytes_of(w) },
		{ "total_sessions_today", s->today.sessions },
		{ "total_bytes_today", bytes_of(&s->today) },
		{ "closed_sessions", w->closed },
		{ "failed_sessions", w->failed },
		{ "rejected_sessions", w->rejected },
		{ "total_bytes_sent", w->bytes_up },
		{ "total_bytes_received", w->bytes_down },
	};
	json_t *o = json_object(), *acl = json_object();

	json_object_set_new(o, "generated_at", json_time(now_us));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		json_object_set_new(o, numbers[i].name,
		    json_u64(numbers[i].value));
	json_object_set_new(o, "top_users",
	    top_json("user", s->users, s->n_users));
	json_object_set_new(o, "top_destinations",
	    top_json("destination", s->destinations, s->n_destinations));
	json_object_set_new(acl, "allowed",
	    json_u64(w->allowed + w->redirected));
	json_object_set_new(acl, "blocked", json_u64(w->blocked));
	json_object_set_new(o, "acl_stats", acl);
	return o;
}

#define COUNT "{\"type\":\"integer\",\"minimum\":0}"
#define TOP_OF(name)                                                       \
	"{\"type\":\"array\",\"maxItems\":10,\"items\":{\"type\":\"object\"," \
	"\"properties\":{\"" name "\":{\"type\":\"string\"},"              \
	"\"session_count\":" COUNT ",\"bytes_sent\":" COUNT ","            \
	"\"bytes_received\":" COUNT "},\"required\":[\"" name "\","        \
	"\"session_count\",\"bytes_sent\",\"bytes_received\"]}}"

json_t *
json_stats_schema(void)
{
	static const char *const members[][2] = {
		{ "generated_at",
			"{\"type\":\"string\",\"format\":\"date-time\"}" },
		{ "window_hours", COUNT },
		{ "active_sessions", COUNT },
		{ "total_sessions", COUNT },
		{ "total_bytes", COUNT },
		{ "total_sessions_today", COUNT },
		{ "total_bytes_today", COUNT },
		{ "closed_sessions", COUNT },
		{ "failed_sessions", COUNT },
		{ "rejected_sessions", COUNT },
		{ "total_bytes_sent", COUNT },
		{ "total_bytes_received", COUNT },
		{ "top_users", TOP_OF("user") },
		{ "top_destinations", TOP_OF("destination") },
		{ "acl_stats",
			"{\"type\":\"object\",\"properties\":{\"allowed\":"
			COUNT ",\"blocked\":" COUNT "},\"required\":["
			"\"allowed\",\"blocked\"]}" },
		{ NULL, NULL },
	};

	return json_schema(members);
}
