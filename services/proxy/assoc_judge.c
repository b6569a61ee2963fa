/* SPDX-License-Identifier: MIT */
/*
 * Every answer may be there at once, which is the rule where names are cached
 * and leases are warm: then judge_start gives it, and done is never called.
 */
#include "proxy/assoc_judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/dial.h"
#include "proxy/gate.h"
#include "proxy/resolve.h"

/* So long nobody is asked again after a question without an answer. */
#define HOLD_OFF_MS 250

struct judgement {
	const struct judge *judge;
	judge_done_fn *done;	/* NULL: judge_start is still running */
	void *arg;
	struct identity *identity;
	struct addr source, preferred;
	bool has_preferred, over;
	struct dest dest;
	struct resolve_query *query;
	struct lease_waiter waiter;
	struct addr resolved[RESOLVE_ADDRS_MAX];
	uint8_t n_resolved;
	struct judge_answer answer;
};

static void
judgement_free(struct judgement *m)
{
	resolve_cancel(&m->query);
	lease_cancel(&m->waiter);
	identity_unref(&m->identity);
	free(m);
}

/* The answer is there: say it, unless judge_start does. */
static void
conclude(struct judgement *m)
{
	m->over = true;
	if (m->done == NULL)
		return;
	m->done(m->arg, &m->answer);
	judgement_free(m);
}

static void
give_up(struct judgement *m, enum ruling_kind kind)
{
	m->answer.ruling = (struct ruling){
		.kind = kind, .until_ms = clock_mono_ms() + HOLD_OFF_MS,
	};
	conclude(m);
}

/* Of the permitted ones the preferred, else the first that the fence lets
 * through; false: none. */
static bool
choose(const struct judgement *m, const struct decision *d, struct addr *out)
{
	bool found = false;

	for (unsigned i = 0; i < d->n_permitted; i++) {
		struct endpoint at = { m->resolved[d->permitted[i]],
			m->dest.port };
		bool preferred = m->has_preferred &&
		    addr_eq(&at.addr, &m->preferred);

		if ((found && !preferred) || !dial_fence_permits(
		    m->judge->fence, &at, d->internal_ok[i]))
			continue;
		*out = at.addr;
		found = true;
		if (preferred)
			break;
	}
	return found;
}

static void ask_policy(struct judgement *m, bool own_source);

static void
decided(struct judgement *m, const struct decision *d)
{
	struct ruling *r = &m->answer.ruling;

	if (d->verdict == VERDICT_UNAVAILABLE) {
		give_up(m, RULING_REFUSED);
		return;
	}
	if (d->source_bound && !addr_eq(&d->asked_source, &m->source)) {
		ask_policy(m, true);
		return;
	}
	*r = (struct ruling){
		.kind = RULING_REFUSED, .by_policy = true,
		.until_ms = d->until_ms, .generation = d->generation,
		.instance = d->instance,
	};
	if (d->verdict == VERDICT_ALLOW && choose(m, d, &r->addr))
		r->kind = RULING_OPEN;
	m->answer.decision = d;
	conclude(m);
}

static void
on_decided(struct lease_waiter *w, const void *value)
{
	static const struct decision none = { .verdict = VERDICT_UNAVAILABLE };
	struct judgement *m = container_of(w, struct judgement, waiter);

	decided(m, value != NULL ? value : &none);
}

static void
ask_policy(struct judgement *m, bool own_source)
{
	struct decide_question q = {
		.identity = m->identity,
		.source = m->source,
		.own_source = own_source,
		.command = COMMAND_UDP,
		.protocol = PROTOCOL_UDP,
		.dest = &m->dest,
		.resolved = m->resolved,
		.n_resolved = m->n_resolved,
	};
	const struct decision *d = NULL;

	m->waiter.done = on_decided;
	if (gate_decide(m->judge->gate, &q, &m->waiter, &d) != GATE_WAIT)
		decided(m, d);
}

static void
on_resolved(void *arg, enum resolve_result result, const struct addr *addrs,
    size_t n)
{
	struct judgement *m = arg;

	m->query = NULL;
	m->n_resolved = (uint8_t)n;
	if (result != RESOLVE_OK) {
		give_up(m, RULING_UNRESOLVED);
		return;
	}
	ASSERT(n <= ARRAY_LEN(m->resolved));
	memcpy(m->resolved, addrs, n * sizeof(addrs[0]));
	ask_policy(m, false);
}

static void
begin(struct judgement *m)
{
	struct str name = { m->dest.name, m->dest.name_len };

	if (!m->dest.is_name) {
		m->resolved[0] = m->dest.addr;
		m->n_resolved = 1;
		ask_policy(m, false);
		return;
	}
	m->query = resolve_start_for(m->judge->resolver, m->identity->user,
	    name, on_resolved, m);
}

static struct judgement *
start(const struct judge *j, const struct judge_question *q,
    struct judge_answer *now, judge_done_fn *done, void *arg)
{
	struct judgement *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		*now = (struct judge_answer){ .ruling = {
			.kind = RULING_REFUSED } };
		return NULL;
	}
	m->judge = j;
	m->arg = arg;
	m->identity = identity_ref((struct identity *)q->identity);
	m->source = q->source;
	m->dest = *q->dest;
	m->has_preferred = q->preferred != NULL;
	if (m->has_preferred)
		m->preferred = *q->preferred;
	list_init(&m->waiter.link);
	begin(m);
	if (!m->over) {
		m->done = done;
		return m;
	}
	*now = m->answer;
	judgement_free(m);
	return NULL;
}

static void
cancel(struct judgement *m)
{
	judgement_free(m);
}

struct judge
assoc_judge(struct resolver *resolver, struct gate *gate,
    const struct dial_fence *fence)
{
	return (struct judge){
		.start = start, .cancel = cancel, .resolver = resolver,
		.gate = gate, .fence = fence,
	};
}
