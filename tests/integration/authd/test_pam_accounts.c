/* SPDX-License-Identifier: MIT */
/*
 * Real modules and real name services, with accounts of the test's own; all
 * with the rights that authd keeps as root: user 0 without any capability.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own_accounts.h"
#include "pam_room.h"

#include "base/err.h"
#include "base/mem.h"
#include "service/priv.h"

#define SKIPPED 77
/* crypt("right"), cheaply. */
#define SHA512 "$6$rounds=1000$sallyport$EQYgfeJJq5OyEnYMeQ6ReDdSfVfiARmcpVSx" \
	"1eibd1PyElYuOKpWvDzg2BbV2SbmAFDClXXIR8.IUl/2BMG9B/"
#define YESCRYPT "$y$j75$sallyport0$TkBLQEmIEv066uVWd19nbUizIdBbX2HXkhxScOZ1tSD"
#define FILES "passwd: files\nshadow: files\ngroup: files\n"

static const char *shipped_dir;

static const char passwd[] =
	"root:x:0:0::/root:/bin/sh\n"
	"daemon:x:1:1::/nonexistent:/bin/sh\n"
	"rhostusr:x:999:4701::/nonexistent:/bin/false\n"
	"ann:x:4701:4701::/nonexistent:/bin/sh\n"
	"bob:x:4702:4701::/nonexistent:/bin/sh\n"
	"locked:x:4703:4701::/nonexistent:/bin/sh\n"
	"expired:x:4704:4701::/nonexistent:/bin/sh\n"
	"stale:x:4705:4701::/nonexistent:/bin/sh\n"
	"blank:x:4706:4701::/nonexistent:/bin/sh\n"
	"nameless:x:4707:4999::/nonexistent:/bin/sh\n"
	"latin:x:4708:4701::/nonexistent:/bin/sh\n"
	"many:x:4709:4701::/nonexistent:/bin/sh\n"
	"too-many:x:4710:4701::/nonexistent:/bin/sh\n"
	"wide:x:4711:4701::/nonexistent:/bin/sh\n"
	"long:x:4712:4701::/nonexistent:/bin/sh\n"
	"ann@ad.example:x:4713:4701::/nonexistent:/bin/sh\n"
	"d\xfcrer:x:4714:4701::/nonexistent:/bin/sh\n";

/* The account's end is a day of 1970, its password due since then. */
static const char shadow[] =
	"root:*:19000:0:99999:7:::\n"
	"daemon:" SHA512 ":19000:0:99999:7:::\n"
	"ann:" SHA512 ":19000:0:99999:7:::\n"
	"bob:" YESCRYPT ":19000:0:99999:7:::\n"
	"locked:!" SHA512 ":19000:0:99999:7:::\n"
	"expired:" SHA512 ":19000:0:99999:7::1:\n"
	"stale:" SHA512 ":0:0:99999:7:::\n"
	"blank::19000:0:99999:7:::\n"
	"ann@ad.example:" SHA512 ":19000:0:99999:7:::\n";

/* ---- pam_unix ---- */

static void
unix_service(const char *name)
{
	pam_room_service(name, "auth required pam_unix.so nullok\n"
	    "account required pam_unix.so\n");
}

static void
passwords_of_this_machine(void **state)
{
	(void)state;
	unix_service("unix");
	pam_room_login("unix", "ann", "right", PAM_VERDICT_SUCCESS);
	pam_room_login("unix", "bob", "right", PAM_VERDICT_SUCCESS);
	pam_room_login("unix", "ann@ad.example", "right",
	    PAM_VERDICT_SUCCESS);
	pam_room_login("unix", "ann", "wrong", PAM_VERDICT_FAILURE);
	pam_room_login("unix", "ann", "righ", PAM_VERDICT_FAILURE);
	pam_room_login("unix", "ann", "right ", PAM_VERDICT_FAILURE);
	pam_room_login("unix", "Ann", "right", PAM_VERDICT_FAILURE);
	pam_room_login("unix", "nobody-at-all", "right", PAM_VERDICT_FAILURE);
	pam_room_login("unix", "root", "right", PAM_VERDICT_FAILURE);
}

