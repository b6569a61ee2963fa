/* SPDX-License-Identifier: MIT */
/*
 * sallyport-sessiond: where did it go. Turns the records of the proxies into
 * rows of the database. docs/architecture.md walks from here.
 */
#include "base/background.h"
#include "service/service.h"
#include "sessiond/metrics.h"
#include "sessiond/sessiond.h"

static const struct service sessiond = {
	.name = "sessiond",
	.help = "stores the sessions of the proxies in the database",
	.metrics = sessiond_metrics,
	.n_metrics = SESSIOND_METRICS,
	.start = sessiond_start,
	.reload = sessiond_reload,
	.stop = sessiond_stop,
	.check = sessiond_check,
	.migrate = sessiond_migrate,
};

int
main(int argc, char **argv)
{
	background_hold();
	return service_main(argc, argv, &sessiond);
}
