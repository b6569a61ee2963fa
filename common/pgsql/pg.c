/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pgsql/pg_impl.h"

#define STOP_LOOK_MS  100 /* how often a wait looks at the stop */
#define PASSWORD_MAX  1024
#define OLDEST_SERVER 150000

static char *
copy_text(const char *s)
{
	return xstrdup(s != NULL ? s : "");
}

struct pg *
pg_new(const struct pg_options *o)
{
	struct pg *p = xcalloc(1, sizeof(*p));

	p->options = *o;
	p->options.url = copy_text(o->url);
	p->options.password_file = copy_text(o->password_file);
	p->options.application = copy_text(o->application);
	return p;
}

void
pg_free(struct pg **pp)
{
	struct pg *p = *pp;

	if (p == NULL)
		return;
	pg_disconnect(p);
	secret_wipe((char *)p->options.url, strlen(p->options.url));
	free((char *)p->options.url);
	free((char *)p->options.password_file);
	free((char *)p->options.application);
	free(p->tickets);
	free(p);
	*pp = NULL;
}

void
pg_disconnect(struct pg *p)
{
	PQfinish(p->conn);
	p->conn = NULL;
	p->n_prepared = 0;
	p->head = p->n_tickets = p->results = 0;
	p->unsynced = false;
	p->failed = PG_OK;
}

bool
pg_is_connected(const struct pg *p)
{
	return p->conn != NULL && PQstatus(p->conn) == CONNECTION_OK;
}

bool
pg_is_final(const struct pg *p)
{
	return p->final;
}

int
pg_server_version(const struct pg *p)
{
	return p->version;
}

const char *
pg_parameter(const struct pg *p, const char *name)
{
	return p->conn != NULL ? PQparameterStatus(p->conn, name) : NULL;
}

const char *
pg_message(const struct pg *p)
{
	return p->message;
}

const char *
pg_sqlstate(const struct pg *p)
{
	return p->sqlstate;
}

enum pg_status
pg_drop(struct pg *p)
{
	pg_disconnect(p);
	return PG_AWAY;
}

enum pg_status
pg_lost(struct pg *p)
{
	pg_fail_connect(p);
	/* Whatever it was, there was a connection before. */
	p->final = false;
	return pg_drop(p);
}

bool
pg_wait(struct pg *p, short events, uint64_t deadline_ms)
{
	const atomic_bool *stop = p->options.stop;

	for (;;) {
		struct pollfd fd = { PQsocket(p->conn), events, 0 };
		uint64_t now = clock_mono_ms(), left = 0;
		int n;

		if (stop != NULL && atomic_load(stop)) {
			pg_fail(p, PG_AWAY, NULL, "stopped while waiting");
			return false;
		}
		if (now < deadline_ms)
			left = deadline_ms - now;
		n = poll(
		    &fd, 1, (int)(left < STOP_LOOK_MS ? left : STOP_LOOK_MS));
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR) {
			pg_fail(p, PG_AWAY, NULL, strerror(errno));
			return false;
		}
		if (left == 0) {
			pg_fail(p, PG_AWAY, NULL,
			    "the server does not answer in time");
			return false;
		}
	}
}

/* The first line of the password file; -1: the message says why not. */
static int
read_password(struct pg *p, char password[static PASSWORD_MAX])
{
	const char *file = p->options.password_file;
	char words[256];
	struct text t = text_on(words, sizeof(words));
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, password, PASSWORD_MAX - 1) : -1;

	if (n < 0)
		text_fmt(&t, "password file %s: %s", file, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n >= 0) {
		password[n] = '\0';
		password[strcspn(password, "\r\n")] = '\0';
		if (password[0] != '\0')
			return 0;
		text_fmt(&t, "password file %s: its first line is empty", file);
	}
	secret_wipe(password, PASSWORD_MAX);
	pg_fail(p, PG_DENIED, NULL, words);
	return -1;
}

/* Begins to connect. What stands before the URL it may change, what comes
 * after it not. */
static PGconn *
start(const struct pg *p, const char *password)
{
	const char *const settings[][2] = {
		{ "keepalives_idle", "30" },
		{ "keepalives_interval", "5" },
		{ "keepalives_count", "3" },
		{ "tcp_user_timeout", "20000" },
		{ "gssencmode", "disable" },
		{ "dbname", p->options.url },
		{ "fallback_application_name", p->options.application },
		{ "client_encoding", "UTF8" },
		{ password != NULL ? "password" : NULL, password },
	};
	const char *keys[ARRAY_LEN(settings) + 1] = { 0 };
	const char *values[ARRAY_LEN(settings) + 1] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		keys[i] = settings[i][0];
		values[i] = settings[i][1];
	}
	return PQconnectStartParams(keys, values, 1);
}

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

/* Through the handshake, until the server lets us in. */
static enum pg_status
log_in(struct pg *p, uint64_t deadline_ms)
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	/* The one form of a refusal that is the same in every language. */
	PQsetErrorVerbosity(p->conn, PQERRORS_SQLSTATE);
	PQsetErrorContextVisibility(p->conn, PQSHOW_CONTEXT_NEVER);
	PQsetNoticeReceiver(p->conn, ignore_notice, NULL);
	while (PQstatus(p->conn) != CONNECTION_BAD) {
		if (want == PGRES_POLLING_OK)
			return PG_OK;
		if (want == PGRES_POLLING_FAILED)
			break;
		if (!pg_wait(p,
			want == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			deadline_ms))
			return PG_AWAY;
		want = PQconnectPoll(p->conn);
	}
	return pg_fail_connect(p);
}

static enum pg_status
settle(struct pg *p)
{
	const struct pg_options *o = &p->options;
	struct bytes sql = { 0 };
	enum pg_status r;

	p->version = PQserverVersion(p->conn);
	if (p->version < OLDEST_SERVER) {
		p->final = true;
		return pg_fail(p, PG_FAULT, NULL,
		    "the server is older than PostgreSQL 15");
	}
	PQsetnonblocking(p->conn, 1);
	bytes_fmt(&sql,
	    "SET search_path = pg_catalog; SET timezone = 'UTC';"
	    "SET datestyle = 'ISO'; SET jit = off;"
	    "SET statement_timeout = %u; SET lock_timeout = %u;"
	    "SET idle_in_transaction_session_timeout = 10000;"
	    "SET plan_cache_mode = %s%s",
	    o->statement_ms, o->lock_ms,
	    o->generic_plans ? "force_generic_plan" : "auto",
	    o->read_only ? ";SET default_transaction_read_only = on" : "");
	r = pg_exec(p, sql.ptr);
	bytes_fini(&sql);
	return r;
}

enum pg_status
pg_connect(struct pg *p)
{
	uint64_t deadline_ms = clock_mono_ms() + p->options.connect_ms;
	bool from_file = p->options.password_file[0] != '\0';
	char password[PASSWORD_MAX];
	enum pg_status r;
	struct err err;

	pg_disconnect(p);
	p->final = true;
	if (pg_check_url(p->options.url, &err) < 0)
		return pg_fail(p, PG_FAULT, NULL, err.text);
	if (from_file && read_password(p, password) < 0)
		return PG_DENIED;
	p->final = false;
	p->conn = start(p, from_file ? password : NULL);
	if (from_file)
		secret_wipe(password, sizeof(password));
	if (p->conn == NULL)
		return pg_fail(p, PG_AWAY, NULL, "out of memory");
	r = log_in(p, deadline_ms);
	if (r == PG_OK)
		r = settle(p);
	if (r != PG_OK)
		pg_disconnect(p);
	return r;
}
