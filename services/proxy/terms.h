/* SPDX-License-Identifier: MIT */
/*
 * terms: what a listener asks of its clients, and what it serves.
 *
 * Read once from its configuration; what of that may be reloaded is not in
 * here, but taken from the configuration when it is needed. Pure.
 */
#ifndef PROXY_TERMS_H
#define PROXY_TERMS_H

#include "audit/record.h"
#include "config/settings.h"

#define TERMS_METHODS_MAX 2

struct terms {
	/* Before the first byte: AUTH_PAM_ADDRESS, or AUTH_NONE. */
	enum record_auth client;
	/* Of a login with name and password: AUTH_USERPASS,
	 * AUTH_PAM_USERNAME, or AUTH_NONE where there is none. */
	enum record_auth login;
	/* Who does not log in is served: as whom its address says it is, or
	 * as anonymous_user. */
	bool login_optional;
	uint8_t methods[TERMS_METHODS_MAX];	/* of SOCKS5, best first */
	uint8_t n_methods;
	unsigned carriers;		/* 1u << enum record_carrier, or-ed */
	unsigned commands;		/* 1u << enum record_command, or-ed */
};

void terms_read(struct terms *t, const struct listener_config *cfg);
/* May a client come from there? */
bool terms_admit(const struct cidr_list *sources, const struct addr *from)
    MUST_CHECK;

#endif
