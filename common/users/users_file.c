/* SPDX-License-Identifier: MIT */
#include "users/users_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "users/users_impl.h"

/* Of the cost that libxcrypt takes by default. */
#define DECOY_DEFAULT "$y$j9T$......................$" \
	"..........................................."
/* The end of a hash that is replaced: the shortest method's output. */
#define DECOY_TAIL 31

/* ---- the decoy ---- */

/* The front of a hash that says method and cost. */
static struct str
cost_of(const char *hash)
{
	size_t len = 3;

	if (strncmp(hash, "$7$", 3) == 0)
		len = sizeof("$7$CU..../....") - 1;
	else if (strncmp(hash, "$y$", 3) == 0 || hash[1] == '2' ||
	    strncmp(hash, "$gy$", 4) == 0 ||
	    strncmp(hash + 3, "rounds=", 7) == 0)
		len = (size_t)(strchr(strchr(hash + 1, '$') + 1, '$') - hash)
		    + 1;
	return (struct str){ hash, len };
}

static int
by_cost(const void *a, const void *b)
{
	struct str x = cost_of((*(struct users_entry *const *)a)->user.hash);
	struct str y = cost_of((*(struct users_entry *const *)b)->user.hash);
	int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);

	return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

/* Those who have a hash, for the caller to free. */
static struct users_entry **
hashed(const struct users_file *f, size_t *n)
{
	struct users_entry **v = xcalloc(f->n + 1, sizeof(v[0]));

	*n = 0;
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i]->user.hash != NULL)
			v[(*n)++] = f->v[i];
	return v;
}

/* A hash that costs as much as most do; NULL: there is none. Sorts. */
static const char *
commonest(struct users_entry **v, size_t n, size_t *many)
{
	const char *best = NULL;
	size_t run = 0;

	*many = 0;
	if (n > 0)
		qsort(v, n, sizeof(v[0]), by_cost);
	for (size_t i = 0; i < n; i++) {
		run = i > 0 && by_cost(&v[i - 1], &v[i]) == 0 ? run + 1 : 1;
		if (run > *many) {
			*many = run;
			best = v[i]->user.hash;
		}
	}
	return best;
}

static void
warn_of_others(const struct users_file *f, const char *path,
    const char *common, size_t n, struct users_notes *notes)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct users_entry *e = f->v[i];

		if (e->user.hash == NULL ||
		    str_eq(cost_of(e->user.hash), cost_of(common)))
			continue;
		users_notes_warn(notes, "%s:%d:%d: a hash of another method "
		    "or cost than most users' (%zu such): the time that a "
		    "refusal takes tells that the user exists", path, e->line,
		    e->column, n);
		return;
	}
}

static void
make_decoy(struct users_file *f, const char *path, struct users_notes *notes)
{
	size_t n, many;
	struct users_entry **v = hashed(f, &n);
	const char *common = commonest(v, n, &many);

	free(v);
	if (f->n == 0)
		users_notes_warn(notes, "%s: no users; every login will be "
		    "refused", path);
	if (common == NULL) {
		f->decoy = xstrdup(DECOY_DEFAULT);
		return;
	}
	if (many < n)
		warn_of_others(f, path, common, n - many, notes);
	f->decoy = xstrdup(common);
	memset(f->decoy + strlen(common) - DECOY_TAIL, '.', DECOY_TAIL);
}

/* ---- life ---- */

static int
from_tree(struct users_file **out, const struct tree *t,
    struct users_notes *notes)
{
	struct users_file *f = xcalloc(1, sizeof(*f));
	unsigned before = notes->n_errors;

	map_init(&f->by_name);
	users_parse(f, t, notes);
	if (notes->n_errors != before) {
		users_file_free(&f);
		return -1;
	}
	make_decoy(f, t->path, notes);
	*out = f;
	return 0;
}

/* Takes the tree, which is there if `rc` is 0. */
static int
finish(struct users_file **out, int rc, struct tree *t, const struct err *err,
    struct users_notes *notes)
{
	*out = NULL;
	if (rc != 0) {
		users_notes_error(notes, "%s", err->text);
		return -1;
	}
	rc = from_tree(out, t, notes);
	tree_free(&t);
	return rc;
}

int
users_file_parse(struct users_file **out, const char *path, struct str text,
    struct users_notes *notes)
{
	struct tree *t = NULL;
	struct err err;
	int rc = tree_parse(&t, path, text, &err);

	return finish(out, rc, t, &err, notes);
}

int
users_file_load(struct users_file **out, const char *path,
    struct users_notes *notes)
{
	struct tree *t = NULL;
	struct stat st;
	struct err err;
	int rc = tree_load(&t, path, &err);

	if (rc == 0 && stat(path, &st) == 0 && (st.st_mode & 0007) != 0)
		users_notes_warn(notes, "%s: open to every user of this "
		    "machine (mode %04o); chmod o= it", path,
		    (unsigned)st.st_mode & 07777);
	return finish(out, rc, t, &err, notes);
}

void
users_file_free(struct users_file **fp)
{
	struct users_file *f = *fp;

	*fp = NULL;
	if (f == NULL)
		return;
	map_fini(&f->by_name);
	for (size_t i = 0; i < f->n; i++)
		users_entry_free(f->v[i]);
	free(f->v);
	free(f->networks);
	free(f->decoy);
	free(f);
}

/* ---- queries ---- */

const struct user *
users_file_find(const struct users_file *f, struct str name)
{
	const struct map_node *m = map_find(&f->by_name, name);

	return m == NULL ? NULL :
	    &container_of(m, struct users_entry, node)->user;
}

size_t
users_file_count(const struct users_file *f)
{
	return f->n;
}

const struct user *
users_file_at(const struct users_file *f, size_t i)
{
	ASSERT(i < f->n);
	return &f->v[i]->user;
}

const char *
users_file_decoy(const struct users_file *f)
{
	return f->decoy;
}
