/* SPDX-License-Identifier: MIT */
#include "authd/authd.h"
#include "authd/metrics.h"
#include "authd/pam_worker.h"
#include "service/priv.h"

static const struct service authd = {
	.name = "authd",
	.help = "Says who it is: users file, PAM, groups",
	.administered = true,
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
	if (pam_worker_wanted(argc, argv)) {
		priv_limits();
		return pam_worker_main();
	}
	return service_main(argc, argv, &authd);
}
