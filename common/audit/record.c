/* SPDX-License-Identifier: MIT */
/*
 * One table a message says which field is where, of which kind and how large;
 * it is read in both directions. Field numbers are those of events.proto.
 */
#include "audit/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/wire.h"

#define VERSION 1
#define HEAD 4			/* type, version, flags */
#define WALL_MS_MAX 253402300799999u	/* the end of the year 9999 */
#define REASON_MAX 64
#define GROUP_MAX 255
#define FIRST_CLOSING 30	/* fields from here on are CLOSE's and REJECT's */
/* What they, the peer of a BIND, destinations and dest_ip take at most, and what
 * else may be told at the end where an OPEN has no destination: its groups leave
 * that room. */
#define CLOSING_MAX 480
#define DECIDED_MAX 560

enum kind {
	K_ID,		/* struct id, not zero */
	K_ADDR,		/* struct addr */
	K_DEST_IP,	/* has_dest_ip and dest_ip */
	K_PERMITTED,	/* permitted and n_permitted */
	K_GROUPS,	/* groups and n_groups */
	K_TEXT,		/* struct str */
	K_JSON,		/* struct str that is not escaped */
	K_U64, K_ENUM, K_U32, K_U16, K_BOOL,
	K_COUNTERS,	/* struct record_counters: a message of its own */
};

struct field {
	uint32_t number;
	enum kind kind;
	size_t offset;
	uint64_t max;	/* of the number, or of the text's bytes */
	bool late;	/* a CLOSE may tell it after its OPEN */
};

#define S(member) offsetof(struct record_session, member)
/* Groups come last, so that they get what room the others leave. */
static const struct field session_fields[] = {
	{ 1, K_ID, S(id), 0 },
	{ 2, K_U64, S(started_ms), WALL_MS_MAX },
	{ 3, K_TEXT, S(user), RECORD_USER_MAX },
	{ 5, K_ADDR, S(source.addr), 0 },
	{ 6, K_U16, S(source.port), UINT16_MAX },
	{ 7, K_TEXT, S(listener), RECORD_TEXT_MAX },
	{ 8, K_ENUM, S(command), COMMAND_UDP },
	{ 9, K_ENUM, S(carrier), CARRIER_HTTP },
	{ 10, K_ENUM, S(protocol), PROTOCOL_UDP },
	{ 11, K_TEXT, S(dest_host), NAME_MAX_LEN, .late = true },
	{ 12, K_DEST_IP, 0, 0, .late = true },
	{ 13, K_U16, S(dest_port), UINT16_MAX, .late = true },
	{ 14, K_PERMITTED, 0, 0 },
	{ 15, K_ENUM, S(decision), DECISION_REDIRECT, .late = true },
	{ 16, K_TEXT, S(rule), RECORD_TEXT_MAX, .late = true },
	{ 17, K_U64, S(generation), INT64_MAX, .late = true },
	{ 18, K_TEXT, S(route), RECORD_TEXT_MAX },
	{ 19, K_TEXT, S(limits), RECORD_TEXT_MAX },
	{ 20, K_ENUM, S(auth_method), AUTH_PAM_ADDRESS },
	{ 21, K_TEXT, S(claimed_user), RECORD_CLAIMED_MAX },
	{ 22, K_U32, S(destinations), RECORD_DESTINATIONS_MAX, .late = true },
	{ 30, K_COUNTERS, S(counters), 0 },
	{ 31, K_U64, S(duration_us), INT64_MAX },
	{ 32, K_ENUM, S(status), STATUS_REJECTED },
	{ 33, K_TEXT, S(close_reason), REASON_MAX },
	{ 34, K_TEXT, S(close_detail), RECORD_TEXT_MAX },
	{ 35, K_U16, S(reply_code), RECORD_REPLY_MAX },
	{ 36, K_U64, S(setup_us), INT64_MAX },
	{ 4, K_GROUPS, 0, GROUP_MAX },
	{ 0 },
};
#undef S

#define U(member) offsetof(struct record_update, member)
static const struct field update_fields[] = {
	{ 1, K_ID, U(id), 0 },
	{ 2, K_U64, U(started_ms), WALL_MS_MAX },
	{ 3, K_COUNTERS, U(counters), 0 },
	{ 4, K_U64, U(duration_us), INT64_MAX },
	{ 5, K_BOOL, U(recovered), 1 },
	{ 6, K_U32, U(destinations), RECORD_DESTINATIONS_MAX },
	{ 0 },
};
#undef U

#define E(member) offsetof(struct record_end, member)
static const struct field end_fields[] = {
	{ 1, K_TEXT, E(reason), REASON_MAX },
	{ 2, K_U64, E(wall_us), INT64_MAX },
	{ 3, K_BOOL, E(counters_lower_bound), 1 },
	{ 0 },
};
#undef E

