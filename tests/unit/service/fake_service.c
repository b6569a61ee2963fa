/* SPDX-License-Identifier: MIT */
/*
 * fake_service: a daemon that does nothing but what test_service.c asks of it
 * by FAKE, a list of words in the environment.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/service.h"

static const struct metric_def metrics[] = {
	{ METRIC_GAUGE, "fake_max_rules", "acld.max_rules in force",
	    METRIC_NO_LABEL, NULL },
};

static _Atomic int drain_turns;

static bool
asked(const char *word)
{
	const char *fake = getenv("FAKE");

	return fake != NULL && strstr(fake, word) != NULL;
}

static void
on_scrape(void *arg, struct metrics_cells *cells)
{
	metrics_gauge_set(cells, 0, 0, service_settings(arg)->acld.max_rules);
}

static int
fake_bind(struct service_context *c, struct err *err)
{
	log_info(NULL, "fake_bind", log_u64("uid", geteuid()),
	    log_str("decide", service_bus(c, "decide")));
	if (asked("bind-fails"))
		return err_set(err, "fake: cannot bind");
	return 0;
}

static int
fake_start(struct service_context *c, struct err *err)
{
	char input[32] = "";

	if (readlink("/proc/self/fd/0", input, sizeof(input) - 1) < 0)
		return err_sys(err, "stdin");
	service_set_data(c, &drain_turns);
	metrics_on_scrape(service_metrics(c), on_scrape, c);
	log_info(NULL, "fake_start", log_u64("uid", geteuid()),
	    log_bool("root_again", geteuid() != 0 && setuid(0) == 0),
	    log_i64("bus_group", (int)service_bus_group(c)),
	    log_i64("admin_group", (int)service_admin_group(c)),
	    log_str("stdin", input));
	if (asked("start-fails"))
		return err_set(err, "fake: cannot start");
	if (asked("bad-policy")) {
		err_set(err, "acl.toml:1:1: bad");
		return service_bad_config(c);
	}
	if (asked("not-ready"))
		service_not_ready(c, "authd", "not connected");
	return 0;
}

/* "hangs": the clock jumps while the main thread is in here, until the file
 * that stands for the hang is gone. */
static int
fake_reload(struct service_context *c, const struct settings *next,
    struct err *err)
{
	const char *hang = next->acld.policy_file;

	log_info(NULL, "fake_reload", log_u64("max_rules",
	    next->acld.max_rules));
	log_debug(NULL, "fake_debug");
	service_not_ready(c, "authd", NULL);
	if (asked("superseded"))
		service_superseded(c);
	if (asked("hangs") && access(hang, F_OK) == 0) {
		clock_test_set(clock_mono_us() + 6000000, clock_wall_us());
		log_info(NULL, "fake_hangs");
		while (access(hang, F_OK) == 0)
			usleep(10000);
		clock_test_reset();
	}
	if (asked("reload-fails"))
		return err_set(err, "fake: cannot reload");
	return 0;
}

static void
fake_drain(struct service_context *c)
{
	ASSERT(service_data(c) == &drain_turns);
	log_info(NULL, "fake_drain");
}

static bool
fake_drained(struct service_context *c)
{
	(void)c;
	return !asked("drains-for-ever") && ++drain_turns > 3;
}

static void
fake_stop(struct service_context *c)
{
	(void)c;
	log_info(NULL, "fake_stop", log_i64("turns", drain_turns));
}

static int
fake_check(const struct settings *s, struct err *err)
{
	if (asked("bad-policy"))
		return err_set(err, "%s:1:1: bad", s->acld.policy_file);
	return 0;
}

static int
fake_migrate(const struct settings *s, bool *bad_config, struct err *err)
{
	(void)s;
	log_info(NULL, "fake_migrate", log_u64("uid", geteuid()));
	*bad_config = asked("bad-database");
	if (*bad_config || asked("no-database"))
		return err_set(err, "database: cannot migrate");
	return 0;
}

int
main(int argc, char **argv)
{
	struct service fake = {
		.name = "acld", .help = "A daemon for tests",
		.administered = !asked("no-administrators"),
		.metrics = metrics, .n_metrics = ARRAY_LEN(metrics),
		.bind = fake_bind, .start = fake_start, .reload = fake_reload,
		.drain = fake_drain, .drained = fake_drained,
		.stop = fake_stop, .check = fake_check,
		.migrate = asked("no-migrate") ? NULL : fake_migrate,
	};

	return service_main(argc, argv, &fake);
}
