/* SPDX-License-Identifier: MIT */
/*
 * The hash only finds candidates: each is compared in full, so that a
 * collision costs time and never an answer. The table holds what the policy's
 * author wrote; strangers choose what is looked up, not what is in it, hence
 * a fast hash without a secret.
 */
#include "acld/policy_match.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define LABELS_MAX 127		/* in a name of 253 bytes */
#define V4_BITS 96u

/* A rule under a key; the entries of a key stand together, best rule first. */
struct entry {
	uint32_t rule;
	uint32_t target;
};

/* Where the entries of a key are. n 0: a free place. */
struct bucket {
	uint64_t key;
	uint32_t first, n;
};

struct match_index {
	const struct policy_rules *rules;
	uint32_t blocks;		/* rules below are blocks */
	struct entry *entries;
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
filter_bit(const struct match_index *x, enum policy_target_kind kind,
    uint64_t what)
{
	return mix(what + (uint64_t)kind * 0x9e3779b97f4a7c15u) &
	    (x->filter_bits - 1);
}

static bool
may_have(const struct match_index *x, enum policy_target_kind kind,
    uint64_t what)
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

/* The halves of an address, as numbers. */
struct halves { uint64_t high, low; };

static struct halves
halves_of(const struct addr *a)
{
	struct halves h;

	memcpy(&h.high, a->b, 8);
	memcpy(&h.low, a->b + 8, 8);
	return (struct halves){ be64toh(h.high), be64toh(h.low) };
}

static uint64_t
leading(uint64_t v, unsigned bits)
{
	return bits == 0 ? 0 : v & ~(uint64_t)0 << (64 - bits);
}

static uint64_t
prefix_hash(struct halves h, unsigned bits)
{
	uint64_t high = leading(h.high, bits < 64 ? bits : 64);
	uint64_t low = leading(h.low, bits < 64 ? 0 : bits - 64);

	return mix(high + bits) ^ low;
}

static struct str
target_text(const struct policy_rules *r, const struct policy_target *t)
{
	return (struct str){ r->texts.ptr + t->text, t->len };
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
			prefix_hash(halves_of(&t->cidr.base), t->cidr.bits) };
	case TARGET_EXACT:
		return (struct wanted){ TARGET_EXACT,
			name_hash(target_text(r, t)) };
	default:
		return (struct wanted){ TARGET_SUFFIX,
			name_hash(target_text(r, t)) };
	}
}

/* ---- building ---- */

