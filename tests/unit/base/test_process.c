/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/process.h"

static void
test_descriptors(void **state)
{
	struct process_usage before = process_usage(), after;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct rlimit limit;

	(void)state;
	assert_true(fd >= 0);
	after = process_usage();
	assert_int_equal(after.open_fds, before.open_fds + 1);
	close(fd);
	after = process_usage();
	assert_int_equal(after.open_fds, before.open_fds);
	getrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(after.max_fds, limit.rlim_cur);
}

static void
test_work_shows(void **state)
{
	const size_t size = (size_t)32 << 20;
	struct process_usage before = process_usage(), after;
	char *p = xmalloc(size);

	(void)state;
	memset(p, 1, size);
	do {
		p[before.open_fds % size]++;
		after = process_usage();
	} while (after.cpu_us == before.cpu_us);
	assert_true(after.cpu_us > before.cpu_us);
	assert_true(after.resident_bytes >= before.resident_bytes + size / 2);
	free(p);
}

/* Even under a name that looks like more fields. */
static void
test_start(void **state)
{
	uint64_t now = clock_wall_us(), start;

	(void)state;
	prctl(PR_SET_NAME, "a) R 1 2 (b");
	start = process_start_us();
	assert_true(start <= now + 20000);
	assert_true(start > now - UINT64_C(600000000));
}

/* Groups as the kernel shows them, with this limit for all; NULL: none. */
static uint64_t
memory_under(const char *limit)
{
	char dir[] = "/tmp/test_process.XXXXXX", path[64];
	uint64_t found;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/memory.max", dir);
	if (limit != NULL) {
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(write(fd, limit, strlen(limit)),
		    strlen(limit));
		close(fd);
	}
	found = process_memory_max(dir);
	unlink(path);
	rmdir(dir);
	return found;
}

static void
test_memory(void **state)
{
	uint64_t all = memory_under(NULL);

	(void)state;
	assert_true(all >= process_usage().resident_bytes);
	assert_true(process_memory_max("/sys/fs/cgroup") <= all);
	assert_int_equal(memory_under("268435456\n"), 268435456);
	assert_int_equal(memory_under("max\n"), all);
	assert_int_equal(memory_under("9223372036854771712\n"), all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_work_shows),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
