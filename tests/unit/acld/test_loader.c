/* SPDX-License-Identifier: MIT */
/* Run under TSan too: several ask while files change and the loader stops. */
#include "policy_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acld/loader.h"
#include "acld/metrics.h"
#include "acld/snapshot.h"
#include "base/log.h"
#include "base/mem.h"

#define ASKERS 4
#define ASKED 50

struct fixture {
	char dir[64];
	char *path;
	struct acld_config cfg;
	struct snapshot *snapshot;
	struct metrics *metrics;
	atomic_uint changes, done, failed;
	char why[ERR_TEXT_MAX];		/* of the last failure; one asker */
};

static void
on_changed(void *arg)
{
	struct fixture *f = arg;

	atomic_fetch_add(&f->changes, 1);
}

static void
on_done(void *arg, const struct policy_notes *errors)
{
	struct fixture *f = arg;

	if (errors != NULL) {
		assert_true(errors->n > 0);
		strcpy(f->why, errors->v[0]);
		atomic_fetch_add(&f->failed, 1);
	}
	atomic_fetch_add(&f->done, 1);
}

static void
write_policy(const struct fixture *f, const char *text)
{
	FILE *file = fopen(f->path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void
write_rule(const struct fixture *f, const char *id)
{
	char *text = xasprintf("rules = [{ id = \"%s\", action = \"block\", "
	    "destinations = [\"*\"] }]\n", id);

	write_policy(f, text);
	free(text);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/acld-loader-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/acl.toml", f->dir);
	f->cfg = fixture_config();
	f->cfg.policy_file = f->path;
	f->snapshot = snapshot_new();
	f->metrics = metrics_new("test", NULL, acld_metrics, ACLD_METRICS);
	write_rule(f, "first");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)remove(f->path);
	assert_int_equal(rmdir(f->dir), 0);
	snapshot_free(&f->snapshot);
	metrics_free(&f->metrics);
	free(f->path);
	free(f);
	return 0;
}

static struct loader_options
options(struct fixture *f)
{
	return (struct loader_options){ .config = &f->cfg,
		.snapshot = f->snapshot, .metrics = f->metrics,
		.changed = on_changed, .arg = f };
}

static struct loader *
start(struct fixture *f)
{
	struct loader_options o = options(f);
	struct loader *l;
	struct err err;
	bool bad;

	if (loader_start(&l, &o, &bad, &err) != 0)
		fail_msg("%s", err.text);
	assert_false(bad);
	return l;
}

static void
assert_in_force(struct fixture *f, const char *id)
{
	static const struct policy_question q = {
		.command = POLICY_COMMAND_CONNECT,
		.protocol = POLICY_PROTOCOL_TCP, .name = STR("a"), .port = 1,
	};
	const struct snapshot_version *v = snapshot_pin(f->snapshot);
	struct policy_answer a;

	policy_decide(v->policy, &q, &a);
	assert_string_equal(a.rule, id);
	snapshot_unpin(f->snapshot, &v);
}

static void
test_start_and_run(void **state)
{
	struct fixture *f = *state;
	struct loader *l = start(f);
	struct acld_config next = f->cfg;
	struct err err;
	uint64_t first = snapshot_generation(f->snapshot);

	assert_in_force(f, "first");
	assert_int_equal(f->changes, 1);
	write_rule(f, "second");
	assert_int_equal(loader_run(l, &next, &err), 0);
	assert_in_force(f, "second");
	assert_true(snapshot_generation(f->snapshot) > first);
	assert_int_equal(f->changes, 2);
	assert_int_equal(metrics_value(f->metrics, METRIC_acld_reloads_total,
	    ACLD_RELOAD_OK), 2);
	assert_int_equal(metrics_value(f->metrics, METRIC_acld_rules, 0), 1);
	loader_stop(l);
	loader_free(&l);
}

static void
test_bad_first_file(void **state)
{
	struct fixture *f = *state;
	struct loader_options o = options(f);
	struct loader *l = NULL;
	struct err err;
	bool bad = false;

	write_policy(f, "rules = []\nuser = 1\n");
	assert_int_equal(loader_start(&l, &o, &bad, &err), -1);
	assert_true(bad);
	/* All errors, not the first. */
	assert_non_null(strstr(err.text, "acl.toml:2:1: unknown key `user`"));
	assert_non_null(strstr(err.text, "acl.toml:1:9: rules: an empty"));
	assert_int_equal(snapshot_generation(f->snapshot), 0);
	assert_int_equal(f->changes, 0);
}

/* All or nothing: rejected settings and files leave everything as it was. */
static void
test_bad_reload_keeps(void **state)
{
	struct fixture *f = *state;
	struct loader *l = start(f);
	uint64_t first = snapshot_generation(f->snapshot);
	struct acld_config next = f->cfg;
	struct err err;

	next.max_rules = 0;
	assert_int_equal(loader_run(l, &next, &err), -1);
	assert_non_null(strstr(err.text, "acld.max_rules allows 0"));
	write_policy(f, "expect = [{ user = \"u\", dest = \"a\", port = 1, "
	    "decision = \"allow\" }]\n");
	assert_int_equal(loader_run(l, &f->cfg, &err), -1);
	assert_non_null(strstr(err.text, "expected allow"));
	assert_int_equal(metrics_value(f->metrics,
	    METRIC_acld_expect_failures_total, 0), 1);
	assert_int_equal(metrics_value(f->metrics, METRIC_acld_reloads_total,
	    ACLD_RELOAD_REJECTED), 2);
	assert_int_equal(snapshot_generation(f->snapshot), first);
	assert_in_force(f, "first");
	/* The settings in use are still the first ones. */
	write_rule(f, "third");
	loader_ask(l, on_done, f);
	loader_stop(l);
	assert_int_equal(f->done, 1);
	if (f->failed == 0)
		assert_in_force(f, "third");
	else	/* it stopped before it came to that */
		assert_string_equal(f->why, "acld is stopping");
	loader_free(&l);
}

static void
test_ask_after_stop(void **state)
{
	struct fixture *f = *state;
	struct loader *l = start(f);
	struct err err;

	loader_stop(l);
	loader_ask(l, on_done, f);
	loader_ask(l, NULL, NULL);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->failed, 1);
	assert_string_equal(f->why, "acld is stopping");
	assert_int_equal(loader_run(l, &f->cfg, &err), -1);
	assert_string_equal(err.text, "acld is stopping");
	loader_free(&l);
	loader_free(&l);
}

struct asker {
	struct loader *l;
	struct fixture *f;
	atomic_uint answered;
};

static void
on_answered(void *arg, const struct policy_notes *errors)
{
	struct asker *a = arg;

	(void)errors;
	atomic_fetch_add(&a->answered, 1);
}

static void *
ask_on(void *arg)
{
	struct asker *a = arg;

	for (unsigned i = 0; i < ASKED; i++)
		loader_ask(a->l, on_answered, a);
	return NULL;
}

/* Whoever asks is answered exactly once, also when it stops meanwhile. */
static void
test_many_askers(void **state)
{
	struct fixture *f = *state;
	struct asker a = { .l = start(f), .f = f };
	pthread_t threads[ASKERS];

	for (unsigned i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_on,
		    &a), 0);
	loader_stop(a.l);
	for (unsigned i = 0; i < ASKERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(a.answered, ASKERS * ASKED);
	loader_free(&a.l);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start_and_run),
		TEST(test_bad_first_file),
		TEST(test_bad_reload_keeps),
		TEST(test_ask_after_stop),
		TEST(test_many_askers),
	};

	log_setup("test", LOG_ERROR, LOG_FORMAT_LOGFMT, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
