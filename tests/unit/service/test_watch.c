/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "helper.h"
#include "service/watch.h"

struct fixture {
	char *dir, *file, *other;
	int called;		/* eventfd: counts calls */
	struct watch *w;
};

static void
on_change(void *arg)
{
	struct fixture *f = arg;

	eventfd_write(f->called, 1);
}

static void
start(struct fixture *f)
{
	struct err err = { 0 };

	if (watch_start(&f->w, f->file, on_change, f, &err) != 0)
		fail_msg("%s", err.text);
}

/* Waits for a call; how many there were since the last time. */
static unsigned
wait_calls(struct fixture *f)
{
	struct pollfd p = { .fd = f->called, .events = POLLIN };
	eventfd_t n;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(eventfd_read(f->called, &n), 0);
	return (unsigned)n;
}

/* In one step, other than write_file(): whatever pauses the machine makes,
 * nobody can look in between. */
static void
overwrite(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->dir = make_dir();
	f->file = xasprintf("%s/acl.toml", f->dir);
	f->other = xasprintf("%s/other", f->dir);
	f->called = eventfd(0, EFD_CLOEXEC);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	watch_stop(&f->w);
	assert_null(f->w);
	watch_stop(&f->w);
	close(f->called);
	free(f->file);
	free(f->other);
	remove_dir(f->dir);
	free(f);
	return 0;
}

static void
test_changes(void **state)
{
	struct fixture *f = *state;

	write_file(f->file, "1");
	start(f);
	overwrite(f->file, "22");
	assert_int_equal(wait_calls(f), 1);
	write_file(f->other, "333");
	assert_int_equal(rename(f->other, f->file), 0);
	assert_int_equal(wait_calls(f), 1);
	assert_int_equal(chmod(f->file, 0600), 0);
	assert_int_equal(wait_calls(f), 1);
	assert_int_equal(unlink(f->file), 0);
	assert_int_equal(wait_calls(f), 1);
	write_file(f->file, "");
	assert_int_equal(wait_calls(f), 1);
}

/* What kubelet does: file -> ..data/file, ..data -> ..1, then ..2; and back. */
static void
test_link_swap(void **state)
{
	struct fixture *f = *state;
	static const char *const dirs[] = { "..1", "..2" };
	char *data = xasprintf("%s/..data", f->dir);
	char *next = xasprintf("%s/..data_tmp", f->dir);

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		char *sub = xasprintf("%s/%s", f->dir, dirs[i]);
		char *file = xasprintf("%s/acl.toml", sub);

		assert_int_equal(mkdir(sub, 0755), 0);
		write_file(file, "same");
		free(sub);
		free(file);
	}
	assert_int_equal(symlink("..1", data), 0);
	assert_int_equal(symlink("..data/acl.toml", f->file), 0);
	start(f);
	for (size_t i = ARRAY_LEN(dirs); i-- > 0;) {
		assert_int_equal(symlink(dirs[i], next), 0);
		assert_int_equal(rename(next, data), 0);
		assert_int_equal(wait_calls(f), 1);
	}
	free(data);
	free(next);
}

/* inotify on the link's directory tells nothing of these. */
static void
test_behind_links_to_elsewhere(void **state)
{
	struct fixture *f = *state;
	char *away = make_dir(), *target = xasprintf("%s/t", away);
	char *dir = xasprintf("%s/d", f->dir), *old = f->file;

	write_file(target, "1");
	assert_int_equal(symlink(target, f->file), 0);
	start(f);
	overwrite(target, "22");
	assert_int_equal(wait_calls(f), 1);
	watch_stop(&f->w);

	assert_int_equal(symlink(away, dir), 0);
	f->file = xasprintf("%s/d/t", f->dir);
	start(f);
	assert_int_equal(unlink(dir), 0);
	assert_int_equal(wait_calls(f), 1);
	free(old);
	free(dir);
	free(target);
	remove_dir(away);
}

/* Time stands still while the burst goes on, so that no pause of the machine
 * can cut it in two. */
static void
test_burst_gives_one_call(void **state)
{
	struct fixture *f = *state;
	uint64_t now = clock_mono_us(), wall = clock_wall_us();
	struct pollfd p = { .fd = f->called, .events = POLLIN };
	char text[64];

	clock_test_set(now, wall);
	start(f);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "%*u", (int)i + 1, i);
		write_file(i % 2 ? f->file : f->other, text);
		if (i % 10 == 0)
			assert_int_equal(rename(f->other, f->file), 0);
	}
	assert_int_equal(poll(&p, 1, 0), 0);
	for (int i = 0; i < 400 && poll(&p, 1, 50) == 0; i++)
		clock_test_set(now += 100000, wall);
	assert_int_equal(wait_calls(f), 1);
	clock_test_reset();
	/* Nothing else was under way: the next change is the next call. */
	overwrite(f->file, "last");
	assert_int_equal(wait_calls(f), 1);
}

static void
test_unrelated_files_are_ignored(void **state)
{
	struct fixture *f = *state;

	write_file(f->file, "1");
	start(f);
	for (unsigned i = 0; i < 20; i++)
		write_file(f->other, "noise");
	assert_int_equal(unlink(f->other), 0);
	overwrite(f->file, "22");
	assert_int_equal(wait_calls(f), 1);
}

static void
test_directory_must_exist(void **state)
{
	struct fixture *f = *state;
	char *path = xasprintf("%s/none/x", f->dir);
	char *under = xasprintf("%s/x", f->file);
	struct err err = { 0 };

	assert_int_equal(watch_start(&f->w, path, on_change, f, &err), -1);
	assert_non_null(strstr(err.text, "No such file or directory"));
	assert_non_null(strstr(err.text, path));
	write_file(f->file, "");
	assert_int_equal(watch_start(&f->w, under, on_change, f, &err), -1);
	assert_non_null(strstr(err.text, "Not a directory"));
	assert_null(f->w);
	free(path);
	free(under);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_changes),
		TEST(test_link_swap),
		TEST(test_behind_links_to_elsewhere),
		TEST(test_burst_gives_one_call),
		TEST(test_unrelated_files_are_ignored),
		TEST(test_directory_must_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
