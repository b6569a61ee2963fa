/* SPDX-License-Identifier: MIT */
#include "apid/apid.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apid/http.h"
#include "apid/metrics.h"
#include "apid/sampler.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/watch.h"

#define LISTENERS_MAX 16

struct apid {
	struct service_context *context;
	struct query_source *source;
	char *tokens_file;
	struct token_store *tokens;
	struct watch *watch;
	struct sampler *sampler;
	struct api *api;
	struct http *http;
};

/* Our own database, else sessiond's; NULL with err. */
static struct query_source *
source_of(const struct settings *s, struct err *err)
{
	bool own = *s->apid.database != '\0';
	struct query_source_options o = {
		.database = own ? s->apid.database : s->sessiond.database,
		.password_file = own ? s->apid.database_password_file :
		    s->sessiond.database_password_file,
		.connections = s->apid.database_connections,
	};
	char *file = xasprintf("sqlite:%s/sallyport.db",
	    s->sessiond.state_dir);
	struct query_source *source;

	if (*o.database == '\0')
		o.database = file;
	source = query_source_new(&o, err);
	free(file);
	return source;
}

static char *
tokens_file_of(const struct settings *s)
{
	if (*s->apid.tokens_file != '\0')
		return xstrdup(s->apid.tokens_file);
	return xasprintf("%s/tokens.toml", s->apid.state_dir);
}

/* ---- tokens ---- */

static void
take_tokens(struct apid *d, struct token_set *set)
{
	struct metrics_cells *cells = apid_cells(service_metrics(d->context));
	size_t n = token_set_count(set);

	token_store_set(d->tokens, set);
	metrics_add(cells, METRIC_api_tokens_reloads_total, RELOAD_OK, 1);
	log_info(NULL, "tokens_loaded", log_str("path", d->tokens_file),
	    log_u64("tokens", n));
}

/* All or nothing: what is in force stays on any error. */
static int
load_tokens(struct apid *d, struct err *err)
{
	struct token_set *set;

	if (token_set_load(&set, d->tokens_file, err) == 0) {
		take_tokens(d, set);
		return 0;
	}
	metrics_add(apid_cells(service_metrics(d->context)),
	    METRIC_api_tokens_reloads_total, RELOAD_REJECTED, 1);
	log_error(NULL, "tokens_rejected", log_str("error", err->text));
	return -1;
}

static void
on_tokens_changed(void *arg)
{
	struct err err;

	(void)load_tokens(arg, &err);
}

/* A file that is not there yet is no error: nobody is let in until it is. */
static int
start_tokens(struct apid *d, struct err *err)
{
	if (watch_start(&d->watch, d->tokens_file, on_tokens_changed, d,
	        err) != 0)
		return -1;
	if (access(d->tokens_file, F_OK) != 0 && errno == ENOENT) {
		log_warn(NULL, "tokens_missing",
		    log_str("path", d->tokens_file),
		    log_str("effect", "no request to /api is let in"));
		return 0;
	}
	if (load_tokens(d, err) != 0)
		return service_bad_config(d->context);
	return 0;
}

/* ---- metrics ---- */

/* /metrics is served until after the daemon's end. */
static struct {
	pthread_mutex_t m;
	struct query_source *source;	/* NULL: gone */
	struct query_pool shown;
} scraped = { .m = PTHREAD_MUTEX_INITIALIZER };

static void
set_scraped(struct query_source *source)
{
	pthread_mutex_lock(&scraped.m);
	scraped.source = source;
	pthread_mutex_unlock(&scraped.m);
}

static void
on_scrape(void *arg, struct metrics_cells *cells)
{
	struct query_pool pool;

	(void)arg;
	pthread_mutex_lock(&scraped.m);
	if (scraped.source != NULL) {
		query_source_pool(scraped.source, &pool);
		apid_count_pool(cells, &pool, &scraped.shown);
	}
	pthread_mutex_unlock(&scraped.m);
}

/* ---- life ---- */