#define V(member) offsetof(struct record_event, member)
static const struct field event_fields[] = {
	{ 1, K_ID, V(id), 0 },
	{ 2, K_ENUM, V(severity), SEVERITY_ERROR },
	{ 3, K_TEXT, V(category), RECORD_NAME_MAX },
	{ 4, K_TEXT, V(event), RECORD_NAME_MAX },
	{ 5, K_TEXT, V(message), RECORD_TEXT_MAX },
	{ 6, K_TEXT, V(component), RECORD_NAME_MAX },
	{ 7, K_JSON, V(details), RECORD_DETAILS_MAX },
	{ 8, K_U64, V(suppressed), INT64_MAX },
	{ 0 },
};
#undef V

#define C(member) offsetof(struct record_counters, member)
static const struct field counter_fields[] = {
	{ 1, K_U64, C(bytes_up), INT64_MAX },
	{ 2, K_U64, C(bytes_down), INT64_MAX },
	{ 3, K_U64, C(packets_up), INT64_MAX },
	{ 4, K_U64, C(packets_down), INT64_MAX },
	{ 0 },
};
#undef C

static_assert(sizeof(enum record_status) == sizeof(uint32_t), "K_ENUM");

/* --- Numbers of any width. --- */

static uint64_t
get_number(const struct field *f, const void *at)
{
	switch (f->kind) {
	case K_U64: return *(const uint64_t *)at;
	case K_ENUM: case K_U32: return *(const uint32_t *)at;
	case K_U16: return *(const uint16_t *)at;
	default: return *(const bool *)at;
	}
}

static void
set_number(const struct field *f, void *at, uint64_t v)
{
	switch (f->kind) {
	case K_U64: *(uint64_t *)at = v; break;
	case K_ENUM: case K_U32: *(uint32_t *)at = (uint32_t)v; break;
	case K_U16: *(uint16_t *)at = (uint16_t)v; break;
	default: *(bool *)at = v != 0; break;
	}
}

/* --- Packing. --- */

static struct str
addr_str(const struct addr *a)
{
	return (struct str){ (const char *)a->b, sizeof(a->b) };
}

/* Kept apart: it has a buffer on the stack, which costs whoever has one. */
static NOINLINE void
put_escaped(struct writer *w, const struct field *f, struct str s)
{
	char escaped[RECORD_USER_MAX + 1];
	struct text t = text_on(escaped, (size_t)f->max + 1);

	text_escaped(&t, s);
	wire_put_bytes(w, f->number, (struct str){ t.ptr, t.len });
}

static void
put_text(struct writer *w, const struct field *f, struct str s)
{
	if (s.len <= f->max && str_plain(s) == s.len)
		wire_put_bytes(w, f->number, s);	/* nearly always */
	else
		put_escaped(w, f, s);
}

static void
put_json(struct writer *w, const struct field *f, struct str s)
{
	if (s.len <= f->max && str_is_clean(s))
		wire_put_bytes(w, f->number, s);
}

/* What a CLOSE will add to the record of this session. */
static size_t
room_of_close(const struct record_session *s)
{
	if (s->status != STATUS_NONE)
		return 0;
	return s->dest_port == 0 ? CLOSING_MAX + DECIDED_MAX : CLOSING_MAX;
}

/* Those that find room, in order. */
static void
put_groups(struct writer *w, const struct field *f,
    const struct record_session *s)
{
	size_t most = RECORD_MAX - room_of_close(s);

	for (unsigned i = 0; i < s->n_groups && i < RECORD_GROUPS_MAX; i++) {
		struct writer before = *w;

		put_text(w, f, s->groups[i]);
		if (w->failed || w->len > most) {
			*w = before;
			return;
		}
	}
}

static void
put_permitted(struct writer *w, const struct field *f,
    const struct record_session *s)
{
	for (unsigned i = 0; i < s->n_permitted && i < RECORD_ADDRS_MAX; i++)
		wire_put_bytes(w, f->number, addr_str(&s->permitted[i]));
}

static void put_fields(struct writer *w, const struct field *f,
    const void *object);

static void
put_counters(struct writer *w, const struct field *f,
    const struct record_counters *c)
{
	uint8_t packed[64];
	struct writer inner = writer_on(packed, sizeof(packed));

	put_fields(&inner, counter_fields, c);
	ASSERT(!inner.failed);
	wire_put_bytes(w, f->number,
	    (struct str){ (const char *)packed, inner.len });
}

