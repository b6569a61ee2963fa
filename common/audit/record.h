/* SPDX-License-Identifier: MIT */
/*
 * record: what happened to a session, as bytes (audit.md section 4).
 *
 * Pure codec, used by the proxy to write and by sessiond to read. A record's
 * body is `u8 type, u8 version, u16 flags, payload` (protobuf), at most
 * RECORD_MAX bytes. Text is made valid before it enters: escaped UTF-8 without
 * NUL. Everything read is checked (lengths, ranges, UTF-8). Any thread.
 */
#ifndef AUDIT_RECORD_H
#define AUDIT_RECORD_H

#include "base/id.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/name.h"

#define RECORD_MAX 4096
#define RECORD_USER_MAX 1020	/* 255 bytes, each escaped as \xNN */
#define RECORD_TEXT_MAX 256
#define RECORD_CLAIMED_MAX 255
#define RECORD_NAME_MAX 64	/* of a category, an event, a component */
#define RECORD_DETAILS_MAX 2048
#define RECORD_DESTINATIONS_MAX INT32_MAX
#define RECORD_REPLY_MAX 999
#define RECORD_GROUPS_MAX 64
#define RECORD_ADDRS_MAX 32

enum record_type {
	RECORD_OPEN = 1, RECORD_UPDATE, RECORD_CLOSE, RECORD_REJECT,
	RECORD_AGGREGATE, RECORD_LOST, RECORD_UNRECORDED, RECORD_EVENT,
	RECORD_END,
};

enum record_command { COMMAND_NONE, COMMAND_CONNECT, COMMAND_BIND, COMMAND_UDP };
enum record_carrier {
	CARRIER_NONE, CARRIER_SOCKS5, CARRIER_SOCKS4, CARRIER_SOCKS4A,
	CARRIER_HTTP,
};
enum record_protocol { PROTOCOL_NONE, PROTOCOL_TCP, PROTOCOL_UDP };
enum record_decision {
	DECISION_NONE, DECISION_ALLOW, DECISION_BLOCK, DECISION_REDIRECT,
};
enum record_status {
	STATUS_NONE, STATUS_CLOSED, STATUS_FAILED, STATUS_REJECTED,
};
enum record_auth {
	AUTH_UNKNOWN, AUTH_NONE, AUTH_USERPASS, AUTH_PAM_USERNAME,
	AUTH_PAM_ADDRESS,
};

enum record_severity {
	SEVERITY_NONE, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR,
};

#define RECORD_NO_REPLY 255

struct record_counters {
	uint64_t bytes_up, bytes_down;
	uint64_t packets_up, packets_down;
};

/* OPEN, CLOSE, REJECT. Strings are borrowed: from the caller when packing,
 * from `struct record`'s own memory after unpacking. */
struct record_session {
	struct id id;
	uint64_t started_ms;
	struct str user;
	struct str groups[RECORD_GROUPS_MAX];
	unsigned n_groups;
	struct endpoint source;
	struct str listener;
	enum record_command command;
	enum record_carrier carrier;
	enum record_protocol protocol;
	struct str dest_host;		/* empty: asked by address */
	bool has_dest_ip;
	struct addr dest_ip;
	uint16_t dest_port;		/* 0: no request was read */
	struct addr permitted[RECORD_ADDRS_MAX];
	unsigned n_permitted;
	enum record_decision decision;
	struct str rule;
	uint64_t generation;
	struct str route, limits;
	enum record_auth auth_method;
	struct str claimed_user;	/* SOCKS4's user id: never an identity */
	uint32_t destinations;	/* contacted; 1 for TCP, n for UDP, 0: none */
	/* CLOSE and REJECT */
	struct record_counters counters;
	uint64_t duration_us;
	enum record_status status;
	struct str close_reason, close_detail;
	uint16_t reply_code;	/* SOCKS: sent; HTTP: status */
	uint64_t setup_us;
};

struct record_update {
	struct id id;
	uint64_t started_ms;
	struct record_counters counters;
	uint64_t duration_us;
	uint32_t destinations;
	bool recovered;
};

/* What a daemon noticed (parity.md section 10). Names are those of
 * telemetry_events.def, or of a later release. */
struct record_event {
	struct id id;		/* its millisecond is the time */
	enum record_severity severity;
	struct str category, event;
	struct str message;	/* for people, at most RECORD_TEXT_MAX */
	struct str component;	/* "authd" */
	/* A JSON object, or empty; whether it is one is the reader's to see. */
	struct str details;
	uint64_t suppressed;	/* alike ones that were not told before it */
};

struct record_end {
	struct str reason;
	uint64_t wall_us;
	bool counters_lower_bound;
};

/* What record_unpack gives. */
struct record {
	enum record_type type;
	union {
		struct record_session session;
		struct record_update update;
		struct record_end end;
		struct record_event event;
	};
	void *memory;	/* record_fini's */
};

/* Each gives the number of bytes written to `out`, 0 if they do not fit into
 * `size`. RECORD_MAX always suffices: over-long text is cut, and groups that
 * find no room in the end are left out. Strings are escaped here. `type` is
 * OPEN, CLOSE or REJECT. */
size_t record_pack_session(void *out, size_t size, enum record_type type,
    const struct record_session *s) MUST_CHECK;
/* A CLOSE that says all that `opened` said, the body of an OPEN whose closing
 * fields were zero, and of `s` has `destinations`, the fields from `counters`
 * on, dest_ip if set and, if set, what only an OPEN without dest_port may leave
 * to it: dest_host, dest_port, decision, rule, generation. */
size_t record_pack_close(void *out, size_t size, struct str opened,
    const struct record_session *s) MUST_CHECK;
/* The OPEN once more, in the same bytes, and what `s` has of dest_ip, dest_port
 * and `destinations`: a peer came to a BIND. Once a record. */
size_t record_pack_peer(void *out, size_t size, struct str opened,
    const struct record_session *s) MUST_CHECK;
size_t record_pack_update(void *out, size_t size,
    const struct record_update *u) MUST_CHECK;
size_t record_pack_end(void *out, size_t size, const struct record_end *e)
    MUST_CHECK;
/* `details` that are longer than RECORD_DETAILS_MAX, or not printable UTF-8,
 * are left out. */
size_t record_pack_event(void *out, size_t size,
    const struct record_event *e) MUST_CHECK;

enum record_result {
	RECORD_OK,
	RECORD_MALFORMED,	/* quarantine it */
	RECORD_UNKNOWN,		/* a type of a later release: quarantine it */
};
/* Only on RECORD_OK is there something to record_fini(). */
enum record_result record_unpack(struct record *r, struct str body) MUST_CHECK;
void record_fini(struct record *r);

const char *record_command_name(enum record_command v);	/* "connect", … */
const char *record_carrier_name(enum record_carrier v);
const char *record_protocol_name(enum record_protocol v);
const char *record_decision_name(enum record_decision v);
const char *record_status_name(enum record_status v);
const char *record_auth_name(enum record_auth v);
const char *record_severity_name(enum record_severity v);

#endif
