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

/* A user whose hash costs as much as most users' do; the table has users. */
static const char *
commonest(const struct users_file *f, size_t *many)
{
	struct users_entry **sorted = xcalloc(f->n, sizeof(sorted[0]));
	const char *best = NULL;
	size_t run = 0;

	memcpy(sorted, f->v, f->n * sizeof(sorted[0]));
	qsort(sorted, f->n, sizeof(sorted[0]), by_cost);
	*many = 0;
	for (size_t i = 0; i < f->n; i++) {
		run = i > 0 && by_cost(&sorted[i - 1], &sorted[i]) == 0
		    ? run + 1 : 1;
		if (run > *many) {
			*many = run;
			best = sorted[i]->user.hash;
		}
	}
	free(sorted);
	return best;
}

static void
warn_of_others(const struct users_file *f, const char *path,
    const char *common, size_t n, struct users_notes *notes)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct users_entry *e = f->v[i];

		if (str_eq(cost_of(e->user.hash), cost_of(common)))
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
	const char *common;
	size_t many;

	if (f->n == 0) {
		f->decoy = xstrdup(DECOY_DEFAULT);
		users_notes_warn(notes, "%s: no users; every login will be "
		    "refused", path);
		return;
	}
	common = commonest(f, &many);
	if (many < f->n)
		warn_of_others(f, path, common, f->n - many, notes);
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
