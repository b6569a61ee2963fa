/* SPDX-License-Identifier: MIT */
#include "authd/body_rpc.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- memory that leaves nothing behind ---- */

static void *
room_alloc(void *arg, size_t size)
{
	struct body_room *room = arg;
	size_t at = (room->used + _Alignof(max_align_t) - 1) &
	    ~(_Alignof(max_align_t) - 1);

	if (size > sizeof(room->bytes) || at > sizeof(room->bytes) - size)
		return NULL;
	room->used = at + size;
	return room->bytes + at;
}

static void
room_free(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

void
body_room_init(struct body_room *room)
{
	room->used = 0;
}

void
body_room_wipe(struct body_room *room)
{
	secret_wipe(room->bytes, room->used);
	room->used = 0;
}

/* ---- in ---- */

void *
body_unpack(struct body_room *room, const ProtobufCMessageDescriptor *d,
    struct str body)
{
	ProtobufCAllocator allocator = { room_alloc, room_free, room };
	ProtobufCMessage *m = protobuf_c_message_unpack(d, &allocator,
	    body.len, (const uint8_t *)body.ptr);

	/* What was unpacked must fill as many bytes as came. */
	if (m != NULL && protobuf_c_message_get_packed_size(m) != body.len)
		return NULL;
	return m;
}

struct str
body_str(const ProtobufCBinaryData *b)
{
	return (struct str){ (const char *)b->data, b->len };
}

static int
check_text(struct str s, const char *what, struct err *err)
{
	if (s.len <= AUTH_TEXT_MAX)
		return 0;
	return err_set(err, "%s: longer than %d bytes", what, AUTH_TEXT_MAX);
}

int
body_question(struct auth_question *q, const Sallyport__Pb__AuthRequest *m,
    struct err *err)
{
	*q = (struct auth_question){
		.service = str_from(m->service), .user = body_str(&m->user),
		.password = body_str(&m->password) };
	while (q->method < AUTH_METHODS &&
	    strcmp(auth_method_names[q->method], m->method) != 0)
		q->method++;
	if (q->method == AUTH_METHODS)
		return err_set(err, "method: not userpass, pam.username or "
		    "pam.address");
	if (m->source.len != sizeof(q->source.b))
		return err_set(err, "source: not 16 bytes");
	q->source = addr_from_v6(m->source.data);
	if (check_text(q->service, "service", err) != 0 ||
	    check_text(str_from(m->listener), "listener", err) != 0 ||
	    check_text(q->user, "user", err) != 0)
		return -1;
	return check_text(q->password, "password", err);
}

/* ---- out ---- */

void
body_pack(const ProtobufCMessage *m, struct bytes *out)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *room = xmalloc(size + 1);

	protobuf_c_message_pack(m, room);
	bytes_add(out, room, size);
	free(room);
}
