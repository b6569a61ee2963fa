/* SPDX-License-Identifier: MIT */
/* config_doc reference|sample|sample-yaml: prints what the key tables say. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"

static const struct {
	const char *name;
	void (*print)(FILE *out);
} pages[] = {
	{ "reference", config_print_reference },
	{ "sample", config_print_sample },
	{ "sample-yaml", config_print_sample_yaml },
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(pages); i++) {
		if (strcmp(argv[1], pages[i].name) != 0)
			continue;
		pages[i].print(stdout);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	fprintf(stderr, "usage: config_doc reference|sample|sample-yaml\n");
	return 2;
}
