/* SPDX-License-Identifier: MIT */
#include "pam_room.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

struct pam_room pam_room;

static const char *binary;

void
pam_room_arguments(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s AUTHD PAM_TEST_MODULE\n", argv[0]);
		exit(2);
	}
	/* The worker stands in another directory. */
	binary = realpath(argv[1], NULL);
	pam_room.module = realpath(argv[2], NULL);
	if (binary == NULL || pam_room.module == NULL) {
		perror(argv[0]);
		exit(2);
	}
}

static void
on_restart(void *arg, enum pam_process_cause cause, int error)
{
	struct pam_room *r = arg;

	(void)error;
	r->causes[cause]++;
}

void
pam_room_recycle_after(uint32_t questions)
{
	const struct pam_process_options o = { binary, questions, on_restart,
		&pam_room };

	pam_process_free(&pam_room.process);
	memset(pam_room.causes, 0, sizeof(pam_room.causes));
	pam_room.process = pam_process_new(&o);
}

int
pam_room_open(void **state)
{
	(void)state;
	strcpy(pam_room.dir, "/tmp/sallyport-pam-XXXXXX");
	if (mkdtemp(pam_room.dir) == NULL)
		return -1;
	pam_room_recycle_after(1000);
	return 0;
}

int
pam_room_close(void **state)
{
	struct dirent *e;
	DIR *d = opendir(pam_room.dir);

	(void)state;
	pam_process_free(&pam_room.process);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_type == DT_REG)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	return rmdir(pam_room.dir);
}

/* ---- services ---- */

void
pam_room_service(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", pam_room.dir, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fchmod(fileno(f), 0644), 0);
	assert_int_equal(fclose(f), 0);
	free(path);
}

void
pam_room_module(const char *name, const char *auth, const char *account)
{
	char *text = xasprintf("auth required %s %s\naccount required %s %s\n",
	    pam_room.module, auth, pam_room.module, account);

	pam_room_service(name, text);
	free(text);
}

/* ---- questions ---- */

static enum pam_process_result
ask(const struct pam_question *q, uint64_t ms)
{
	enum pam_process_result r = pam_process_ask(pam_room.process, q,
	    clock_mono_ms() + ms, &pam_room.reply);

	assert_true(str_copy(pam_room.detail, sizeof(pam_room.detail),
	    pam_room.reply.detail));
	return r;
}

static void
ask_for(const struct pam_question *q, enum pam_verdict wanted)
{
	assert_int_equal(ask(q, PAM_ROOM_WAIT_MS), PAM_PROCESS_ANSWERED);
	if (pam_room.reply.verdict != wanted)
		print_error("the worker said: %s\n", pam_room.detail);
	assert_int_equal(pam_room.reply.verdict, wanted);
}

static struct pam_question
login(const char *service, const char *user, const char *password)
{
	return (struct pam_question){
		.kind = PAM_KIND_USERNAME, .verbose = true,
		.service = str_from(service), .user = str_from(user),
		.confdir = str_from(pam_room.dir), .rhost = STR("192.0.2.1"),
		.password = str_from(password),
	};
}

void
pam_room_login(const char *service, const char *user, const char *password,
    enum pam_verdict wanted)
{
	const struct pam_question q = login(service, user, password);

	ask_for(&q, wanted);
}

enum pam_process_result
pam_room_login_within(const char *service, const char *user,
    const char *password, uint64_t ms)
{
	const struct pam_question q = login(service, user, password);

	return ask(&q, ms);
}

void
pam_room_address(const char *service, const char *user,
    enum pam_verdict wanted)
{
	struct pam_question q = login(service, user, NULL);

	q.kind = PAM_KIND_ADDRESS;
	q.ruser = STR("rhostusr");
	ask_for(&q, wanted);
}

void
pam_room_groups(const char *user, enum pam_verdict wanted)
{
	const struct pam_question q = { .kind = PAM_KIND_GROUPS,
		.user = str_from(user) };

	ask_for(&q, wanted);
}

/* ---- what came back ---- */

void
pam_room_said(const char *detail)
{
	assert_string_equal(pam_room.detail, detail);
}

bool
pam_room_mentions(const char *part)
{
	return strstr(pam_room.detail, part) != NULL;
}

bool
pam_room_has_group(const char *name)
{
	const struct pam_reply *r = &pam_room.reply;

	for (size_t i = 0; i < r->n_groups; i++)
		if (str_eq(r->groups[i], str_from(name)))
			return true;
	return false;
}
