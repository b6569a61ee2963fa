/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/batch.h"
#include "audit/record.h"
#include "base/mem.h"
#include "proto/events.pb-c.h"

static const struct id stream = { "0123456789abcdef" };

static struct str
body_of(char *buf, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)(seed * 31 + i);
	return (struct str){ buf, len };
}

static void
test_what_goes_in_comes_out(void **state)
{
	struct batch_writer *w = batch_writer_new(&stream, "proxy-1", 41);
	char buf[RECORD_MAX];
	struct batch b;
	struct str m;

	(void)state;
	assert_int_equal(batch_writer_take(w).len, 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 7; i++) {
			assert_int_equal(batch_writer_records(w), i);
			assert_true(batch_writer_add(w,
			    body_of(buf, 4 + i * 50, i)));
		}
		assert_int_equal(batch_writer_next_seq(w),
		    41 + 7 * (round + 1));
		m = batch_writer_take(w);
		assert_int_equal(batch_writer_records(w), 0);
		assert_int_equal(batch_check(&b, m), 0);
		assert_true(id_eq(&b.stream, &stream));
		assert_int_equal(b.first_seq, 41 + 7 * round);
		assert_int_equal(b.n, 7);
		assert_string_equal(b.proxy, "proxy-1");
		for (unsigned i = 0; i < 7; i++)
			assert_true(str_eq(b.records[i],
			    body_of(buf, 4 + i * 50, i)));
		batch_fini(&b);
		assert_int_equal(batch_writer_take(w).len, 0);
	}
	batch_writer_free(&w);
	assert_null(w);
}

/* The same bytes as protobuf-c gives. */
static void
test_agrees_with_protobuf(void **state)
{
	static const uint64_t seqs[] = { 1, 127, 128, INT64_MAX - 8 };
	static const char *const proxies[] = { "", "p", "a longer name" };

	(void)state;
	for (unsigned k = 0; k < 12; k++) {
		Sallyport__Pb__Batch pb = SALLYPORT__PB__BATCH__INIT;
		ProtobufCBinaryData records[4];
		char bufs[4][600];
		uint8_t theirs[4096];
		struct batch_writer *w = batch_writer_new(&stream,
		    proxies[k % 3], seqs[k / 3]);
		struct str m;

		for (unsigned i = 0; i < 4; i++) {
			struct str s = body_of(bufs[i], 4 + i * 190, i);

			records[i].data = (uint8_t *)bufs[i];
			records[i].len = s.len;
			assert_true(batch_writer_add(w, s));
		}
		pb.stream.data = (uint8_t *)(uintptr_t)stream.b;
		pb.stream.len = sizeof(stream.b);
		pb.first_seq = seqs[k / 3];
		pb.n_records = 4;
		pb.records = records;
		pb.proxy = (char *)(uintptr_t)proxies[k % 3];
		m = batch_writer_take(w);
		assert_int_equal(m.len,
		    sallyport__pb__batch__pack(&pb, theirs));
		assert_memory_equal(m.ptr, theirs, m.len);
		batch_writer_free(&w);
	}
}

static void
test_full_by_number(void **state)
{
	struct batch_writer *w = batch_writer_new(&stream, "p", 1);
	struct batch b;
	char buf[4];

	(void)state;
	for (unsigned i = 0; i < BATCH_RECORDS_MAX; i++)
		assert_true(batch_writer_add(w, body_of(buf, 4, i)));
	assert_false(batch_writer_add(w, body_of(buf, 4, 0)));
	assert_int_equal(batch_writer_next_seq(w), BATCH_RECORDS_MAX + 1);
	assert_int_equal(batch_check(&b, batch_writer_take(w)), 0);
	assert_int_equal(b.n, BATCH_RECORDS_MAX);
	batch_fini(&b);
	assert_true(batch_writer_add(w, body_of(buf, 4, 0)));
	batch_writer_free(&w);
}

