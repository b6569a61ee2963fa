/* SPDX-License-Identifier: MIT */
#include "sessiond/sessiond.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "msg/topic.h"
#include "sessiond/metrics.h"
#include "sessiond/store.h"
#include "sessiond/store_migrate.h"
#include "sessiond/writer.h"

#define EVENTS_QUEUE    256 /* messages, audit.md section 11 */
#define MIGRATE_WAIT_MS 60000

struct sessiond {
	struct service_context *context;
	struct store *store;
	struct writer *writer;
	atomic_bool give_up; /* the store may not wait any longer */
	struct topic_sub *events;
	struct metrics_cells *events_cells; /* the events thread's */
};

static struct writer_limits
limits_of(const struct sessiond_config *c)
{
	return (struct writer_limits){
		.batch_size = c->batch_size,
		.batch_interval_ms = c->batch_interval,
		.retention_days = c->retention_days,
		.rollup_days = c->rollup_days,
		.max_events = c->telemetry_max_events,
		.event_hours = c->telemetry_retention_hours,
		.maintenance_interval_ms = c->maintenance_interval,
		.lost_after_ms = c->lost_after,
	};
}

static struct store_options
store_options_of(const struct sessiond_config *c)
{
	return (struct store_options){
		.database = c->database,
		.password_file = c->database_password_file,
		.state_dir = c->state_dir,
	};
}

/* Writer thread, or writer_start. */
static void
on_health(void *arg, const char *why)
{
	struct sessiond *d = arg;

	service_not_ready(d->context, "database", why);
}

/* The thread of the subscription. */
static void
on_batch(void *arg, struct str message)
{
	struct sessiond *d = arg;
	enum batch_fate fate;

	if (d->events_cells == NULL)
		d->events_cells = metrics_thread(service_metrics(d->context));
	switch (writer_offer(d->writer, message)) {
	case WRITER_TAKEN: return;
	case WRITER_FULL:
		fate = BATCH_DROPPED;
		log_warn(NULL, "batch_dropped", log_str("reason", "queue"),
		    log_u64("bytes", message.len));
		break;
	case WRITER_MALFORMED:
	default:
		fate = BATCH_MALFORMED;
		log_warn(
		    NULL, "batch_malformed", log_u64("bytes", message.len));
		topic_sub_refuse(d->events);
		break;
	}
	metrics_add(d->events_cells, M_audit_batches_total, fate, 1);
}

static int
open_events(struct sessiond *d, struct err *err)
{
	struct service_context *c = d->context;
	const struct settings *s = service_settings(c);
	struct topic_options o = {
		.address = service_bus(c, "events"),
		.name = "events",
		.listen = true,
		.max_message = s->bus.max_batch,
		.reconnect_max_ms = (uint32_t)s->bus.reconnect_max,
		.queue = EVENTS_QUEUE,
		.group = service_bus_group(c),
	};

	return topic_sub_open(&d->events, &o, on_batch, d, err);
}

static int
open_store(
    struct sessiond *d, const struct sessiond_config *cfg, struct err *err)
{
	struct store_options o = store_options_of(cfg);

	o.stop = &d->give_up;
	if (store_open(&d->store, &o, err) == 0)
		return 0;
	/* What is wrong with a server's database is wrong in the settings. */
	return store_is_server(cfg->database) ? service_bad_config(d->context)
					      : -1;
}

int
sessiond_start(struct service_context *c, struct err *err)
{
	const struct sessiond_config *cfg = &service_settings(c)->sessiond;
	struct writer_limits limits = limits_of(cfg);
	struct sessiond *d = xcalloc(1, sizeof(*d));
	struct writer_options o = {
		.metrics = service_metrics(c),
		.queue_bytes = cfg->queue,
		.on_health = on_health,
		.arg = d,
		.give_up = &d->give_up,
	};

	d->context = c;
	service_set_data(c, d);
	if (open_store(d, cfg, err) == 0 &&
	    writer_start(&d->writer, d->store, &o, &limits, err) == 0 &&
	    open_events(d, err) == 0)
		return 0;
	sessiond_stop(c);
	return -1;
}

int
sessiond_reload(
    struct service_context *c, const struct settings *next, struct err *err)
{
	struct sessiond *d = service_data(c);
	struct writer_limits limits = limits_of(&next->sessiond);

	(void)err;
	writer_set_limits(d->writer, &limits);
	return 0;
}

void
sessiond_stop(struct service_context *c)
{
	struct sessiond *d = service_data(c);

	topic_sub_close(&d->events);
	writer_stop(&d->writer);
	store_close(&d->store);
	free(d);
	service_set_data(c, NULL);
}

int
sessiond_check(const struct settings *s, struct err *err)
{
	struct store_options o = store_options_of(&s->sessiond);

	return store_check(&o, err);
}

int
sessiond_migrate(const struct settings *s, bool *bad_config, struct err *err)
{
	struct store_options o = store_options_of(&s->sessiond);

	return store_migrate(&o, MIGRATE_WAIT_MS, bad_config, err);
}
