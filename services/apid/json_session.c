/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "apid/json.h"

struct member;
typedef json_t *member_fn(const struct member *m,
    const struct query_session *s);

/* A kind of member: how it is shown, and its JSON Schema. */
struct kind {
	member_fn *show;
	const char *schema;	/* without null */
};

struct member {
	const char *name;
	const struct kind *kind;
	size_t offset;		/* in struct query_session */
	bool ended;		/* null while the session runs */
	const char *help;
	const char *(*word)(uint64_t v);	/* of an enumeration */
};

static const void *
at(const struct member *m, const struct query_session *s)
{
	return (const char *)s + m->offset;
}

static uint64_t
number(const struct member *m, const struct query_session *s)
{
	return *(const uint64_t *)at(m, s);
}

static json_t *
show_id(const struct member *m, const struct query_session *s)
{
	char text[ID_TEXT_SIZE];

	id_format(text, at(m, s));
	return json_string(text);
}

static json_t *
show_hex(const struct member *m, const struct query_session *s)
{
	char text[ID_HEX_SIZE];

	id_hex(text, at(m, s));
	return json_string(text);
}

static json_t *
show_text(const struct member *m, const struct query_session *s)
{
	const struct str *v = at(m, s);

	return v->len > 0 ? json_text(*v) : json_null();
}

static json_t *
show_number(const struct member *m, const struct query_session *s)
{
	uint64_t v = number(m, s);

	return v != QUERY_NULL ? json_u64(v) : json_null();
}

static json_t *
show_time(const struct member *m, const struct query_session *s)
{
	uint64_t v = number(m, s);

	return v != QUERY_NULL ? json_time(v) : json_null();
}

static json_t *
show_seconds(const struct member *m, const struct query_session *s)
{
	uint64_t us = number(m, s);

	/* NOLINTNEXTLINE(bugprone-integer-division): whole milliseconds */
	return us != QUERY_NULL ? json_real((double)(us / 1000) / 1e3) :
	    json_null();
}

static json_t *
show_millis(const struct member *m, const struct query_session *s)
{
	uint64_t us = number(m, s);

	return us != QUERY_NULL ? json_real((double)us / 1e3) : json_null();
}

static json_t *
show_bool(const struct member *m, const struct query_session *s)
{
	return json_boolean(number(m, s) == 1);
}

static json_t *
show_word(const struct member *m, const struct query_session *s)
{
	const char *word = m->word(number(m, s));

	return word != NULL ? json_string(word) : json_null();
}

static json_t *
address(const char *p)
{
	char text[ADDR_TEXT_SIZE];
	struct addr a;

	memcpy(&a, p, sizeof(a));
	addr_format(text, &a);
	return json_string(text);
}

static json_t *
show_address(const struct member *m, const struct query_session *s)
{
	const struct str *v = at(m, s);

	return v->len == sizeof(struct addr) ? address(v->ptr) : json_null();
}

static json_t *
show_addresses(const struct member *m, const struct query_session *s)
{
	const struct str *v = at(m, s);
	json_t *list = json_array();

	for (size_t i = 0; i + sizeof(struct addr) <= v->len;
	     i += sizeof(struct addr))
		json_array_append_new(list, address(v->ptr + i));
	return list;
}

/* A JSON array already; the database's word is not taken for it. */
static json_t *
show_groups(const struct member *m, const struct query_session *s)
{
	const struct str *v = at(m, s);
	json_t *list = json_loadb(v->ptr, v->len, JSON_REJECT_DUPLICATES,
	    NULL);

	if (json_is_array(list))
		return list;
	json_decref(list);
	return json_array();
}

#define WORD(what, last)                                           \
	static const char *what##_word(uint64_t v)                 \
	{                                                          \
		return v >= 1 && v <= last ?                       \
		    record_##what##_name((enum record_##what)v) :  \
		    NULL;                                          \
	}
WORD(command, COMMAND_UDP)
WORD(carrier, CARRIER_HTTP)
WORD(protocol, PROTOCOL_UDP)
WORD(decision, DECISION_REDIRECT)
WORD(status, STATUS_REJECTED)
WORD(auth, AUTH_PAM_ADDRESS)

static const struct kind
	id = { show_id, "\"type\":\"string\",\"format\":\"uuid\"" },
	hex = { show_hex, "\"type\":\"string\"" },
	text = { show_text, "\"type\":\"string\"" },
	u64 = { show_number, "\"type\":\"integer\",\"minimum\":0" },
	date = { show_time, "\"type\":\"string\",\"format\":\"date-time\"" },
	seconds = { show_seconds, "\"type\":\"number\",\"minimum\":0" },
	millis = { show_millis, "\"type\":\"number\",\"minimum\":0" },
	truth = { show_bool, "\"type\":\"boolean\"" },
	word = { show_word, "\"type\":\"string\"" },
	ip = { show_address, "\"type\":\"string\"" },
	ips = { show_addresses,
		"\"type\":\"array\",\"items\":{\"type\":\"string\"}" },
	names = { show_groups,
		"\"type\":\"array\",\"items\":{\"type\":\"string\"}" };

#define AT(m) offsetof(struct query_session, m)

