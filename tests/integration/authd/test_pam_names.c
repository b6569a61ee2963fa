/* SPDX-License-Identifier: MIT */
/*
 * A real authd on a system whose directory takes many spellings of a name: what
 * is said of a user holds however he writes himself. Run with the path of its
 * binary and of the name service.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "own_accounts.h"

#include "base/mem.h"
#include "proto/auth.pb-c.h"

#define SKIPPED 77
#define PATIENCE_MS 60000	/* more than any machine needs */

#define OK SALLYPORT__PB__AUTH_REPLY__RESULT__OK
#define FAILED SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED
#define BUSY SALLYPORT__PB__AUTH_REPLY__RESULT__BUSY

/* The directory has ann, bob, cleo and dora, but not rae, whom PAM alone
 * knows. */
static const char users[] =
	"[[users]]\nusername = \"ann\"\ngroups = [\"filed\"]\n"
	"[[users]]\nusername = \"bob\"\nenabled = false\n"
	"[[users]]\nusername = \"Cleo\"\nenabled = false\n"
	"[[users]]\nusername = \"dora@ad.example\"\nenabled = false\n"
	"[[users]]\nusername = \"rae\"\ngroups = [\"filed\"]\n";

static struct daemon d;

/* ---- asking ---- */

static Sallyport__Pb__AuthReply *
ask(const char *user)
{
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;
	uint8_t source[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 };
	struct bytes answer = { 0 };
	Sallyport__Pb__AuthReply *reply;
	uint8_t body[1024];
	size_t len;

	m.method = (char *)"pam.username";
	m.listener = (char *)"main";
	m.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
	m.password = (ProtobufCBinaryData){ 1, (uint8_t *)"x" };
	m.source = (ProtobufCBinaryData){ sizeof(source), source };
	assert_true(sallyport__pb__auth_request__get_packed_size(&m) <=
	    sizeof(body));
	len = sallyport__pb__auth_request__pack(&m, body);
	assert_int_equal(rpc_ask(d.auth, KIND_AUTH,
	    (struct str){ (char *)body, len }, PATIENCE_MS, &answer, NULL),
	    RPC_OK);
	reply = sallyport__pb__auth_reply__unpack(NULL, answer.len,
	    (const uint8_t *)answer.ptr);
	assert_non_null(reply);
	bytes_fini(&answer);
	return reply;
}

/* Is let in as `canonical` ("": as asked), in as many groups. */
static void
is_let_in(const char *user, const char *canonical, size_t groups)
{
	Sallyport__Pb__AuthReply *m = ask(user);

	assert_int_equal(m->result, OK);
	assert_string_equal(m->user, canonical);
	assert_int_equal(m->n_groups, groups);
	sallyport__pb__auth_reply__free_unpacked(m, NULL);
}

static void
is_refused(const char *user, Sallyport__Pb__AuthReply__Result wanted)
{
	Sallyport__Pb__AuthReply *m = ask(user);

	assert_int_equal(m->result, wanted);
	assert_string_equal(m->user, "");
	assert_int_equal(m->n_groups, 0);
	sallyport__pb__auth_reply__free_unpacked(m, NULL);
}

/* ---- tests ---- */

static void
a_user_has_one_name(void **state)
{
	(void)state;
	is_let_in("ann", "", 1);
	is_let_in("ANN", "ann", 1);
	is_let_in("ANN", "ann", 1);	/* from the cache */
	is_let_in("Ann@AD.Example", "ann", 1);
	is_let_in("AD\\ann", "ann", 1);
	is_let_in("dora", "", 0);
	is_let_in("Dora", "dora", 0);
}

static void
no_spelling_escapes_the_file(void **state)
{
	(void)state;
	is_refused("bob", FAILED);
	is_refused("BOB", FAILED);
	is_refused("bob@ad.example", FAILED);
	is_refused("ad\\Bob", FAILED);
	assert_true(daemon_said(&d, "the account is disabled"));
}

/* The file does not write him as the system does. */
static void
an_entry_of_another_spelling_holds(void **state)
{
	(void)state;
	is_refused("cleo", FAILED);
	is_refused("Cleo", FAILED);
	is_refused("CLEO@ad.example", FAILED);
	is_refused("Dora@ad.example", FAILED);
	daemon_wait_said(&d, "in another spelling", 4);
}

static void
whom_only_pam_knows(void **state)
{
	(void)state;
	is_let_in("rae", "", 1);
	is_refused("Rae", FAILED);
	is_let_in("nobody-at-all", "", 0);
}

static void
a_directory_that_is_down(void **state)
{
	(void)state;
	is_refused("down", BUSY);
	daemon_wait_said(&d, "nsswitch.conf does not answer", 1);
	is_let_in("ann", "", 1);
}

/* ---- set-up ---- */

/* A service that lets everybody in. */
static void
write_service(void)
{
	char *dir = xasprintf("%s/pam", d.dir);
	char *path = xasprintf("%s/sallyport", dir);
	FILE *f;

	assert_int_equal(mkdir(dir, 0755), 0);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs("auth required pam_permit.so\naccount required pam_permit.so\n",
	    f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(setenv("SALLYPORT_AUTHD__PAM__CONFDIR", dir, 1), 0);
	assert_int_equal(setenv("SALLYPORT_AUTHD__GROUP_SOURCES", "file", 1),
	    0);
	free(path);
	free(dir);
}

static int
set_up(void **state)
{
	(void)state;
	daemon_init(&d, users);
	write_service();
	daemon_start(&d);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	daemon_fini(&d);
	return 0;
}

static bool
make_directory(const char *service)
{
	own_passwd("root:x:0:0::/root:/bin/sh\n");
	own_shadow("root:*:19000:0:99999:7:::\n");
	own_group("root:x:0:\n");
	own_nsswitch("passwd: files hesiod\nshadow: files\ngroup: files\n");
	if (!own_accounts())
		return false;
	own_hesiod(service);
	own_loopback();
	return true;
}

int
main(int argc, char **argv)
{
#define WITH_DAEMON(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(a_user_has_one_name),
		WITH_DAEMON(no_spelling_escapes_the_file),
		WITH_DAEMON(an_entry_of_another_spelling_holds),
		WITH_DAEMON(whom_only_pam_knows),
		WITH_DAEMON(a_directory_that_is_down),
	};

	if (argc != 3)
		return 1;
	daemon_binary = argv[1];
	if (!make_directory(argv[2]))
		return SKIPPED;
	return cmocka_run_group_tests_name("pam_names", tests, NULL, NULL);
}
