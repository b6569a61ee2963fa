/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "setup_file.h"

#define NOBODY 65534

struct place {
	char dir[40];
	char file[64];		/* in a directory that is not there yet */
	struct err err;
};

static int
setup(void **state)
{
	static struct place p;

	memset(&p, 0, sizeof(p));
	strcpy(p.dir, "/tmp/sallyport-setup-XXXXXX");
	assert_non_null(mkdtemp(p.dir));
	snprintf(p.file, sizeof(p.file), "%s/sub/secret", p.dir);
	*state = &p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;
	char sub[64];

	snprintf(sub, sizeof(sub), "%s/sub", p->dir);
	chmod(sub, 0700);
	unlink(p->file);
	rmdir(sub);
	/* Fails if a temporary file was left. */
	assert_int_equal(rmdir(p->dir), 0);
	return 0;
}

static void
put(const struct place *p, const char *bytes, size_t len)
{
	FILE *f = fopen(p->file, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static unsigned
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
test_made_once(void **state)
{
	struct place *p = *state;
	char sub[64], line[32];

	umask(0);
	assert_int_equal(setup_file_line(p->file, line, sizeof(line), &p->err),
	    0);
	assert_int_equal(setup_file_make(p->file, STR("one\n"), &p->err),
	    SETUP_FILE_MADE);
	assert_int_equal(setup_file_make(p->file, STR("two\n"), &p->err),
	    SETUP_FILE_KEPT);
	assert_int_equal(setup_file_line(p->file, line, sizeof(line), &p->err),
	    1);
	assert_string_equal(line, "one");
	assert_int_equal(mode_of(p->file), 0640);
	snprintf(sub, sizeof(sub), "%s/sub", p->dir);
	assert_int_equal(mode_of(sub), 0750);
	assert_string_equal(p->err.text, "");
}

static void
test_lines(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int rc;
		const char *line;
	} cases[] = {
		{ "abc", 3, 1, "abc" },
		{ "abc\n", 4, 1, "abc" },
		{ "abc\r\n", 5, 1, "abc" },
		{ "abc\ndef\n", 8, 1, "abc" },
		{ "123456\n", 7, 1, "123456" },
		{ "1234567", 7, -1, "" },
		{ "1234567\n", 8, -1, "" },
		{ "12345678901234567890\n", 21, -1, "" },
		{ "", 0, -1, "" },
		{ "\nabc\n", 5, -1, "" },
		{ "ab\0c\n", 5, -1, "" },
	};
	struct place *p = *state;
	char line[8];

	assert_int_equal(setup_file_directory(p->file, &p->err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put(p, cases[i].bytes, cases[i].len);
		p->err.text[0] = '\0';
		assert_int_equal(setup_file_line(p->file, line, sizeof(line),
				     &p->err), cases[i].rc);
		assert_string_equal(line, cases[i].line);
		assert_int_equal(p->err.text[0] != '\0', cases[i].rc < 0);
	}
}

/* As somebody who does not own the directory; 0: both calls said whose it is,
 * who we are and what to do. */
static int
try_foreign(struct place *p, const char *says)
{
	char line[8];

	if (getuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return 1;
	if (setup_file_make(p->file, STR("x\n"), &p->err) != SETUP_FILE_FAILED)
		return 2;
	if (strncmp(p->err.text, says, strlen(says)) != 0)
		return 3;
	if (access(p->file, F_OK) == 0)
		return 4;
	p->err.text[0] = '\0';
	if (chmod(p->file, 0) == 0)
		return 5;
	if (setup_file_line(p->file, line, sizeof(line), &p->err) != -1)
		return 6;
	return strncmp(p->err.text, says, strlen(says)) == 0 ? 0 : 7;
}

static void
test_foreign(void **state)
{
	struct place *p = *state;
	char sub[64], says[160];
	int status;
	pid_t pid;

	assert_int_equal(setup_file_directory(p->file, &p->err), 0);
	snprintf(sub, sizeof(sub), "%s/sub", p->dir);
	assert_int_equal(chmod(p->dir, 0755), 0);
	assert_int_equal(chmod(sub, 0), 0);
	snprintf(says, sizeof(says), "%s: Permission denied: it belongs to uid "
	    "%u and this runs as uid %u; as root: chown -R", sub,
	    (unsigned)getuid(), (unsigned)(getuid() == 0 ? NOBODY : getuid()));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(try_foreign(p, says));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_no_parent(void **state)
{
	struct place *p = *state;
	char path[80];

	snprintf(path, sizeof(path), "%s/no/sub/secret", p->dir);
	assert_int_equal(setup_file_make(path, STR("x\n"), &p->err),
	    SETUP_FILE_FAILED);
	assert_non_null(strstr(p->err.text,
	    "/no: No such file or directory; make it, or mount a volume"));
}

/* Many at once: one makes it, the others see all of it. */
static void
test_race(void **state)
{
	enum { N = 8 };
	struct place *p = *state;
	int made = 0, status;
	pid_t pids[N];

	for (int i = 0; i < N; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			char line[32];
			enum setup_file got = setup_file_make(p->file,
			    STR("only one\n"), &p->err);

			if (got == SETUP_FILE_FAILED ||
			    setup_file_line(p->file, line, sizeof(line),
				&p->err) != 1 ||
			    strcmp(line, "only one") != 0)
				_exit(9);
			_exit(got == SETUP_FILE_MADE ? 1 : 0);
		}
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		made += WEXITSTATUS(status);
	}
	assert_int_equal(made, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made_once, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_parent, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_race, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
