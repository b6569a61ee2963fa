/* SPDX-License-Identifier: MIT */
/*
 * password: a password from the terminal without echo, or from standard input
 * where --password-stdin was given. Never from an argument, which everybody on
 * the machine could see. One thread.
 */
#ifndef CLI_PASSWORD_H
#define CLI_PASSWORD_H

#include "cli.h"

#define PASSWORD_MAX 255	/* bytes */

/*
 * 1 to PASSWORD_MAX bytes up to the end of the line, without NUL, which the
 * caller wipes. `twice`: a new one, which a terminal is asked for twice. Else
 * stderr was told why.
 */
enum cli_exit password_read(struct cli *c, bool twice,
    char out[static PASSWORD_MAX + 1]) MUST_CHECK;

#endif
