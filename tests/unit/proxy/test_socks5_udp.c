/* SPDX-License-Identifier: MIT */
/* Headers of datagrams: conformance.md cases 62 to 69. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hex.h"
#include "proxy/socks5_udp.h"

struct header_case {
	const char *name, *header, *payload;
	enum socks5_udp_verdict verdict;
	const char *dest;
};

#define OK(dest) SOCKS5_UDP_OK, dest
#define BAD(verdict) SOCKS5_UDP_##verdict, NULL

static const struct header_case headers[] = {
	{ "IPv4", "0000 00 01 08080808 0035", "abcd", OK("8.8.8.8:53") },
	{ "IPv6", "0000 00 04 20010db8000000000000000000000001 01bb", "ff",
	    OK("[2001:db8::1]:443") },
	{ "case 33: mapped",
	    "0000 00 04 00000000000000000000ffff08080808 0035", "ff",
	    OK("8.8.8.8:53") },
	{ "case 65: empty payload", "0000 00 01 08080808 0035", "",
	    OK("8.8.8.8:53") },
	{ "case 66: name", "0000 00 03 0b 'EXAMPLE.com' 0035", "abcd",
	    OK("example.com:53") },
	{ "case 27: a literal for a name", "0000 00 03 07 '8.8.8.8' 0035",
	    "ab", OK("8.8.8.8:53") },
	{ "case 62: first fragment", "0000 01 01 08080808 0035", "ab",
	    BAD(FRAG) },
	{ "case 62: last fragment", "0000 81 01 08080808 0035", "ab",
	    BAD(FRAG) },
	{ "case 62: whatever comes behind", "0000 01 09", "", BAD(FRAG) },
	{ "case 63: RSV", "0001 00 01 08080808 0035", "ab", BAD(RSV) },
	{ "case 63: RSV before FRAG", "ff00 01 01 08080808 0035", "ab",
	    BAD(RSV) },
	{ "case 64: empty", "", "", BAD(RUNT) },
	{ "case 64: runt", "0000 00", "", BAD(RUNT) },
	{ "case 64: address cut", "0000 00 01 080808", "", BAD(RUNT) },
	{ "case 64: no port", "0000 00 01 08080808 00", "", BAD(RUNT) },
	{ "case 64: ATYP 0", "0000 00 00 08080808 0035", "ab", BAD(ATYP) },
	{ "case 64: ATYP 2", "0000 00 02 08080808 0035", "ab", BAD(ATYP) },
	{ "case 64: name beyond the datagram", "0000 00 03 ff 'a' 0035", "",
	    BAD(RUNT) },
	{ "case 25: empty name", "0000 00 03 00 0035", "ab", BAD(NAME) },
	{ "case 26: NUL in a name", "0000 00 03 03 610062 0035", "ab",
	    BAD(NAME) },
	{ "case 28: a number", "0000 00 03 0a '2130706433' 0035", "ab",
	    BAD(NAME) },
	{ "case 32: a zone", "0000 00 03 0b 'fe80::1%eth' 0035", "",
	    BAD(NAME) },
	{ "port 0", "0000 00 01 08080808 0000", "ab", BAD(PORT) },
};

/* What is left over from the last datagram must not show. */
static struct dest
stale(void)
{
	struct dest d = { .is_name = true, .name_len = 5, .name = "stale",
		.port = 1 };

	memset(&d.addr, 0xee, sizeof(d.addr));
	return d;
}

static void
check_header(const struct header_case *c, struct str datagram, size_t header)
{
	struct dest d = stale();
	struct str payload;
	char text[DEST_TEXT_SIZE];

	assert_int_equal(socks5_udp_parse(datagram, &d, &payload), c->verdict);
	if (c->verdict != SOCKS5_UDP_OK)
		return;
	dest_format(text, &d);
	assert_string_equal(text, c->dest);
	assert_int_equal(strlen(d.name), d.name_len);
	assert_ptr_equal(payload.ptr, datagram.ptr + header);
	assert_int_equal(payload.len, datagram.len - header);
}

/* A datagram cut within its header is a runt, or has what is wrong. */
static void
check_cut(const struct header_case *c, struct str cut)
{
	struct dest d = stale();
	struct str payload;
	enum socks5_udp_verdict v = socks5_udp_parse(cut, &d, &payload);

	assert_true(v == SOCKS5_UDP_RUNT ||
	    (v == c->verdict && v != SOCKS5_UDP_OK));
}

static void
test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		const struct header_case *c = &headers[i];
		struct str header = hex_bytes(c->header);
		char *text = xasprintf("%s%s", c->header, c->payload);
		struct str whole = hex_bytes(text);

		print_message("%s\n", c->name);
		check_header(c, whole, header.len);
		for (size_t n = 0; n < header.len; n++) {
			struct str cut = hex_cut(whole, n);

			check_cut(c, cut);
			free((void *)cut.ptr);
		}
		free((void *)whole.ptr);
		free((void *)header.ptr);
		free(text);
	}
}

/* A name of 255 bytes is too long, one of 253 makes the longest header. */
static void
test_longest(void **state)
{
	char in[SOCKS5_UDP_HEADER_MAX] = { 0, 0, 0, 3, (char)255 };
	struct str datagram = { in, sizeof(in) }, payload;
	struct dest d;

	(void)state;
	for (size_t i = 0; i < 255; i++)
		in[5 + i] = i % 2 == 0 ? 'a' : '.';
	in[sizeof(in) - 1] = 53;
	assert_int_equal(socks5_udp_parse(datagram, &d, &payload),
	    SOCKS5_UDP_NAME);
	in[4] = (char)254;	/* with its dot */
	memcpy(in + 5 + 254, "\0\65!", 3);
	assert_int_equal(socks5_udp_parse(datagram, &d, &payload),
	    SOCKS5_UDP_OK);
	assert_int_equal(d.name_len, NAME_MAX_LEN);
	assert_int_equal(d.port, 53);
	assert_int_equal(payload.len, 1);
}

struct reply_case {
	const char *from, *bytes;
};

static const struct reply_case replies[] = {
	{ "10.1.2.3:4660", "0000 00 01 0a010203 1234" },
	{ "[2001:db8::1]:53",
	    "0000 00 04 20010db8000000000000000000000001 0035" },
	/* case 69: unmapped */
	{ "[::ffff:10.1.2.3]:53", "0000 00 01 0a010203 0035" },
};

static void
test_replies(void **state)
{
	uint8_t out[SOCKS5_UDP_HEADER_V6];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		const struct reply_case *c = &replies[i];
		struct str bytes = hex_bytes(c->bytes), payload;
		struct endpoint from;
		struct dest d;
		size_t n;

		assert_true(endpoint_parse(&from, str_from(c->from)));
		n = socks5_udp_header(out, &from);
		assert_int_equal(n, bytes.len);
		assert_memory_equal(out, bytes.ptr, n);
		assert_true(n == (addr_is_v4(&from.addr) ?
		    SOCKS5_UDP_HEADER_V4 : SOCKS5_UDP_HEADER_V6));
		/* It reads as what it says. */
		assert_int_equal(socks5_udp_parse(bytes, &d, &payload),
		    SOCKS5_UDP_OK);
		assert_true(addr_eq(&d.addr, &from.addr));
		assert_int_equal(d.port, from.port);
		free((void *)bytes.ptr);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
