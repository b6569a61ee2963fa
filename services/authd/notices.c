/* SPDX-License-Identifier: MIT */
#include "authd/notices.h"

#include <string.h>

#include <jansson.h>

#include "audit/telemetry.h"
#include "authd/metrics.h"

/* ---- guessing ---- */

/* The scope, and the bucket. */
#define KEY_SIZE (1 + GUESSING_BUCKET_MAX)

/* Attempts that hit the same limit are alike, whatever else they are. */
static struct str
key_of(char bytes[static KEY_SIZE], const struct notices_refusal *r)
{
	char room[GUESSING_BUCKET_MAX];
	struct str bucket = guessing_bucket(room, r->scope, r->user,
	    &r->source);

	bytes[0] = (char)r->scope;
	memcpy(bytes + 1, bucket.ptr, bucket.len);
	return (struct str){ bytes, 1 + bucket.len };
}

static void
say(struct text *t, const struct notices_refusal *r, const char *source)
{
	text_str(t, STR("too many failed logins"));
	if (r->scope == GUESSING_TOTAL)
		text_str(t, STR(" of all users together"));
	if (r->scope == GUESSING_SOURCE || r->scope == GUESSING_PAIR)
		text_fmt(t, " from %s", source);
	if ((r->scope == GUESSING_USER || r->scope == GUESSING_PAIR) &&
	    r->user.len > 0) {
		text_str(t, STR(" as "));
		text_str(t, r->user);
	}
}

static json_t *
details_of(const struct notices_refusal *r, const char *source)
{
	json_int_t delay_ms = r->delay_ms;

	if (r->scope == GUESSING_SOURCE)
		return json_pack("{s:s, s:I}", "source", source, "delay_ms",
		    delay_ms);
	return json_pack("{s:s, s:o, s:s, s:I}", "scope",
	    guessing_scope_names[r->scope], "user", telemetry_text(r->user),
	    "source", source, "delay_ms", delay_ms);
}

void
notices_refused(struct telemetry *t, const struct notices_refusal *r)
{
	const enum telemetry_event event = r->scope == GUESSING_SOURCE ?
	    TELEMETRY_source_throttled : TELEMETRY_guessing_detected;
	char bytes[KEY_SIZE], source[ADDR_TEXT_SIZE];
	char message[TELEMETRY_MESSAGE_MAX + 1];
	struct text text = text_on(message, sizeof(message));
	const struct str key = key_of(bytes, r);

	if (!telemetry_wants(t, event, key))
		return;
	addr_format(source, &r->source);
	say(&text, r, source);
	telemetry_tell(t, event, key, message, details_of(r, source));
}

/* ---- worker processes ---- */

static void
tell_down(const struct notices_workers *w, int error)
{
	json_t *details = json_pack("{s:s}", "method", w->method);
	char message[TELEMETRY_MESSAGE_MAX + 1];
	struct text text = text_on(message, sizeof(message));

	text_fmt(&text, "no worker process for %s can be started", w->method);
	if (error != 0) {
		text_fmt(&text, ": %s", strerrordesc_np(error));
		(void)json_object_set_new(details, "error",
		    json_string(strerrordesc_np(error)));
	}
	telemetry_tell(w->telemetry, TELEMETRY_backend_down,
	    str_from(w->method), message, details);
}

static void
tell_killed(const struct notices_workers *w, enum pam_process_cause cause)
{
	char message[TELEMETRY_MESSAGE_MAX + 1];
	struct text text = text_on(message, sizeof(message));

	text_fmt(&text, "a worker process for %s did not answer in time",
	    w->method);
	telemetry_tell(w->telemetry, TELEMETRY_worker_killed,
	    str_from(w->method), message, json_pack("{s:s, s:s}", "method",
	    w->method, "cause", pam_process_cause_names[cause]));
}

void
notices_on_restart(void *workers, enum pam_process_cause cause, int error)
{
	const struct notices_workers *w = workers;

	authd_count_restart(w->metrics, cause);
	if (cause == PAM_PROCESS_START)
		tell_down(w, error);
	else if (cause == PAM_PROCESS_DEADLINE)
		tell_killed(w, cause);
}
