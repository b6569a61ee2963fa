/* SPDX-License-Identifier: MIT */
#include "rest.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define ANSWER_MAX ((size_t)64 << 20)
#define TOKEN_MAX 512

struct place {
	char host[256];
	char port[6];
};

void
rest_query(struct text *path, const char *name, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	text_fmt(path, "%c%s=", strchr(path->ptr, '?') == NULL ? '?' : '&',
	    name);
	for (; *value != '\0'; value++)
		if (strchr(plain, *value) != NULL)
			text_fmt(path, "%c", *value);
		else
			text_fmt(path, "%%%02X", (unsigned char)*value);
}

/* ---- where, and as whom ---- */

/* http://HOST:PORT, [ADDRESS]:PORT; a path after it is let go. */
static int
place_parse(struct place *out, const char *server, struct err *err)
{
	static const char scheme[] = "http://";
	const char *at = server, *colon;
	struct str host, port;
	uint64_t n;

	if (strncmp(at, scheme, sizeof(scheme) - 1) == 0)
		at += sizeof(scheme) - 1;
	host = (struct str){ at, strcspn(at, "/") };
	colon = memrchr(host.ptr, ':', host.len);
	if (colon == NULL)
		goto fail;
	port = (struct str){ colon + 1,
		(size_t)(host.ptr + host.len - colon - 1) };
	host.len = (size_t)(colon - host.ptr);
	if (host.len >= 2 && at[0] == '[' && at[host.len - 1] == ']')
		host = (struct str){ at + 1, host.len - 2 };
	else if (memchr(host.ptr, ':', host.len) != NULL)
		goto fail;
	if (host.len == 0 || !str_to_u64(port, 65535, &n) || n == 0 ||
	    !str_copy(out->host, sizeof(out->host), host) ||
	    !str_copy(out->port, sizeof(out->port), port))
		goto fail;
	return 0;
fail:
	return err_set(err, "--server %s: expected http://HOST:PORT", server);
}

static enum cli_exit
place_of(struct cli *c, struct place *out)
{
	const char *server = cli_get(&c->args, "server");
	char listen[ENDPOINT_TEXT_SIZE];
	struct err err = { 0 };

	if (server == NULL)
		server = getenv("SALLYPORT_SERVER");
	if (server == NULL) {
		const struct settings *s = cli_settings(c);

		if (s == NULL)
			return CLI_BAD_CONFIG;
		endpoint_format(listen, &s->apid.listen.v[0]);
		server = listen;
	}
	if (place_parse(out, server, &err) != 0)
		return cli_fail(CLI_USAGE, "%s", err.text);
	return CLI_OK;
}

/* Visible ASCII: nothing that could end the header it stands in. */
static bool
is_token(const char *s)
{
	const char *at = s;

	while (*at > 0x20 && *at < 0x7f)
		at++;
	return at > s && *at == '\0';
}

static enum cli_exit
token_of(struct cli *c, char out[static TOKEN_MAX])
{
	const char *file = cli_get(&c->args, "token-file");
	const char *token = getenv("SALLYPORT_TOKEN");
	FILE *f;

	if (file == NULL && token == NULL)
		file = getenv("SALLYPORT_TOKEN_FILE");
	if (file == NULL && token == NULL)
		return cli_fail(CLI_DENIED,
		    "no API token; set SALLYPORT_TOKEN (run.sh writes it to "
		    "var/demo.env) or give --token-file FILE");
	if (file == NULL) {
		if (!str_copy(out, TOKEN_MAX, str_from(token)))
			return cli_fail(CLI_DENIED, "the token is too long");
	} else {
		f = fopen(file, "re");
		if (f == NULL || fgets(out, TOKEN_MAX, f) == NULL) {
			if (f != NULL)
				fclose(f);
			return cli_fail(CLI_ERROR, "%s: cannot read a token",
			    file);
		}
		fclose(f);
		out[strcspn(out, "\r\n")] = '\0';
	}
	if (!is_token(out))
		return cli_fail(CLI_DENIED, "that is not a token");
	return CLI_OK;
}

/* ---- one exchange ---- */

