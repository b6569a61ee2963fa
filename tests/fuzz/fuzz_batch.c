/* SPDX-License-Identifier: MIT */
/*
 * The input is a message of the topic `events`: the batch, and each record in
 * a batch that passes. What is accepted must keep within the limits; a session
 * or an event that was read is packed and read again.
 */
#include <string.h>

#include "audit/batch.h"
#include "audit/record.h"
#include "fuzz.h"

static void
check_text(struct str s, size_t max)
{
	ASSERT(s.ptr != NULL && s.len <= max);
	ASSERT(str_is_utf8(s) && str_is_printable(s));
}

/* Text that was escaped once grows when it is escaped again, so only what has
 * no text is compared. */
static void
check_again(enum record_type type, const struct record_session *s)
{
	char buf[RECORD_MAX];
	size_t n = record_pack_session(buf, sizeof(buf), type, s);
	struct record r;

	ASSERT(n > 0 && n <= RECORD_MAX);
	ASSERT(record_unpack(&r, (struct str){ buf, n }) == RECORD_OK);
	ASSERT(id_eq(&r.session.id, &s->id));
	ASSERT(r.session.started_ms == s->started_ms);
	ASSERT(endpoint_eq(&r.session.source, &s->source));
	ASSERT(r.session.n_permitted == s->n_permitted);
	ASSERT(memcmp(&r.session.counters, &s->counters,
	    sizeof(s->counters)) == 0);
	ASSERT(r.session.status == s->status);
	record_fini(&r);
}

static void
check_session(enum record_type type, const struct record_session *s)
{
	check_text(s->user, RECORD_USER_MAX);
	check_text(s->listener, RECORD_TEXT_MAX);
	check_text(s->dest_host, NAME_MAX_LEN);
	check_text(s->rule, RECORD_TEXT_MAX);
	check_text(s->route, RECORD_TEXT_MAX);
	check_text(s->limits, RECORD_TEXT_MAX);
	check_text(s->claimed_user, RECORD_CLAIMED_MAX);
	ASSERT(s->destinations <= RECORD_DESTINATIONS_MAX);
	ASSERT(s->reply_code <= RECORD_REPLY_MAX);
	check_text(s->close_reason, RECORD_TEXT_MAX);
	check_text(s->close_detail, RECORD_TEXT_MAX);
	ASSERT(s->n_groups <= RECORD_GROUPS_MAX);
	for (unsigned i = 0; i < s->n_groups; i++)
		check_text(s->groups[i], RECORD_TEXT_MAX);
	ASSERT(s->n_permitted <= RECORD_ADDRS_MAX);
	ASSERT(*record_command_name(s->command) != '?');
	ASSERT(*record_carrier_name(s->carrier) != '?');
	ASSERT(*record_protocol_name(s->protocol) != '?');
	ASSERT(*record_decision_name(s->decision) != '?');
	ASSERT(*record_status_name(s->status) != '?');
	ASSERT(*record_auth_name(s->auth_method) != '?');
	ASSERT(!id_is_zero(&s->id));
	check_again(type, s);
}

/* As of a session: what has text is not compared. Details are not escaped, and
 * stay what they are. */
static void
check_event(const struct record_event *e)
{
	char buf[RECORD_MAX];
	size_t n = record_pack_event(buf, sizeof(buf), e);
	struct record r;

	check_text(e->category, RECORD_NAME_MAX);
	check_text(e->event, RECORD_NAME_MAX);
	check_text(e->message, RECORD_TEXT_MAX);
	check_text(e->component, RECORD_NAME_MAX);
	check_text(e->details, RECORD_DETAILS_MAX);
	ASSERT(!id_is_zero(&e->id) && e->severity != SEVERITY_NONE);
	ASSERT(e->category.len > 0 && e->event.len > 0 && e->component.len > 0);
	ASSERT(*record_severity_name(e->severity) != '\0');
	ASSERT(n > 0 && n <= RECORD_MAX);
	ASSERT(record_unpack(&r, (struct str){ buf, n }) == RECORD_OK);
	ASSERT(str_eq(r.event.details, e->details));
	ASSERT(id_eq(&r.event.id, &e->id));
	ASSERT(r.event.suppressed == e->suppressed);
	record_fini(&r);
}

static void
check_record(struct str body)
{
	struct record r;

	if (record_unpack(&r, body) != RECORD_OK)
		return;
	if (r.type == RECORD_END)
		check_text(r.end.reason, RECORD_TEXT_MAX);
	else if (r.type == RECORD_UPDATE)
		ASSERT(!id_is_zero(&r.update.id));
	else if (r.type == RECORD_EVENT)
		check_event(&r.event);
	else
		check_session(r.type, &r.session);
	record_fini(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batch b;

	if (batch_check(&b, (struct str){ (const char *)data, size }) != 0)
		return 0;
	ASSERT(b.n >= 1 && b.n <= BATCH_RECORDS_MAX && b.first_seq >= 1);
	check_text(str_from(b.proxy), BATCH_PROXY_MAX);
	for (unsigned i = 0; i < b.n; i++)
		check_record(b.records[i]);
	batch_fini(&b);
	return 0;
}
