/* SPDX-License-Identifier: MIT */
#include "acld/acld.h"
#include "acld/metrics.h"

static const struct service acld = {
	.name = "acld",
	.help = "Decides who may connect where, by one policy file",
	.administered = true,
	.metrics = acld_metrics,
	.n_metrics = ACLD_METRICS,
	.start = acld_start,
	.reload = acld_reload,
	.stop = acld_stop,
	.check = acld_check,
};

int
main(int argc, char **argv)
{
	return service_main(argc, argv, &acld);
}
