/* SPDX-License-Identifier: MIT */
/*
 * prom: a strict reader of Prometheus' text format 0.0.4.
 *
 * Every sample must stand below the HELP and TYPE of its metric, each metric
 * in one piece, no sample twice; labels are escaped, numbers whole; buckets of
 * a histogram rise and end in +Inf, which is its count. Fails the test if not.
 */
#ifndef TESTS_APID_PROM_H
#define TESTS_APID_PROM_H

/* How many samples there are. */
unsigned prom_check(const char *page);
/* The value of the sample that is written `name` with its labels. */
double prom_value(const char *page, const char *name);

#endif