static void
on_database(void *arg, const char *why)
{
	struct apid *d = arg;

	service_not_ready(d->context, "database", why);
}

/* The error is about the setting that names the database. */
static int
bad_database(struct apid *d, struct err *err)
{
	const struct settings *s = service_settings(d->context);

	err_prefix(err, "%s.database", *s->apid.database != '\0' ? "apid" :
	    "sessiond");
	return service_bad_config(d->context);
}

static int
start_source(struct apid *d, struct err *err)
{
	const struct settings *s = service_settings(d->context);

	d->source = source_of(s, err);
	if (d->source == NULL)
		return bad_database(d, err);
	set_scraped(d->source);
	metrics_on_scrape(service_metrics(d->context), on_scrape, NULL);
	query_source_set_timeout(d->source, s->apid.statement_timeout);
	return 0;
}

static int
start_sampler(struct apid *d, struct err *err)
{
	const struct settings *s = service_settings(d->context);
	struct sampler_options o = {
		.source = d->source,
		.metrics = service_metrics(d->context),
		.config = &s->metrics,
		.on_database = on_database, .arg = d,
	};

	for (size_t i = 0; i < SAMPLER_DAEMONS; i++)
		o.daemons[i] = config_daemon(s, sampler_names[i]).admin_listen;
	if (sampler_start(&d->sampler, &o, err) != 0)
		return -1;
	/* It has looked at the database. */
	return query_source_is_hopeless(d->source, err) ?
	    bad_database(d, err) : 0;
}

static int
start_http(struct apid *d, struct err *err)
{
	const struct settings *s = service_settings(d->context);
	const struct api_options o = {
		.settings = s, .source = d->source,
		.metrics = service_metrics(d->context),
		.tokens = d->tokens, .sampler = d->sampler,
	};
	struct endpoint at[LISTENERS_MAX];
	char text[ENDPOINT_TEXT_SIZE];
	size_t n;

	d->api = api_new(&o);
	if (http_start(&d->http, d->api, &s->apid.listen, s->apid.threads,
	        err) != 0)
		return -1;
	n = http_addresses(d->http, at, LISTENERS_MAX);
	for (size_t i = 0; i < n; i++) {
		endpoint_format(text, &at[i]);
		log_info(NULL, "listening", log_str("address", text));
	}
	return 0;
}

static void
end(struct apid *d)
{
	if (d->source != NULL)
		query_source_stop(d->source);
	watch_stop(&d->watch);
	http_stop(&d->http);
	sampler_stop(&d->sampler);
	api_free(&d->api);
	token_store_free(&d->tokens);
	set_scraped(NULL);
	query_source_free(&d->source);
	free(d->tokens_file);
	free(d);
}

int
apid_bind(struct service_context *c, struct err *err)
{
	return http_probe(&service_settings(c)->apid.listen, err);
}

int
apid_start(struct service_context *c, struct err *err)
{
	struct apid *d = xcalloc(1, sizeof(*d));

	d->context = c;
	d->tokens_file = tokens_file_of(service_settings(c));
	d->tokens = token_store_new();
	if (start_source(d, err) != 0 || start_tokens(d, err) != 0 ||
	    start_sampler(d, err) != 0 || start_http(d, err) != 0) {
		end(d);
		return -1;
	}
	service_set_data(c, d);
	return 0;
}

int
apid_reload(struct service_context *c, const struct settings *next,
    struct err *err)
{
	struct apid *d = service_data(c);

	if (load_tokens(d, err) != 0)
		return -1;
	query_source_set_timeout(d->source, next->apid.statement_timeout);
	api_set_settings(d->api, next);
	return 0;
}

void
apid_stop(struct service_context *c)
{
	end(service_data(c));
}

int
apid_check(const struct settings *s, struct err *err)
{
	char *path = tokens_file_of(s);
	struct token_set *set = NULL;
	int r = 0;

	if (access(path, F_OK) == 0)
		r = token_set_load(&set, path, err);
	token_set_free(&set);
	free(path);
	return r;
}
