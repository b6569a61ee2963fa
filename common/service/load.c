/* SPDX-License-Identifier: MIT */
#include "service/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
load_settings(struct load *out, const struct args *a)
{
	struct config_sources from = {
		.path = a->config != NULL ? a->config : ARGS_CONFIG_DEFAULT,
		.environ = environ,
		.set = a->set,
		.n_set = a->n_set,
	};

	*out = (struct load){ 0 };
	if (a->config == NULL && access(from.path, F_OK) != 0 &&
	    errno == ENOENT) {
		from.path = NULL;
		out->no_file = true;
	}
	return config_load(&out->settings, &from, &out->errors,
	    &out->warnings);
}

void
load_fini(struct load *l)
{
	if (l->settings != NULL)
		config_free(&l->settings);
	config_errors_fini(&l->errors);
	config_errors_fini(&l->warnings);
}

void
load_log(const struct config_errors *e, enum log_level level,
    const char *event)
{
	struct str left = { e->text.ptr, e->text.len };

	while (left.len > 0) {
		const char *end = memchr(left.ptr, '\n', left.len);
		size_t len = end != NULL ? (size_t)(end - left.ptr) : left.len;

		log_at(NULL, level, event,
		    log_strn("message", (struct str){ left.ptr, len }));
		len += end != NULL;
		left.ptr += len;
		left.len -= len;
	}
}

void
load_print(const struct config_errors *e)
{
	if (e->text.len > 0)
		fwrite(e->text.ptr, 1, e->text.len, stderr);
}