static void
put_field(struct writer *w, const struct field *f, const void *object)
{
	const struct record_session *s = object;
	const char *at = (const char *)object + f->offset;

	switch (f->kind) {
	case K_ID:
	case K_ADDR:
		wire_put_bytes(w, f->number, (struct str){ at, 16 });
		break;
	case K_DEST_IP:
		if (s->has_dest_ip)
			wire_put_bytes(w, f->number, addr_str(&s->dest_ip));
		break;
	case K_PERMITTED: put_permitted(w, f, s); break;
	case K_GROUPS: put_groups(w, f, s); break;
	case K_TEXT: put_text(w, f, *(const struct str *)(const void *)at); break;
	case K_JSON: put_json(w, f, *(const struct str *)(const void *)at); break;
	case K_COUNTERS: put_counters(w, f, (const void *)at); break;
	default:
		wire_put_varint(w, f->number, get_number(f, at));
		break;
	}
}

static void
put_fields(struct writer *w, const struct field *f, const void *object)
{
	for (; f->number != 0; f++)
		put_field(w, f, object);
}

static size_t
pack(void *out, size_t size, enum record_type type, const struct field *fields,
    const void *object)
{
	struct writer w = writer_on(out, size < RECORD_MAX ? size : RECORD_MAX);
	const uint8_t head[HEAD] = { (uint8_t)type, VERSION };

	writer_put(&w, head, sizeof(head));
	put_fields(&w, fields, object);
	return w.failed ? 0 : w.len;
}

size_t
record_pack_session(void *out, size_t size, enum record_type type,
    const struct record_session *s)
{
	ASSERT(type == RECORD_OPEN || type == RECORD_CLOSE ||
	    type == RECORD_REJECT);
	return pack(out, size, type, session_fields, s);
}

/* Where a field comes twice, the later one counts. */
size_t
record_pack_close(void *out, size_t size, struct str opened,
    const struct record_session *s)
{
	struct writer w = writer_on(out, size < RECORD_MAX ? size : RECORD_MAX);

	ASSERT(opened.len > HEAD && opened.ptr[0] == RECORD_OPEN);
	writer_u8(&w, RECORD_CLOSE);
	writer_put(&w, opened.ptr + 1, opened.len - 1);
	for (const struct field *f = session_fields; f->number != 0; f++)
		if (f->late || f->number >= FIRST_CLOSING)
			put_field(&w, f, s);
	return w.failed ? 0 : w.len;
}

size_t
record_pack_peer(void *out, size_t size, struct str opened,
    const struct record_session *s)
{
	const struct record_session peer = {
		.has_dest_ip = s->has_dest_ip, .dest_ip = s->dest_ip,
		.dest_port = s->dest_port, .destinations = s->destinations,
	};
	struct writer w = writer_on(out, size < RECORD_MAX ? size : RECORD_MAX);

	ASSERT(opened.len > HEAD && opened.ptr[0] == RECORD_OPEN);
	writer_put(&w, opened.ptr, opened.len);
	for (const struct field *f = session_fields; f->number != 0; f++)
		if (f->late)
			put_field(&w, f, &peer);
	return w.failed ? 0 : w.len;
}

size_t
record_pack_update(void *out, size_t size, const struct record_update *u)
{
	return pack(out, size, RECORD_UPDATE, update_fields, u);
}

size_t
record_pack_end(void *out, size_t size, const struct record_end *e)
{
	return pack(out, size, RECORD_END, end_fields, e);
}

size_t
record_pack_event(void *out, size_t size, const struct record_event *e)
{
	return pack(out, size, RECORD_EVENT, event_fields, e);
}

/* --- Unpacking. --- */

static bool
take_text(struct str *out, const struct field *f, struct str s)
{
	if (s.len > f->max || !str_is_clean(s))
		return false;
	*out = s;
	return true;
}

static bool
take_id(struct id *out, struct str s)
{
	if (s.len != sizeof(out->b))
		return false;
	memcpy(out->b, s.ptr, sizeof(out->b));
	return true;
}

static bool
take_addr(struct addr *out, struct str s)
{
	if (s.len != sizeof(out->b))
		return false;
	*out = addr_from_v6((const uint8_t *)s.ptr);
	return true;
}

static bool take_fields(void *object, const struct field *fields,
    struct str payload);

static bool
take_bytes(void *object, const struct field *f, struct str s)
{
	struct record_session *rs = object;
	void *at = (char *)object + f->offset;

	switch (f->kind) {
	case K_ID: return take_id(at, s);
	case K_ADDR: return take_addr(at, s);
	case K_TEXT: case K_JSON: return take_text(at, f, s);
	case K_COUNTERS: return take_fields(at, counter_fields, s);
	case K_DEST_IP:
		rs->has_dest_ip = true;
		return take_addr(&rs->dest_ip, s);
	case K_PERMITTED:
		return rs->n_permitted < RECORD_ADDRS_MAX &&
		    take_addr(&rs->permitted[rs->n_permitted++], s);
	case K_GROUPS:
		return rs->n_groups < RECORD_GROUPS_MAX &&
		    take_text(&rs->groups[rs->n_groups++], f, s);
	default: return false;	/* a number */
	}
}

