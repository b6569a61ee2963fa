/* SPDX-License-Identifier: MIT */
/* sallyctl acl test, acld played by the test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "base/mem.h"
#include "cli.h"
#include "ctl.h"
#include "msg/rpc_server.h"
#include "net/addr.h"
#include "proto/decide.pb-c.h"

#define ASK "acl test --config sallyport.toml --user bob "

/* What the next question is answered with, and what was asked. */
struct fake_acld {
	struct ctl ctl;
	struct rpc_server *server;
	pthread_mutex_t m;
	struct bytes answer;			/* guarded by m */
	enum rpc_status status;			/* guarded by m */
	Sallyport__Pb__DecideRequest *asked;	/* guarded by m */
};

static void
on_test(void *arg, struct rpc_request *r)
{
	struct fake_acld *f = arg;
	struct str body = rpc_request_body(r);

	pthread_mutex_lock(&f->m);
	if (f->asked != NULL)
		sallyport__pb__decide_request__free_unpacked(f->asked, NULL);
	f->asked = sallyport__pb__decide_request__unpack(NULL, body.len,
	    (const uint8_t *)body.ptr);
	if (f->status != RPC_STATUS_OK)
		rpc_fail(r, f->status, "not today");
	else
		rpc_reply(r, (struct str){ f->answer.ptr, f->answer.len });
	pthread_mutex_unlock(&f->m);
}

static const struct rpc_method methods[] = {
	{ KIND_ACL_TEST, "test", on_test },
	{ 0 },
};

static void
answer_bytes(struct fake_acld *f, const void *bytes, size_t len)
{
	pthread_mutex_lock(&f->m);
	f->answer.len = 0;
	bytes_add(&f->answer, bytes, len);
	pthread_mutex_unlock(&f->m);
}

static void
answer_with(struct fake_acld *f, int action, int source, const char *rule,
    const char *reason)
{
	Sallyport__Pb__Decision m = SALLYPORT__PB__DECISION__INIT;
	uint8_t packed[4096];

	m.action = action;
	m.source = source;
	m.rule = (char *)rule;
	m.reason = (char *)reason;
	m.generation = 1234567;
	assert_true(protobuf_c_message_get_packed_size(&m.base) <=
	    sizeof(packed));
	answer_bytes(f, packed, protobuf_c_message_pack(&m.base, packed));
}

static void
start_server(struct fake_acld *f)
{
	char *address = xasprintf("ipc://%s/admin_acl.sock", f->ctl.dir);
	struct rpc_server_options o = {
		.address = address,
		.name = "admin_acl",
		.max_message = 1 << 20,
		.contexts = 2,
		.methods = methods,
		.arg = f,
		.group = (unsigned)-1,
	};
	struct err err = { 0 };

	assert_int_equal(rpc_server_start(&f->server, &o, &err), 0);
	free(address);
}

static int
setup(void **state)
{
	struct fake_acld *f = xcalloc(1, sizeof(*f));
	char *toml;

	ctl_init(&f->ctl);
	pthread_mutex_init(&f->m, NULL);
	toml = xasprintf("[acld]\nrun_dir = \"%s\"\n", f->ctl.dir);
	ctl_write(&f->ctl, "sallyport.toml", toml);
	free(toml);
	start_server(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fake_acld *f = *state;

	rpc_server_stop(&f->server);
	if (f->asked != NULL)
		sallyport__pb__decide_request__free_unpacked(f->asked, NULL);
	bytes_fini(&f->answer);
	pthread_mutex_destroy(&f->m);
	ctl_fini(&f->ctl);
	free(f);
	return 0;
}

static void
test_decisions(void **state)
{
	static const struct {
		int action, source;
		const char *rule, *expect;
		int code;
		const char *says;
	} cases[] = {
		{ 1, 1, "r1", "", CLI_OK, "decision     allow\n" },
		{ 1, 1, "r1", "--expect allow", CLI_OK, "rule         r1\n" },
		{ 1, 1, "r1", "--expect block", CLI_DIFFERENT, "allow" },
		{ 2, 1, "r2", "--expect block", CLI_OK, "block" },
		{ 2, 2, "", "--expect allow", CLI_DIFFERENT,
		    "decided_by   default\nrule         -\n" },
		{ 2, 3, "", "", CLI_OK, "decided_by   hard_deny\n" },
		{ 3, 1, "r3", "--expect redirect", CLI_OK, "redirect" },
		{ 1, 1, "\x1b[2J", "", CLI_OK, "rule         \\x1b[2J\n" },
	};
	struct fake_acld *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *line = xasprintf(ASK "--dest example.com --port 80 %s",
		    cases[i].expect);

		answer_with(f, cases[i].action, cases[i].source, cases[i].rule,
		    "because");
		ctl_expect(&f->ctl, cases[i].code, line, NULL);
		assert_non_null(strstr(f->ctl.out, cases[i].says));
		free(line);
	}
	ctl_expect(&f->ctl, CLI_OK, ASK "--dest example.com --port 80 -o json",
	    NULL);
	assert_non_null(strstr(f->ctl.out, "\"generation\": 1234567"));
}

