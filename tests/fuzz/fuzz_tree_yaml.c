/* SPDX-License-Identifier: MIT */
/* The input is a file in YAML. */
#include "fuzz.h"
#include "fuzz_tree.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_tree("a.yaml", data, size);
	return 0;
}
