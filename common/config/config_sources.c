/* SPDX-License-Identifier: MIT */
/* The environment and --set: finding the key, taking its text. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config_impl.h"

#define SECRET_FILE_MAX 65536

struct config_hint
config_did_you_mean(const char *name)
{
	struct config_hint h = { "" };
	struct text t = text_on(h.text, sizeof(h.text));

	if (name != NULL)
		text_fmt(&t, "; did you mean %s?", name);
	return h;
}

void
config_take_text(struct loader *l, const struct config_key *k, struct str text,
    const struct source *src)
{
	union value v = { 0 };
	struct err err;

	if (config_said_twice(l, k, src))
		return;
	if (config_read_text(k, &v, text, &err) < 0)
		config_bad_value(l, k, src->where, err.text);
	else
		config_set_value(l, k, &v, src);
}

/* Reads at most `size` bytes; -1 with errno. */
static ssize_t
read_secret(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (len < size) {
		n = read(fd, out + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	int saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : (ssize_t)len;
}

/* The content of `path`, without the newline at its end, as the value. */
void
config_take_file(struct loader *l, const struct config_key *k, const char *path,
    const struct source *src)
{
	char *content = xmalloc(SECRET_FILE_MAX);
	ssize_t n = read_secret(path, content, SECRET_FILE_MAX);
	struct err err;

	if (n < 0) {
		err_sys(&err, "cannot read the file that is named here");
		config_bad_value(l, k, src->where, err.text);
	} else {
		struct str s = { content, (size_t)n };

		if (s.len > 0 && s.ptr[s.len - 1] == '\n')
			s.len--;
		if (s.len > 0 && s.ptr[s.len - 1] == '\r')
			s.len--;
		config_take_text(l, k, s, src);
	}
	secret_wipe(content, SECRET_FILE_MAX);
	free(content);
}

/* ---- environment and --set ---- */

/* "SALLYPORT_PROXY__TIMEOUTS__IDLE" -> "proxy.timeouts.idle"; false: such a
 * variable is never configuration. */
static bool
name_from_env(char *out, size_t size, struct str variable)
{
	struct str prefix = STR("SALLYPORT_");
	struct text t = text_on(out, size);

	if (variable.len < prefix.len ||
	    memcmp(variable.ptr, prefix.ptr, prefix.len) != 0 ||
	    memmem(variable.ptr, variable.len, "__", 2) == NULL)
		return false;
	for (size_t i = prefix.len; i < variable.len; i++) {
		char c = variable.ptr[i];

		if (c == '_' && i + 1 < variable.len &&
		    variable.ptr[i + 1] == '_') {
			c = '.';
			i++;
		} else if (c >= 'A' && c <= 'Z') {
			c = (char)(c + 32);
		} else if (c >= 'a' && c <= 'z') {
			c = (char)(c - 32); /* no key has capitals */
		}
		text_escaped(&t, (struct str){ &c, 1 });
	}
	return true;
}

/* Is it [[proxy.listeners]], or something in one of them? */
static bool
is_of_listeners(const char *name)
{
	size_t n = strlen(config_listener.name);

	return strncmp(name, config_listener.name, n) == 0 &&
	       (name[n] == '\0' || name[n] == '.');
}

#define ONLY_IN_FILE "listeners of their own are for the file only"

void
config_read_variable(struct loader *l, const char *entry)
{
	struct str variable = { entry, strcspn(entry, "=") };
	const struct config_key *k;
	char name[CONFIG_NAME_MAX], shown[CONFIG_NAME_MAX],
	    like[CONFIG_NAME_MAX];
	struct text t = text_on(shown, sizeof(shown));
	struct text u = text_on(like, sizeof(like));
	struct source src = { ORIGIN_ENV, shown };

	if (entry[variable.len] == '\0' ||
	    !name_from_env(name, sizeof(name), variable))
		return;
	text_escaped(&t, variable);
	const char *value = entry + variable.len + 1;
	if ((k = config_find(name)) != NULL) {
		config_take_text(l, k, str_from(value), &src);
	} else if ((k = config_find_file(name)) != NULL) {
		config_take_file(l, k, value, &src);
	} else if (is_of_listeners(name)) {
		config_errors_add(
		    l->errors, "%s: %s: " ONLY_IN_FILE, shown, name);
	} else {
		const char *nearest = config_nearest(name);

		if (nearest != NULL)
			config_env_name(&u, nearest);
		config_errors_add(l->warnings, "%s: unknown variable%s", shown,
		    config_did_you_mean(nearest == NULL ? NULL : like).text);
	}
}

void
config_read_set(struct loader *l, const char *entry)
{
	struct str written = { entry, strcspn(entry, "=") };
	const struct config_key *k;
	char name[CONFIG_NAME_MAX];
	struct text t = text_on(name, sizeof(name));
	struct source src = { ORIGIN_FLAG, "--set" };
	const char *value = entry + written.len + 1;

	text_escaped(&t, written);
	if (entry[written.len] == '\0' || written.len == 0 ||
	    config_is_table(name))
		config_errors_add(
		    l->errors, "--set: %s: expected section.key=value", name);
	else if ((k = config_find(name)) != NULL)
		config_take_text(l, k, str_from(value), &src);
	else if ((k = config_find_file(name)) != NULL)
		config_take_file(l, k, value, &src);
	else if (is_of_listeners(name))
		config_errors_add(l->errors, "--set: %s: " ONLY_IN_FILE, name);
	else
		config_errors_add(l->errors, "--set: %s: unknown key%s", name,
		    config_did_you_mean(config_nearest(name)).text);
}
