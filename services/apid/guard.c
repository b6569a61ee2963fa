/* SPDX-License-Identifier: MIT */
#include "apid/guard.h"

#include <string.h>

#include "net/name.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Visible ASCII only, and no escape that is broken or a CR, LF or NUL. */
static bool
is_clean(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		int high, low, byte;

		if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7f)
			return false;
		if (s.ptr[i] != '%')
			continue;
		if (s.len - i < 3 || (high = hex(s.ptr[i + 1])) < 0 ||
		    (low = hex(s.ptr[i + 2])) < 0)
			return false;
		byte = high << 4 | low;
		if (byte == '\0' || byte == '\r' || byte == '\n')
			return false;
	}
	return true;
}

static enum problem
check_target(const struct request *rq, const char **detail)
{
	if (rq->path.len + rq->query.len > GUARD_TARGET_MAX) {
		*detail = "The target may have 4096 bytes.";
		return PROBLEM_TARGET_LENGTH;
	}
	*detail = "The target must begin with / and hold visible ASCII "
	    "without encoded CR, LF or NUL.";
	if (rq->path.len == 0 || rq->path.ptr[0] != '/' ||
	    !is_clean(rq->path) || !is_clean(rq->query))
		return PROBLEM_MALFORMED;
	return PROBLEM_NONE;
}

static enum problem
check_lengths(const struct request *rq, const char **detail)
{
	unsigned lengths, codings;
	struct str length = request_header(rq, "Content-Length", &lengths);
	uint64_t n = 0;

	(void)request_header(rq, "Transfer-Encoding", &codings);
	*detail = "There must be one Content-Length or one Transfer-Encoding, "
	    "not both.";
	if (lengths + codings > 1)
		return PROBLEM_MALFORMED;
	*detail = "Content-Length must be a number.";
	if (lengths == 1 && !str_to_u64(length, INT64_MAX, &n))
		return PROBLEM_MALFORMED;
	*detail = "Requests to this API have no body.";
	return codings > 0 || n > 0 ? PROBLEM_BODY : PROBLEM_NONE;
}

/* Splits "[v6]:port" and "name:port"; false: neither. */
static bool
split_host(struct str value, struct str *host, bool *bracketed)
{
	const char *end = value.ptr + value.len, *p;
	uint64_t port;

	*bracketed = value.len > 0 && value.ptr[0] == '[';
	p = memchr(value.ptr, *bracketed ? ']' : ':', value.len);
	*host = (struct str){ value.ptr, p != NULL ?
	    (size_t)(p - value.ptr) : value.len };
	if (*bracketed) {
		if (p++ == NULL)
			return false;
		host->ptr++;
		host->len--;
	}
	if (host->len == 0)
		return false;
	if (p == NULL || p == end)
		return true;
	return *p == ':' && str_to_u64((struct str){ p + 1,
	    (size_t)(end - p - 1) }, UINT16_MAX, &port);
}

static bool
is_our_name(struct str name, const struct string_list *hosts)
{
	if (str_eq_nocase(name, STR("localhost")))
		return true;
	for (size_t i = 0; i < hosts->n; i++)
		if (str_eq_nocase(name, str_from(hosts->v[i])))
			return true;
	return false;
}

static enum problem
check_host(const struct request *rq, const struct string_list *hosts,
    const char **detail)
{
	unsigned n;
	struct str value = request_header(rq, "Host", &n), host;
	struct addr ip;
	struct dest d;
	bool bracketed;

	*detail = "There must be one Host header with a name or an address.";
	if (n != 1 || !split_host(value, &host, &bracketed))
		return PROBLEM_MALFORMED;
	if (addr_parse(&ip, host))
		return bracketed == addr_is_v4(&ip) ? PROBLEM_MALFORMED :
		    PROBLEM_NONE;
	if (bracketed || name_canonical(&d, host) != NAME_OK)
		return PROBLEM_MALFORMED;
	if (is_our_name(str_from(d.name), hosts))
		return PROBLEM_NONE;
	*detail = "This name is not in apid.hosts.";
	return PROBLEM_HOST;
}

enum problem
guard_check(const struct request *rq, const struct string_list *hosts,
    const char **detail)
{
	enum problem p;

	*detail = "There are too many header fields.";
	if (rq->headers_cut)
		return PROBLEM_HEAD_LENGTH;
	if ((p = check_target(rq, detail)) != PROBLEM_NONE ||
	    (p = check_host(rq, hosts, detail)) != PROBLEM_NONE)
		return p;
	return check_lengths(rq, detail);
}
