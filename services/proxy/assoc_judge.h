/* SPDX-License-Identifier: MIT */
/*
 * assoc_judge: may this client send datagrams to that destination?
 *
 * A name is resolved, all its addresses are judged by the policy with command
 * and protocol udp, and the first that is permitted and passes the last fence
 * (dial.h) is the one to send to (conformance.md cases 66, 68; threats.md B7).
 * The same resolver, leases and questions as for CONNECT. Owned by one worker.
 */
#ifndef PROXY_ASSOC_JUDGE_H
#define PROXY_ASSOC_JUDGE_H

#include "proxy/asks.h"
#include "proxy/assoc_peers.h"

struct dial_fence;
struct gate;
struct resolver;

struct judge_question {
	const struct identity *identity;	/* both borrowed until */
	struct addr source;
	const struct dest *dest;		/* judge_start returns */
	/* If it is permitted, it is chosen: a flow stays where it is. */
	const struct addr *preferred;		/* NULL: none */
};

struct judge_answer {
	struct ruling ruling;
	const struct decision *decision;	/* borrowed; NULL: none made */
};

struct judgement;
typedef void judge_done_fn(void *arg, const struct judge_answer *a);

/* What judges; a struct of functions, so that tests can play it. */
struct judge {
	/* NULL: `now` is the answer, its decision good until the next call.
	 * Else `done` is called once with it, from the loop. */
	struct judgement *(*start)(const struct judge *j,
	    const struct judge_question *q, struct judge_answer *now,
	    judge_done_fn *done, void *arg);
	void (*cancel)(struct judgement *m);	/* `done` is not called */
	struct resolver *resolver;
	struct gate *gate;
	const struct dial_fence *fence;
};

/* The real one; all are borrowed and must outlive its judgements. `gate`'s
 * own time-outs and those of the resolver bound a judgement. */
struct judge assoc_judge(struct resolver *resolver, struct gate *gate,
    const struct dial_fence *fence);

#endif
