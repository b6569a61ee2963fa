/* SPDX-License-Identifier: MIT */
/*
 * sallyport-apid: can you prove it. Serves REST and metrics from the database,
 * which it only reads. docs/architecture.md walks from here.
 */
#include "apid/apid.h"
#include "apid/metrics.h"

static const struct service apid = {
	.name = "apid",
	.help = "serves REST and metrics from the database",
	.metrics = apid_metrics,
	.n_metrics = APID_METRICS,
	.bind = apid_bind,
	.start = apid_start,
	.reload = apid_reload,
	.stop = apid_stop,
	.check = apid_check,
};

int
main(int argc, char **argv)
{
	return service_main(argc, argv, &apid);
}
