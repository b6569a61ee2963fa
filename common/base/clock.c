/* SPDX-License-Identifier: MIT */
/* libc's gmtime_r and timegm share a lock; ours need none. */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"

#define DAY_S 86400
#define YEAR_MAX 9999
/* 9999-12-31T23:59:59.999999Z */
#define WALL_MAX UINT64_C(253402300799999999)

/* Relaxed atomics: a test may move the clock while threads run. */
static struct {
	bool on;
	uint64_t mono, wall;
} frozen;

static uint64_t
read_us(clockid_t id, const uint64_t *instead)
{
	struct timespec ts;

	if (__atomic_load_n(&frozen.on, __ATOMIC_ACQUIRE))
		return __atomic_load_n(instead, __ATOMIC_RELAXED);
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_mono_us(void)
{
	return read_us(CLOCK_BOOTTIME, &frozen.mono);
}

uint64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

struct timespec
clock_in_ms(uint64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

void
clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

uint64_t
clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME, &frozen.wall);
}

void
clock_test_set(uint64_t mono_us, uint64_t wall_us)
{
	__atomic_store_n(&frozen.mono, mono_us, __ATOMIC_RELAXED);
	__atomic_store_n(&frozen.wall, wall_us, __ATOMIC_RELAXED);
	__atomic_store_n(&frozen.on, true, __ATOMIC_RELEASE);
}

void
clock_test_reset(void)
{
	__atomic_store_n(&frozen.on, false, __ATOMIC_RELEASE);
}

struct date {
	unsigned year, month, day;
};

static bool
is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned
month_days(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31,
		30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days between 0000-01-01 and the first day of `year`. */
static int64_t
year_start(unsigned year)
{
	int64_t y = (int64_t)year - 1;

	if (year == 0)
		return 0;
	return 366 + y * 365 + y / 4 - y / 100 + y / 400;
}

/* Days since 1970-01-01, below 0 before it. */
static int64_t
days_of(struct date d)
{
	int64_t days = year_start(d.year) - year_start(1970) + d.day - 1;
	unsigned m;

	for (m = 1; m < d.month; m++)
		days += month_days(d.year, m);
	return days;
}

static struct date
date_of(int64_t days)
{
	/* 366 makes the guess early by a few years at most, never late. */
	struct date d = { 1970 + (unsigned)(days / 366), 1, 1 };

	while (d.year < YEAR_MAX && days_of((struct date){ d.year + 1, 1, 1 })
	    <= days)
		d.year++;
	days -= days_of(d);
	while (days >= month_days(d.year, d.month))
		days -= month_days(d.year, d.month++);
	d.day += (unsigned)days;
	return d;
}

void
clock_format(char out[static CLOCK_TEXT_SIZE], uint64_t wall_us,
    unsigned digits)
{
	uint64_t us = wall_us < WALL_MAX ? wall_us : WALL_MAX;
	uint64_t s = us / 1000000;
	struct date d = date_of((int64_t)(s / DAY_S));
	int n;

	ASSERT(digits == 3 || digits == 6);
	n = snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.",
	    d.year % 10000, d.month, d.day, (unsigned)(s / 3600 % 24),
	    (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	if (digits == 6)
		snprintf(out + n, CLOCK_TEXT_SIZE - (size_t)n, "%06uZ",
		    (unsigned)(us % 1000000));
	else
		snprintf(out + n, CLOCK_TEXT_SIZE - (size_t)n, "%03uZ",
		    (unsigned)(us / 1000 % 1000));
}

/* What is left to parse; `bad` sticks. */
struct scan {
	const char *p, *end;
	bool bad;
};

static bool
at_digit(const struct scan *s)
{
	return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

/* Exactly `digits` digits with a value in [min, max]. */
static unsigned
scan_number(struct scan *s, unsigned digits, unsigned min, unsigned max)
{
	unsigned v = 0;

	for (; digits > 0; digits--) {
		if (!at_digit(s)) {
			s->bad = true;
			return min;
		}
		v = v * 10 + (unsigned)(*s->p++ - '0');
	}
	if (v >= min && v <= max)
		return v;
	s->bad = true;
	return min;
}

/* One of the two characters. */
static void
scan_char(struct scan *s, char c, char or)
{
	if (s->p < s->end && (*s->p == c || *s->p == or))
		s->p++;
	else
		s->bad = true;
}

/* ".5" -> 500000; absent: 0; digits beyond the sixth count for nothing. */
static unsigned
scan_fraction(struct scan *s)
{
	unsigned us = 0, unit = 100000;

	if (s->p == s->end || *s->p != '.')
		return 0;
	s->p++;
	if (!at_digit(s))
		s->bad = true;
	for (; at_digit(s); s->p++, unit /= 10)
		us += unit * (unsigned)(*s->p - '0');
	return us;
}

/* "Z", "+01:30": seconds east of Greenwich. */
static int
scan_offset(struct scan *s)
{
	bool west;
	int hours, minutes;

	if (s->p < s->end && (*s->p == 'Z' || *s->p == 'z')) {
		s->p++;
		return 0;
	}
	west = s->p < s->end && *s->p == '-';
	scan_char(s, '+', '-');
	hours = (int)scan_number(s, 2, 0, 23);
	scan_char(s, ':', ':');
	minutes = (int)scan_number(s, 2, 0, 59);
	return (hours * 60 + minutes) * (west ? -60 : 60);
}

int
clock_parse(const char *text, size_t len, uint64_t *wall_us)
{
	struct scan s = { text, text + len, false };
	struct date d;
	unsigned hour, min, sec, us;
	int64_t t;

	d.year = scan_number(&s, 4, 0, YEAR_MAX);
	scan_char(&s, '-', '-');
	d.month = scan_number(&s, 2, 1, 12);
	scan_char(&s, '-', '-');
	d.day = scan_number(&s, 2, 1, month_days(d.year, d.month));
	scan_char(&s, 'T', 't');
	hour = scan_number(&s, 2, 0, 23);
	scan_char(&s, ':', ':');
	min = scan_number(&s, 2, 0, 59);
	scan_char(&s, ':', ':');
	sec = scan_number(&s, 2, 0, 60);
	us = scan_fraction(&s);
	t = days_of(d) * DAY_S + (int64_t)hour * 3600 + (int64_t)min * 60 +
	    sec;
	t -= scan_offset(&s);
	/* A leap second ends a UTC day; it is shown as the next one's first. */
	if (s.bad || s.p != s.end || t < 0 || (sec == 60 && t % DAY_S != 0))
		return -1;
	*wall_us = (uint64_t)t * 1000000 + us;
	return 0;
}
