/* SPDX-License-Identifier: MIT */
#include "apid/openapi.h"

#include <jansson.h>
#include <string.h>

#include "apid/json.h"
#include "apid/routes.h"

#define PROBLEM_TYPE "application/problem+json"

static json_t *
reference(const char *schema)
{
	char text[96];
	struct text t = text_on(text, sizeof(text));

	text_fmt(&t, "#/components/schemas/%s", schema);
	return json_pack("{s:s}", "$ref", text);
}

/* ---- parameters ---- */

static json_t *
words_schema(const struct param *p)
{
	json_t *words = json_array();

	for (const struct param_word *w = p->words; w->word != NULL; w++)
		json_array_append_new(words, json_string(w->word));
	return json_pack("{s:s, s:o}", "type", "string", "enum", words);
}

static json_t *
value_schema(const struct param *p)
{
	if (p->type == PARAM_NUMBER)
		return json_pack("{s:s, s:I, s:I}", "type", "integer",
		    "minimum", (json_int_t)p->min, "maximum",
		    (json_int_t)p->max);
	if (p->type == PARAM_WORD)
		return words_schema(p);
	return json_pack("{s:s}", "type", "string");
}

static json_t *
param_json(const struct param *p)
{
	json_t *schema = value_schema(p), *o;

	if (p->many)
		schema = json_pack("{s:s, s:o}", "type", "array", "items",
		    schema);
	o = json_pack("{s:s, s:s, s:s, s:o}", "name", p->name, "in", "query",
	    "description", p->help, "schema", schema);
	if (p->many) {
		json_object_set_new(o, "style", json_string("form"));
		json_object_set_new(o, "explode", json_false());
	}
	return o;
}

static json_t *
params_json(const struct route *r)
{
	json_t *list = json_array();

	if (strstr(r->path, "{id}") != NULL)
		json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:b, s:{s:s, s:s}}", "name", "id", "in",
		    "path", "required", 1, "schema", "type", "string",
		    "format", "uuid"));
	for (const struct param *p = r->params; p->name != NULL; p++)
		json_array_append_new(list, param_json(p));
	return list;
}

/* ---- responses ---- */

static void
add_problem(json_t *responses, const char *status, const char *description)
{
	json_object_set_new(responses, status, json_pack("{s:s, s:{s:{s:o}}}",
	    "description", description, "content", PROBLEM_TYPE, "schema",
	    reference("Problem")));
}

static json_t *
good_json(const struct route *r)
{
	json_t *schema = r->schema == NULL ?
	    json_pack("{s:s}", "type", "string") :
	    strcmp(r->schema, "OpenAPI") == 0 ?
	    json_pack("{s:s}", "type", "object") : reference(r->schema);

	return json_pack("{s:s, s:{s:{s:o}}}", "description", r->summary,
	    "content", r->type, "schema", schema);
}

static json_t *
responses_json(const struct route *r)
{
	bool login = r->scope != SCOPE_OPEN;
	json_t *o = json_object();

	json_object_set_new(o, "200", good_json(r));
	add_problem(o, "400", "Malformed, or a bad parameter, by name");
	if (login) {
		add_problem(o, "401", "No valid token");
		add_problem(o, "403", "The token lacks the scope");
	}
	if (strstr(r->path, "{id}") != NULL)
		add_problem(o, "404", "No such session");
	/* These two tell their state in their own form. */
	if (r->unavailable && login)
		add_problem(o, "503", "The database cannot be read now");
	else if (r->unavailable)
		json_object_set_new(o, "503", good_json(r));
	return o;
}

static json_t *
operation_json(const struct route *r)
{
	json_t *security = json_array();
	json_t *o = json_pack("{s:s, s:o, s:o}", "summary", r->summary,
	    "parameters", params_json(r), "responses", responses_json(r));

	if (r->scope != SCOPE_OPEN)
		json_array_append_new(security, json_pack("{s:[s]}", "bearer",
		    "read"));
	/* An empty one is the choice to come without. */
	if (r->scope == SCOPE_METRICS)
		json_array_append_new(security, json_object());
	json_object_set_new(o, "security", security);
	return o;
}