static void
accounts_that_may_not(void **state)
{
	(void)state;
	unix_service("unix");
	pam_room_login("unix", "locked", "right", PAM_VERDICT_FAILURE);
	pam_room_login("unix", "expired", "right", PAM_VERDICT_FAILURE);
	pam_room_login("unix", "stale", "right", PAM_VERDICT_FAILURE);
	pam_room_login("unix", "blank", "right", PAM_VERDICT_FAILURE);
	pam_room_address("unix", "blank", PAM_VERDICT_ERROR);
}

/* ---- the service files of deploy/pam ---- */

/* Text of a file there, with `dir` put for the directory of its data. */
static char *
shipped_text(const char *name, const char *dir)
{
	char *path = xasprintf("%s/%s", shipped_dir, name), text[4096];
	FILE *f = fopen(path, "re");
	struct bytes b = { 0 };
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	free(path);
	text[n] = '\0';
	for (char *at = text, *hit; dir != NULL; at = hit + strlen(dir)) {
		hit = strstr(at, dir);
		bytes_add(&b, at, hit != NULL ? (size_t)(hit - at) :
		    strlen(at));
		if (hit == NULL)
			break;
		bytes_fmt(&b, "%s", pam_room.dir);
	}
	if (dir == NULL)
		bytes_add(&b, text, n);
	bytes_add(&b, "", 1);
	return b.ptr;
}

static void
shipped(const char *name, const char *dir)
{
	char *text = shipped_text(name, dir);

	pam_room_service(name, text);
	free(text);
}

static void
shipped_for_this_machine(void **state)
{
	(void)state;
	shipped("sallyport", NULL);
	pam_room_login("sallyport", "ann", "right", PAM_VERDICT_SUCCESS);
	pam_room_login("sallyport", "ann", "wrong", PAM_VERDICT_FAILURE);
	pam_room_login("sallyport", "daemon", "right", PAM_VERDICT_FAILURE);
	pam_room_login("sallyport", "daemon", "wrong", PAM_VERDICT_FAILURE);
	pam_room_login("sallyport", "blank", "x", PAM_VERDICT_FAILURE);
}

/* The codes of the key 00, counters 0 to 2. */
static void
shipped_for_one_time_codes(void **state)
{
	static const char service[] = "sallyport.oath";
	char *path = xasprintf("%s/users.oath", pam_room.dir);

	(void)state;
	shipped(service, "/var/lib/sallyport");
	pam_room_service("users.oath", "HOTP ann + 00\nHOTP bob + 00\n"
	    "HOTP daemon + 00\n");
	assert_int_equal(chmod(path, 0600), 0);
	pam_room_login(service, "ann", "right328482", PAM_VERDICT_SUCCESS);
	pam_room_login(service, "ann", "right328482", PAM_VERDICT_FAILURE);
	pam_room_login(service, "ann", "right", PAM_VERDICT_FAILURE);
	pam_room_login(service, "ann", "812658", PAM_VERDICT_FAILURE);
	pam_room_login(service, "ann", "right000000", PAM_VERDICT_FAILURE);
	pam_room_login(service, "ann", "wrong812658", PAM_VERDICT_FAILURE);
	pam_room_login(service, "ann", "right073348", PAM_VERDICT_SUCCESS);
	pam_room_login(service, "bob", "right328482", PAM_VERDICT_SUCCESS);
	pam_room_login(service, "daemon", "right328482", PAM_VERDICT_FAILURE);
	pam_room_login(service, "nobody-at-all", "right328482",
	    PAM_VERDICT_FAILURE);
	free(path);
}

