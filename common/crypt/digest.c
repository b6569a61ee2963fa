/* SPDX-License-Identifier: MIT */
/* OpenSSL would rather have EVP here, which allocates for each HMAC and takes
 * twice the time; these functions are in every release from 1.0 to 3.5. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypt/digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"

/* RFC 2104's two hashes, after the block that the key fills. */
struct digest_keyed {
	SHA256_CTX inner, outer;
};

void
digest_sha256(uint8_t out[static DIGEST_SIZE], const void *p, size_t len)
{
	ASSERT(SHA256(p, len, out) != NULL);
}

bool
digest_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

bool
digest_equal_str(struct str a, struct str b)
{
	uint8_t da[DIGEST_SIZE], db[DIGEST_SIZE];

	digest_sha256(da, a.ptr, a.len);
	digest_sha256(db, b.ptr, b.len);
	return digest_equal(da, db, sizeof(da));
}

/* The key, padded to a block, as both halves of the HMAC begin with it. */
static void
begin_half(SHA256_CTX *half, const uint8_t key[static DIGEST_SIZE],
    uint8_t pad)
{
	uint8_t block[SHA256_CBLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		block[i] ^= key[i];
	ASSERT(SHA256_Init(half) == 1 &&
	    SHA256_Update(half, block, sizeof(block)) == 1);
	secret_wipe(block, sizeof(block));
}

struct digest_keyed *
digest_keyed_with(const uint8_t key[static DIGEST_SIZE])
{
	struct digest_keyed *k = xmalloc(sizeof(*k));

	begin_half(&k->inner, key, 0x36);
	begin_half(&k->outer, key, 0x5c);
	return k;
}

struct digest_keyed *
digest_keyed_new(void)
{
	struct digest_keyed *k;
	uint8_t key[DIGEST_SIZE];

	random_bytes(key, sizeof(key));
	k = digest_keyed_with(key);
	secret_wipe(key, sizeof(key));
	return k;
}

void
digest_keyed_parts(const struct digest_keyed *k,
    uint8_t out[static DIGEST_SIZE], const struct str *parts, size_t n)
{
	SHA256_CTX c = k->inner;
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		uint64_t len = parts[i].len;

		ok = SHA256_Update(&c, &len, sizeof(len)) == 1 &&
		    SHA256_Update(&c, parts[i].ptr, parts[i].len) == 1;
	}
	ok = ok && SHA256_Final(out, &c) == 1;
	c = k->outer;
	ok = ok && SHA256_Update(&c, out, DIGEST_SIZE) == 1;
	ASSERT(ok && SHA256_Final(out, &c) == 1);
	secret_wipe(&c, sizeof(c));
}

void
digest_keyed_free(struct digest_keyed **kp)
{
	if (*kp == NULL)
		return;
	secret_wipe(*kp, sizeof(**kp));
	free(*kp);
	*kp = NULL;
}
