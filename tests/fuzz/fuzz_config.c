/* SPDX-License-Identifier: MIT */
/*
 * The input is a variable of the environment (SALLYPORT_…), an entry of --set
 * (after "--set "), or else a whole file in TOML. Settings that are accepted
 * keep to their ranges and come back the same from what --print-config says;
 * what is refused is answered in text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "fuzz.h"

static struct settings *
load(const struct config_sources *from)
{
	struct config_errors errors = { 0 }, warnings = { 0 };
	struct settings *s = NULL;
	int r = config_load(&s, from, &errors, &warnings);

	ASSERT((r == 0) == (s != NULL) && (r == 0) == (errors.n == 0));
	ASSERT(str_is_utf8((struct str){ errors.text.ptr, errors.text.len }));
	ASSERT(str_is_utf8((struct str){ warnings.text.ptr,
	    warnings.text.len }));
	config_errors_fini(&errors);
	config_errors_fini(&warnings);
	return s;
}

static struct settings *
load_file(const void *p, size_t size)
{
	char path[32];
	struct config_sources from = { .path = path };
	int fd = memfd_create("fuzz_config", MFD_CLOEXEC);
	struct settings *s;

	ASSERT(fd >= 0 && write(fd, p, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	s = load(&from);
	close(fd);
	return s;
}

/* `a` and `b` are what the offsets of the section's keys are in. */
static void
check_section(const struct config_section *in, const void *a, const void *b)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct config_key *k = &in->keys[i];
		const struct value_ops *ops = &value_types[k->type];
		union value x = value_at(k->type, (const char *)a + k->offset);
		union value y = value_at(k->type, (const char *)b + k->offset);

		ASSERT(ops->equal(&x, &y));
		if (ops->measured != MEASURE_NONE)
			ASSERT(ops->measure(&x) <= k->max);
	}
}

static void
check_same(const struct settings *a, const struct settings *b)
{
	for (const struct config_section *in = config_sections; in->name;
	     in++)
		check_section(in, a, b);
	ASSERT(a->listeners.n > 0 && a->listeners.n <= CONFIG_LISTEN_MAX);
	ASSERT(a->listeners.n == b->listeners.n);
	for (size_t i = 0; i < a->listeners.n; i++)
		check_section(&config_listener, &a->listeners.v[i],
		    &b->listeners.v[i]);
	ASSERT(!config_restart_needed(a, b, NULL, &(struct text){ 0 }));
}

static void
check_reads_back(const struct settings *s)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct settings *again;

	ASSERT(out != NULL);
	config_print(s, NULL, out);
	ASSERT(fclose(out) == 0);
	again = load_file(text, size);
	ASSERT(again != NULL);
	check_same(s, again);
	config_free(&again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *input = xmemdup0(data, size);
	char *environ_of[] = { input, NULL };
	const char *const set[] = { input + 6 };
	struct settings *s = NULL;

	/* A secret prints as ***, or would be read from some file. */
	if (strcasestr(input, "database") != NULL)
		s = NULL;
	else if (strncmp(input, "SALLYPORT_", 10) == 0)
		s = load(&(struct config_sources){ .environ = environ_of });
	else if (strncmp(input, "--set ", 6) == 0)
		s = load(&(struct config_sources){ .set = set, .n_set = 1 });
	else
		s = load_file(data, size);
	if (s != NULL)
		check_reads_back(s);
	config_free(&s);
	free(input);
	return 0;
}
