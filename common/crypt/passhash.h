/* SPDX-License-Identifier: MIT */
/*
 * passhash: password hashes of crypt(5), through libxcrypt.
 *
 * yescrypt is written; whatever crypt(3) knows and holds to be strong is read
 * ($y$ $gy$ $7$ $2b$ $6$ $5$). Each call takes CPU time on purpose (about
 * 14 ms and 16 MiB at the default cost): never on a serving thread. Any thread.
 */
#ifndef CRYPT_PASSHASH_H
#define CRYPT_PASSHASH_H

#include "base/err.h"
#include "base/str.h"

#define PASSHASH_MAX 384

/* cost: 0 = the library's default, else 1-11 for yescrypt. */
int passhash_make(char out[static PASSHASH_MAX], struct str password,
    unsigned cost, struct err *err) MUST_CHECK;
/* Is it a hash that we would verify? `err` says what is wrong with it. */
int passhash_check(struct str hash, struct err *err) MUST_CHECK;

enum passhash_result { PASSHASH_WRONG, PASSHASH_RIGHT, PASSHASH_FAILED };
/* A password that is empty, holds NUL or is over 255 bytes is WRONG, after
 * the same work. Working memory is wiped. */
enum passhash_result passhash_verify(struct str password, const char *hash)
    MUST_CHECK;

#endif
