/* SPDX-License-Identifier: MIT */
/* Port ranges, and addresses that are told to others in place of our own. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/value_impl.h"

#define PORT_LOWEST 1024u	/* below, a port needs privileges */

/* ---- port ranges ---- */

/* Digits only, 1 to 65535. */
static bool
port_parse(struct str s, uint16_t *port)
{
	uint64_t n;

	if (!str_to_u64(s, UINT16_MAX, &n) || n == 0)
		return false;
	*port = (uint16_t)n;
	return true;
}

int
ports_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	const char *dash = s.len == 0 ? NULL : memchr(s.ptr, '-', s.len);
	struct port_range r = { 0, 0 };

	(void)choices;
	if (!str_eq(s, STR("ephemeral"))) {
		size_t n = dash == NULL ? s.len : (size_t)(dash - s.ptr);
		struct str low = { s.ptr, n };
		struct str high = { s.ptr + n + 1, s.len - n - 1 };

		if (dash == NULL || !port_parse(low, &r.low) ||
		    !port_parse(high, &r.high))
			return value_fail(err, s, "is neither a range of "
			    "ports such as \"40000-40999\" nor \"ephemeral\"");
		if (r.low > r.high)
			return value_fail(err, s, "ends before it begins");
		if (r.low < PORT_LOWEST)
			return value_fail(err, s, "has ports below 1024");
	}
	v->ports = r;
	return 0;
}

void
ports_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	(void)choices;
	if (v->ports.low == 0)
		bytes_fmt(out, "\"ephemeral\"");
	else
		bytes_fmt(out, "\"%u-%u\"", v->ports.low, v->ports.high);
}

bool
ports_equal(const union value *a, const union value *b)
{
	return a->ports.low == b->ports.low && a->ports.high == b->ports.high;
}

/* ---- advertised addresses ---- */

static bool
is_multicast(const struct addr *a)
{
	return addr_is_v4(a) ? a->b[12] >= 224 : a->b[0] == 0xff;
}

static bool
advertised_same_clients(const struct advertised *x, const struct advertised *y)
{
	if (x->everyone || y->everyone)
		return x->everyone && y->everyone &&
		    addr_is_v4(&x->address) == addr_is_v4(&y->address);
	return x->clients.bits == y->clients.bits &&
	    x->clients.v4 == y->clients.v4 &&
	    addr_eq(&x->clients.base, &y->clients.base) &&
	    addr_is_v4(&x->address) == addr_is_v4(&y->address);
}

/* One entry; -1: `err` says what is wrong with it. */
static int
advertised_parse_one(struct advertised *a, struct str s, struct err *err)
{
	const char *sign = s.len == 0 ? NULL : memchr(s.ptr, '=', s.len);
	struct str address = s;

	*a = (struct advertised){ .everyone = sign == NULL };
	if (sign != NULL) {
		struct str clients = { s.ptr, (size_t)(sign - s.ptr) };

		if (cidr_parse(&a->clients, clients, err) < 0)
			return err_prefix(err, "the clients of an entry "
			    "NETWORK=ADDRESS");
		address.ptr = sign + 1;
		address.len = s.len - clients.len - 1;
	}
	if (!addr_parse(&a->address, address))
		return value_fail(err, s, "is neither ADDRESS nor "
		    "NETWORK=ADDRESS, such as \"203.0.113.7\" or "
		    "\"10.0.0.0/8=10.0.0.7\"");
	if (addr_is_unspecified(&a->address) || is_multicast(&a->address))
		return value_fail(err, s, "advertises an address that nobody "
		    "can send to");
	return 0;
}

int
advertised_parse(union value *v, struct str s, const char *const *choices,
    struct err *err)
{
	struct advertised_list *l = &v->advertised;
	struct advertised item;

	(void)choices;
	if (advertised_parse_one(&item, s, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		if (advertised_same_clients(&l->v[i], &item))
			return value_fail(err, s, "is for clients that "
			    "already have an address of this family");
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = item;
	return 0;
}

void
advertised_print(const union value *v, const char *const *choices,
    struct bytes *out)
{
	char clients[CIDR_TEXT_SIZE], address[ADDR_TEXT_SIZE];

	(void)choices;
	bytes_fmt(out, "[");
	for (size_t i = 0; i < v->advertised.n; i++) {
		const struct advertised *a = &v->advertised.v[i];

		addr_format(address, &a->address);
		bytes_fmt(out, "%s\"", i == 0 ? "" : ", ");
		if (!a->everyone) {
			cidr_format(clients, &a->clients);
			bytes_fmt(out, "%s=", clients);
		}
		bytes_fmt(out, "%s\"", address);
	}
	bytes_fmt(out, "]");
}

bool
advertised_equal(const union value *a, const union value *b)
{
	if (a->advertised.n != b->advertised.n)
		return false;
	for (size_t i = 0; i < a->advertised.n; i++) {
		const struct advertised *x = &a->advertised.v[i];
		const struct advertised *y = &b->advertised.v[i];

		if (!advertised_same_clients(x, y) ||
		    !addr_eq(&x->address, &y->address))
			return false;
	}
	return true;
}

uint64_t
advertised_measure(const union value *v)
{
	return v->advertised.n;
}

void
advertised_free(union value *v)
{
	free(v->advertised.v);
	v->advertised = (struct advertised_list){ 0 };
}

const struct addr *
advertised_find(const struct advertised_list *l, const struct addr *client,
    bool v4)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct advertised *a = &l->v[i];

		if (addr_is_v4(&a->address) == v4 &&
		    (a->everyone || cidr_has(&a->clients, client)))
			return &a->address;
	}
	return NULL;
}
