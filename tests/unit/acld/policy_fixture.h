/* SPDX-License-Identifier: MIT */
/*
 * policy_fixture: policies from text, for the tests of acld. One thread.
 */
#ifndef TESTS_ACLD_POLICY_FIXTURE_H
#define TESTS_ACLD_POLICY_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "acld/policy.h"
#include "acld/policy_load.h"
#include "config/settings.h"

/* Settings as they are by default: an empty fence, a million rules. */
struct acld_config fixture_config(void);
/* `path` is for messages and the syntax; NULL: the report has errors. */
struct policy *fixture_parse(const char *path, const char *text,
    const struct acld_config *cfg, struct policy_report *report);
/* The same, and the test fails with the errors if there are any. */
struct policy *fixture_policy(const char *text);
/* A whole file; the test fails if there is none. */
char *fixture_read(const char *path);
/* "1.2.3.4,2001:db8::1" -> addresses; how many. The test fails on others. */
unsigned fixture_addrs(const char *list, struct addr *out, unsigned max);
/* Ranges with commas between, appended to `l`. */
void fixture_cidrs(const char *list, struct cidr_list *l);

#endif
