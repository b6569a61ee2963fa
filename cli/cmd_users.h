/* SPDX-License-Identifier: MIT */
/* cmd_users: what the commands of `sallyctl users` share. One thread. */
#ifndef CLI_CMD_USERS_H
#define CLI_CMD_USERS_H

#include "cli.h"

/* The users file, by --file or the configuration; NULL: stderr was told why
 * there is none. */
const char *cmd_users_path(struct cli *c);

#endif