static bool
take_number(void *object, const struct field *f, uint64_t v)
{
	if (f->kind < K_U64 || f->kind > K_BOOL || v > f->max)
		return false;
	set_number(f, (char *)object + f->offset, v);
	return true;
}

static bool
take_field(void *object, const struct field *fields,
    const struct wire_field *w)
{
	const struct field *f = fields;

	while (f->number != 0 && f->number != w->number)
		f++;
	if (f->number == 0)
		return true;	/* of a later release */
	if (w->type == WIRE_BYTES)
		return take_bytes(object, f, w->bytes);
	return w->type == WIRE_VARINT && take_number(object, f, w->value);
}

static bool
take_fields(void *object, const struct field *fields, struct str payload)
{
	enum wire_result r;
	struct wire_field w;

	while ((r = wire_next(&payload, &w)) == WIRE_FIELD)
		if (!take_field(object, fields, &w))
			return false;
	return r == WIRE_END;
}

/* Text that is absent is "", never NULL. */
static void
empty_texts(void *object, const struct field *f)
{
	for (; f->number != 0; f++)
		if (f->kind == K_TEXT || f->kind == K_JSON)
			*(struct str *)(void *)((char *)object + f->offset) =
			    STR("");
}

/* What no table says. */
static bool
session_is_whole(const struct record_session *s, enum record_type type)
{
	static const struct addr none;

	return !id_is_zero(&s->id) && !addr_eq(&s->source.addr, &none) &&
	    (type == RECORD_OPEN || s->status != STATUS_NONE);
}

static bool
event_is_whole(const struct record_event *e)
{
	return !id_is_zero(&e->id) && e->severity != SEVERITY_NONE &&
	    e->category.len > 0 && e->event.len > 0 && e->component.len > 0;
}

static bool
is_whole(const struct record *r)
{
	switch (r->type) {
	case RECORD_UPDATE: return !id_is_zero(&r->update.id);
	case RECORD_END: return true;
	case RECORD_EVENT: return event_is_whole(&r->event);
	default: return session_is_whole(&r->session, r->type);
	}
}

static const struct field *
fields_of(unsigned type)
{
	switch (type) {
	case RECORD_OPEN:
	case RECORD_CLOSE:
	case RECORD_REJECT: return session_fields;
	case RECORD_UPDATE: return update_fields;
	case RECORD_END: return end_fields;
	case RECORD_EVENT: return event_fields;
	}
	return NULL;
}

enum record_result
record_unpack(struct record *r, struct str body)
{
	struct reader in = reader_on(body.ptr, body.len);
	unsigned type = reader_u8(&in), version = reader_u8(&in);
	unsigned flags = reader_u16(&in);
	const struct field *fields = fields_of(type);

	if (in.failed || body.len > RECORD_MAX || type == 0 || version == 0)
		return RECORD_MALFORMED;
	if (fields == NULL || version != VERSION || flags != 0)
		return RECORD_UNKNOWN;
	*r = (struct record){ .type = (enum record_type)type,
		.memory = xmemdup0(in.ptr, in.left) };
	empty_texts(&r->session, fields);
	if (take_fields(&r->session, fields,
	    (struct str){ r->memory, in.left }) && is_whole(r))
		return RECORD_OK;
	record_fini(r);
	return RECORD_MALFORMED;
}

void
record_fini(struct record *r)
{
	free(r->memory);
	r->memory = NULL;
}

/* --- Names. --- */

#define NAME_FUNCTION(what, ...)                                             \
	const char *record_##what##_name(enum record_##what v)               \
	{                                                                    \
		static const char *const names[] = { __VA_ARGS__ };          \
		ASSERT((size_t)v < ARRAY_LEN(names));                        \
		return names[v];                                             \
	}

NAME_FUNCTION(command, "", "connect", "bind", "udp")
NAME_FUNCTION(carrier, "", "socks5", "socks4", "socks4a", "http")
NAME_FUNCTION(protocol, "", "tcp", "udp")
NAME_FUNCTION(decision, "", "allow", "block", "redirect")
NAME_FUNCTION(status, "active", "closed", "failed", "rejected")
NAME_FUNCTION(auth, "", "none", "userpass", "pam.username", "pam.address")
NAME_FUNCTION(severity, "", "info", "warning", "error")
