/* SPDX-License-Identifier: MIT */
#include "apid/http.h"

#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"

#define WORKER_THREAD 1		/* Civetweb's thread_type */
#define HEADERS_MAX MG_MAX_HEADERS
#define KNOCK_NS 20000000

struct http {
	struct api *api;
	struct mg_context *context;
	struct endpoint_list at;	/* with the real ports */
};

/* What one of Civetweb's threads owns. */
struct carrier {
	struct api_worker *worker;
	struct response response;
	struct bytes head;
};

/* ---- answers ---- */

static const char *
reason_of(int status)
{
	const char *text = mg_get_response_code_text(NULL, status);

	return text != NULL ? text : "";
}

static void
send_response(struct mg_connection *conn, struct carrier *c,
    const struct request *rq)
{
	const struct response *rs = &c->response;
	bool head = str_eq(rq->method, STR("HEAD"));

	bytes_clear(&c->head);
	bytes_fmt(&c->head,
	    "HTTP/1.1 %d %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Connection: close\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Content-Security-Policy: default-src 'self'\r\n"
	    "X-Request-Id: %s\r\n",
	    rs->status, reason_of(rs->status), rs->type, rs->body.len,
	    rq->id);
	bytes_add(&c->head, rs->headers.ptr, rs->headers.len);
	bytes_add(&c->head, "\r\n", 2);
	if (!head)
		bytes_add(&c->head, rs->body.ptr, rs->body.len);
	mg_write(conn, c->head.ptr, c->head.len);
}

/* ---- requests ---- */

static void
take_headers(struct request *rq, struct header out[static HEADERS_MAX],
    const struct mg_request_info *ri)
{
	for (int i = 0; i < ri->num_headers; i++)
		out[i] = (struct header){
			str_from(ri->http_headers[i].name),
			str_from(ri->http_headers[i].value) };
	rq->headers = out;
	rq->n_headers = (size_t)ri->num_headers;
	/* Civetweb leaves out what its array has no room for. */
	rq->headers_cut = ri->num_headers >= HEADERS_MAX;
}

static struct request
take_request(const struct mg_request_info *ri,
    struct header headers[static HEADERS_MAX])
{
	struct request rq = {
		.method = str_from(ri->request_method),
		.path = str_from(ri->request_uri),
		.query = str_from(ri->query_string),
	};
	struct id id = id_random();

	id_hex(rq.id, &id);
	take_headers(&rq, headers, ri);
	return rq;
}

/* All that comes goes this way, so that Civetweb never gets to handle it. */
static int
on_request(struct mg_connection *conn)
{
	struct carrier *c = mg_get_thread_pointer(conn);
	struct header headers[HEADERS_MAX];
	struct request rq = take_request(mg_get_request_info(conn), headers);

	/* Also keeps it from reading a body to its end. */
	mg_disable_connection_keep_alive(conn);
	api_serve(c->worker, &rq, &c->response);
	send_response(conn, c, &rq);
	return c->response.status;
}

/* What Civetweb itself finds wrong, before there is a request. */
static int
on_error(struct mg_connection *conn, int status, const char *message)
{
	struct carrier *c = mg_get_thread_pointer(conn);
	struct request rq = { .method = STR("GET"), .path = STR("/"),
		.query = STR("") };
	struct id id = id_random();

	(void)message;
	if (c == NULL)
		return 1;
	id_hex(rq.id, &id);
	/* Its 413 is about the head, its 411 about a bad Content-Length. */
	api_refuse(c->worker, &rq, &c->response,
	    status == 413 ? PROBLEM_HEAD_LENGTH : problem_of_status(status));
	mg_disable_connection_keep_alive(conn);
	send_response(conn, c, &rq);
	return 0;
}

static int
on_log(const struct mg_connection *conn, const char *message)
{
	(void)conn;
	log_debug(NULL, "civetweb", log_str("message", message));
	return 1;
}

static void *
on_thread(const struct mg_context *ctx, int type)
{
	struct http *h = mg_get_user_data(ctx);
	struct carrier *c;

	if (type != WORKER_THREAD)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->worker = api_worker_new(h->api);
	return c;
}

static void
on_thread_end(const struct mg_context *ctx, int type, void *pointer)
{
	struct carrier *c = pointer;

	(void)ctx;
	if (type != WORKER_THREAD || c == NULL)
		return;
	api_worker_free(&c->worker);
	response_fini(&c->response);
	bytes_fini(&c->head);
	free(c);
}

/* ---- life ---- */

