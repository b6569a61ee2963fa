/* SPDX-License-Identifier: MIT */
/*
 * hosts: the names of a hosts(5) file, in memory.
 *
 * Names are canonical (net/name.h); lines, names and addresses that are not in
 * form are passed over. Owned by one worker.
 */
#ifndef PROXY_HOSTS_H
#define PROXY_HOSTS_H

#include "net/addr.h"

#define HOSTS_ADDRS_MAX 32	/* of one name; more are passed over */
#define HOSTS_FILE_MAX (16 << 20)	/* bytes; what follows is not read */

struct hosts;

/* `path` "" : no names, for ever. Reads the file if it is there. */
struct hosts *hosts_new(const char *path);
/*
 * Reads the file again if it is another one than last time (time, size,
 * inode). A file that is gone has no names; one that cannot be read keeps the
 * old ones. true: it was read.
 */
bool hosts_refresh(struct hosts *h);
/* Addresses of a canonical name in the file's order; 0: not there. Borrowed
 * until the next refresh. */
size_t hosts_find(const struct hosts *h, struct str name,
    const struct addr **out);
void hosts_free(struct hosts **hp);

#endif
