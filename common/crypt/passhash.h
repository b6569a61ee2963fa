/* SPDX-License-Identifier: MIT */
/*
 * passhash: password hashes of crypt(5), through libxcrypt.
 *
 * yescrypt is written; whatever crypt(3) knows and holds to be strong is read
 * ($y$ $gy$ $7$ $2b$ $2y$ $6$ $5$; of the bcrypt ones only the first 72 bytes
 * of a password count). passhash_make and passhash_verify take CPU time on
 * purpose (about 14 ms and 16 MiB at the default cost): never on a serving
 * thread. Any thread.
 */
#ifndef CRYPT_PASSHASH_H
#define CRYPT_PASSHASH_H

#include "base/err.h"
#include "base/str.h"

#define PASSHASH_MAX 384

/*
 * Hashes 1 to 255 bytes without NUL under a fresh salt.
 * cost: 0 = the library's default, else 1-11 for yescrypt.
 */
int passhash_make(char out[static PASSHASH_MAX], struct str password,
    unsigned cost, struct err *err) MUST_CHECK;
/*
 * Is it a hash that we would verify? Known and strong, whole, and of a cost
 * that a login can bear (1 GiB; bcrypt 16; 5,000,000 rounds). `err` says what
 * is wrong, never the hash itself. Costs no time.
 */
int passhash_check(struct str hash, struct err *err) MUST_CHECK;

enum passhash_result { PASSHASH_WRONG, PASSHASH_RIGHT, PASSHASH_FAILED };
/*
 * A password that is empty, holds NUL or is over 255 bytes is WRONG, after
 * the same work. Working memory is wiped. FAILED: passhash_check would refuse
 * the hash, or memory is out.
 */
enum passhash_result passhash_verify(struct str password, const char *hash)
    MUST_CHECK;

#endif
