/* SPDX-License-Identifier: MIT */
/*
 * value_impl: what value.c and value_net.c share; not for other rooms.
 */
#ifndef CONFIG_VALUE_IMPL_H
#define CONFIG_VALUE_IMPL_H

#include "config/value.h"

/* "\"<s>\" <why>" with `s` made harmless and cut; -1. */
int value_fail(struct err *err, struct str s, const char *why);

/* The functions of VALUE_PORTS and VALUE_ADVERTISED; see struct value_ops. */
int ports_parse(union value *v, struct str s, const char *const *choices,
    struct err *err) MUST_CHECK;
void ports_print(const union value *v, const char *const *choices,
    struct bytes *out);
bool ports_equal(const union value *a, const union value *b);
int advertised_parse(union value *v, struct str s, const char *const *choices,
    struct err *err) MUST_CHECK;
void advertised_print(const union value *v, const char *const *choices,
    struct bytes *out);
bool advertised_equal(const union value *a, const union value *b);
uint64_t advertised_measure(const union value *v);
void advertised_free(union value *v);

#endif