struct keyed {
	uint64_t key;
	struct entry entry;
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
find_bucket(const struct match_index *x, uint64_t key)
{
	size_t i = key & (x->n_buckets - 1);

	while (x->buckets[i].n > 0 && x->buckets[i].key != key)
		i = (i + 1) & (x->n_buckets - 1);
	return &x->buckets[i];
}

/* Entries and buckets from destinations in the order of key and rank. */
static void
fill(struct match_index *x, const struct keyed *sorted)
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
mark_everything(const struct match_index *x)
{
	const struct policy_rules *r = x->rules;

	for (size_t i = 0; i < r->owners.n; i++) {
		struct policy_owner *o = r->owners.v[i];
		struct bucket *b = find_bucket(x,
		    key_of(o->index, TARGET_ANY, 0));

		o->any_first = b->first;
		o->any_n = b->n;
	}
}

static void
mark_filter(struct match_index *x, struct wanted w)
{
	uint64_t bit = filter_bit(x, w.kind, w.what);

	x->filter[bit / 64] |= (uint64_t)1 << bit % 64;
}

/* The destinations of all rules with their keys; how many. */
static size_t
key_targets(struct match_index *x, struct keyed *out)
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

struct match_index *
match_index_new(const struct policy_rules *r, uint32_t blocks)
{
	struct match_index *x = xcalloc(1, sizeof(*x));
	struct keyed *keyed = xcalloc(r->targets.n + 1, sizeof(*keyed));

	x->rules = r;
	x->blocks = blocks;
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
match_index_memory(const struct match_index *x)
{
	return sizeof(*x) + x->n_entries * sizeof(*x->entries) +
	    x->n_buckets * sizeof(*x->buckets) + x->filter_bits / 8;
}

void
match_index_free(struct match_index **xp)
{
	struct match_index *x = *xp;

	*xp = NULL;
	if (x == NULL)
		return;
	free(x->entries);
	free(x->buckets);
	free(x->filter);
	free(x);
}

/* ---- does this rule match? ---- */

static bool
ports_have(const struct policy_rules *r, struct policy_span s, uint16_t port)
{
	const struct policy_ports *v = r->ports.v + s.first;
	size_t low = 0, high = s.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (port > v[middle].last)
			low = middle + 1;
		else if (port < v[middle].first)
			high = middle;
		else
			return true;
	}
	return s.n == 0;
}

static bool
source_fits(struct match_question *m, const struct policy_rule *rule)
{
	const struct cidr *v = m->index->rules->sources.v + rule->sources.first;

	if (rule->sources.n == 0)
		return true;
	m->source_bound = true;
	for (uint32_t i = 0; i < rule->sources.n; i++)
		if (cidr_has(&v[i], &m->q->source))
			return true;
	return false;
}

static bool
ends_with(struct str name, struct str tail)
{
	return name.len > tail.len + 1 &&
	    name.ptr[name.len - tail.len - 1] == '.' &&
	    memcmp(name.ptr + name.len - tail.len, tail.ptr, tail.len) == 0;
}

/* `a` is the address looked up; NULL: the name was. */
static bool
target_fits(const struct match_question *m, const struct policy_target *t,
    const struct addr *a)
{
	const struct policy_rules *r = m->index->rules;
	struct str name = m->q->name;

	switch ((enum policy_target_kind)t->kind) {
	case TARGET_ANY:
		return true;
	case TARGET_V4:
	case TARGET_V6:
		return a != NULL && cidr_has(&t->cidr, a);
	case TARGET_EXACT:
		return a == NULL && str_eq(target_text(r, t), name);
	case TARGET_SUFFIX:
		return a == NULL && ends_with(name, target_text(r, t));
	case TARGET_LABEL:
		return a == NULL && ends_with(name, target_text(r, t)) &&
		    memchr(name.ptr, '.', name.len - t->len - 1) == NULL;
	case TARGET_PATTERN:
		return a == NULL &&
		    name_pattern_match(&r->patterns.v[t->pattern], name);
	}
	return false;
}

static bool
rule_fits(struct match_question *m, const struct policy_rule *rule,
    uint32_t owner, const struct policy_target *t, const struct addr *a)
{
	const struct policy_question *q = m->q;

	return rule->owner == owner &&
	    (rule->protocols >> q->protocol & 1) != 0 &&
	    (rule->commands >> q->command & 1) != 0 &&
	    ports_have(m->index->rules, rule->ports, q->port) &&
	    target_fits(m, t, a) && source_fits(m, rule);
}

/* ---- looking up ---- */

/* Could rule `i` still change the answer? */
static bool
is_better(const struct match *best, uint32_t blocks, uint32_t i,
    const struct policy_rule *rule)
{
	if (i < blocks)
		return i < best->block;
	return i < best->allow || (rule->allow_internal && i < best->internal);
}

static void
take(struct match *best, uint32_t blocks, uint32_t i,
    const struct policy_rule *rule)
{
	if (i < blocks) {
		best->block = i;
		return;
	}
	if (i < best->allow)
		best->allow = i;
	if (rule->allow_internal && i < best->internal)
		best->internal = i;
}

/* The entries of one key, best rule first. */
static void
scan(struct match_question *m, uint32_t owner, uint32_t first, uint32_t n,
    const struct addr *a, struct match *best)
{
	const struct match_index *x = m->index;

	for (uint32_t e = first; e < first + n; e++) {
		uint32_t i = x->entries[e].rule;
		const struct policy_rule *rule = &x->rules->rules.v[i];

		/* A block was found: no allow can help. */
		if (best->block != MATCH_NONE && i > best->block)
			return;
		if (is_better(best, x->blocks, i, rule) &&
		    rule_fits(m, rule, owner,
			&x->rules->targets.v[x->entries[e].target], a))
			take(best, x->blocks, i, rule);
	}
}

/* One destination, for all owners. */
static void
look_up(struct match_question *m, enum policy_target_kind kind, uint64_t what,
    const struct addr *a, struct match *best)
{
	if (!may_have(m->index, kind, what))
		return;
	for (unsigned i = 0; i < m->n_owners; i++) {
		uint32_t owner = m->owners[i]->index;
		const struct bucket *b = find_bucket(m->index,
		    key_of(owner, kind, what));

		scan(m, owner, b->first, b->n, a, best);
	}
}

static void
add_owner(struct match_question *m, const struct policy_owner *o)
{
	if (o == NULL || o->n_rules == 0)
		return;
	for (unsigned i = 0; i < m->n_owners; i++)
		if (m->owners[i] == o)
			return;
	m->owners[m->n_owners++] = o;
	m->exact |= o->exact;
	m->prefixes_v4 |= o->prefixes_v4;
	for (unsigned i = 0; i < ARRAY_LEN(m->prefixes_v6); i++)
		m->prefixes_v6[i] |= o->prefixes_v6[i];
	for (unsigned i = 0; i < ARRAY_LEN(m->tails); i++)
		m->tails[i] |= o->tails[i];
}

void
match_begin(struct match_question *m, const struct match_index *x,
    const struct policy_question *q)
{
	const struct policy_rules *r = x->rules;
	const struct policy_owner *user = policy_rules_user(r, q->user);

	ASSERT(q->n_groups <= POLICY_GROUPS_MAX);
	ASSERT(user == NULL || user->n_groups <= POLICY_GROUPS_MAX);
	m->index = x;
	m->q = q;
	m->source_bound = m->exact = false;
	m->n_owners = 0;
	m->prefixes_v4 = 0;
	memset(m->prefixes_v6, 0, sizeof(m->prefixes_v6));
	memset(m->tails, 0, sizeof(m->tails));
	add_owner(m, r->owners.v[0]);
	add_owner(m, user);
	for (size_t i = 0; user != NULL && i < user->n_groups; i++)
		add_owner(m, user->groups[i]);
	for (size_t i = 0; r->groups.count > 0 && i < q->n_groups; i++)
		add_owner(m, policy_rules_group(r, q->groups[i]));
}

/* hashes[k]: of the last k labels; how many labels there are. */
static unsigned
hash_tails(struct str name, uint64_t hashes[static LABELS_MAX + 2])
{
	uint64_t h = name_hash(STR(""));
	unsigned n = 0;

	hashes[n++] = h;
	for (size_t i = name.len; i > 0 && n <= LABELS_MAX; i--) {
		if (name.ptr[i - 1] == '.')
			hashes[n++] = h;
		h = tail_hash(h, name.ptr[i - 1]);
	}
	hashes[n] = h;
	return n;
}

static void
match_name(struct match_question *m, struct match *best)
{
	uint64_t hashes[LABELS_MAX + 2];
	unsigned labels = hash_tails(m->q->name, hashes);

	if (m->exact)
		look_up(m, TARGET_EXACT, hashes[labels], NULL, best);
	for (unsigned k = 0; k < labels; k++)
		if ((m->tails[k / 64] >> k % 64 & 1) != 0)
			look_up(m, TARGET_SUFFIX, hashes[k], NULL, best);
}

struct match
match_request(struct match_question *m)
{
	struct match best = { MATCH_NONE, MATCH_NONE, MATCH_NONE };

	for (unsigned i = 0; i < m->n_owners; i++)
		scan(m, m->owners[i]->index, m->owners[i]->any_first,
		    m->owners[i]->any_n, NULL, &best);
	if (m->q->name.len > 0)
		match_name(m, &best);
	return best;
}

/* Each length of prefix whose bit is set; the first bit stands for `base`. */
static void
match_prefixes(struct match_question *m, enum policy_target_kind kind,
    uint64_t set, unsigned base, const struct addr *a, struct match *best)
{
	struct halves h = halves_of(a);

	for (; set != 0; set &= set - 1) {
		unsigned bits = base + (unsigned)__builtin_ctzll(set);

		look_up(m, kind, prefix_hash(h, bits), a, best);
	}
}

void
match_addr(struct match_question *m, const struct addr *a, struct match *best)
{
	if (addr_is_v4(a)) {
		match_prefixes(m, TARGET_V4, m->prefixes_v4, V4_BITS, a, best);
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(m->prefixes_v6); i++)
		match_prefixes(m, TARGET_V6, m->prefixes_v6[i], 64 * i, a,
		    best);
}

static uint32_t
lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void
match_join(struct match *into, const struct match *other)
{
	into->block = lower(into->block, other->block);
	into->allow = lower(into->allow, other->allow);
	into->internal = lower(into->internal, other->internal);
}
