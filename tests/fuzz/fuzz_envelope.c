/* SPDX-License-Identifier: MIT */
/*
 * The input is what arrives on a req/rep socket. What is accepted must lie in
 * the input, be clean, and say the same when it is packed and read again.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "fuzz.h"
#include "msg/envelope.h"

static void
check_within(struct str part, struct str whole)
{
	if (part.len == 0)
		return;
	ASSERT(part.ptr >= whole.ptr);
	ASSERT(part.ptr + part.len <= whole.ptr + whole.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str message = { (const char *)data, size };
	struct envelope e, again;
	char *packed;

	if (envelope_unpack(&e, message) != 0)
		return 0;
	check_within(e.error, message);
	check_within(e.body, message);
	ASSERT(e.status < RPC_STATUSES);
	ASSERT(e.error.len < ENVELOPE_ERROR_MAX);
	ASSERT(str_is_utf8(e.error) && str_is_printable(e.error));
	packed = xmalloc(envelope_size(&e));
	envelope_pack(&e, packed);
	ASSERT(envelope_unpack(&again,
	    (struct str){ packed, envelope_size(&e) }) == 0);
	ASSERT(id_eq(&again.id, &e.id) && again.kind == e.kind);
	ASSERT(again.deadline_ms == e.deadline_ms);
	ASSERT(again.status == e.status && again.bundle == e.bundle);
	ASSERT(str_eq(again.error, e.error) && str_eq(again.body, e.body));
	free(packed);
	return 0;
}
