/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define WORDS_MAX 24
#define NOBODY 65534

static char ctl_binary[PATH_MAX];

bool
ctl_set_binary(const char *path)
{
	return realpath(path, ctl_binary) != NULL;
}

void
ctl_init(struct ctl *c)
{
	memset(c, 0, sizeof(*c));
	strcpy(c->dir, "/tmp/sallyport-ctl-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
}

static int
remove_entry(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

void
ctl_fini(struct ctl *c)
{
	assert_int_equal(nftw(c->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS),
	    0);
}

void
ctl_write(const struct ctl *c, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", c->dir, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(path);
}

static size_t
read_whole(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	fclose(f);
	return n;
}

char *
ctl_read(const struct ctl *c, const char *name)
{
	char *path = xasprintf("%s/%s", c->dir, name);
	char *text = xmalloc(65536);

	read_whole(path, text, 65536);
	free(path);
	return text;
}

static void
split(char *line, char **argv)
{
	char *save = NULL;
	size_t n = 0;

	argv[n++] = ctl_binary;
	for (char *w = strtok_r(line, " ", &save); w != NULL;
	     w = strtok_r(NULL, " ", &save)) {
		assert_true(n + 1 < WORDS_MAX);
		argv[n++] = w;
	}
	argv[n] = NULL;
}

/* The binary may stand where nobody else may look. */
static void
run_as_nobody(char **argv, char **env)
{
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		_exit(126);
	fexecve(fd, argv, env);
}

/* A new session, so that there is no terminal to ask. */
static void
child(char **argv, bool unprivileged)
{
	static char *const env[] = { "PATH=/usr/bin:/bin",
		"SALLYPORT_TOKEN=test-token", NULL };
	int in = open("stdin", O_RDONLY);

	if (in < 0 || dup2(in, 0) < 0 ||
	    dup2(open("stdout", O_WRONLY | O_CREAT | O_TRUNC, 0600), 1) < 0 ||
	    dup2(open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600), 2) < 0)
		_exit(126);
	setsid();
	if (unprivileged && geteuid() == 0)
		run_as_nobody(argv, (char **)env);
	execve(argv[0], argv, env);
	_exit(127);
}

int
ctl_run(struct ctl *c, const char *line, const char *input)
{
	char *copy = xstrdup(line), *argv[WORDS_MAX];
	char path[80];
	int status;
	pid_t pid;

	split(copy, argv);
	ctl_write(c, "stdin", input != NULL ? input : "");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(c->dir) != 0)
			_exit(126);
		child(argv, c->unprivileged);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	free(copy);
	snprintf(path, sizeof(path), "%s/stdout", c->dir);
	read_whole(path, c->out, sizeof(c->out));
	snprintf(path, sizeof(path), "%s/stderr", c->dir);
	read_whole(path, c->err, sizeof(c->err));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
