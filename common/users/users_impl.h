/* SPDX-License-Identifier: MIT */
/*
 * users_impl: what the files of the users file share; not for other rooms.
 */
#ifndef USERS_USERS_IMPL_H
#define USERS_USERS_IMPL_H

#include "base/map.h"
#include "config/tree.h"
#include "users/users_file.h"

struct users_entry {
	struct map_node node;	/* keyed by the name */
	struct user user;
	int line, column;	/* of its table */
};

struct users_network {
	struct cidr cidr;
	const struct users_entry *entry;
	int line, column;
	int within;	/* the smallest that it lies in; -1: none */
};

struct users_file {
	struct map by_name;
	struct users_entry **v;	/* in the order of the file; owned */
	size_t n;
	struct users_network *networks;	/* as users_networks.c says */
	size_t n_networks, networks_cap;
	char *decoy;
};

struct users_parser {
	const struct tree *tree;
	struct users_file *file;
	struct users_notes *notes;
};

/* Reads one value into the user; false after it complained. */
typedef bool users_read_fn(struct users_parser *p, const struct node *n,
    struct user *u);

struct users_key {
	const char *name;
	users_read_fn *read;	/* NULL: known, but not in this release */
	bool required;
};

#define USERS_KEYS 10
extern const struct users_key users_keys[USERS_KEYS];

/* An error at the place of a node. */
void users_complain(struct users_parser *p, const struct node *n,
    const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Fills `f` with the users of the tree; what is wrong goes to `notes`. */
void users_parse(struct users_file *f, const struct tree *t,
    struct users_notes *notes);
/* May it be the name of a limits class? -1: no, err has what one is. */
int users_class_check(struct str name, struct err *err) MUST_CHECK;

/* Frees what a user owns. */
void users_user_fini(struct user *u);
/* A user with everything it owns; not in the map any more. */
void users_entry_free(struct users_entry *e);

/* Called for a network that is there again. */
typedef void users_network_twice_fn(void *arg,
    const struct users_network *first, const struct users_network *again);

/* Is exactly this one in the list? */
bool users_networks_have(const struct cidr_list *networks,
    const struct cidr *network);
void users_networks_add(struct users_file *f, const struct users_network *n);
/* After all were added, before the first look-up. */
void users_networks_sort(struct users_file *f, users_network_twice_fn *twice,
    void *arg);

void users_notes_error(struct users_notes *notes, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
void users_notes_warn(struct users_notes *notes, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

#endif
