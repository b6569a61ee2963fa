/* SPDX-License-Identifier: MIT */
/*
 * Each case runs in a child, because what it does cannot be undone. The child
 * reports by its exit code: 0, or the line that failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "helper.h"
#include "service/priv.h"

#define NOBODY 65534
#define CHECK(e) do { if (!(e)) _exit(__LINE__ % 250 + 1); } while (0)

static void
in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The value of a line of /proc/self/status. */
static bool
status_is(const char *name, const char *want)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");
	bool same = false;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0) {
			line[strcspn(line, "\n")] = '\0';
			same = strcmp(line + strlen(name), want) == 0;
		}
	fclose(f);
	return same;
}

static void
check_no_capabilities(void)
{
	CHECK(status_is("CapInh:\t", "0000000000000000"));
	CHECK(status_is("CapPrm:\t", "0000000000000000"));
	CHECK(status_is("CapEff:\t", "0000000000000000"));
	CHECK(status_is("CapBnd:\t", "0000000000000000"));
	CHECK(status_is("CapAmb:\t", "0000000000000000"));
	CHECK(status_is("NoNewPrivs:\t", "1"));
}

static void
drop_to_nobody(void)
{
	struct err err = { 0 };
	gid_t groups[] = { 0, 4, 27 };

	CHECK(setgroups(3, groups) == 0);
	CHECK(priv_drop("nobody", "nogroup", PRIV_NO_GROUP, &err) == 0);
	CHECK(status_is("Uid:\t", "65534\t65534\t65534\t65534"));
	CHECK(status_is("Gid:\t", "65534\t65534\t65534\t65534"));
	CHECK(getgroups(0, NULL) == 0);
	check_no_capabilities();
	CHECK(setuid(0) == -1 && errno == EPERM);
	CHECK(setresuid(-1, 0, -1) == -1 && errno == EPERM);
	CHECK(setgid(0) == -1 && errno == EPERM);
	/* cppcheck-suppress leakReturnValNotUsed; there is none */
	CHECK(open("/etc/shadow", O_RDONLY) == -1 && errno == EACCES);
	/* Again, as nobody, is allowed: names are not looked at any more. */
	CHECK(priv_drop("no-such-user", "", PRIV_NO_GROUP, &err) == 0);
}

/* One group is kept, and is all there is. */
static void
keep_a_group(void)
{
	struct err err = { 0 };
	gid_t groups[] = { 0, 4, 27 }, kept, has[4];

	CHECK(setgroups(3, groups) == 0);
	CHECK(priv_lookup_kept(&kept, "daemon", &err) == 0);
	CHECK(priv_drop("nobody", "", kept, &err) == 0);
	CHECK(getgroups(4, has) == 1 && has[0] == kept);
	check_no_capabilities();
	CHECK(setgroups(0, NULL) == -1 && errno == EPERM);
	/* What it is in, it may keep again; nothing else. */
	CHECK(priv_lookup_kept(&kept, "daemon", &err) == 0);
	CHECK(priv_lookup_kept(&kept, "nogroup", &err) == 0);
	CHECK(priv_lookup_kept(&kept, "root", &err) == -1);
	CHECK(strstr(err.text, "not in the group \"root\"; join it: "
	    "usermod -aG root") != NULL);
}

static void
root_keeps_a_group(void)
{
	struct err err = { 0 };
	gid_t kept, has[4];

	CHECK(priv_lookup_kept(&kept, "daemon", &err) == 0);
	CHECK(priv_drop("", "", kept, &err) == 0);
	CHECK(getuid() == 0 && getgroups(4, has) == 1 && has[0] == kept);
	check_no_capabilities();
}

static void
stay_root_without_power(void)
{
	struct err err = { 0 };

	CHECK(priv_drop("", "", PRIV_NO_GROUP, &err) == 0);
	CHECK(getuid() == 0);
	check_no_capabilities();
	CHECK(setuid(NOBODY) == -1 && errno == EPERM);
	CHECK(chown("/tmp", 1, 1) == -1 && errno == EPERM);
	CHECK(priv_drop("", "", PRIV_NO_GROUP, &err) == 0);
	/* With a name it now cannot be done, and says so. */
	CHECK(priv_drop("nobody", "", PRIV_NO_GROUP, &err) == -1);
	CHECK(strstr(err.text, "cannot become user \"nobody\"") != NULL);
}

static void
change_group_only(void)
{
	struct err err = { 0 };

	CHECK(priv_drop("", "nogroup", PRIV_NO_GROUP, &err) == 0);
	CHECK(getuid() == 0 && getgid() == NOBODY);
	check_no_capabilities();
}

static void
leave_nothing_to_dump(void)
{
	struct rlimit l;

	priv_limits();
	CHECK(getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur == l.rlim_max);
	CHECK(getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_cur == 0);
#ifndef __SANITIZE_ADDRESS__
	CHECK(prctl(PR_GET_DUMPABLE) == 0);
#endif
}

static void
test_drop(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	in_child(drop_to_nobody);
	in_child(keep_a_group);
	in_child(root_keeps_a_group);
	in_child(stay_root_without_power);
	in_child(change_group_only);
}

static void
test_limits(void **state)
{
	(void)state;
	in_child(leave_nothing_to_dump);
}

static void
test_unknown_names(void **state)
{
	struct priv_ids ids;
	struct err err = { 0 };

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(priv_lookup(&ids, "no-such-user", "", &err), -1);
	assert_non_null(strstr(err.text, "user \"no-such-user\" does not "
	    "exist; make it: useradd --system"));
	assert_int_equal(priv_lookup(&ids, "", "no-such-group", &err), -1);
	assert_non_null(strstr(err.text, "groupadd --system no-such-group"));
	assert_int_equal(priv_drop("no-such-user", "", PRIV_NO_GROUP, &err),
	    -1);
	assert_int_equal(priv_lookup_kept(&ids.gid, "no-such-group", &err),
	    -1);
	assert_non_null(strstr(err.text, "groupadd --system no-such-group"));
	assert_int_equal(priv_lookup(&ids, "nobody", "", &err), 0);
	assert_int_equal(ids.uid, NOBODY);
	assert_int_equal(ids.gid, NOBODY);
	assert_int_equal(priv_lookup(&ids, "nobody", "root", &err), 0);
	assert_int_equal(ids.gid, 0);
	assert_int_equal(priv_lookup(&ids, "", "", &err), 0);
	assert_int_equal(ids.uid, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_unknown_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
