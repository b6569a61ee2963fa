/* SPDX-License-Identifier: MIT */
#include "crypt/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/mem.h"

struct digest_keyed {
	EVP_MAC_CTX *ctx;	/* holds the key */
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

struct digest_keyed *
digest_keyed_new(void)
{
	char sha256[] = "SHA256";
	OSSL_PARAM params[] = {
		{ "digest", OSSL_PARAM_UTF8_STRING, sha256, 6, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct digest_keyed *k = xmalloc(sizeof(*k));
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	uint8_t key[DIGEST_SIZE];

	random_bytes(key, sizeof(key));
	k->ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	if (k->ctx == NULL ||
	    EVP_MAC_init(k->ctx, key, sizeof(key), params) != 1)
		die("OpenSSL has no HMAC-SHA-256");
	secret_wipe(key, sizeof(key));
	return k;
}

void
digest_keyed_parts(struct digest_keyed *k, uint8_t out[static DIGEST_SIZE],
    const struct str *parts, size_t n)
{
	size_t len = 0;
	bool ok = EVP_MAC_init(k->ctx, NULL, 0, NULL) == 1;

	for (size_t i = 0; ok && i < n; i++) {
		uint64_t part_len = parts[i].len;

		ok = EVP_MAC_update(k->ctx, (const uint8_t *)&part_len,
		    sizeof(part_len)) == 1 &&
		    EVP_MAC_update(k->ctx, (const uint8_t *)parts[i].ptr,
		    parts[i].len) == 1;
	}
	ASSERT(ok && EVP_MAC_final(k->ctx, out, &len, DIGEST_SIZE) == 1);
	ASSERT(len == DIGEST_SIZE);
}

void
digest_keyed_free(struct digest_keyed **kp)
{
	if (*kp == NULL)
		return;
	EVP_MAC_CTX_free((*kp)->ctx);
	free(*kp);
	*kp = NULL;
}
