/* SPDX-License-Identifier: MIT */
#include "msg/envelope.h"

#include <string.h>

#include "proto/wire.h"

/* Field numbers of envelope.proto. */
enum { ID = 1, KIND, DEADLINE, STATUS, ERROR, BODY, BUNDLE };

static struct str
id_str(const struct id *id)
{
	return (struct str){ (const char *)id->b, sizeof(id->b) };
}

size_t
envelope_size(const struct envelope *e)
{
	return wire_bytes_size(ID, sizeof(e->id.b)) +
	    wire_varint_size(KIND, e->kind) +
	    wire_varint_size(DEADLINE, e->deadline_ms) +
	    wire_varint_size(STATUS, e->status) +
	    wire_bytes_size(ERROR, e->error.len) +
	    wire_bytes_size(BODY, e->body.len) +
	    wire_varint_size(BUNDLE, e->bundle);
}

void
envelope_pack(const struct envelope *e, void *out)
{
	struct writer w = writer_on(out, envelope_size(e));

	wire_put_bytes(&w, ID, id_str(&e->id));
	wire_put_varint(&w, KIND, e->kind);
	wire_put_varint(&w, DEADLINE, e->deadline_ms);
	wire_put_varint(&w, STATUS, e->status);
	wire_put_bytes(&w, ERROR, e->error);
	wire_put_bytes(&w, BODY, e->body);
	wire_put_varint(&w, BUNDLE, e->bundle);
	ASSERT(!w.failed && w.len == w.size);
}

static bool
error_is_clean(struct str s)
{
	return s.len < ENVELOPE_ERROR_MAX && str_is_clean(s);
}

static bool
take_bytes(struct envelope *e, const struct wire_field *f, bool *has_id)
{
	switch (f->number) {
	case ID:
		if (f->bytes.len != sizeof(e->id.b))
			return false;
		memcpy(e->id.b, f->bytes.ptr, sizeof(e->id.b));
		*has_id = true;
		return true;
	case ERROR:
		e->error = f->bytes;
		return error_is_clean(f->bytes);
	case BODY:
		e->body = f->bytes;
		return true;
	}
	return f->number > BUNDLE;
}

static bool
take_number(struct envelope *e, const struct wire_field *f)
{
	if (f->number <= BUNDLE && f->value > UINT32_MAX)
		return false;
	switch (f->number) {
	case KIND: e->kind = (uint32_t)f->value; return true;
	case DEADLINE: e->deadline_ms = (uint32_t)f->value; return true;
	case BUNDLE: e->bundle = (uint32_t)f->value; return true;
	case STATUS:
		e->status = f->value < RPC_STATUSES
		    ? (enum rpc_status)f->value : RPC_STATUS_FAILED;
		return true;
	}
	return f->number > BUNDLE;
}

int
envelope_unpack(struct envelope *e, struct str message)
{
	enum wire_result r;
	struct wire_field f;
	bool has_id = false, ok = true;

	*e = (struct envelope){ .error = STR(""), .body = STR("") };
	while (ok && (r = wire_next(&message, &f)) == WIRE_FIELD) {
		if (f.type == WIRE_BYTES)
			ok = take_bytes(e, &f, &has_id);
		else if (f.type == WIRE_VARINT)
			ok = take_number(e, &f);
		else
			ok = f.number > BUNDLE;
	}
	return ok && r == WIRE_END && has_id ? 0 : -1;
}
