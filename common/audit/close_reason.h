/* SPDX-License-Identifier: MIT */
/*
 * close_reason: why a session ended. From close_reasons.def come the enum, the
 * names (log field, metric label, column, API value), the status in the
 * database and a sentence for people. Names are stable (parity.md section 5).
 */
#ifndef AUDIT_CLOSE_REASON_H
#define AUDIT_CLOSE_REASON_H

#include "audit/record.h"

enum close_reason {
	CLOSE_NONE,	/* still running */
#define REASON(name, status, text) CLOSE_##name,
#include "audit/close_reasons.def"
#undef REASON
	CLOSE_REASONS,
};

const char *close_reason_name(enum close_reason r);
enum record_status close_reason_status(enum close_reason r);
const char *close_reason_text(enum close_reason r);
/* By its name; CLOSE_NONE: none has it. */
enum close_reason close_reason_find(struct str name);
/* All names in order of the enum without CLOSE_NONE, ended by NULL (labels). */
extern const char *const close_reason_names[];

#endif
