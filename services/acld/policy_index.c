/* SPDX-License-Identifier: MIT */
/*
 * The hash only finds candidates: each is compared in full, so that a
 * collision costs time and never an answer. The table holds what the policy's
 * author wrote; strangers choose what is looked up, not what is in it, hence
 * a fast hash without a secret.
 */
#include "acld/policy_index.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define V4_BITS 96u

/* Where the entries of a key are. n 0: a free place. */
struct bucket {
	uint64_t key;
	uint32_t first, n;
};

struct policy_index {
	const struct policy_rules *rules;
	struct policy_entry *entries;
	size_t n_entries;
	struct bucket *buckets;
	size_t n_buckets;		/* a power of two */
	/* A bit for each destination, whoever owns it: most of what is looked
	 * up is nobody's, and this is small enough to stay in the cache. */
	uint64_t *filter;
	size_t filter_bits;		/* a power of two */
};

/* ---- keys ---- */

static uint64_t
mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

static uint64_t
key_of(uint32_t owner, enum policy_target_kind kind, uint64_t what)
{
	return mix(what ^ ((uint64_t)owner << 8 | kind) * 0x9e3779b97f4a7c15u);
}

/* The bit of a destination in the filter. */
static uint64_t
filter_bit(const struct policy_index *x, enum policy_target_kind kind,
    uint64_t what)
{
	return mix(what + (uint64_t)kind * 0x9e3779b97f4a7c15u) &
	    (x->filter_bits - 1);
}

bool
policy_index_may_have(const struct policy_index *x,
    enum policy_target_kind kind, uint64_t what)
{
	uint64_t bit = filter_bit(x, kind, what);

	return (x->filter[bit / 64] >> bit % 64 & 1) != 0;
}

/* One more byte in front of a tail of a name. */
static uint64_t
tail_hash(uint64_t h, char c)
{
	return (h ^ (uint8_t)c) * 0x100000001b3u;
}

static uint64_t
name_hash(struct str s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = s.len; i > 0; i--)
		h = tail_hash(h, s.ptr[i - 1]);
	return h;
}

static uint64_t
leading(uint64_t v, unsigned bits)
{
	return bits == 0 ? 0 : v & ~(uint64_t)0 << (64 - bits);
}

uint64_t
policy_index_prefix(const struct addr *a, unsigned bits)
{
	uint64_t high, low;

	memcpy(&high, a->b, 8);
	memcpy(&low, a->b + 8, 8);
	high = leading(be64toh(high), bits < 64 ? bits : 64);
	low = leading(be64toh(low), bits < 64 ? 0 : bits - 64);
	return mix(high + bits) ^ low;
}

/* What is looked up for a destination. Names with wildcards share the keys of
 * their tails. */
struct wanted {
	enum policy_target_kind kind;
	uint64_t what;
};

static struct wanted
target_wanted(const struct policy_rules *r, const struct policy_target *t)
{
	switch ((enum policy_target_kind)t->kind) {
	case TARGET_ANY:
		return (struct wanted){ TARGET_ANY, 0 };
	case TARGET_V4:
	case TARGET_V6:
		return (struct wanted){ t->kind,
			policy_index_prefix(&t->cidr.base, t->cidr.bits) };
	case TARGET_EXACT:
		return (struct wanted){ TARGET_EXACT,
			name_hash(policy_rules_target_text(r, t)) };
	default:
		return (struct wanted){ TARGET_SUFFIX,
			name_hash(policy_rules_target_text(r, t)) };
	}
}

/* ---- building ---- */

struct keyed {
	uint64_t key;
	struct policy_entry entry;
};

static int
by_key_and_rank(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->entry.rule > y->entry.rule) -
	    (x->entry.rule < y->entry.rule);
}

static void
mark_owner(struct policy_owner *o, const struct policy_target *t)
{
	unsigned bits = t->cidr.bits;

	switch ((enum policy_target_kind)t->kind) {
	case TARGET_ANY:
		break;
	case TARGET_V4:
		ASSERT(bits >= V4_BITS);
		o->prefixes_v4 |= (uint64_t)1 << (bits - V4_BITS);
		break;
	case TARGET_V6:
		o->prefixes_v6[bits / 64] |= (uint64_t)1 << bits % 64;
		break;
	case TARGET_EXACT:
		o->exact = true;
		break;
	default:
		o->tails[t->labels / 64] |= (uint64_t)1 << t->labels % 64;
	}
}

static struct bucket *
find_bucket(const struct policy_index *x, uint64_t key)
{
	size_t i = key & (x->n_buckets - 1);

	while (x->buckets[i].n > 0 && x->buckets[i].key != key)
		i = (i + 1) & (x->n_buckets - 1);
	return &x->buckets[i];
}