/* What still fits goes in, to the last byte, and the proxy's name after it. */
static void
fill(const char *proxy)
{
	struct batch_writer *w = batch_writer_new(&stream, proxy, 1);
	char buf[RECORD_MAX];
	struct batch b;
	struct str m;
	unsigned n = 0;

	while (batch_writer_add(w, body_of(buf, RECORD_MAX, n)))
		n++;
	assert_int_equal(batch_writer_records(w), n);
	assert_int_equal(batch_writer_next_seq(w), n + 1);
	while (batch_writer_add(w, body_of(buf, 4, 0)))
		n++;
	m = batch_writer_take(w);
	assert_true(m.len <= BATCH_BYTES_MAX);
	assert_true(m.len > BATCH_BYTES_MAX - 6);
	assert_int_equal(batch_check(&b, m), 0);
	assert_int_equal(b.n, n);
	assert_string_equal(b.proxy, proxy);
	batch_fini(&b);
	batch_writer_free(&w);
}

static void
test_full_by_bytes(void **state)
{
	static const char name[] = "a-proxy-of-32-bytes-0123456789ab";

	(void)state;
	for (size_t i = 0; i < sizeof(name); i += 5)
		fill(name + i);
}

static void
test_name_of_the_proxy_is_made_valid(void **state)
{
	static const struct { const char *given, *sent; } cases[] = {
		{ "a\nb", "a\\x0ab" },
		{ "\xff", "\\xff" },
		{ "0123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789",
		  "0123456789012345678901234567890123456789"
		  "012345678901234567890123" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct batch_writer *w =
		    batch_writer_new(&stream, cases[i].given, 1);
		struct batch b;
		char buf[4];

		assert_true(batch_writer_add(w, body_of(buf, 4, 1)));
		assert_int_equal(batch_check(&b, batch_writer_take(w)), 0);
		assert_string_equal(b.proxy, cases[i].sent);
		batch_fini(&b);
		batch_writer_free(&w);
	}
}

#define STREAM "\x0a\x10" "0123456789abcdef"
#define SEQ "\x10\x05"
#define REC "\x1a\x04" "abcd"
#define PROXY "\x22\x01p"
#define MAC "\x2a\x10" "0123456789abcdef"
#define CASE(what, bytes, result) { what, STR(bytes), result }

static const struct {
	const char *what;
	struct str bytes;
	int result;
} hostile[] = {
	CASE("all fields", STREAM SEQ REC REC PROXY MAC, 0),
	CASE("no proxy, no mac", STREAM SEQ REC, 0),
	CASE("a field of a later release", STREAM SEQ REC "\x30\x01", 0),
	CASE("a later one twice", STREAM SEQ REC "\x30\x01\x30\x01", 0),
	CASE("nothing", "", -1),
	CASE("no stream", SEQ REC, -1),
	CASE("stream is not the first", SEQ STREAM REC, -1),
	CASE("two streams", STREAM STREAM SEQ REC, -1),
	CASE("stream of 15", "\x0a\x0f" "0123456789abcde" SEQ REC, -1),
	CASE("stream of 17", "\x0a\x11" "0123456789abcdefg" SEQ REC, -1),
	CASE("empty stream", "\x0a\x00" SEQ REC, -1),
	CASE("stream as a number", "\x08\x01" SEQ REC, -1),
	CASE("no first_seq", STREAM REC, -1),
	CASE("first_seq 0", STREAM "\x10\x00" REC, -1),
	CASE("first_seq twice", STREAM SEQ SEQ REC, -1),
	CASE("first_seq as bytes", STREAM "\x12\x01x" REC, -1),
	CASE("first_seq 2^64-1",
	    STREAM "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" REC, -1),
	CASE("last seq beyond 2^63",
	    STREAM "\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f" REC, -1),
	CASE("no record", STREAM SEQ PROXY, -1),
	CASE("record of 3", STREAM SEQ "\x1a\x03" "abc", -1),
	CASE("empty record", STREAM SEQ "\x1a\x00", -1),
	CASE("record as a number", STREAM SEQ "\x18\x05", -1),
	CASE("record behind the proxy", STREAM SEQ REC PROXY REC, -1),
	CASE("two proxies", STREAM SEQ REC PROXY PROXY, -1),
	CASE("proxy with NUL", STREAM SEQ REC "\x22\x01\0", -1),
	CASE("proxy with a newline", STREAM SEQ REC "\x22\x01\n", -1),
	CASE("proxy that is no UTF-8", STREAM SEQ REC "\x22\x01\xff", -1),
	CASE("proxy of 65", STREAM SEQ REC "\x22\x41"
	    "0123456789012345678901234567890123456789"
	    "0123456789012345678901234", -1),
	CASE("proxy of 64", STREAM SEQ REC "\x22\x40"
	    "0123456789012345678901234567890123456789"
	    "012345678901234567890123", 0),
	CASE("mac of 15", STREAM SEQ REC "\x2a\x0f" "0123456789abcde", -1),
	CASE("two macs", STREAM SEQ REC MAC MAC, -1),
	CASE("cut", STREAM SEQ "\x1a\x05" "abcd", -1),
	CASE("group", STREAM SEQ REC "\x33\x34", -1),
};

static void
test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		/* Memory of the exact size, for ASan. */
		size_t len = hostile[i].bytes.len;
		char *m = xmalloc(len == 0 ? 1 : len);
		struct batch b;
		int rc;

		memcpy(m, hostile[i].bytes.ptr, len);
		rc = batch_check(&b, (struct str){ m, len });
		if (rc != hostile[i].result)
			fail_msg("%s", hostile[i].what);
		batch_fini(&b);
		free(m);
	}
}

