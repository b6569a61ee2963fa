/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cores.h"
#include "base/mem.h"

static char root[32];

static int
make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_cores_XXXXXX");
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Makes the directories above it too. */
static void
put(const char *path, const char *text)
{
	char *full = xasprintf("%s/%s", root, path), *slash = full;
	FILE *f;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		(void)mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
	free(full);
}

static void
test_nothing_to_read(void **state)
{
	(void)state;
	assert_int_equal(cores_limited(8, root), 8);
	put("proc/self/cgroup", "");
	assert_int_equal(cores_limited(8, root), 8);
	put("proc/self/cgroup", "no colon\n1:one only\n:\n::\n0::/away\n");
	assert_int_equal(cores_limited(8, root), 8);
}

#define V2 "sys/fs/cgroup/"

static void
test_version_2(void **state)
{
	static const struct {
		const char *line;
		unsigned cores;
	} rows[] = {
		{ "max 100000\n", 8 }, { "100000 100000\n", 1 },
		{ "150000 100000\n", 2 }, { "100001 100000\n", 2 },
		{ "1000 100000\n", 1 }, { "900000 100000\n", 8 },
		{ "400000 100000", 4 }, { "0 100000\n", 8 },
		{ "100000 0\n", 8 }, { "100000\n", 8 }, { "", 8 },
		{ "-1 100000\n", 8 }, { "1 -100000\n", 8 }, { "\n", 8 },
		{ "9223372036854775807 1\n", 8 },
		{ "99999999999999999999999 1\n", 8 },
	};

	(void)state;
	put("proc/self/cgroup", "0::/kubepods/pod\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(V2 "kubepods/pod/cpu.max", rows[i].line);
		assert_int_equal(cores_limited(8, root), rows[i].cores);
	}
}

/* The least of all counts; a container sees its own as the root. */
static void
test_groups_above(void **state)
{
	(void)state;
	put("proc/self/cgroup", "0::/a/b\n");
	put(V2 "a/b/cpu.max", "600000 100000\n");
	assert_int_equal(cores_limited(8, root), 6);
	put(V2 "a/cpu.max", "300000 100000\n");
	assert_int_equal(cores_limited(8, root), 3);
	put(V2 "cpu.max", "200000 100000\n");
	assert_int_equal(cores_limited(8, root), 2);
	put("proc/self/cgroup", "0::/\n");
	assert_int_equal(cores_limited(8, root), 2);
	put("proc/self/cgroup", "0::/../of/the/host\n");
	assert_int_equal(cores_limited(8, root), 2);
}

#define V1 "sys/fs/cgroup/cpu/"

static void
test_version_1(void **state)
{
	static const char *const lines[] = {
		"4:cpu:/docker/x\n", "4:cpu,cpuacct:/docker/x\n",
		"4:cpuacct,cpu:/docker/x\n",
		"9:cpuset:/\n4:cpuacct,cpu,other:/docker/x\n0::/\n",
	};

	(void)state;
	put(V1 "docker/x/cpu.cfs_period_us", "100000\n");
	put(V1 "docker/x/cpu.cfs_quota_us", "250000\n");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		put("proc/self/cgroup", lines[i]);
		assert_int_equal(cores_limited(8, root), 3);
	}
	put("proc/self/cgroup", "4:cpuset:/docker/x\n3:cpuacct:/docker/x\n");
	assert_int_equal(cores_limited(8, root), 8);
	put("proc/self/cgroup", "4:cpu,cpuacct:/docker/x\n");
	put(V1 "docker/x/cpu.cfs_quota_us", "-1\n");
	assert_int_equal(cores_limited(8, root), 8);
	put(V1 "cpu.cfs_quota_us", "100000\n");
	put(V1 "cpu.cfs_period_us", "100000\n");
	assert_int_equal(cores_limited(8, root), 1);
}

static void
test_here(void **state)
{
	cpu_set_t set;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	assert_in_range(cores_usable(), 1, CPU_COUNT(&set));
	assert_int_equal(cores_limited(0, root), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_read),
		TEST(test_version_2),
		TEST(test_groups_above),
		TEST(test_version_1),
		TEST(test_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
