/* SPDX-License-Identifier: MIT */
/*
 * directory: a group of tests stands in a directory of its own, which is empty
 * again when the last one ends. Include cmocka first.
 */
#ifndef TESTS_UNIT_CONFIG_DIRECTORY_H
#define TESTS_UNIT_CONFIG_DIRECTORY_H

#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/test_config_XXXXXX";

static inline int
enter_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? chdir(directory) : -1;
}

static inline int
leave_directory(void **state)
{
	(void)state;
	return chdir("/") == 0 ? rmdir(directory) : -1;
}

#endif
