/* SPDX-License-Identifier: MIT */
#include "service/reload.h"

#include <string.h>

#include "service/context.h"
#include "service/load.h"
#include "service/notify.h"
#include "service/service_metrics.h"

/* Only what this daemon reads: another one's keys are that one's affair. */
static bool
needs_restart(const struct service_context *c, const struct settings *next,
    struct text *keys)
{
	const char *const sections[] = { "bus", "log", "metrics",
		c->service->name };
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		char array[512];
		struct text some = text_on(array, sizeof(array));

		if (!config_restart_needed(service_settings(c), next,
		    sections[i], &some))
			continue;
		text_fmt(keys, "%s%s", any ? ", " : "", array);
		any = true;
	}
	return any;
}

static bool
take_over(struct service_context *c, struct load *l)
{
	char array[1024];
	struct text keys = text_on(array, sizeof(array));
	struct err err = { 0 };

	if (needs_restart(c, l->settings, &keys)) {
		log_warn(NULL, "restart_needed", log_str("keys", array));
		return false;
	}
	if (c->service->reload != NULL &&
	    c->service->reload(c, l->settings, &err) != 0) {
		log_error(NULL, "config_rejected",
		    log_str("message", err.text));
		return false;
	}
	return true;
}

void
reload_run(struct service_context *c)
{
	struct load l;
	bool taken = false;

	notify_reloading();
	if (load_settings(&l, c->args) != 0)
		load_log(&l.errors, LOG_ERROR, "config_rejected");
	else
		taken = take_over(c, &l);
	load_log(&l.warnings, LOG_WARN, "config_warning");
	if (taken) {
		log_set_level(l.settings->log.level);
		context_publish(c, l.settings);
		l.settings = NULL;
		log_info(NULL, "config_reloaded");
	}
	load_fini(&l);
	service_metrics_loaded(c, taken);
	notify_ready();
}
