/* SPDX-License-Identifier: MIT */
/*
 * resources: the handlers and parameter tables that routes.c lists. Each makes
 * the whole answer of a call.
 */
#ifndef APID_RESOURCES_H
#define APID_RESOURCES_H

#include "apid/routes.h"

route_fn system_health, system_healthz, system_readyz, system_metrics,
    system_openapi;
route_fn sessions_active, sessions_history, sessions_one, sessions_stats;
route_fn telemetry_events;

extern const struct param active_params[], history_params[], stats_params[],
    events_params[];

#endif
