/* SPDX-License-Identifier: MIT */
/*
 * name: the one canonical form of a destination.
 *
 * Grammar of conformance.md section 0: letters, digits, '-', '_', '.'; lower-
 * cased; one trailing dot removed; labels of 1 to 63 bytes; at most 253; last
 * label neither all digits nor starting with 0x. An IP literal becomes that
 * address. Matching, logging, resolving and dialling all see only this form.
 * Any thread.
 */
#ifndef NET_NAME_H
#define NET_NAME_H

#include "net/addr.h"

#define NAME_MAX_LEN 253

/* What a client asked for, after the grammar. */
struct dest {
	bool is_name;
	uint8_t name_len;
	char name[NAME_MAX_LEN + 1];	/* canonical; "" when an address */
	struct addr addr;		/* valid when !is_name */
	uint16_t port;
};

enum name_result { NAME_OK, NAME_IS_ADDR, NAME_BAD };

/*
 * Canonicalises host bytes from a client into `out` (name or addr; port is
 * left alone). Brackets are refused here; HTTP strips them first.
 */
enum name_result name_canonical(struct dest *out, struct str host) MUST_CHECK;
/* "host:port" as text, IPv6 in brackets. Always fits in 320 bytes. */
#define DEST_TEXT_SIZE 320
void dest_format(char out[static DEST_TEXT_SIZE], const struct dest *d);

#endif
