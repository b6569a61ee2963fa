/* SPDX-License-Identifier: MIT */
#include "authd/authd.h"
#include "authd/metrics.h"

static const struct service authd = {
	.name = "authd",
	.help = "Says who it is, by the users file",
	.metrics = authd_metrics,
	.n_metrics = AUTHD_METRICS,
	.start = authd_start,
	.reload = authd_reload,
	.stop = authd_stop,
	.check = authd_check,
};

int
main(int argc, char **argv)
{
	return service_main(argc, argv, &authd);
}
