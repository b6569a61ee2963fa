/* SPDX-License-Identifier: MIT */
#include "service/modes.h"

#include <stdio.h>
#include <stdlib.h>

#include "service/dirs.h"
#include "service/health.h"
#include "service/load.h"
#include "service/priv.h"

void
modes_complain(const struct service *s, const char *text)
{
	fprintf(stderr, "sallyport-%s: %s\n", s->name, text);
}

static int
check(const struct service *s, const struct settings *settings)
{
	struct err err = { 0 };

	if (s->check != NULL && s->check(settings, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_CONFIG;
	}
	puts("configuration ok");
	return EXIT_SUCCESS;
}

static int
print_config(const struct service *s, const struct settings *settings)
{
	const char *const sections[] = { "bus", "log", "metrics", s->name };

	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		config_print(settings, sections[i], stdout);
	return EXIT_SUCCESS;
}

static int
ask_health(const struct service *s, const struct settings *settings)
{
	struct daemon_config d = config_daemon(settings, s->name);
	struct err err = { 0 };

	if (health_ask(&d.admin_listen, &err) != 0) {
		modes_complain(s, err.text);
		return EXIT_FAILURE;
	}
	puts("ready");
	return EXIT_SUCCESS;
}

/* As the user that the daemon will be, so that it finds its own files. */
static int
migrate(const struct service *s, const struct settings *settings)
{
	struct daemon_config d = config_daemon(settings, s->name);
	const struct log_config *log = &settings->log;
	struct err err = { 0 };
	bool bad_config = false;
	struct priv_ids ids;

	if (s->migrate == NULL) {
		modes_complain(s, "--migrate: this daemon writes no database");
		return EXIT_USAGE;
	}
	priv_limits();
	log_setup(s->name, log->level, log->format, log->repeat_limit);
	if (priv_lookup(&ids, d.user, d.group, &err) == 0 &&
	    dirs_make(&d, &ids, &err) == 0 &&
	    priv_drop(d.user, d.group, PRIV_NO_GROUP, &err) == 0 &&
	    s->migrate(settings, &bad_config, &err) == 0) {
		puts("the database is up to date");
		return EXIT_SUCCESS;
	}
	modes_complain(s, err.text);
	return bad_config ? EXIT_CONFIG : EXIT_FAILURE;
}

typedef int settings_fn(const struct service *s, const struct settings *);

static settings_fn *const with_settings[] = {
	[ARGS_CHECK] = check,
	[ARGS_PRINT_CONFIG] = print_config,
	[ARGS_HEALTH] = ask_health,
	[ARGS_MIGRATE] = migrate,
};

static int
run_with_settings(const struct service *s, const struct args *a)
{
	struct load l;
	int rc = EXIT_CONFIG;

	if (load_settings(&l, a) == 0)
		rc = with_settings[a->mode](s, l.settings);
	load_print(&l.errors);
	if (a->mode == ARGS_CHECK) {
		load_print(&l.warnings);
		if (l.no_file)
			fputs(ARGS_CONFIG_DEFAULT ": not there; checked the"
			    " built-in defaults\n", stderr);
	}
	load_fini(&l);
	return rc;
}

int
modes_run(const struct service *s, const struct args *a)
{
	int rc = EXIT_SUCCESS;

	if (a->mode == ARGS_HELP)
		args_help(stdout, s->name, s->help,
		    (s->migrate != NULL ? ARGS_HAS_MIGRATE : 0) |
		    (s->takeover != NULL ? ARGS_HAS_TAKEOVER : 0));
	else if (a->mode == ARGS_VERSION)
		printf("sallyport-%s %s\n", s->name, SALLYPORT_VERSION);
	else
		rc = run_with_settings(s, a);
	if (fflush(stdout) != 0) {
		perror("standard output");
		rc = EXIT_FAILURE;
	}
	return rc;
}
