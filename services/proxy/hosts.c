/* SPDX-License-Identifier: MIT */
#include "proxy/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "net/name.h"
#include "proxy/mark.h"

struct host {
	struct map_node node;
	struct addr addrs[HOSTS_ADDRS_MAX];
	size_t n;
	char name[NAME_MAX_LEN + 1];
};

struct hosts {
	char *path;
	struct map names;
	struct mark mark;
};

static void
clear(struct hosts *h)
{
	struct map_node *node = map_next(&h->names, NULL), *next;

	for (; node != NULL; node = next) {
		next = map_next(&h->names, node);
		free(container_of(node, struct host, node));
	}
	map_fini(&h->names);
	map_init(&h->names);
}

static void
add(struct hosts *h, struct str name, const struct addr *a)
{
	struct map_node *node = map_find(&h->names, name);
	struct host *host;

	if (node != NULL) {
		host = container_of(node, struct host, node);
	} else {
		host = xcalloc(1, sizeof(*host));
		memcpy(host->name, name.ptr, name.len);
		map_insert(&h->names, &host->node,
		    (struct str){ host->name, name.len });
	}
	if (host->n < HOSTS_ADDRS_MAX)
		host->addrs[host->n++] = *a;
}

/* Takes the next word off a line; empty: no more. */
static struct str
next_word(struct str *line)
{
	struct str word;

	while (line->len > 0 && strchr(" \t\r", line->ptr[0]) != NULL)
		line->ptr++, line->len--;
	word = (struct str){ line->ptr, 0 };
	while (line->len > 0 && strchr(" \t\r", line->ptr[0]) == NULL)
		line->ptr++, line->len--, word.len++;
	return word;
}

static void
parse_line(struct hosts *h, struct str line)
{
	const char *comment = memchr(line.ptr, '#', line.len);
	struct dest d;
	struct addr a;
	struct str word;

	if (comment != NULL)
		line.len = (size_t)(comment - line.ptr);
	if (!addr_parse(&a, next_word(&line)))
		return;
	while ((word = next_word(&line)).len > 0)
		if (name_canonical(&d, word) == NAME_OK)
			add(h, (struct str){ d.name, d.name_len }, &a);
}

static void
parse(struct hosts *h, struct str text)
{
	while (text.len > 0) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;

		parse_line(h, (struct str){ text.ptr, len });
		len += end != NULL;
		text.ptr += len;
		text.len -= len;
	}
}

/* Up to HOSTS_FILE_MAX bytes; -1: an error. */
static ssize_t
read_all(int fd, struct bytes *out)
{
	char part[16384];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0 &&
	    out->len < HOSTS_FILE_MAX)
		bytes_add(out, part, (size_t)n);
	return n < 0 ? -1 : (ssize_t)out->len;
}

bool
hosts_refresh(struct hosts *h)
{
	struct bytes text = { 0 };
	struct mark mark;
	int fd;

	if (h->path[0] == '\0' || !mark_look(h->path, &mark) ||
	    mark_eq(&mark, &h->mark))
		return false;
	fd = open(h->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT)
		return false;
	if (fd < 0 || read_all(fd, &text) >= 0) {
		h->mark = mark;
		clear(h);
		parse(h, (struct str){ text.ptr, text.len });
	}
	if (fd >= 0)
		close(fd);
	bytes_fini(&text);
	return mark_eq(&mark, &h->mark);
}

struct hosts *
hosts_new(const char *path)
{
	struct hosts *h = xcalloc(1, sizeof(*h));

	h->path = xstrdup(path);
	map_init(&h->names);
	(void)hosts_refresh(h);
	return h;
}

size_t
hosts_find(const struct hosts *h, struct str name, const struct addr **out)
{
	struct map_node *node = map_find(&h->names, name);
	struct host *host;

	if (node == NULL)
		return 0;
	host = container_of(node, struct host, node);
	*out = host->addrs;
	return host->n;
}

void
hosts_free(struct hosts **hp)
{
	struct hosts *h = *hp;

	if (h == NULL)
		return;
	clear(h);
	map_fini(&h->names);
	free(h->path);
	free(h);
	*hp = NULL;
}
