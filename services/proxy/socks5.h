/* SPDX-License-Identifier: MIT */
/*
 * socks5: the bytes of RFC 1928 and RFC 1929. Pure: no I/O, no memory.
 *
 * A parser looks at all bytes received so far. PARSE_MORE: come back with
 * more. PARSE_DONE: `used` bytes were its message, the rest is the client's
 * next. PARSE_BAD: out->answer says what to send. Split anywhere, the outcome
 * is the same (conformance.md cases 1, 7-32). Any thread.
 */
#ifndef PROXY_SOCKS5_H
#define PROXY_SOCKS5_H

#include "base/buf.h"
#include "base/str.h"
#include "net/name.h"

enum socks5_method {
	SOCKS5_METHOD_NONE = 0x00,
	SOCKS5_METHOD_USERPASS = 0x02,
	SOCKS5_METHOD_NO_ACCEPTABLE = 0xff,
};

enum socks5_command {
	SOCKS5_CONNECT = 1, SOCKS5_BIND = 2, SOCKS5_UDP = 3,
};

enum socks5_atyp {
	SOCKS5_ATYP_IPV4 = 1, SOCKS5_ATYP_NAME = 3, SOCKS5_ATYP_IPV6 = 4,
};

enum socks5_reply {
	SOCKS5_OK = 0, SOCKS5_GENERAL = 1, SOCKS5_NOT_ALLOWED = 2,
	SOCKS5_NET_UNREACHABLE = 3, SOCKS5_HOST_UNREACHABLE = 4,
	SOCKS5_REFUSED = 5, SOCKS5_TTL_EXPIRED = 6,
	SOCKS5_COMMAND_UNSUPPORTED = 7, SOCKS5_ATYP_UNSUPPORTED = 8,
	SOCKS5_SILENT = 255,	/* close without an answer */
};

/* The longest message: a request for a name, 4 + 1 + 255 + 2. RFC 1929's
 * login, 1 + 1 + 255 + 1 + 255, is longer. */
#define SOCKS5_INPUT_MAX 513

struct socks5_greeting {
	uint8_t n_methods;
	const uint8_t *methods;	/* borrowed from the input */
};
/* BAD: the first byte is not 05. */
enum parse socks5_parse_greeting(struct str in, struct socks5_greeting *out,
    size_t *used) MUST_CHECK;
/* The first of `wanted` (in the listener's order) that the client offered, or
 * NO_ACCEPTABLE (cases 7-12). */
enum socks5_method socks5_choose(const struct socks5_greeting *g,
    const uint8_t *wanted, size_t n_wanted);
size_t socks5_method_reply(uint8_t out[static 2], enum socks5_method m);

struct socks5_login {
	struct str user, password;	/* borrowed from the input */
};
/* BAD: version not 01, empty user or password, NUL or control bytes in the
 * user, NUL in the password (cases 14, 16-18). Answer 01 01 and close. */
enum parse socks5_parse_login(struct str in, struct socks5_login *out,
    size_t *used) MUST_CHECK;
/* 1 to 255 bytes of each, no control byte in the user, no NUL in the password:
 * the rule for a login that came by any carrier. */
bool socks5_login_ok(struct str user, struct str password);
size_t socks5_login_reply(uint8_t out[static 2], bool ok);

struct socks5_request {
	uint8_t command;	/* as sent; may be unknown */
	bool rsv_set;		/* RSV was not 00: accepted, counted */
	struct dest dest;	/* canonical */
	/* on BAD, and on DONE with a command that is not served: */
	enum socks5_reply answer;
	const char *why;	/* a name of close_reasons.def, on BAD */
	/* the host bytes as sent, for the record of a refused name */
	struct str raw_host;
};
/* BAD: version not 05 (SILENT), ATYP unknown (08, at once), malformed name or
 * port 0 (01), unknown command (07, after the whole request; 08 if ATYP is
 * unknown too). Unknown commands come as BAD. */
enum parse socks5_parse_request(struct str in, struct socks5_request *out,
    size_t *used) MUST_CHECK;

#define SOCKS5_REPLY_MAX 22
/* bound NULL: 0.0.0.0:0 (failures, or masked). IPv4 shown as ATYP 01. */
size_t socks5_reply(uint8_t out[static SOCKS5_REPLY_MAX], enum socks5_reply r,
    const struct endpoint *bound);
/* ATYP, address and port as any message has them; IPv4 as ATYP 01. */
void socks5_put_endpoint(struct writer *w, const struct endpoint *e);

#endif
