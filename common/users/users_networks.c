/* SPDX-License-Identifier: MIT */
/*
 * All users' networks in one array, in the order of their first addresses and
 * a larger network before those within it. So whatever has an address is the
 * last one that begins at or before it, or one of those that this one lies in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "users/users_impl.h"

static int
compare(const struct cidr *a, const struct cidr *b)
{
	int order = a->v4 != b->v4 ? a->v4 - b->v4 :
	    memcmp(a->base.b, b->base.b, sizeof(a->base.b));

	return order != 0 ? order : a->bits - b->bits;
}

bool
users_networks_have(const struct cidr_list *networks,
    const struct cidr *network)
{
	for (size_t i = 0; i < networks->n; i++)
		if (compare(&networks->v[i], network) == 0)
			return true;
	return false;
}

/* The same networks in the order of the file. */
static int
by_place(const void *a, const void *b)
{
	const struct users_network *x = a, *y = b;
	int order = compare(&x->cidr, &y->cidr);

	if (order != 0)
		return order;
	return x->line != y->line ? x->line - y->line : x->column - y->column;
}

/* Each one's smallest network that it lies in; of duplicates the first. */
static void
nest(struct users_file *f)
{
	struct users_network *v = f->networks;

	for (int i = 0; (size_t)i < f->n_networks; i++) {
		v[i].within = i - 1;
		while (v[i].within >= 0 &&
		    !cidr_covers(&v[v[i].within].cidr, &v[i].cidr))
			v[i].within = v[v[i].within].within;
	}
}

void
users_networks_add(struct users_file *f, const struct users_network *n)
{
	if (f->n_networks == f->networks_cap) {
		f->networks_cap = f->networks_cap * 2 + 16;
		f->networks = xreallocarray(f->networks, f->networks_cap,
		    sizeof(f->networks[0]));
	}
	f->networks[f->n_networks++] = *n;
}

void
users_networks_sort(struct users_file *f, users_network_twice_fn *twice,
    void *arg)
{
	if (f->n_networks == 0)
		return;
	qsort(f->networks, f->n_networks, sizeof(f->networks[0]), by_place);
	for (size_t i = 1; i < f->n_networks; i++)
		if (compare(&f->networks[i - 1].cidr, &f->networks[i].cidr)
		    == 0)
			twice(arg, &f->networks[i - 1], &f->networks[i]);
	nest(f);
}

/* The last one that begins at or before the address, of its family; -1. */
static int
last_before(const struct users_file *f, const struct addr *a)
{
	const struct cidr all = { *a, 128, addr_is_v4(a) };
	size_t low = 0, high = f->n_networks;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&f->networks[mid].cidr, &all) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return (int)low - 1;
}

const struct user *
users_file_find_network(const struct users_file *f, const struct addr *source)
{
	int i = last_before(f, source);

	while (i >= 0 && !cidr_has(&f->networks[i].cidr, source))
		i = f->networks[i].within;
	return i < 0 ? NULL : &f->networks[i].entry->user;
}
