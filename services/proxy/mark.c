/* SPDX-License-Identifier: MIT */
#include "proxy/mark.h"

#include <errno.h>
#include <sys/stat.h>

bool
mark_look(const char *path, struct mark *out)
{
	struct stat st;

	*out = (struct mark){ 0 };
	if (stat(path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR;
	*out = (struct mark){ st.st_mtim, st.st_size, st.st_ino };
	return true;
}

bool
mark_eq(const struct mark *a, const struct mark *b)
{
	return a->changed.tv_sec == b->changed.tv_sec &&
	    a->changed.tv_nsec == b->changed.tv_nsec &&
	    a->size == b->size && a->inode == b->inode;
}
