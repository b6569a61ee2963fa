/* SPDX-License-Identifier: MIT */
#include "base/cores.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a file, without its end. */
static bool
read_line(const char *root, const char *dir, const char *group,
    const char *name, char *line, size_t size)
{
	char path[PATH_MAX];
	FILE *f;
	bool ok;

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s/%s", root, dir,
		group, name) >= sizeof(path))
		return false;
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	ok = fgets(line, (int)size, f) != NULL;
	fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

/* Of "quota period", in µs; a quota of "max" or -1 is none. */
static unsigned
limit(unsigned n, const char *quota_and_period)
{
	char *end;
	long long quota = strtoll(quota_and_period, &end, 10);
	long long period = strtoll(end, NULL, 10), cores;

	if (quota <= 0 || period <= 0)
		return n;
	cores = quota / period + (quota % period != 0);
	return cores < n ? (unsigned)cores : n;
}

static unsigned
limit_by_v2(unsigned n, const char *root, const char *group)
{
	char line[64];

	return read_line(root, "/sys/fs/cgroup", group, "cpu.max", line,
	    sizeof(line)) ? limit(n, line) : n;
}

static unsigned
limit_by_v1(unsigned n, const char *root, const char *group)
{
	char quota[32], period[32], both[sizeof(quota) + sizeof(period)];

	if (!read_line(root, "/sys/fs/cgroup/cpu", group, "cpu.cfs_quota_us",
		quota, sizeof(quota)) ||
	    !read_line(root, "/sys/fs/cgroup/cpu", group, "cpu.cfs_period_us",
		period, sizeof(period)))
		return n;
	snprintf(both, sizeof(both), "%s %s", quota, period);
	return limit(n, both);
}

/* By the group and those above it; its path is used up. */
static unsigned
limit_upwards(unsigned n, const char *root, char *group,
    unsigned (*by)(unsigned, const char *, const char *))
{
	char *slash;

	for (;;) {
		n = by(n, root, group);
		slash = strrchr(group, '/');
		if (slash == NULL)
			return n;
		*slash = '\0';
	}
}

static bool
is_controller_of_cpu(const char *controllers)
{
	const char *at = strstr(controllers, "cpu");

	while (at != NULL && ((at > controllers && at[-1] != ',') ||
		(at[3] != ',' && at[3] != '\0')))
		at = strstr(at + 1, "cpu");
	return at != NULL;
}

unsigned
cores_limited(unsigned n, const char *root)
{
	char line[PATH_MAX], *controllers, *group;
	FILE *f;

	n = n > 0 ? n : 1;
	if ((size_t)snprintf(line, sizeof(line), "%s/proc/self/cgroup",
		root) >= sizeof(line) || (f = fopen(line, "re")) == NULL)
		return n;
	/* "4:cpu,cpuacct:/path"; version 2: "0::/path". */
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		controllers = strchr(line, ':');
		group = controllers != NULL ? strchr(++controllers, ':') : NULL;
		if (group == NULL || group[1] != '/')
			continue;
		*group++ = '\0';
		if (*controllers == '\0')
			n = limit_upwards(n, root, group, limit_by_v2);
		else if (is_controller_of_cpu(controllers))
			n = limit_upwards(n, root, group, limit_by_v1);
	}
	fclose(f);
	return n;
}

unsigned
cores_usable(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0
	    ? CPU_COUNT(&set) : 1;

	return cores_limited((unsigned)n, "");
}