static int
dial(const struct place *at)
{
	static const struct timeval patience = { .tv_sec = 10 };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	int fd = -1;

	if (getaddrinfo(at->host, at->port, &hints, &list) != 0) {
		errno = EHOSTUNREACH;
		return -1;
	}
	for (a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		    sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		    sizeof(patience));
		if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			int e = errno;

			close(fd);
			fd = -1;
			errno = e == EINPROGRESS ? ETIMEDOUT : e;
		}
	}
	freeaddrinfo(list);
	return fd;
}

static bool
send_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
read_all(int fd, struct bytes *out)
{
	char chunk[16384];
	ssize_t n;

	while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
		if (out->len + (size_t)n > ANSWER_MAX) {
			errno = EMSGSIZE;
			return false;
		}
		bytes_add(out, chunk, (size_t)n);
	}
	return n == 0;
}

static bool
exchange(const struct place *at, const char *path, const char *token,
    struct bytes *answer)
{
	struct bytes request = { 0 };
	int fd = dial(at), e;
	bool ok;

	if (fd < 0)
		return false;
	bytes_fmt(&request, "GET %s HTTP/1.0\r\nHost: %s:%s\r\n"
	    "Authorization: Bearer %s\r\nAccept: application/json\r\n\r\n",
	    path, strchr(at->host, ':') == NULL ? at->host : "localhost",
	    at->port, token);
	ok = send_all(fd, request.ptr, request.len) && read_all(fd, answer);
	e = errno;
	secret_wipe(request.ptr, request.len);
	bytes_fini(&request);
	close(fd);
	/* As the socket's time-out says it. */
	errno = e == EAGAIN ? ETIMEDOUT : e;
	return ok;
}

/* ---- the answer ---- */

static int
status_of(struct str answer, struct str *body)
{
	static const char blank[] = "\r\n\r\n";
	const char *end = answer.len < 12 ? NULL :
	    memmem(answer.ptr, answer.len, blank, sizeof(blank) - 1);
	uint64_t status;

	if (end == NULL || strncmp(answer.ptr, "HTTP/1.", 7) != 0 ||
	    !str_to_u64((struct str){ answer.ptr + 9, 3 }, 599, &status))
		return -1;
	body->ptr = end + 4;
	body->len = answer.len - (size_t)(body->ptr - answer.ptr);
	return (int)status;
}

/* The member's text, escaped: it goes to a terminal. */
static const char *
member_text(char array[static 512], const json_t *o, const char *member)
{
	const json_t *v = json_object_get(o, member);
	struct text t = text_on(array, 512);

	if (!json_is_string(v))
		return NULL;
	text_escaped(&t,
	    (struct str){ json_string_value(v), json_string_length(v) });
	return array;
}

static enum cli_exit
explain(int status, const json_t *problem)
{
	char title_array[512], detail_array[512];
	const char *title = member_text(title_array, problem, "title");
	const char *detail = member_text(detail_array, problem, "detail");
	enum cli_exit code = status == 404 ? CLI_NOT_FOUND :
	    status == 401 || status == 403 ? CLI_DENIED :
	    status == 409		   ? CLI_CONFLICT :
					     CLI_ERROR;

	return cli_fail(code, "%d %s%s%s", status,
	    title != NULL ? title : "no reason given",
	    detail != NULL ? ": " : "", detail != NULL ? detail : "");
}

enum cli_exit
rest_get(struct cli *c, const char *path, json_t **out)
{
	struct place at;
	char token[TOKEN_MAX];
	struct bytes answer = { 0 };
	struct str body = { 0 };
	enum cli_exit code = place_of(c, &at);
	json_t *json;
	int status;

	if (code == CLI_OK)
		code = token_of(c, token);
	if (code != CLI_OK)
		return code;
	if (!exchange(&at, path, token, &answer)) {
		code = cli_fail(CLI_UNREACHABLE, "apid at %s:%s: %s", at.host,
		    at.port, strerror(errno));
		bytes_fini(&answer);
		return code;
	}
	status = status_of((struct str){ answer.ptr, answer.len }, &body);
	json = status < 0 ? NULL :
	    json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
	bytes_fini(&answer);
	if (status == 200 && json != NULL) {
		*out = json;
		return CLI_OK;
	}
	code = status < 0 || json == NULL ?
	    cli_fail(CLI_ERROR, "%s:%s gave no answer that apid would give",
		at.host, at.port) :
	    explain(status, json);
	json_decref(json);
	return code;
}
