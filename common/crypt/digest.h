/* SPDX-License-Identifier: MIT */
/*
 * digest: SHA-256, HMAC-SHA-256 and constant-time compare, for all rooms.
 *
 * The only place beside TLS that includes OpenSSL. Any thread.
 */
#ifndef CRYPT_DIGEST_H
#define CRYPT_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define DIGEST_SIZE 32

void digest_sha256(uint8_t out[static DIGEST_SIZE], const void *p, size_t len);
/* Same time for any content of one length; the length may show. */
bool digest_equal(const void *a, const void *b, size_t len) MUST_CHECK;
/* Compares strings of unknown length without telling how much matched. */
bool digest_equal_str(struct str a, struct str b) MUST_CHECK;

/* HMAC-SHA-256 under a key that is drawn here and never leaves (lease keys). */
struct digest_keyed;

struct digest_keyed *digest_keyed_new(void) MUST_CHECK;
/* Under this key, for tests. */
struct digest_keyed *digest_keyed_with(const uint8_t key[static DIGEST_SIZE])
    MUST_CHECK;
/* Over length-prefixed parts, so that ("ab","c") and ("a","bc") differ. */
void digest_keyed_parts(const struct digest_keyed *k,
    uint8_t out[static DIGEST_SIZE], const struct str *parts, size_t n);
void digest_keyed_free(struct digest_keyed **kp);

#endif
