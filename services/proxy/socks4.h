/* SPDX-License-Identifier: MIT */
/*
 * socks4: the bytes of SOCKS4 and 4a. Pure: no I/O, no memory.
 *
 * The parser looks at all bytes received so far, as those of socks5.h do.
 * PARSE_MORE: come back with more. PARSE_DONE: `used` bytes were the request,
 * the rest is the client's data. PARSE_BAD: out->answer says what to send.
 * Split anywhere, the outcome is the same (conformance.md cases 1, 77-81).
 * There is no login: where one is required, the caller refuses. Any thread.
 */
#ifndef PROXY_SOCKS4_H
#define PROXY_SOCKS4_H

#include "base/buf.h"
#include "base/str.h"
#include "net/name.h"

enum socks4_command { SOCKS4_CONNECT = 1, SOCKS4_BIND = 2 };

enum socks4_reply {
	SOCKS4_SILENT = 0,	/* close without an answer */
	SOCKS4_GRANTED = 0x5a,
	SOCKS4_REFUSED = 0x5b,	/* whatever the reason: the others, 5C and
				 * 5D, are about identd */
};

/* Bytes of user id and of name, before the NUL (case 79). */
#define SOCKS4_FIELD_MAX 255
/* Version, command, port, address; the two fields. */
#define SOCKS4_INPUT_MAX (8 + 2 * (SOCKS4_FIELD_MAX + 1))

struct socks4_request {
	uint8_t command;	/* as sent; may be unknown */
	bool is_4a;		/* the name was sent, not an address */
	struct dest dest;	/* canonical; 0.0.0.0 is left to the fence */
	/* Any bytes: a remark for the record, never an identity (case 78). */
	struct str user_id;
	/* on BAD: */
	enum socks4_reply answer;
	const char *why;	/* a name of close_reasons.def */
	/* of 4a, the name as sent, for the record of a refused one */
	struct str raw_host;
};
/*
 * The strings are borrowed from `in`. BAD: version not 04, or a field that
 * is too long (SILENT, as soon as that is seen); malformed name,
 * CONNECT to port 0, unknown command (REFUSED, after the whole request).
 */
enum parse socks4_parse_request(struct str in, struct socks4_request *out,
    size_t *used) MUST_CHECK;

#define SOCKS4_REPLY_SIZE 8
/* VN 00, then `reply`, port and address of `bound`: both 0 where it is NULL or
 * has no IPv4 address (cases 80, 81). `reply` is not SILENT. */
void socks4_reply(uint8_t out[static SOCKS4_REPLY_SIZE],
    enum socks4_reply reply, const struct endpoint *bound);

#endif