static void
shipped_for_networks(void **state)
{
	static const char service[] = "sallyport-client";
	char *list = shipped_text("client-access.conf", NULL);
	char *more = xasprintf("+ : rhostusr : 198.51.100.0/24 192.0.2.0/24\n"
	    "%s", list);

	(void)state;
	shipped(service, "/etc/sallyport");
	pam_room_address(service, "rhostusr", PAM_VERDICT_ERROR);
	pam_room_service("client-access.conf", list);
	pam_room_address(service, "rhostusr", PAM_VERDICT_FAILURE);
	pam_room_service("client-access.conf", more);
	pam_room_address(service, "rhostusr", PAM_VERDICT_SUCCESS);
	pam_room_address(service, "ann", PAM_VERDICT_FAILURE);
	pam_room_address(service, "nobody-at-all", PAM_VERDICT_FAILURE);
	pam_room_service("client-access.conf",
	    "+ : rhostusr : 192.0.2.128/25 192.0.2.10 2001:db8::/32\n"
	    "- : ALL : ALL\n");
	pam_room_address(service, "rhostusr", PAM_VERDICT_FAILURE);
	free(more);
	free(list);
}

/* The C library reads a .rhosts as its owner, thus only that of user 0 here. */
static void
shipped_for_hosts(void **state)
{
	static const char service[] = "sallyport-client.rhosts";
	char *user = xasprintf("%sguest:x:0:0::%s:/bin/false\n",
	    passwd, pam_room.dir);

	(void)state;
	own_passwd(user);
	shipped(service, NULL);
	pam_room_address(service, "guest", PAM_VERDICT_FAILURE);
	pam_room_service(".rhosts", "192.0.2.10 rhostusr\n192.0.2.1 root\n");
	pam_room_address(service, "guest", PAM_VERDICT_FAILURE);
	pam_room_service(".rhosts", "192.0.2.1 rhostusr\n");
	pam_room_address(service, "guest", PAM_VERDICT_SUCCESS);
	pam_room_address(service, "nobody-at-all", PAM_VERDICT_FAILURE);
	own_passwd(passwd);
	free(user);
}

/* ---- name services ---- */

static void
is_named(const char *user)
{
	assert_true(str_eq(pam_room.reply.user, str_from(user)));
}

static void
names_as_they_are(void **state)
{
	(void)state;
	pam_room_module("any", "", "");
	pam_room_login("any", "ann", "x", PAM_VERDICT_SUCCESS);
	is_named("ann");
	pam_room_login("any", "ann@ad.example", "x", PAM_VERDICT_SUCCESS);
	is_named("ann@ad.example");
	pam_room_login("any", "Ann", "x", PAM_VERDICT_SUCCESS);
	is_named("");
	pam_room_address("any", "ann", PAM_VERDICT_SUCCESS);
	is_named("");
	pam_room_login("any", "d\xfcrer", "x", PAM_VERDICT_ERROR);
	is_named("");
	assert_true(pam_room_mentions("no text"));
	own_nsswitch("passwd: files hesiod\ngroup: files\n");
	pam_room_login("any", "ann", "x", PAM_VERDICT_SUCCESS);
	is_named("ann");
	pam_room_login("any", "Ann", "x", PAM_VERDICT_ERROR);
	assert_true(pam_room_mentions("passwd"));
	own_nsswitch(FILES);
}

static void
groups_as_they_are(void **state)
{
	(void)state;
	pam_room_groups("ann", PAM_VERDICT_SUCCESS);
	assert_int_equal(pam_room.reply.n_groups, 4);
	assert_true(pam_room_has_group("staff"));
	assert_true(pam_room_has_group("Domain Users@ad.example"));
	assert_true(pam_room_has_group("Gr\xc3\xb6\xc3\x9f" "e"));
	assert_true(pam_room_has_group("crowd"));
	pam_room_groups("ann@ad.example", PAM_VERDICT_SUCCESS);
	assert_int_equal(pam_room.reply.n_groups, 1);
	pam_room_groups("nobody-at-all", PAM_VERDICT_SUCCESS);
	assert_int_equal(pam_room.reply.n_groups, 0);
	pam_room_groups("nameless", PAM_VERDICT_SUCCESS);
	assert_int_equal(pam_room.reply.n_groups, 1);
	assert_true(pam_room_has_group("Domain Users@ad.example"));
}

