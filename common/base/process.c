/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

static uint64_t
cpu_us(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) < 0)
		return 0;
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000
	    + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static uint64_t
resident_bytes(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	/* NOLINTNEXTLINE(cert-err34-c): written by the kernel */
	if (fscanf(f, "%*s %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* UINT64_MAX: none, or there is no such group. */
static uint64_t
group_limit(const char *groups, const char *group)
{
	char path[PATH_MAX + 32];
	unsigned long long limit;
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "%s%s/memory.max", groups, group);
	f = fopen(path, "re");
	if (f == NULL)
		return UINT64_MAX;
	/* NOLINTNEXTLINE(cert-err34-c): written by the kernel */
	n = fscanf(f, "%llu", &limit);
	fclose(f);
	return n == 1 ? limit : UINT64_MAX;	/* the word is "max" */
}

/* This process's group as "/a/b"; the topmost is "". */
static void
read_group(char *out, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];

	out[0] = '\0';
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4) == 0)
			snprintf(out, size, "%s", line + 3);
	}
	fclose(f);
}

uint64_t
process_memory_max(const char *groups)
{
	uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) *
	    (uint64_t)sysconf(_SC_PAGESIZE);
	char group[PATH_MAX], *end;

	read_group(group, sizeof(group));
	do {
		uint64_t limit = group_limit(groups, group);

		if (limit < least)
			least = limit;
		end = strrchr(group, '/');
		if (end != NULL)
			*end = '\0';
	} while (end != NULL);
	return least;
}

static uint64_t
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;
	struct dirent *e;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n - 1;		/* without the directory's own */
}

static uint64_t
max_fds(void)
{
	struct rlimit l;

	return getrlimit(RLIMIT_NOFILE, &l) < 0 ? 0 : (uint64_t)l.rlim_cur;
}

struct process_usage
process_usage(void)
{
	return (struct process_usage){
		.cpu_us = cpu_us(),
		.resident_bytes = resident_bytes(),
		.open_fds = open_fds(),
		.max_fds = max_fds(),
	};
}

uint64_t
process_start_us(void)
{
	unsigned long long ticks;
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	char line[1024];
	const char *p = NULL;
	FILE *f = fopen("/proc/self/stat", "re");

	if (f == NULL)
		return 0;
	/* Field 22; field 2 is a name that may hold anything. */
	if (fgets(line, sizeof(line), f) != NULL)
		p = strrchr(line, ')');
	fclose(f);
	/* NOLINTNEXTLINE(cert-err34-c): written by the kernel */
	if (p == NULL || sscanf(p + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s"
	    " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &ticks) != 1)
		return 0;
	return clock_wall_us() - clock_mono_us()
	    + ticks * (1000000 / hz);
}
