/* SPDX-License-Identifier: MIT */
#include "users/users_wish.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "users/users_impl.h"

/* Names what cannot be said in the file. Returns -1. */
static int
refuse(struct str what, const char *why, struct err *err)
{
	char shown[128];
	struct text t = text_on(shown, sizeof(shown));

	text_escaped(&t, what);
	return err_set(err, "%s: %s", shown, why);
}

int
users_wish_name(struct user *wish, struct str name, struct err *err)
{
	if (!users_name_ok(name))
		return err_set(err, "expected a user name of 1 to %d bytes, "
		    "without control characters, spaces at its ends or bytes "
		    "that are not UTF-8", USERS_NAME_MAX);
	wish->name = (struct str){ xmemdup0(name.ptr, name.len), name.len };
	return 0;
}

int
users_wish_hash(struct user *wish, struct str hash, struct err *err)
{
	if (passhash_check(hash, err) != 0)
		return -1;
	wish->hash = xmemdup0(hash.ptr, hash.len);
	return 0;
}

static int
add_group(struct string_list *groups, struct str group, struct err *err)
{
	if (!users_name_ok(group))
		return refuse(group, "not a group's name", err);
	for (size_t i = 0; i < groups->n; i++)
		if (str_eq_nocase(str_from(groups->v[i]), group))
			return err_set(err, "the group %s is given twice",
			    groups->v[i]);
	groups->v[groups->n++] = xmemdup0(group.ptr, group.len);
	return 0;
}

int
users_wish_groups(struct user *wish, const struct str *groups, size_t n,
    struct err *err)
{
	if (n > USERS_GROUPS_MAX)
		return err_set(err, "more than %d groups", USERS_GROUPS_MAX);
	wish->groups.v = xcalloc(n + 1, sizeof(*wish->groups.v));
	for (size_t i = 0; i < n; i++)
		if (add_group(&wish->groups, groups[i], err) != 0)
			return -1;
	return 0;
}

/* As the file can say it: to the microsecond, and not beyond its years. */
int
users_wish_expires(struct user *wish, uint64_t expires_us, struct err *err)
{
	char text[CLOCK_TEXT_SIZE];
	uint64_t read_us = 0;

	clock_format(text, expires_us, 6);
	if (expires_us != 0 && (clock_parse(text, strlen(text), &read_us) != 0
	    || read_us != expires_us))
		return err_set(err, "not a time before the year 10000");
	wish->expires_us = expires_us;
	return 0;
}

static int
add_range(struct cidr_list *ranges, struct str range, struct err *err)
{
	struct err why;

	if (cidr_parse(&ranges->v[ranges->n], range, &why) != 0)
		return refuse(range, why.text, err);
	ranges->n++;
	return 0;
}

int
users_wish_sources(struct user *wish, const struct str *sources, size_t n,
    struct err *err)
{
	wish->sources.v = xcalloc(n + 1, sizeof(*wish->sources.v));
	for (size_t i = 0; i < n; i++)
		if (add_range(&wish->sources, sources[i], err) != 0)
			return -1;
	return 0;
}

static int
add_network(struct cidr_list *networks, struct str network, struct err *err)
{
	const struct cidr_list before = *networks;

	if (add_range(networks, network, err) != 0)
		return -1;
	if (users_networks_have(&before, &networks->v[before.n]))
		return refuse(network, "the network is given twice", err);
	return 0;
}

int
users_wish_networks(struct user *wish, const struct str *networks, size_t n,
    struct err *err)
{
	if (n > USERS_NETWORKS_MAX)
		return err_set(err, "more than %d networks",
		    USERS_NETWORKS_MAX);
	wish->networks.v = xcalloc(n + 1, sizeof(*wish->networks.v));
	for (size_t i = 0; i < n; i++)
		if (add_network(&wish->networks, networks[i], err) != 0)
			return -1;
	return 0;
}

int
users_wish_limits(struct user *wish, struct str limits, struct err *err)
{
	if (limits.ptr == NULL)
		return 0;
	if (users_class_check(limits, err) != 0)
		return -1;
	wish->limits = xmemdup0(limits.ptr, limits.len);
	return 0;
}
