/* SPDX-License-Identifier: MIT */
/*
 * body_rpc: bodies of requests and replies, for auth_rpc and admin_rpc.
 *
 * A request is unpacked into a room of bounded size that leaves nothing
 * behind, and only if it is a message as our side writes them. Any thread; a
 * room belongs to its caller.
 */
#ifndef AUTHD_BODY_RPC_H
#define AUTHD_BODY_RPC_H

#include <stddef.h>

#include "authd/auth.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/auth.pb-c.h"

#define BODY_ROOM_SIZE 8192

/* What one message is unpacked into; body_room_wipe() it. */
struct body_room {
	size_t used;
	_Alignas(max_align_t) char bytes[BODY_ROOM_SIZE];
};

/* Empty; the bytes are left as they are. */
void body_room_init(struct body_room *room);
/* The room's message is gone, and so are the secrets in it. */
void body_room_wipe(struct body_room *room);

/* The message in `body`, valid as long as the room; NULL: not such a message,
 * too large, or one with a NUL inside a string, which would look shorter than
 * it is. */
void *body_unpack(struct body_room *room, const ProtobufCMessageDescriptor *d,
    struct str body) MUST_CHECK;
/* Borrowed as long as the message. */
struct str body_str(const ProtobufCBinaryData *b);
/* Reads the fields; `q` borrows from `m`. -1: err names the field. */
int body_question(struct auth_question *q,
    const Sallyport__Pb__AuthRequest *m, struct err *err) MUST_CHECK;

/* Appends. */
void body_pack(const ProtobufCMessage *m, struct bytes *out);

#endif