static json_t *
paths_json(void)
{
	json_t *paths = json_object();

	for (size_t i = 0; i < routes_n; i++) {
		const struct route *r = &routes[i];
		json_t *path = json_object_get(paths, r->path);
		char method[16];
		struct text t = text_on(method, sizeof(method));

		if (path == NULL) {
			path = json_object();
			json_object_set_new(paths, r->path, path);
		}
		text_str(&t, str_from(r->method));
		str_lower(method, t.len);
		json_object_set_new(path, method, operation_json(r));
	}
	return paths;
}

/* ---- schemas ---- */

#define STRING "{\"type\":\"string\"}"
#define MAYBE "{\"type\":[\"string\",\"null\"]}"
#define WHEN "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define SESSIONS                                      \
	"{\"type\":\"array\",\"items\":{\"$ref\":"    \
	"\"#/components/schemas/Session\"}}"

static const char *const page_members[][2] = {
	{ "items", SESSIONS }, { "next_cursor", MAYBE }, { NULL, NULL },
};
static const char *const event_page_members[][2] = {
	{ "items", "{\"type\":\"array\",\"items\":{\"$ref\":"
		"\"#/components/schemas/Event\"}}" },
	{ "next_cursor", MAYBE }, { NULL, NULL },
};
static const char *const active_members[][2] = {
	{ "as_of", "{\"type\":\"string\",\"format\":\"date-time\"}" },
	{ "items", SESSIONS }, { "next_cursor", MAYBE }, { NULL, NULL },
};
static const char *const error_members[][2] = {
	{ "pointer", STRING }, { "code", STRING }, { "message", STRING },
	{ NULL, NULL },
};
static const char *const problem_members[][2] = {
	{ "type", STRING }, { "title", STRING },
	{ "status", "{\"type\":\"integer\"}" }, { "detail", STRING },
	{ "instance", STRING }, { "request_id", STRING },
	{ "errors", "{\"type\":\"array\",\"items\":{\"$ref\":"
		"\"#/components/schemas/ProblemError\"}}" },
	{ NULL, NULL },
};
static const char *const daemon_members[][2] = {
	{ "name", STRING },
	{ "status", "{\"type\":\"string\",\"enum\":[\"unknown\",\"ready\","
		"\"not_ready\",\"unreachable\"]}" },
	{ "detail", MAYBE }, { NULL, NULL },
};
static const char *const database_members[][2] = {
	{ "readable", "{\"type\":\"boolean\"}" }, { "detail", MAYBE },
	{ "schema_version", "{\"type\":[\"integer\",\"null\"]}" },
	{ "last_record_at", WHEN }, { NULL, NULL },
};
static const char *const health_members[][2] = {
	{ "status", "{\"type\":\"string\",\"enum\":[\"healthy\","
		"\"degraded\",\"unhealthy\"]}" },
	{ "version", STRING }, { "uptime_seconds", "{\"type\":\"integer\"}" },
	{ "database", "{\"$ref\":\"#/components/schemas/Database\"}" },
	{ "daemons", "{\"type\":\"array\",\"items\":{\"$ref\":"
		"\"#/components/schemas/Daemon\"}}" },
	{ NULL, NULL },
};

static json_t *
schemas_json(void)
{
	static const struct {
		const char *name;
		const char *const (*members)[2];
	} plain[] = {
		{ "SessionPage", page_members },
		{ "ActivePage", active_members },
		{ "EventPage", event_page_members },
		{ "Problem", problem_members },
		{ "ProblemError", error_members },
		{ "Health", health_members },
		{ "Database", database_members },
		{ "Daemon", daemon_members },
	};
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		json_object_set_new(o, plain[i].name,
		    json_schema(plain[i].members));
	json_object_set_new(o, "Session", json_session_schema());
	json_object_set_new(o, "Event", json_event_schema());
	json_object_set_new(o, "Stats", json_stats_schema());
	return o;
}

void
openapi_write(struct bytes *out)
{
	json_t *o = json_pack(
	    "{s:s, s:{s:s, s:s, s:{s:s}}, s:[{s:s}], s:o, "
	    "s:{s:{s:{s:s, s:s}}, s:o}}",
	    "openapi", "3.1.0", "info", "title", "Sallyport", "version",
	    SALLYPORT_VERSION, "license", "name", "MIT", "servers", "url",
	    "/", "paths", paths_json(), "components", "securitySchemes",
	    "bearer", "type", "http", "scheme", "bearer", "schemas",
	    schemas_json());

	ASSERT(o != NULL);
	json_write(out, o);
	json_decref(o);
}
