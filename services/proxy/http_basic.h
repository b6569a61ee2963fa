/* SPDX-License-Identifier: MIT */
/*
 * http_basic: user and password of a Proxy-Authorization field (RFC 7617).
 *
 * Pure; any thread. What is accepted is what RFC 1929 could carry, by the same
 * rules: a login means the same through every carrier (conformance.md cases
 * 16-18). The scheme is Basic in any case of letters; base64 is taken in its
 * one canonical form (RFC 4648 section 3.5), so that a login has one spelling.
 */
#ifndef PROXY_HTTP_BASIC_H
#define PROXY_HTTP_BASIC_H

#include "base/str.h"

/* 255 bytes of each and the colon, in whole groups of three. */
#define HTTP_BASIC_ROOM 513

struct http_basic {
	struct str user, password;	/* 1 to 255 bytes, within `bytes` */
	char bytes[HTTP_BASIC_ROOM];
};

/* Reads the field's value. false: another scheme, or a login that can be
 * nobody's. Either way the caller wipes `out`. */
bool http_basic_parse(struct http_basic *out, struct str value) MUST_CHECK;

#endif
