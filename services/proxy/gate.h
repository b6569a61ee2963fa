/* SPDX-License-Identifier: MIT */
/*
 * gate: who is it, and may they; answered from a lease where one is warm.
 *
 * Puts the leases before the questions of asks.h: a login is remembered under
 * an HMAC of the question, its source included; a decision under the question
 * itself, as long as the policy it came from is in force, and with the source
 * only where that mattered. Equal questions are asked once, and those in use
 * again before their lease ends: together with others, on a tick, since a
 * message of its own costs ten times as much. Owned by one worker.
 */
#ifndef PROXY_GATE_H
#define PROXY_GATE_H

#include "config/settings.h"
#include "proxy/asks.h"
#include "proxy/lease.h"
#include "proxy/policy_view.h"

struct gate;

enum gate_result {
	GATE_NOW,	/* the answer is there */
	GATE_WAIT,	/* waiter->done will bring it */
	GATE_FULL,	/* too many questions are out: unavailable */
};

/* `asks` and `view` are borrowed and must outlive the gate. */
struct gate *gate_new(struct asks *asks, const struct policy_view *view,
    const struct proxy_config *cfg) MUST_CHECK;
/* The tick, some four times a second: asks for what is to be renewed. */
void gate_tick(struct gate *g);
void gate_reload(struct gate *g, const struct proxy_config *cfg);
/*
 * Answers are borrowed until return to the loop (NOW) or from done (WAIT,
 * where `value` is a const struct login_answer *, never NULL).
 */
enum gate_result gate_login(struct gate *g, const struct login_question *q,
    struct lease_waiter *waiter, const struct login_answer **answer)
    MUST_CHECK;
/* As above with a const struct decision *. */
enum gate_result gate_decide(struct gate *g, const struct decide_question *q,
    struct lease_waiter *waiter, const struct decision **decision) MUST_CHECK;
struct lease_stats gate_login_stats(const struct gate *g);
struct lease_stats gate_decide_stats(const struct gate *g);
size_t gate_logins(const struct gate *g);	/* remembered now */
size_t gate_decisions(const struct gate *g);
/* After asks_free(): nothing is out any more, no waiter waits. */
void gate_free(struct gate **gp);

#endif
