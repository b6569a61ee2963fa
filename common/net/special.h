/* SPDX-License-Identifier: MIT */
/*
 * special: the special-purpose address ranges that stay closed after all
 * rules (threats.md section 5), and IPv4 addresses embedded in IPv6.
 *
 * IPv4 is a deny list. IPv6 is an allow list: only 2000::/3 outside the table,
 * and 64:ff9b::/96 around a permitted IPv4 address, are open. Sources: IANA
 * special-purpose registries, RFC 6890, RFC 6052. Any thread.
 */
#ifndef NET_SPECIAL_H
#define NET_SPECIAL_H

#include <stddef.h>

#include "net/addr.h"
#include "net/cidr.h"

/*
 * The name of the closed range ("loopback", "private", "link-local, metadata",
 * …) that `a` falls into, judged on the address and on what it embeds; NULL
 * when it is open. `nat64` lists further RFC 6052 prefixes (may be NULL, 0);
 * where they overlap the longest counts. The name is static.
 */
const char *special_range(const struct addr *a, const struct cidr *nat64,
    size_t n_nat64);

/*
 * Is any part of the range closed? Its name, or NULL. For load warnings: the
 * ISATAP interface ids that every wide IPv6 range holds do not count.
 */
const char *special_overlap(const struct cidr *c);

/*
 * Is this an IPv6 prefix of a length that RFC 6052 allows (32, 40, 48, 56, 64,
 * 96)? Check what is configured: addresses in any other stay closed.
 */
bool special_nat64_ok(const struct cidr *c) MUST_CHECK;

/* Teredo has two, and any prefix may carry an ISATAP interface id. */
#define SPECIAL_EMBEDDED_MAX 3
/*
 * IPv4 addresses inside `a` (6to4, Teredo's two, NAT64, ISATAP, compatible,
 * translated), at most SPECIAL_EMBEDDED_MAX; 0 for plain addresses. They embed
 * nothing further. Rules by range are judged on these as well.
 */
size_t special_embedded(const struct addr *a, const struct cidr *nat64,
    size_t n_nat64, struct addr out[static SPECIAL_EMBEDDED_MAX]);

#endif