static void
test_question(void **state)
{
	struct fake_acld *f = *state;
	struct addr a;

	answer_with(f, 1, 1, "r", "");
	ctl_expect(&f->ctl, CLI_OK, ASK "--dest WWW.Example.com. --port 443 "
	    "--protocol udp --source 192.0.2.7 --group a --group b "
	    "--resolved 198.51.100.1 --resolved ::1", NULL);
	pthread_mutex_lock(&f->m);
	assert_non_null(f->asked);
	assert_string_equal(f->asked->user, "bob");
	assert_string_equal(f->asked->name, "www.example.com");
	assert_int_equal(f->asked->port, 443);
	assert_int_equal(f->asked->command, COMMAND_UDP);
	assert_int_equal(f->asked->protocol, PROTOCOL_UDP);
	assert_int_equal(f->asked->n_groups, 2);
	assert_string_equal(f->asked->groups[1], "b");
	assert_int_equal(f->asked->n_resolved, 2);
	assert_true(addr_parse(&a, STR("198.51.100.1")));
	assert_memory_equal(f->asked->resolved[0].data, a.b, sizeof(a.b));
	assert_true(addr_parse(&a, STR("192.0.2.7")));
	assert_memory_equal(f->asked->source.data, a.b, sizeof(a.b));
	pthread_mutex_unlock(&f->m);

	/* An address is its own resolved address, and has no name. */
	ctl_expect(&f->ctl, CLI_OK, ASK "--dest 198.51.100.9 --port 80", NULL);
	pthread_mutex_lock(&f->m);
	assert_string_equal(f->asked->name, "");
	assert_int_equal(f->asked->n_resolved, 1);
	assert_int_equal(f->asked->command, COMMAND_CONNECT);
	pthread_mutex_unlock(&f->m);
}

static void
test_malformed(void **state)
{
	struct fake_acld *f = *state;
	char long_rule[200];
	static const char line[] = ASK "--dest example.com --port 80";

	answer_bytes(f, "\xff\xff\xff", 3);
	ctl_expect(&f->ctl, CLI_ERROR, line, NULL);
	answer_bytes(f, "", 0);
	ctl_expect(&f->ctl, CLI_ERROR, line, NULL);
	answer_with(f, 4, 1, "r", "");
	ctl_expect(&f->ctl, CLI_ERROR, line, NULL);
	answer_with(f, -1, 1, "r", "");
	ctl_expect(&f->ctl, CLI_ERROR, line, NULL);
	answer_with(f, 1, 9, "r", "");
	ctl_expect(&f->ctl, CLI_ERROR, line, NULL);
	answer_with(f, 1, 1, "\xff", "");
	ctl_expect(&f->ctl, CLI_ERROR, line, NULL);
	memset(long_rule, 'r', sizeof(long_rule) - 1);
	long_rule[sizeof(long_rule) - 1] = '\0';
	answer_with(f, 1, 1, long_rule, "");
	ctl_expect(&f->ctl, CLI_ERROR, line, NULL);
	f->status = RPC_STATUS_BUSY;
	ctl_expect(&f->ctl, CLI_ERROR, line, NULL);
	assert_non_null(strstr(f->ctl.err, "not today"));
	assert_string_equal(f->ctl.out, "");
}

static void
test_bad_input(void **state)
{
	static const char *const lines[] = {
		"acl test --config sallyport.toml --dest a.b --port 1",
		ASK "--port 80", ASK "--dest example.com",
		ASK "--dest example.com --port 0",
		ASK "--dest example.com --port 65536",
		ASK "--dest example.com --port http",
		ASK "--dest exa..mple --port 80",
		ASK "--dest 0x7f.1 --port 80",
		ASK "--dest example.com --port 80 --source here",
		ASK "--dest example.com --port 80 --protocol icmp",
		ASK "--dest example.com --port 80 --resolved name",
		ASK "--dest 192.0.2.1 --port 80 --resolved 192.0.2.2",
		ASK "--dest example.com --port 80 --expect yes",
	};
	struct fake_acld *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		ctl_expect(&f->ctl, CLI_USAGE, lines[i], NULL);
	pthread_mutex_lock(&f->m);
	assert_null(f->asked);
	pthread_mutex_unlock(&f->m);
	ctl_expect(&f->ctl, CLI_BAD_CONFIG, "acl test --config none.toml "
	    "--user bob --dest example.com --port 80", NULL);
}

static void
test_unreachable(void **state)
{
	struct fake_acld *f = *state;

	rpc_server_stop(&f->server);
	ctl_expect(&f->ctl, CLI_UNREACHABLE,
	    ASK "--dest example.com --port 80", NULL);
	assert_non_null(strstr(f->ctl.err, "admin_acl.sock"));
	start_server(f);
	answer_with(f, 1, 1, "r", "");
	ctl_expect(&f->ctl, CLI_OK, ASK "--dest example.com --port 80", NULL);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_decisions, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_bad_input, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_unreachable, setup,
		    teardown),
	};

	if (argc != 2 || !ctl_set_binary(argv[1]))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