/* All, or none and an error. */
static void
groups_are_bounded(void **state)
{
	static const char *const refused[] = { "too-many", "wide", "long",
		"latin" };

	(void)state;
	pam_room_groups("many", PAM_VERDICT_SUCCESS);
	assert_int_equal(pam_room.reply.n_groups, PAM_GROUPS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		pam_room_groups(refused[i], PAM_VERDICT_ERROR);
		assert_int_equal(pam_room.reply.n_groups, 0);
		assert_true(*pam_room.detail != '\0');
	}
}

/* Hesiod asks the DNS, and there is no network. */
static void
a_service_that_is_down(void **state)
{
	(void)state;
	own_nsswitch("passwd: files\ngroup: files hesiod\n");
	pam_room_groups("ann", PAM_VERDICT_ERROR);
	assert_int_equal(pam_room.reply.n_groups, 0);
	assert_true(pam_room_mentions("group"));
	own_nsswitch("passwd: files hesiod\ngroup: files\n");
	pam_room_groups("ann", PAM_VERDICT_SUCCESS);
	pam_room_groups("nobody-at-all", PAM_VERDICT_ERROR);
	assert_true(pam_room_mentions("passwd"));
	own_nsswitch(FILES);
	pam_room_groups("nobody-at-all", PAM_VERDICT_SUCCESS);
}

/* ---- the accounts ---- */

static void
add_groups(struct bytes *b)
{
	bytes_fmt(b, "root:x:0:\nstaff:x:4701:\n"
	    "Domain Users@ad.example:x:4720:ann,bob,nameless\n"
	    "Gr\xc3\xb6\xc3\x9f" "e:x:4721:ann\nlat\xef" "n:x:4722:latin\n"
	    "%0300d:x:4723:long\ncrowd:x:4724:", 0);
	for (unsigned i = 0; i < 20000; i++)	/* more than a first buffer */
		bytes_fmt(b, "member%u,", i);
	bytes_fmt(b, "ann\n");
	for (unsigned i = 0; i < PAM_GROUPS_MAX; i++)
		bytes_fmt(b, "g%u:x:%u:too-many%s\n", i, 10000 + i,
		    i + 1 < PAM_GROUPS_MAX ? ",many" : "");
	for (unsigned i = 0; i < 300; i++)
		bytes_fmt(b, "%0250u:x:%u:wide\n", i, 20000 + i);
	bytes_add(b, "", 1);
}

static bool
make_accounts(void)
{
	struct bytes groups = { 0 };

	add_groups(&groups);
	own_passwd(passwd);
	own_shadow(shadow);
	own_group(groups.ptr);
	own_nsswitch(FILES);
	bytes_fini(&groups);
	return own_accounts();
}

int
main(int argc, char **argv)
{
#define IN_ROOM(f) cmocka_unit_test_setup_teardown(f, pam_room_open, \
	pam_room_close)
	const struct CMUnitTest tests[] = {
		IN_ROOM(passwords_of_this_machine),
		IN_ROOM(accounts_that_may_not),
		IN_ROOM(shipped_for_this_machine),
		IN_ROOM(shipped_for_one_time_codes),
		IN_ROOM(shipped_for_networks),
		IN_ROOM(shipped_for_hosts),
		IN_ROOM(names_as_they_are),
		IN_ROOM(groups_as_they_are),
		IN_ROOM(groups_are_bounded),
		IN_ROOM(a_service_that_is_down),
	};
	struct err err;

	pam_room_arguments(argc - 1, argv);
	shipped_dir = argv[3];
	if (!make_accounts())
		return SKIPPED;
	if (priv_drop("", "", PRIV_NO_GROUP, &err) != 0)
		die("%s", err.text);
	return cmocka_run_group_tests_name("pam_accounts", tests, NULL, NULL);
}
