/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "helper.h"
#include "service/dirs.h"

#define NOBODY 65534

struct fixture {
	char *dir;
	struct daemon_config d;
	struct priv_ids me, nobody;
};

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->dir = make_dir();
	f->d.run_dir = xasprintf("%s/run", f->dir);
	f->d.state_dir = xasprintf("%s/state", f->dir);
	f->d.admin_group = (char *)"";
	f->me = (struct priv_ids){ geteuid(), getegid() };
	f->nobody = (struct priv_ids){ NOBODY, NOBODY };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	free(f->d.run_dir);
	free(f->d.state_dir);
	remove_dir(f->dir);
	free(f);
	return 0;
}

static void
assert_dir(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
	assert_int_equal(st.st_mode & 07777, mode);
}

#define UNABLE 3	/* exit code: this machine does not let us */

typedef void before_fn(const struct daemon_config *d);

static void
become_nobody(const struct daemon_config *d)
{
	(void)d;
	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		_exit(UNABLE);
}

/* A file system of one page on state_dir, seen by this process only. */
static void
mount_small(const struct daemon_config *d)
{
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", d->state_dir, "tmpfs", 0, "size=4096") != 0)
		_exit(UNABLE);
}

static void
mount_full(const struct daemon_config *d)
{
	char *path = xasprintf("%s/filler", d->state_dir);

	mount_small(d);
	write_file(path, "x");
	free(path);
}

static void
mount_readonly(const struct daemon_config *d)
{
	mount_small(d);
	if (mount("none", d->state_dir, NULL, MS_REMOUNT | MS_RDONLY, NULL))
		_exit(UNABLE);
}

/* dirs_check in a child, after `before`; its text comes back by a pipe. Skips
 * the test where `before` is not allowed. */
static int
check_after(before_fn *before, const struct daemon_config *d, struct err *err)
{
	int fds[2], status;
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = { 0 };

		before(d);
		status = dirs_check(d, &e);
		if (write(fds[1], e.text, strlen(e.text)) < 0)
			_exit(2);
		_exit(status == 0 ? 0 : 1);
	}
	close(fds[1]);
	n = read(fds[0], err->text, sizeof(err->text) - 1);
	assert_true(n >= 0);
	err->text[n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == UNABLE)
		skip();
	assert_true(WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void
assert_says(const struct err *err, const char *key, const char *path,
    const char *what)
{
	char *start = xasprintf("%s %s: ", key, path);

	if (strncmp(err->text, start, strlen(start)) != 0 ||
	    strstr(err->text, what) == NULL)
		fail_msg("%s", err->text);
	free(start);
}

static void
test_made_and_left_alone(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	assert_int_equal(dirs_make(&f->d, &f->me, &err), 0);
	assert_dir(f->d.run_dir, f->me.uid, f->me.gid, 01770);
	assert_dir(f->d.state_dir, f->me.uid, f->me.gid, 0700);
	assert_int_equal(dirs_check(&f->d, &err), 0);
	assert_int_equal(chmod(f->d.state_dir, 0750), 0);
	assert_int_equal(dirs_make(&f->d, &f->me, &err), 0);
	assert_dir(f->d.state_dir, f->me.uid, f->me.gid, 0750);
}

/* Administrators may be in another group than the daemons. */
static void
test_open_to_pass_through(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	f->d.admin_group = (char *)"administrators";
	assert_int_equal(dirs_make(&f->d, &f->me, &err), 0);
	assert_dir(f->d.run_dir, f->me.uid, f->me.gid, 01771);
	assert_dir(f->d.state_dir, f->me.uid, f->me.gid, 0700);
}

static void
test_made_for_another_user(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	if (geteuid() != 0)
		skip();
	assert_int_equal(dirs_make(&f->d, &f->nobody, &err), 0);
	assert_dir(f->d.run_dir, 0, NOBODY, 01770);
	assert_dir(f->d.state_dir, NOBODY, NOBODY, 0700);
	assert_int_equal(check_after(become_nobody, &f->d, &err), 0);
}

static void
test_not_ours(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	if (geteuid() != 0)
		skip();
	assert_int_equal(dirs_make(&f->d, &f->me, &err), 0);
	assert_int_equal(chmod(f->d.run_dir, 0755), 0);
	assert_int_equal(check_after(become_nobody, &f->d, &err), -1);
	assert_says(&err, "state_dir", f->d.state_dir, "Permission denied; "
	    "make it the daemon's: install -d -m 700 -o 65534 -g 65534 ");
	assert_int_equal(chmod(f->dir, 0700), 0);
	assert_int_equal(check_after(become_nobody, &f->d, &err), -1);
	assert_says(&err, "run_dir", f->d.run_dir,
	    "Permission denied; let uid 65534 enter ");
	assert_string_equal(strstr(err.text, "enter ") + 6, f->dir);
}

static void
test_wrong_paths(void **state)
{
	struct fixture *f = *state;
	struct daemon_config d = f->d;
	struct err err = { 0 };

	d.state_dir = xasprintf("%s/none/state", f->dir);
	assert_int_equal(dirs_make(&d, &f->me, &err), -1);
	assert_says(&err, "state_dir", d.state_dir,
	    "No such file or directory; make it");
	free(d.state_dir);

	d.state_dir = xasprintf("%s/file", f->dir);
	write_file(d.state_dir, "");
	assert_int_equal(dirs_make(&d, &f->me, &err), 0);
	assert_int_equal(dirs_check(&d, &err), -1);
	assert_says(&err, "state_dir", d.state_dir, "Not a directory");
	free(d.state_dir);
}

static void
test_full_or_readonly_disk(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	if (geteuid() != 0)
		skip();
	assert_int_equal(dirs_make(&f->d, &f->me, &err), 0);
	assert_int_equal(check_after(mount_small, &f->d, &err), 0);
	assert_int_equal(check_after(mount_full, &f->d, &err), -1);
	assert_says(&err, "state_dir", f->d.state_dir,
	    "No space left on device; free some space there");
	assert_int_equal(check_after(mount_readonly, &f->d, &err), -1);
	assert_says(&err, "state_dir", f->d.state_dir,
	    "Read-only file system; choose a place that can be written to");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_made_and_left_alone),
		TEST(test_open_to_pass_through),
		TEST(test_made_for_another_user),
		TEST(test_not_ours),
		TEST(test_wrong_paths),
		TEST(test_full_or_readonly_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
