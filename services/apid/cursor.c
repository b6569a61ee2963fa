/* SPDX-License-Identifier: MIT */
#include "apid/cursor.h"

#include <string.h>

#include "base/buf.h"

#define VERSION 1
#define PLAIN_SIZE 41		/* version, three times, an id */
#define MAC_SIZE 16
#define RAW_SIZE (PLAIN_SIZE + MAC_SIZE)
#define BLOCK_SIZE 64		/* of SHA-256 */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* RFC 2104 under a key that is one digest long. */
static void
hmac(uint8_t out[static DIGEST_SIZE], const uint8_t key[static DIGEST_SIZE],
    struct str a, struct str b)
{
	uint8_t pad[BLOCK_SIZE], inner[DIGEST_SIZE];
	struct bytes text = { 0 };

	memset(pad, 0x36, sizeof(pad));
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		pad[i] ^= key[i];
	bytes_add(&text, pad, sizeof(pad));
	bytes_add(&text, a.ptr, a.len);
	bytes_add(&text, b.ptr, b.len);
	digest_sha256(inner, text.ptr, text.len);
	for (size_t i = 0; i < BLOCK_SIZE; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	bytes_clear(&text);
	bytes_add(&text, pad, sizeof(pad));
	bytes_add(&text, inner, sizeof(inner));
	digest_sha256(out, text.ptr, text.len);
	bytes_fini(&text);
}

static void
encode(char *out, const uint8_t raw[static RAW_SIZE])
{
	for (size_t i = 0; i < RAW_SIZE; i += 3) {
		uint32_t v = (uint32_t)raw[i] << 16 |
		    (uint32_t)raw[i + 1] << 8 | raw[i + 2];

		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = alphabet[v >> 6 & 63];
		*out++ = alphabet[v & 63];
	}
	*out = '\0';
}

static bool
decode(uint8_t raw[static RAW_SIZE], struct str text)
{
	uint32_t v = 0;

	if (text.len != CURSOR_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		/* NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
		const char *at = memchr(alphabet, text.ptr[i], 64);

		if (at == NULL)
			return false;
		v = v << 6 | (uint32_t)(at - alphabet);
		if (i % 4 != 3)
			continue;
		*raw++ = (uint8_t)(v >> 16);
		*raw++ = (uint8_t)(v >> 8);
		*raw++ = (uint8_t)v;
	}
	return true;
}

void
cursor_write(char out[static CURSOR_TEXT_SIZE], const struct cursor *c,
    const uint8_t key[static DIGEST_SIZE], struct str bound)
{
	uint8_t raw[RAW_SIZE], mac[DIGEST_SIZE];
	struct writer w = writer_on(raw, PLAIN_SIZE);

	writer_u8(&w, VERSION);
	writer_u64(&w, c->since_us);
	writer_u64(&w, c->until_us);
	writer_u64(&w, c->key.started_us);
	writer_put(&w, c->key.id.b, sizeof(c->key.id.b));
	ASSERT(!w.failed && w.len == PLAIN_SIZE);
	hmac(mac, key, (struct str){ (char *)raw, PLAIN_SIZE }, bound);
	memcpy(raw + PLAIN_SIZE, mac, MAC_SIZE);
	encode(out, raw);
}

bool
cursor_read(struct cursor *c, struct str text,
    const uint8_t key[static DIGEST_SIZE], struct str bound)
{
	uint8_t raw[RAW_SIZE], mac[DIGEST_SIZE];
	struct reader r;
	struct str id;

	if (!decode(raw, text))
		return false;
	r = reader_on(raw, PLAIN_SIZE);
	hmac(mac, key, (struct str){ (char *)raw, PLAIN_SIZE }, bound);
	if (!digest_equal(mac, raw + PLAIN_SIZE, MAC_SIZE) ||
	    reader_u8(&r) != VERSION)
		return false;
	c->since_us = reader_u64(&r);
	c->until_us = reader_u64(&r);
	c->key.started_us = reader_u64(&r);
	id = reader_take(&r, sizeof(c->key.id.b));
	memcpy(c->key.id.b, id.ptr, sizeof(c->key.id.b));
	return true;
}
