/* SPDX-License-Identifier: MIT */
/*
 * cutter: a wire between a test and its PostgreSQL server that can be cut or
 * frozen.
 *
 * Listens on a free port of 127.0.0.1 and passes bytes on in both directions,
 * a connection after the other, on a thread of its own.
 */
#ifndef TESTS_PGSQL_CUTTER_H
#define TESTS_PGSQL_CUTTER_H

#include <stdatomic.h>
#include <stdbool.h>

struct cutter;

/* The URL of the test's server; without one the program ends. */
const char *cutter_server(void);
/* `url` with another user and password, the caller's to free; NULL: as is. */
char *cutter_url(const char *url, const char *user, const char *password,
    unsigned short port);

struct cutter *cutter_start(void);
/* The server's URL through the wire, ours. */
const char *cutter_through(const struct cutter *c);
/* Cuts the connection once after `bytes` from the server came through: those
 * before reach the test, all after it do not, though the server has sent
 * them. */
void cutter_cut_after(struct cutter *c, long bytes);
/* Whether the cut was made. */
bool cutter_was_cut(const struct cutter *c);
/* Bytes that came from the server so far. */
long cutter_passed(const struct cutter *c);
/* Nothing passes while frozen, but nothing is closed. */
void cutter_freeze(struct cutter *c, bool frozen);
void cutter_stop(struct cutter **cp);

#endif
