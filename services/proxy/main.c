/* SPDX-License-Identifier: MIT */
#include "proxy/egress.h"
#include "proxy/proxy.h"
#include "proxy/proxy_metrics.h"
#include "service/service.h"

static void
on_stop(struct service_context *c)
{
	struct proxy *p = service_data(c);

	proxy_stop(&p);
	service_set_data(c, NULL);
}

static int
on_takeover(struct service_context *c, int *admin, struct err *err)
{
	struct proxy *p = proxy_new(c);

	service_set_data(c, p);
	if (proxy_take_over(p, admin, err) == 0)
		return 0;
	on_stop(c);
	return -1;
}

static int
on_bind(struct service_context *c, struct err *err)
{
	if (service_data(c) == NULL)
		service_set_data(c, proxy_new(c));
	if (proxy_bind(service_data(c), err) == 0)
		return 0;
	on_stop(c);
	return -1;
}

static int
on_start(struct service_context *c, struct err *err)
{
	if (egress_check(&service_settings(c)->proxy, err) != 0)
		return service_bad_config(c);
	return proxy_start(service_data(c), err);
}

static int
on_reload(struct service_context *c, const struct settings *next,
    struct err *err)
{
	if (egress_check(&next->proxy, err) != 0)
		return -1;
	proxy_reload(service_data(c), next);
	return 0;
}

static int
on_check(const struct settings *s, struct err *err)
{
	return egress_check(&s->proxy, err);
}

static void
on_drain(struct service_context *c)
{
	proxy_drain(service_data(c));
}

static bool
on_drained(struct service_context *c)
{
	return proxy_drained(service_data(c));
}

static const struct service proxy = {
	.name = "proxy",
	.help = "The SOCKS front: accepts, asks, dials, relays, counts",
	.metrics = proxy_metrics,
	.n_metrics = PROXY_METRICS,
	.takeover = on_takeover,
	.bind = on_bind,
	.unbind = on_stop,
	.start = on_start,
	.reload = on_reload,
	.drain = on_drain,
	.drained = on_drained,
	.stop = on_stop,
	.check = on_check,
};

int
main(int argc, char **argv)
{
	return service_main(argc, argv, &proxy);
}
