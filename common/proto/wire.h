/* SPDX-License-Identifier: MIT */
/*
 * wire: protobuf's wire form, read and written in place.
 *
 * For the messages that wrap all others (Envelope, Batch): their bytes are the
 * ones protobuf-c gives, but no field is copied and nothing is allocated.
 * Reading never looks beyond the message, never recurses, and takes any bytes.
 * Any thread.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdint.h>

#include "base/buf.h"

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
};

struct wire_field {
	uint32_t number;	/* at least 1 */
	enum wire_type type;
	uint64_t value;		/* but WIRE_BYTES */
	struct str bytes;	/* WIRE_BYTES; borrowed from the message */
};

enum wire_result { WIRE_BAD = -1, WIRE_END, WIRE_FIELD };

/* Takes the next field from the front of `rest`. After WIRE_BAD neither may be
 * used. Groups are refused. */
enum wire_result wire_next(struct str *rest, struct wire_field *f) MUST_CHECK;

/* Bytes a field takes; 0 for 0 and for "", which proto3 leaves out. */
size_t wire_varint_size(uint32_t number, uint64_t value);
size_t wire_bytes_size(uint32_t number, size_t len);
/* Write exactly that many. */
void wire_put_varint(struct writer *w, uint32_t number, uint64_t value);
void wire_put_bytes(struct writer *w, uint32_t number, struct str s);
/* What comes before `len` bytes (at least 1), which the caller writes. */
void wire_put_head(struct writer *w, uint32_t number, size_t len);

#endif
