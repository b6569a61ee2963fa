/* SPDX-License-Identifier: MIT */
/*
 * clock: all time comes from here, so that tests can move it.
 *
 * Timers and durations use the boot clock, which runs through suspend; the
 * wall clock is for showing. Any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

uint64_t clock_mono_us(void);	/* CLOCK_BOOTTIME, µs */
uint64_t clock_mono_ms(void);
uint64_t clock_wall_us(void);	/* µs since 1970, UTC */

/* CLOCK_MONOTONIC in `ms`, for pthread_cond_timedwait: the waiting is the
 * kernel's, and goes by its clock whatever a test has set. And a condition
 * that is waited for by it; pthread_cond_destroy() ends it. */
struct timespec clock_in_ms(uint64_t ms);
void clock_cond_init(pthread_cond_t *cond);

/* Room for "2026-11-20T12:34:56.123456Z" and a NUL. */
#define CLOCK_TEXT_SIZE 28
/* RFC 3339, UTC, with 3 or 6 digits of fraction. Always fits: beyond the year
 * 9999 its last moment is shown. */
void clock_format(char out[static CLOCK_TEXT_SIZE], uint64_t wall_us,
    unsigned digits);
/* RFC 3339 with any offset -> µs UTC, the rest of a longer fraction dropped;
 * -1: malformed or before 1970. */
int clock_parse(const char *text, size_t len, uint64_t *wall_us);

/* Tests: freeze both clocks at these values; clock_test_reset undoes it. */
void clock_test_set(uint64_t mono_us, uint64_t wall_us);
void clock_test_reset(void);

#endif
