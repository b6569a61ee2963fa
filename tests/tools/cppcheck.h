/* SPDX-License-Identifier: MIT */
/*
 * cppcheck: what tests/tools/cppcheck.sh includes before each source, since
 * the tool reads no system header: macros of libraries that are syntax.
 */
#ifndef TESTS_TOOLS_CPPCHECK_H
#define TESTS_TOOLS_CPPCHECK_H

#define json_array_foreach(array, i, value) \
	for (i = 0; (value = json_array_get(array, i)) != NULL; i++)

#endif
