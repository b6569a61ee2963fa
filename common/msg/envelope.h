/* SPDX-License-Identifier: MIT */
/*
 * envelope: id, kind, deadline and status around the body of a request or
 * reply. Never aborts on bad input. Any thread.
 */
#ifndef MSG_ENVELOPE_H
#define MSG_ENVELOPE_H

#include <stdint.h>

#include "base/id.h"
#include "base/str.h"

/* How a request was answered; RPC_STATUS_OK alone has a body. */
enum rpc_status {
	RPC_STATUS_OK,
	RPC_STATUS_MALFORMED,	/* not a message of its kind */
	RPC_STATUS_UNKNOWN,	/* no such kind on this socket */
	RPC_STATUS_BUSY,	/* try later */
	RPC_STATUS_FAILED,	/* understood, but not done: see the error */
	RPC_STATUSES,
};

#define ENVELOPE_ERROR_MAX 1024

struct envelope {
	struct id id;
	uint32_t kind;
	uint32_t deadline_ms;
	enum rpc_status status;
	char error[ENVELOPE_ERROR_MAX];	/* escaped text */
	struct str body;		/* borrowed from the message */
	void *unpacked;			/* envelope_fini frees it */
};

/* Appends the packed form to `out`. */
void envelope_pack(const struct envelope *e, struct bytes *out);
/* -1: malformed, nothing to free. Else e->body borrows from `e` itself. */
int envelope_unpack(struct envelope *e, struct str message) MUST_CHECK;
void envelope_fini(struct envelope *e);

#endif