int
http_probe(const struct endpoint_list *at, struct err *err)
{
	for (size_t i = 0; i < at->n; i++) {
		if (!addr_is_v4(&at->v[i].addr) &&
		    !mg_check_feature(MG_FEATURES_IPV6))
			return err_set(err, "apid.listen: this machine's "
			    "Civetweb %s has no IPv6", mg_version());
		if (sock_probe(&at->v[i], err) != 0)
			return err_prefix(err, "apid.listen");
	}
	return 0;
}

static void
list_ports(struct bytes *out, const struct endpoint_list *at)
{
	char text[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < at->n; i++) {
		endpoint_format(text, &at->v[i]);
		bytes_fmt(out, "%s%s", i > 0 ? "," : "", text);
	}
	bytes_add(out, "", 1);
}

static struct mg_context *
start_civetweb(struct http *h, const char *ports, unsigned threads,
    struct err *err)
{
	static const struct mg_callbacks callbacks = {
		.begin_request = on_request, .http_error = on_error,
		/* Not log_access: with it Civetweb calls localtime(). */
		.log_message = on_log,
		.init_thread = on_thread, .exit_thread = on_thread_end,
	};
	char number[16], why[256] = "";
	struct text t = text_on(number, sizeof(number));
	const char *options[] = {
		"listening_ports", ports,
		"num_threads", number,
		"max_request_size", "16384",
		"request_timeout_ms", "10000",
		"enable_keep_alive", "no",
		"tcp_nodelay", "1",
		"decode_url", "no",
		/* Nothing of this is reached; it is off all the same. */
		"enable_auth_domain_check", "no",
		"enable_directory_listing", "no",
		"access_control_allow_origin", "",
		"access_control_allow_methods", "",
		"access_control_allow_headers", "",
		NULL,
	};
	struct mg_init_data init = { &callbacks, h, options };
	struct mg_error_data error = {
		.text = why, .text_buffer_size = sizeof(why),
	};
	struct mg_context *context;

	text_fmt(&t, "%u", threads);
	context = mg_start2(&init, &error);
	if (context == NULL)
		err_set(err, "apid.listen: cannot serve on %s: %s", ports,
		    why[0] != '\0' ? why : "Civetweb does not say why");
	return context;
}

/* Civetweb knows the ports that 0 became. */
static void
take_ports(struct http *h)
{
	struct mg_server_port *ports = xcalloc(h->at.n, sizeof(*ports));
	int n = mg_get_server_ports(h->context, (int)h->at.n, ports);

	for (int i = 0; i < n; i++)
		h->at.v[i].port = (uint16_t)ports[i].port;
	free(ports);
}

int
http_start(struct http **out, struct api *a, const struct endpoint_list *at,
    unsigned threads, struct err *err)
{
	struct http *h = xcalloc(1, sizeof(*h));
	struct bytes ports = { 0 };

	h->api = a;
	h->at.v = xcalloc(at->n, sizeof(*at->v));
	h->at.n = at->n;
	memcpy(h->at.v, at->v, at->n * sizeof(*at->v));
	list_ports(&ports, at);
	mg_init_library(0);
	h->context = start_civetweb(h, ports.ptr, threads, err);
	bytes_fini(&ports);
	*out = h;
	if (h->context == NULL) {
		http_stop(out);
		return -1;
	}
	take_ports(h);
	return 0;
}

size_t
http_addresses(const struct http *h, struct endpoint *out, size_t max)
{
	size_t n = h->at.n < max ? h->at.n : max;

	memcpy(out, h->at.v, n * sizeof(*out));
	return n;
}

/* ---- the end ---- */

/* Civetweb's accepting thread looks for the end only every 2 s, or when
 * somebody knocks. */
struct knocker {
	const struct http *h;
	atomic_bool done;
};

static void
knock(const struct endpoint *at)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	(void)!connect(fd, (struct sockaddr *)&sa, len);
	close(fd);
}

static void *
run_knocker(void *arg)
{
	const struct timespec pause = { 0, KNOCK_NS };
	struct knocker *k = arg;

	while (!atomic_load(&k->done)) {
		nanosleep(&pause, NULL);
		for (size_t i = 0; i < k->h->at.n; i++)
			knock(&k->h->at.v[i]);
	}
	return NULL;
}

static void
stop_civetweb(struct http *h)
{
	struct knocker k = { .h = h };
	pthread_t thread;
	bool knocking = pthread_create(&thread, NULL, run_knocker, &k) == 0;

	mg_stop(h->context);
	atomic_store(&k.done, true);
	if (knocking)
		pthread_join(thread, NULL);
}

void
http_stop(struct http **hp)
{
	struct http *h = *hp;

	if (h == NULL)
		return;
	if (h->context != NULL)
		stop_civetweb(h);
	mg_exit_library();
	free(h->at.v);
	free(h);
	*hp = NULL;
}
