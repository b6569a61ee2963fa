/* SPDX-License-Identifier: MIT */
/*
 * api: from a request to its answer, without a socket.
 *
 * In this order: guard, route, login, parameters, handler. A struct api is
 * shared by all threads; each of them has a struct api_worker of its own.
 */
#ifndef APID_API_H
#define APID_API_H

#include "apid/message.h"
#include "apid/params.h"
#include "apid/problem.h"
#include "apid/query.h"
#include "apid/sampler.h"
#include "apid/token.h"
#include "config/config.h"

struct api;
struct api_worker;
struct route;

struct api_options {
	const struct settings *settings;	/* borrowed */
	struct query_source *source;	/* borrowed */
	struct metrics *metrics;
	struct token_store *tokens;	/* borrowed */
	struct sampler *sampler;	/* borrowed */
};

struct api *api_new(const struct api_options *o) MUST_CHECK;
/* New settings; the old ones must stay valid to the end. Any thread. */
void api_set_settings(struct api *a, const struct settings *s);
void api_free(struct api **ap);

/* For one thread; its connection opens when first needed. */
struct api_worker *api_worker_new(struct api *a) MUST_CHECK;
void api_worker_free(struct api_worker **wp);

/* Always makes an answer. */
void api_serve(struct api_worker *w, const struct request *rq,
    struct response *rs);
/* The answer to what was no request at all, as whoever carries it found. */
void api_refuse(struct api_worker *w, const struct request *rq,
    struct response *rs, enum problem p);

/* ---- for the handlers ---- */

/* A request under way. */
struct call {
	struct api *api;
	struct query *query;
	const struct settings *settings;
	const struct request *request;
	struct response *response;
	const struct route *route;
	struct str id;			/* what stood for "{id}" */
	const struct params *params;
	struct token_who who;		/* "" on open routes */
	uint64_t now_us;
};

struct metrics *api_metrics(const struct api *a);
void api_users(const struct api *a, struct bytes *out);
void api_sample(const struct api *a, struct sample *out);
/* The OpenAPI document as text; made once. */
struct str api_openapi(const struct api *a);
uint64_t api_started_us(const struct api *a);	/* of clock_mono_us */

/* Answers with a problem. */
void call_problem(struct call *c, enum problem p, const char *detail);
/* The same for a parameter that the table let pass. False. */
bool call_bad_parameter(struct call *c, const char *name,
    const char *message);
/* The same for a question that was not answered. */
void call_query_failed(struct call *c, enum query_result r);

#endif
