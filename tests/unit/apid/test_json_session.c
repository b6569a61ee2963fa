/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "apid/json.h"

/* An association over UDP that SOCKS4 could never make: every field set. */
static struct query_session
sample(void)
{
	return (struct query_session){
		.user = STR("anonymous"),
		.groups = STR("[\"guests\"]"),
		.claimed_user = STR("r\xc3\xb6ot\\x00"),
		.dest_port = 53,
		.destinations = 70000,
		.command = COMMAND_UDP,
		.carrier = CARRIER_SOCKS4A,
		.protocol = PROTOCOL_UDP,
		.packets_up = 3,
		.packets_down = 4,
		.status = STATUS_REJECTED,
		.reply_code = 502,
		.ended_us = 1,
		.setup_us = QUERY_NULL,
	};
}

static const char *
word(const struct query_session *s, const char *name)
{
	static char kept[64];
	json_t *o = json_session(s, 0);
	const char *value = json_string_value(json_object_get(o, name));

	kept[0] = '\0';
	if (value != NULL)
		strncpy(kept, value, sizeof(kept) - 1);
	json_decref(o);
	return kept;
}

static void
test_every_word(void **state)
{
	static const char *const carriers[] = { "", "socks5", "socks4",
		"socks4a", "http", "" };
	static const char *const commands[] = { "", "connect", "bind", "udp",
		"" };
	static const char *const protocols[] = { "", "tcp", "udp", "" };
	struct query_session s = sample();

	(void)state;
	for (s.carrier = 0; s.carrier < ARRAY_LEN(carriers); s.carrier++)
		assert_string_equal(word(&s, "carrier"), carriers[s.carrier]);
	for (s.command = 0; s.command < ARRAY_LEN(commands); s.command++)
		assert_string_equal(word(&s, "command"), commands[s.command]);
	for (s.protocol = 0; s.protocol < ARRAY_LEN(protocols); s.protocol++)
		assert_string_equal(word(&s, "protocol"),
		    protocols[s.protocol]);
}

static json_int_t
number(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	assert_true(json_is_integer(v));
	return json_integer_value(v);
}

static void
test_numbers_and_remark(void **state)
{
	struct query_session s = sample();
	json_t *o = json_session(&s, 0);

	(void)state;
	assert_int_equal(number(o, "destinations"), 70000);
	assert_int_equal(number(o, "reply_code"), 502);
	assert_int_equal(number(o, "packets_sent"), 3);
	assert_int_equal(number(o, "packets_received"), 4);
	assert_string_equal(json_string_value(json_object_get(o,
	    "claimed_user")), "r\xc3\xb6ot\\x00");
	assert_string_equal(json_string_value(json_object_get(o, "user")),
	    "anonymous");
	json_decref(o);
	/* while it runs nothing was sent, and nothing may be known */
	s.active = true;
	s.claimed_user = STR("");
	o = json_session(&s, 0);
	assert_true(json_is_null(json_object_get(o, "reply_code")));
	assert_true(json_is_null(json_object_get(o, "claimed_user")));
	assert_int_equal(number(o, "destinations"), 70000);
	json_decref(o);
}

/* A null is allowed exactly where the schema says so. */
static void
test_schema_has_every_member(void **state)
{
	struct query_session s = sample();
	json_t *o = json_session(&s, 0), *schema = json_session_schema(), *v;
	json_t *properties = json_object_get(schema, "properties");
	const char *name;

	(void)state;
	assert_int_equal(json_object_size(o), json_object_size(properties));
	assert_int_equal(json_object_size(o),
	    json_array_size(json_object_get(schema, "required")));
	json_object_foreach(o, name, v) {
		json_t *type = json_object_get(json_object_get(properties,
		    name), "type");

		assert_non_null(type);
		if (json_is_null(v))
			assert_string_equal(json_string_value(
			    json_array_get(type, 1)), "null");
	}
	json_decref(o);
	json_decref(schema);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_word),
		cmocka_unit_test(test_numbers_and_remark),
		cmocka_unit_test(test_schema_has_every_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
