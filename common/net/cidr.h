/* SPDX-License-Identifier: MIT */
/*
 * cidr: address ranges by prefix. IPv4 and IPv6 never match each other.
 *
 * Any thread; values are plain.
 */
#ifndef NET_CIDR_H
#define NET_CIDR_H

#include "net/addr.h"

struct cidr {
	struct addr base;	/* host bits are zero */
	uint8_t bits;		/* 0..128; IPv4 /n is 96 + n */
	bool v4;		/* matches IPv4 only; else only IPv6 */
};

#define CIDR_TEXT_SIZE 50

/* "10.0.0.0/8", "2001:db8::/32", or a bare address (/32, /128). Host bits
 * that are set are an error: the text then says what was meant. */
int cidr_parse(struct cidr *out, struct str s, struct err *err) MUST_CHECK;
bool cidr_has(const struct cidr *c, const struct addr *a);
/* Every address of `inner` is in `outer`. */
bool cidr_covers(const struct cidr *outer, const struct cidr *inner);
/* Every address of it is loopback or what addr_is_private says. */
bool cidr_is_private(const struct cidr *c);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);
void cidr_format(char out[static CIDR_TEXT_SIZE], const struct cidr *c);

#endif
