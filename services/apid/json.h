/* SPDX-License-Identifier: MIT */
/*
 * json: what the API answers, as JSON, and the schema of it.
 *
 * The members of a session stand in one table, from which come both the object
 * and its schema in the OpenAPI document. Any thread.
 */
#ifndef APID_JSON_H
#define APID_JSON_H

#include <jansson.h>

#include "apid/query.h"

/* A string; bytes that are not printable UTF-8 are shown as \xNN. */
json_t *json_text(struct str s) MUST_CHECK;
/* RFC 3339, UTC, with milliseconds. */
json_t *json_time(uint64_t wall_us) MUST_CHECK;
/* Numbers beyond 2^63 stop there. */
json_t *json_u64(uint64_t v) MUST_CHECK;
/* Appends the text of `o` and a line's end. */
void json_write(struct bytes *out, const json_t *o);

/* parity.md section 5. `now_us` decides whether a running one is unknown. */
json_t *json_session(const struct query_session *s, uint64_t now_us)
    MUST_CHECK;
json_t *json_session_schema(void) MUST_CHECK;

/* parity.md section 10. Details that are no object, or one too big or too deep,
 * are null. */
json_t *json_event(const struct query_event *e) MUST_CHECK;
json_t *json_event_schema(void) MUST_CHECK;

/* What GET /api/sessions/stats answers. */
json_t *json_stats(const struct query_stats *s, uint64_t now_us,
    unsigned window_hours) MUST_CHECK;
json_t *json_stats_schema(void) MUST_CHECK;

/* {"type": "object", …} from NULL-ended pairs of a name and JSON Schema text;
 * all members are required. */
json_t *json_schema(const char *const (*members)[2]) MUST_CHECK;

#endif
