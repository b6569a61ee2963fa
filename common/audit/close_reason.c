/* SPDX-License-Identifier: MIT */
#include "audit/close_reason.h"

static const struct {
	const char *name;
	enum record_status status;
	const char *text;
} reasons[] = {
	[CLOSE_NONE] = { "", STATUS_NONE, "" },
#define REASON(name, status, text) [CLOSE_##name] = { #name, STATUS_##status, text },
#include "audit/close_reasons.def"
#undef REASON
};

const char *const close_reason_names[] = {
#define REASON(name, status, text) #name,
#include "audit/close_reasons.def"
#undef REASON
	NULL,
};

const char *
close_reason_name(enum close_reason r)
{
	ASSERT(r < ARRAY_LEN(reasons));
	return reasons[r].name;
}

enum record_status
close_reason_status(enum close_reason r)
{
	ASSERT(r < ARRAY_LEN(reasons));
	return reasons[r].status;
}

const char *
close_reason_text(enum close_reason r)
{
	ASSERT(r < ARRAY_LEN(reasons));
	return reasons[r].text;
}

enum close_reason
close_reason_find(struct str name)
{
	for (enum close_reason r = CLOSE_NONE + 1; r < CLOSE_REASONS; r++)
		if (str_eq(name, str_from(reasons[r].name)))
			return r;
	return CLOSE_NONE;
}