/* Entries and buckets from destinations in the order of key and rank. */
static void
fill(struct policy_index *x, const struct keyed *sorted)
{
	struct bucket *b = NULL;

	for (size_t i = 0; i < x->n_entries; i++) {
		x->entries[i] = sorted[i].entry;
		if (b == NULL || b->key != sorted[i].key) {
			b = find_bucket(x, sorted[i].key);
			b->key = sorted[i].key;
			b->first = (uint32_t)i;
		}
		b->n++;
	}
}

/* Rules for everything are wanted in each question: found without a key. */
static void
mark_everything(const struct policy_index *x)
{
	const struct policy_rules *r = x->rules;

	for (size_t i = 0; i < r->owners.n; i++) {
		struct policy_owner *o = r->owners.v[i];
		struct bucket *b = find_bucket(x,
		    key_of(o->index, TARGET_ANY, 0));

		o->any = (struct policy_span){ b->first, b->n };
	}
}

static void
mark_filter(struct policy_index *x, struct wanted w)
{
	uint64_t bit = filter_bit(x, w.kind, w.what);

	x->filter[bit / 64] |= (uint64_t)1 << bit % 64;
}

/* The destinations of all rules with their keys; how many. */
static size_t
key_targets(struct policy_index *x, struct keyed *out)
{
	const struct policy_rules *r = x->rules;
	size_t n = 0;

	for (uint32_t i = 0; i < r->rules.n; i++) {
		const struct policy_rule *rule = &r->rules.v[i];
		uint32_t end = rule->targets.first + rule->targets.n;

		for (uint32_t t = rule->targets.first; t < end; t++) {
			const struct policy_target *to = &r->targets.v[t];
			struct wanted w = target_wanted(r, to);

			out[n++] = (struct keyed){
				key_of(rule->owner, w.kind, w.what), { i, t } };
			mark_owner(r->owners.v[rule->owner], to);
			mark_filter(x, w);
		}
	}
	return n;
}

static size_t
power_of_two(size_t least, size_t from)
{
	while (from < least)
		from *= 2;
	return from;
}

struct policy_index *
policy_index_new(const struct policy_rules *r)
{
	struct policy_index *x = xcalloc(1, sizeof(*x));
	struct keyed *keyed = xcalloc(r->targets.n + 1, sizeof(*keyed));

	x->rules = r;
	x->filter_bits = power_of_two(16 * r->targets.n, 1024);
	x->filter = xcalloc(x->filter_bits / 64, sizeof(*x->filter));
	x->n_entries = key_targets(x, keyed);
	qsort(keyed, x->n_entries, sizeof(*keyed), by_key_and_rank);
	x->n_buckets = power_of_two(2 * x->n_entries, 16);
	x->entries = xcalloc(x->n_entries + 1, sizeof(*x->entries));
	x->buckets = xcalloc(x->n_buckets, sizeof(*x->buckets));
	fill(x, keyed);
	mark_everything(x);
	free(keyed);
	return x;
}

size_t
policy_index_memory(const struct policy_index *x)
{
	return sizeof(*x) + x->n_entries * sizeof(*x->entries) +
	    x->n_buckets * sizeof(*x->buckets) + x->filter_bits / 8;
}

void
policy_index_free(struct policy_index **xp)
{
	struct policy_index *x = *xp;

	*xp = NULL;
	if (x == NULL)
		return;
	free(x->entries);
	free(x->buckets);
	free(x->filter);
	free(x);
}

/* ---- looking up ---- */

unsigned
policy_index_tails(struct str name,
    uint64_t out[static POLICY_LABELS_MAX + 2])
{
	uint64_t h = name_hash(STR(""));
	unsigned n = 0;

	out[n++] = h;
	for (size_t i = name.len; i > 0 && n <= POLICY_LABELS_MAX; i--) {
		if (name.ptr[i - 1] == '.')
			out[n++] = h;
		h = tail_hash(h, name.ptr[i - 1]);
	}
	out[n] = h;
	return n;
}

struct policy_entries
policy_index_find(const struct policy_index *x, uint32_t owner,
    enum policy_target_kind kind, uint64_t what)
{
	const struct bucket *b = find_bucket(x, key_of(owner, kind, what));

	return (struct policy_entries){ x->entries + b->first, b->n };
}

struct policy_entries
policy_index_everything(const struct policy_index *x,
    const struct policy_owner *owner)
{
	return (struct policy_entries){ x->entries + owner->any.first,
		owner->any.n };
}
