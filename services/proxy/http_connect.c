/* SPDX-License-Identifier: MIT */
#include "proxy/http_connect.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { REQUEST_LINE, FIELDS, SKIP };

static enum http_step
bad(struct http_found *out, uint16_t status, const char *detail)
{
	out->status = status;
	out->why = "invalid_request";
	out->detail = detail;
	out->raw_host = (struct str){ NULL, 0 };
	return HTTP_BAD;
}

/* ---- characters (RFC 9110 section 5.6) ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Text of a line: no control byte but the tabulator. */
static bool
is_clean(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((uint8_t)s.ptr[i] < 0x20 && s.ptr[i] != '\t') ||
		    s.ptr[i] == 0x7f)
			return false;
	return true;
}

static bool
is_token(struct str s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') &&
		    memchr(marks, c, sizeof(marks) - 1) == NULL)
			return false;
	}
	return s.len > 0;
}

static struct str
trimmed(struct str s)
{
	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* What stands before the first `c`; `s` keeps what is behind it, or nothing. */
static struct str
cut_at(struct str *s, char c)
{
	const char *at = s->len > 0 ? memchr(s->ptr, c, s->len) : NULL;
	struct str head = { s->ptr, at != NULL ? (size_t)(at - s->ptr) :
		s->len };
	size_t gone = head.len + (at != NULL);

	s->ptr += gone;
	s->len -= gone;
	return head;
}

/* ---- the request line ---- */

static enum http_step
bad_host(struct http_found *out, struct str host)
{
	bad(out, 400, "the target's host is no name and no address");
	out->why = "invalid_name";
	out->raw_host = host;
	return HTTP_BAD;
}

/* IPv6 in brackets and only so, else a name or IPv4 (RFC 3986, 3.2.2). */
static bool
host_is_good(struct dest *dest, struct str host)
{
	bool is_v6 = memchr(host.ptr, ':', host.len) != NULL;

	if (host.ptr[0] != '[')
		return !is_v6 && name_canonical(dest, host) != NAME_BAD;
	if (host.len < 2 || host.ptr[host.len - 1] != ']' || !is_v6)
		return false;
	host.ptr++;
	host.len -= 2;
	return name_canonical(dest, host) == NAME_IS_ADDR;
}

/* authority-form: host and port, both (RFC 9112 section 3.2.3). */
static enum http_step
take_target(struct http_found *out, struct str target)
{
	const char *colon = target.len > 0 ?
	    memrchr(target.ptr, ':', target.len) : NULL;
	struct str host = { target.ptr, 0 }, port;
	uint64_t n;

	if (colon == NULL)
		return bad(out, 400, "the target is not host:port");
	host.len = (size_t)(colon - target.ptr);
	port = (struct str){ colon + 1, target.len - host.len - 1 };
	if (!str_to_u64(port, UINT16_MAX, &n) || n == 0)
		return bad(out, 400, "the target has no port of 1 to 65535");
	if (host.len == 0)
		return bad(out, 400, "the target has no host");
	if (!host_is_good(&out->dest, host))
		return bad_host(out, host);
	out->dest.port = (uint16_t)n;
	return HTTP_TARGET;
}

/* "HTTP/1.1"; 0: it is no version at all. */
static unsigned
version_of(struct str s)
{
	if (s.len != 8 || memcmp(s.ptr, "HTTP/", 5) != 0 || s.ptr[6] != '.' ||
	    s.ptr[5] < '0' || s.ptr[5] > '9' || s.ptr[7] < '0' ||
	    s.ptr[7] > '9')
		return 0;
	return (unsigned)(s.ptr[5] - '0') * 10 + (unsigned)(s.ptr[7] - '0');
}

static enum http_step
bad_method(struct http_found *out)
{
	bad(out, 405, "this is a proxy for CONNECT only");
	out->why = "command_unknown";
	return HTTP_BAD;
}

static enum http_step
take_request_line(struct http_connect *p, struct str line, bool cut,
    struct http_found *out)
{
	bool is_empty = line.len == 0;
	struct str method = cut_at(&line, ' '), target = cut_at(&line, ' ');
	bool is_connect = str_eq(method, STR("CONNECT"));
	unsigned version = version_of(line);

	if (is_empty)
		return HTTP_MORE;	/* RFC 9112 section 2.2 */
	if (!is_token(method))
		return bad(out, 400, "no method begins the request line");
	if (cut)
		return is_connect ? bad(out, 431, "the target is too long") :
		    bad_method(out);
	if (version == 0)
		return bad(out, 400, "no version ends the request line");
	if (version / 10 != 1)
		return bad(out, 505, "this is a proxy for HTTP/1.1");
	if (!is_connect)
		return bad_method(out);
	p->state = FIELDS;
	/* RFC 9112 section 9.3: not with a client of 1.0. */
	p->close = version == 10;
	return take_target(out, target);
}

/* ---- fields ---- */

/* Takes the value; `cut`: only its beginning. */
typedef enum http_step field_fn(struct http_connect *p, struct str value,
    bool cut, struct http_found *out);

static enum http_step
take_login(struct http_connect *p, struct str value, bool cut,
    struct http_found *out)
{
	if (p->login != HTTP_LOGIN_NONE)
		return bad(out, 400, "there are two Proxy-Authorization");
	p->login = HTTP_LOGIN_BAD;
	if (cut || !http_basic_parse(&out->basic, value)) {
		secret_wipe(&out->basic, sizeof(out->basic));
		return HTTP_MORE;
	}
	p->login = HTTP_LOGIN_GIVEN;
	return HTTP_LOGIN;
}

static enum http_step
take_host(struct http_connect *p, struct str value, bool cut,
    struct http_found *out)
{
	(void)value;
	if (p->has_host || cut)
		return bad(out, 400, "there are two Host, or it is too long");
	p->has_host = true;
	return HTTP_MORE;
}

static enum http_step
take_length(struct http_connect *p, struct str value, bool cut,
    struct http_found *out)
{
	uint64_t n;

	(void)p;
	if (cut || !str_to_u64(value, 0, &n))
		return bad(out, 400, "CONNECT has no content");
	return HTTP_MORE;
}

static enum http_step
take_coding(struct http_connect *p, struct str value, bool cut,
    struct http_found *out)
{
	(void)p, (void)value, (void)cut;
	return bad(out, 400, "CONNECT has no content to encode");
}

static enum http_step
take_connection(struct http_connect *p, struct str value, bool cut,
    struct http_found *out)
{
	(void)out;
	while (value.len > 0 && !p->close)
		p->close = str_eq_nocase(trimmed(cut_at(&value, ',')),
		    STR("close"));
	p->close = p->close || cut;
	return HTTP_MORE;
}

static const struct {
	const char *name;
	field_fn *take;
} fields[] = {
	{ "Proxy-Authorization", take_login },
	{ "Host", take_host },
	{ "Content-Length", take_length },
	{ "Transfer-Encoding", take_coding },
	{ "Connection", take_connection },
	{ "Proxy-Connection", take_connection },	/* older browsers' */
};

static enum http_step
take_field(struct http_connect *p, struct str line, bool cut,
    struct http_found *out)
{
	struct str value = line, name = cut_at(&value, ':');

	p->state = cut ? SKIP : FIELDS;
	p->ended = line.len == 0;
	if (p->ended)
		return HTTP_DONE;
	if (is_blank(line.ptr[0]))
		return bad(out, 400, "a header line is folded");
	if (name.len == line.len || !is_token(name))
		return bad(out, 400, "a header line has no good name");
	value = trimmed(value);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (str_eq_nocase(name, str_from(fields[i].name)))
			return fields[i].take(p, value, cut, out);
	return HTTP_MORE;
}

/* ---- lines ---- */

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many bytes may be used of a line that goes on: not a CR at their end,
 * whose LF may come. */
static size_t
without_cr(struct str s)
{
	return s.len > 0 && s.ptr[s.len - 1] == '\r' ? s.len - 1 : s.len;
}

/* The rest of a long line; its bytes are judged, and forgotten. */
static enum http_step
skip(struct http_connect *p, struct str in, struct http_found *out,
    size_t *used)
{
	struct str room = { in.ptr, least(in.len, HTTP_HEAD_MAX - p->taken) };
	const char *lf = room.len > 0 ? memchr(room.ptr, '\n', room.len) :
	    NULL;
	struct str text = { in.ptr, lf != NULL ? (size_t)(lf - in.ptr) :
		room.len };

	text.len = without_cr(text);
	if (!is_clean(text))
		return bad(out, 400, "a control byte in a header line");
	if (lf != NULL && text.ptr + text.len == lf)
		return bad(out, 400, "a line ends with LF alone");
	if (lf == NULL && p->taken + room.len == HTTP_HEAD_MAX)
		return bad(out, 431, "the request's head is too long");
	*used = text.len;
	if (lf != NULL) {
		*used += 2;
		p->state = FIELDS;
	}
	return HTTP_MORE;
}

/* A line that is whole, or longer than may be kept. */
static enum http_step
take_line(struct http_connect *p, struct str text, bool cut,
    struct http_found *out)
{
	if (!is_clean(text))
		return bad(out, 400, "a control byte in the request's head");
	return p->state == REQUEST_LINE ?
	    take_request_line(p, text, cut, out) :
	    take_field(p, text, cut, out);
}

static enum http_step
line(struct http_connect *p, struct str in, struct http_found *out,
    size_t *used)
{
	size_t left = HTTP_HEAD_MAX - p->taken;
	struct str text = { in.ptr, least(in.len,
		least(left, HTTP_LINE_MAX)) };
	const char *lf = text.len > 0 ? memchr(text.ptr, '\n', text.len) :
	    NULL;

	if (lf != NULL) {
		text.len = (size_t)(lf - text.ptr);
		*used = text.len + 1;
		text.len = without_cr(text);
		if (*used == text.len + 1)
			return bad(out, 400, "a line ends with LF alone");
		return take_line(p, text, false, out);
	}
	if (text.len == left)
		return bad(out, 431, "the request's head is too long");
	if (text.len < HTTP_LINE_MAX)
		return HTTP_MORE;
	text.len = without_cr(text);
	*used = text.len;
	return take_line(p, text, true, out);
}

enum http_step
http_connect_parse(struct http_connect *p, struct str in,
    struct http_found *out, size_t *used)
{
	enum http_step step;
	size_t n;

	*used = 0;
	do {
		struct str rest = { in.ptr + *used, in.len - *used };

		n = 0;
		step = p->state == SKIP ? skip(p, rest, out, &n) :
		    line(p, rest, out, &n);
		*used += n;
		p->taken = (uint16_t)(p->taken + n);
	} while (step == HTTP_MORE && n > 0);
	return step;
}

/* ---- answers ---- */

static const char *
phrase(uint16_t status)
{
	switch (status) {
	case 200: return "Connection established";
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 405: return "Method Not Allowed";
	case 407: return "Proxy Authentication Required";
	case 431: return "Request Header Fields Too Large";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	case 505: return "HTTP Version Not Supported";
	default: return "Error";
	}
}

/* A string of RFC 8941, which holds printable ASCII only. */
static void
add_quoted(struct text *t, const char *s)
{
	text_str(t, STR("\""));
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			text_str(t, STR("\\"));
		text_fmt(t, "%c", *s >= ' ' && *s < 0x7f ? *s : '?');
	}
	text_str(t, STR("\""));
}

static void
add_proxy_status(struct text *t, const struct http_answer *a)
{
	text_fmt(t, "Proxy-Status: sallyport; error=%s", a->error);
	if (a->details != NULL) {
		text_str(t, STR("; details="));
		add_quoted(t, a->details);
	}
	text_str(t, STR("\r\n"));
}

size_t
http_connect_answer(char out[static HTTP_ANSWER_MAX],
    const struct http_answer *a)
{
	struct text t = text_on(out, HTTP_ANSWER_MAX);

	text_fmt(&t, "HTTP/1.1 %u %s\r\n", (unsigned)a->status,
	    phrase(a->status));
	if (a->status == 405)
		text_str(&t, STR("Allow: CONNECT\r\n"));
	if (a->status == 407)
		text_str(&t, STR("Proxy-Authenticate: "
		    "Basic realm=\"sallyport\"\r\n"));
	if (a->error != NULL)
		add_proxy_status(&t, a);
	if (a->status != 200)
		text_str(&t, STR("Content-Length: 0\r\n"));
	if (a->status != 200 && !a->keep)
		text_str(&t, STR("Connection: close\r\n"));
	text_str(&t, STR("\r\n"));
	ASSERT(!t.cut);
	return t.len;
}
