/* SPDX-License-Identifier: MIT */
/*
 * Feeds every file below the named directories to a harness, in order of
 * their names, and prints how many there were. No file at all is an error: a
 * corpus that went missing must not pass.
 */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "fuzz.h"

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Each input has a block of its own size, so that ASan sees its end. */
static int
replay(const FTSENT *file)
{
	size_t size = (size_t)file->fts_statp->st_size;
	uint8_t *data = xmalloc(size == 0 ? 1 : size);
	FILE *f = fopen(file->fts_accpath, "rb");
	int rc = -1;

	if (f != NULL && fread(data, 1, size, f) == size) {
		LLVMFuzzerTestOneInput(data, size);
		rc = 0;
	} else {
		fprintf(stderr, "%s: %s\n", file->fts_path, strerror(errno));
	}
	if (f != NULL)
		fclose(f);
	free(data);
	return rc;
}

int
main(int argc, char **argv)
{
	FTS *fts;
	FTSENT *e;
	size_t count = 0;
	int rc = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DIRECTORY...\n", argv[0]);
		return 2;
	}
	fts = fts_open(argv + 1, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	if (fts == NULL) {
		perror("fts_open");
		return 1;
	}
	while ((e = fts_read(fts)) != NULL) {
		if (e->fts_info == FTS_F) {
			count++;
			rc |= replay(e);
		} else if (e->fts_info == FTS_ERR || e->fts_info == FTS_NS ||
		    e->fts_info == FTS_DNR) {
			fprintf(stderr, "%s: %s\n", e->fts_path,
			    strerror(e->fts_errno));
			rc = -1;
		}
	}
	fts_close(fts);
	printf("%zu inputs\n", count);
	return rc == 0 && count > 0 ? 0 : 1;
}