static const struct member members[] = {
	{ "session_id", &id, AT(id), false, "UUIDv7" },
	{ "user", &text, AT(user), false, "Who logged in, or tried to" },
	{ "groups", &names, AT(groups), false, "Groups as judged" },
	{ "claimed_user", &text, AT(claimed_user), false,
		"User id that SOCKS4 sent; a remark, never an identity" },
	{ "start_time", &date, AT(started_us), false, "When it began" },
	{ "end_time", &date, AT(ended_us), true, "When it ended" },
	{ "received_at", &date, AT(received_us), true, "When it was stored" },
	{ "duration_secs", &seconds, AT(duration_us), true, "Seconds" },
	{ "source_ip", &ip, AT(source_ip), false, "The client's address" },
	{ "source_port", &u64, AT(source_port), false, "The client's port" },
	{ "dest_host", &text, AT(dest_host), false,
		"Name asked for; null: asked by address" },
	{ "dest_ip", &ip, AT(dest_ip), false, "Address used" },
	{ "dest_port", &u64, AT(dest_port), false, "Port asked for" },
	{ "resolved_ips", &ips, AT(resolved_ips), false,
		"Addresses that were permitted" },
	{ "destinations", &u64, AT(destinations), false,
		"Destinations contacted: 1 for TCP, any number for UDP" },
	{ "route", &text, AT(route), false, "Way the decision chose" },
	{ "protocol", &word, AT(protocol), false, "tcp, udp", protocol_word },
	{ "command", &word, AT(command), false, "connect, bind, udp",
		command_word },
	{ "carrier", &word, AT(carrier), false,
		"socks5, socks4, socks4a, http", carrier_word },
	{ "bytes_sent", &u64, AT(bytes_up), false, "Payload to the target" },
	{ "bytes_received", &u64, AT(bytes_down), false,
		"Payload to the client" },
	{ "packets_sent", &u64, AT(packets_up), false,
		"Datagrams or segments to the target" },
	{ "packets_received", &u64, AT(packets_down), false,
		"Datagrams or segments from the target" },
	{ "close_reason", &text, AT(close_reason), true, "Why it ended" },
	{ "close_detail", &text, AT(close_detail), true,
		"The same, at length" },
	{ "acl_decision", &word, AT(decision), false,
		"allow, block, redirect", decision_word },
	{ "acl_rule_matched", &text, AT(rule), false,
		"Rule's id; null: the default decided, or nothing did" },
	{ "policy_generation", &u64, AT(generation), false,
		"Policy in force" },
	{ "limits_class", &text, AT(limits), false, "Class of limits" },
	{ "auth_method", &word, AT(auth_method), false,
		"none, userpass, pam.username, pam.address", auth_word },
	{ "proxy", &text, AT(proxy), false, "Who recorded it" },
	{ "listener", &text, AT(listener), false, "Where it came in" },
	{ "stream_id", &hex, AT(stream), false, "Stream of the record" },
	{ "close_seq", &u64, AT(close_seq), true, "Its place there" },
	{ "reply_code", &u64, AT(reply_code), true, "SOCKS code or HTTP status sent" },
	{ "setup_ms", &millis, AT(setup_us), true, "Accept to reply" },
	{ "attempts", &u64, AT(attempts), false, "Equal refusals in this row" },
	{ "incomplete", &truth, AT(incomplete), false,
		"The record of its beginning was lost" },
	{ "counters_lower_bound", &truth, AT(counters_lower_bound), false,
		"Counters are at least these" },
};

static const char *
status_of(const struct query_session *s, uint64_t now_us)
{
	if (!s->active)
		return status_word(s->status);
	return s->last_contact_us != QUERY_NULL &&
	    now_us > s->last_contact_us + QUERY_SILENT_US ?
	    "unknown" : "active";
}

json_t *
json_session(const struct query_session *s, uint64_t now_us)
{
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct member *m = &members[i];

		json_object_set_new_nocheck(o, m->name,
		    m->ended && s->active ? json_null() :
		    m->kind->show(m, s));
	}
	json_object_set_new(o, "status", json_string(status_of(s, now_us)));
	return o;
}

static json_t *
member_schema(const struct member *m)
{
	struct bytes b = { 0 };
	json_t *o;

	bytes_fmt(&b, "{%s,\"description\":\"%s\"}", m->kind->schema, m->help);
	o = json_loadb(b.ptr, b.len, 0, NULL);
	bytes_fini(&b);
	if (m->kind != &id && m->kind != &hex && m->kind != &truth &&
	    m->kind != &ips && m->kind != &names)
		json_object_set_new(o, "type", json_pack("[s, s]",
		    json_string_value(json_object_get(o, "type")), "null"));
	return o;
}

json_t *
json_session_schema(void)
{
	json_t *properties = json_object(), *required = json_array();

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		json_object_set_new(properties, members[i].name,
		    member_schema(&members[i]));
		json_array_append_new(required, json_string(members[i].name));
	}
	json_object_set_new(properties, "status", json_pack(
	    "{s:s, s:[s, s, s, s, s]}", "type", "string", "enum", "active",
	    "unknown", "closed", "failed", "rejected"));
	json_array_append_new(required, json_string("status"));
	return json_pack("{s:s, s:o, s:o}", "type", "object", "properties",
	    properties, "required", required);
}
