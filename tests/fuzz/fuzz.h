/* SPDX-License-Identifier: MIT */
/*
 * fuzz: what a harness defines.
 *
 * It reads any bytes, checks with ASSERT what must hold for all of them, and
 * returns 0. libFuzzer's main or replay.c calls it, many times a process.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