static struct str
many(struct bytes *out, unsigned n, size_t len)
{
	char buf[RECORD_MAX + 1];
	uint8_t head[] = { 0x1a, (uint8_t)(0x80 | (len & 0x7f)),
		(uint8_t)(len >> 7) };

	bytes_clear(out);
	bytes_add(out, STREAM SEQ, 20);
	for (unsigned i = 0; i < n; i++) {
		bytes_add(out, head, sizeof(head));
		bytes_add(out, body_of(buf, len, i).ptr, len);
	}
	return (struct str){ out->ptr, out->len };
}

static void
test_too_many_too_large(void **state)
{
	static const struct {
		unsigned n;
		size_t len;
		int result;
	} cases[] = {
		{ BATCH_RECORDS_MAX, 4, 0 }, { BATCH_RECORDS_MAX + 1, 4, -1 },
		{ 1, RECORD_MAX, 0 }, { 1, RECORD_MAX + 1, -1 },
		{ 63, RECORD_MAX, 0 }, { 64, RECORD_MAX, -1 },
	};
	struct bytes out = { 0 };
	struct batch b;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(batch_check(&b,
		    many(&out, cases[i].n, cases[i].len)), cases[i].result);
		batch_fini(&b);
	}
	bytes_fini(&out);
}

static void
test_every_prefix_is_a_shorter_batch_or_none(void **state)
{
	struct batch_writer *w = batch_writer_new(&stream, "proxy", 300);
	char buf[64];
	struct batch b;
	struct str m;
	unsigned whole = 0;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(batch_writer_add(w, body_of(buf, 20 + i, i)));
	m = batch_writer_take(w);
	for (size_t len = 0; len < m.len; len++) {
		char *cut = xmemdup0(m.ptr, len);

		if (batch_check(&b, (struct str){ cut, len }) == 0) {
			/* Only between two fields. */
			whole++;
			assert_int_equal(b.n, whole);
			batch_fini(&b);
		}
		free(cut);
	}
	assert_int_equal(whole, 5);
	batch_writer_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_goes_in_comes_out),
		cmocka_unit_test(test_agrees_with_protobuf),
		cmocka_unit_test(test_full_by_number),
		cmocka_unit_test(test_full_by_bytes),
		cmocka_unit_test(test_name_of_the_proxy_is_made_valid),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_too_many_too_large),
		cmocka_unit_test(test_every_prefix_is_a_shorter_batch_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
