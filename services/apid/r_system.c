/* SPDX-License-Identifier: MIT */
#include <jansson.h>

#include "apid/json.h"
#include "apid/resources.h"
#include "apid/totals.h"
#include "base/clock.h"

static const char *const daemon_states[] = {
	[PROBE_UNKNOWN] = "unknown", [PROBE_READY] = "ready",
	[PROBE_NOT_READY] = "not_ready", [PROBE_UNREACHABLE] = "unreachable",
};

static const char *
overall(const struct sample *s)
{
	if (!s->readable)
		return "unhealthy";
	for (size_t i = 0; i < SAMPLER_DAEMONS; i++)
		if (s->daemons[i].state > PROBE_READY)
			return "degraded";
	return "healthy";
}

static json_t *
text_or_null(const char *s)
{
	return *s != '\0' ? json_text(str_from(s)) : json_null();
}

static json_t *
daemons_json(const struct sample *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < SAMPLER_DAEMONS; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:o}",
		    "name", sampler_names[i], "status",
		    daemon_states[s->daemons[i].state], "detail",
		    text_or_null(s->daemons[i].text)));
	return list;
}

static json_t *
database_json(const struct sample *s)
{
	return json_pack("{s:b, s:o, s:o, s:o}", "readable", s->readable,
	    "detail", text_or_null(s->why), "schema_version",
	    s->schema > 0 ? json_integer(s->schema) : json_null(),
	    "last_record_at", s->totals.last_record_us > 0 ?
	    json_time(s->totals.last_record_us) : json_null());
}

void
system_health(struct call *c)
{
	uint64_t up_us = clock_mono_us() - api_started_us(c->api);
	struct sample s;
	json_t *o;

	api_sample(c->api, &s);
	o = json_pack("{s:s, s:s, s:o, s:o, s:o}", "status", overall(&s),
	    "version", SALLYPORT_VERSION, "uptime_seconds",
	    json_u64(up_us / 1000000), "database", database_json(&s),
	    "daemons", daemons_json(&s));
	if (!s.readable) {
		c->response->status = 503;
		response_header(c->response, "Retry-After", "2");
	}
	json_write(&c->response->body, o);
	json_decref(o);
}

void
system_healthz(struct call *c)
{
	bytes_fmt(&c->response->body, "ok\n");
}

void
system_readyz(struct call *c)
{
	struct sample s;

	api_sample(c->api, &s);
	if (s.readable) {
		bytes_fmt(&c->response->body, "ready\n");
		return;
	}
	c->response->status = 503;
	response_header(c->response, "Retry-After", "2");
	bytes_fmt(&c->response->body, "database: %s\n", s.why);
}

void
system_metrics(struct call *c)
{
	struct sample s;

	api_sample(c->api, &s);
	totals_expose(&c->response->body, c->settings->metrics.namespace, &s);
	api_users(c->api, &c->response->body);
	metrics_expose(api_metrics(c->api), &c->response->body);
}

void
system_openapi(struct call *c)
{
	struct str text = api_openapi(c->api);

	bytes_add(&c->response->body, text.ptr, text.len);
}
