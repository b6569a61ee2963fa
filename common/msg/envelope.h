/* SPDX-License-Identifier: MIT */
/*
 * envelope: id, kind, deadline and status around the body of a request or
 * reply. Never aborts on bad input, allocates nothing. Any thread.
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
	RPC_STATUS_ALONE,	/* in a bundle: ask this one by itself */
	RPC_STATUSES,
};

#define ENVELOPE_ERROR_MAX 1024

struct envelope {
	struct id id;
	uint32_t kind;
	uint32_t deadline_ms;
	enum rpc_status status;
	struct str error;	/* UTF-8 without control characters, shorter
				 * than ENVELOPE_ERROR_MAX */
	struct str body;
	uint32_t bundle;	/* replies: so many requests may come in a
				 * bundle; 0: none */
};

/* Bytes of the packed form. */
size_t envelope_size(const struct envelope *e);
/* Writes exactly that many to `out`. */
void envelope_pack(const struct envelope *e, void *out);
/* -1: malformed. Else error and body are borrowed from `message`. A status of
 * a later release reads as RPC_STATUS_FAILED. */
int envelope_unpack(struct envelope *e, struct str message) MUST_CHECK;

#endif
