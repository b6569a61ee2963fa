/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "pgsql/pg_impl.h"

static bool
begins(const char *state, const char *with)
{
	return strncmp(state, with, strlen(with)) == 0;
}

/* The first that a SQLSTATE begins with counts. */
static const struct {
	const char *with;
	enum pg_status class;
} classes[] = {
	{ "22", PG_POISON },      /* data exception */
	{ "23", PG_POISON },      /* integrity constraint */
	{ "25006", PG_READONLY }, /* read-only transaction, standby */
	{ "25P03", PG_AWAY },     /* idle in a transaction: cut off */
	{ "40", PG_BUSY },        /* rolled back: deadlock, conflict */
	{ "55P03", PG_BUSY },     /* lock not available */
	{ "55006", PG_BUSY },     /* object in use */
	{ "57014", PG_BUSY },     /* cancelled: statement_timeout */
	{ "28", PG_DENIED },      /* who are you */
	{ "3D000", PG_DENIED },   /* no such database */
	{ "42501", PG_DENIED },   /* no right to do so */
	{ "08", PG_AWAY },        /* connection */
	{ "57P", PG_AWAY },       /* shutting down, crashed, starting */
	{ "53300", PG_AWAY },     /* too many connections */
	{ "53100", PG_FULL },     /* disk full */
	{ "58030", PG_IO },       /* I/O error */
	{ "XX001", PG_CORRUPT },  /* data corrupted */
	{ "XX002", PG_CORRUPT },  /* index corrupted */
};

enum pg_status
pg_class(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		if (begins(sqlstate, classes[i].with))
			return classes[i].class;
	}
	return PG_FAULT;
}

enum pg_status
pg_fail(struct pg *p, enum pg_status r, const char *state, const char *words)
{
	struct text t = text_on(p->message, sizeof(p->message));

	text_escaped(&t, str_from(words));
	if (state != NULL && *state != '\0')
		text_fmt(&t, " (SQLSTATE %s)", state);
	if (!str_copy(p->sqlstate, sizeof(p->sqlstate), str_from(state)))
		p->sqlstate[0] = '\0';
	return r;
}

enum pg_status
pg_fail_result(struct pg *p, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	/* The primary message alone: details quote values. */
	const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (state == NULL)
		return pg_fail(p, PG_FAULT, NULL,
		    words != NULL ? words : "an answer that is not expected");
	return pg_fail(
	    p, pg_class(state), state, words != NULL ? words : "no words");
}

/* The words of libpq, several lines, as one; without its guesses at the
 * cause, which are indented. */
static void
join_lines(char *out, size_t size, const char *words)
{
	struct text t = text_on(out, size);

	while (*words != '\0') {
		size_t len = strcspn(words, "\n");

		if (len > 0 && *words != '\t') {
			text_str(&t, t.len > 0 ? STR("; ") : STR(""));
			text_str(&t, (struct str){ words, len });
		}
		words += len;
		words += *words == '\n';
	}
}

/*
 * A server's refusal in libpq's words, at PQERRORS_SQLSTATE, ends a line with
 * ":  28P01". The severity before it may be in any language; the last such
 * line counts.
 */
static bool
find_state(const char *words, char state[static 6])
{
	bool found = false;

	while (*words != '\0') {
		size_t len = strcspn(words, "\n");
		const char *s = words + len - 5;
		bool is = len > 8 && memcmp(s - 3, ":  ", 3) == 0;

		for (unsigned i = 0; is && i < 5; i++)
			is = isupper((unsigned char)s[i]) ||
			     isdigit((unsigned char)s[i]);
		if (is) {
			memcpy(state, s, 5);
			state[5] = '\0';
			found = true;
		}
		words += len;
		words += *words == '\n';
	}
	return found;
}

/* In the place of the server's own words, which come in its language. */
static const struct {
	const char *state, *words;
} refusals[] = {
	{ "28P01", "wrong password, or no such role" },
	{ "28", "the server does not let this role in: no such role, or no "
		"line of pg_hba.conf allows it from here" },
	{ "3D000", "there is no such database on the server" },
	{ "42501", "the role has no right to connect to the database" },
	{ "53300", "the server has too many connections" },
	{ "57P03", "the server is starting up or shutting down" },
	{ "57P", "the server, or its administrator, ends the connection" },
	{ "25P03", "the server ends a connection that stood idle" },
	{ "22", "the server refuses an option of the URL" },
	{ "42", "the server refuses an option of the URL" },
	{ "", "the server refuses the connection" },
};

static const char *
refusal(const char *state)
{
	size_t i = 0;

	while (!begins(state, refusals[i].state))
		i++;
	return refusals[i].words;
}

/* Where it was tried: "HOST:PORT", or the directory of the socket. */
static void
say_where(struct text *t, const PGconn *conn)
{
	const char *host = PQhost(conn), *port = PQport(conn);

	if (host != NULL && *host != '\0')
		text_fmt(t, "%s port %s: ", host,
		    port != NULL && *port != '\0' ? port : "5432");
}

/* Only what one host says is sure to stay so. */
static bool
one_host(const PGconn *conn)
{
	PQconninfoOption *all = PQconninfo((PGconn *)conn);
	bool one = all != NULL;

	for (const PQconninfoOption *o = all; one && o->keyword != NULL; o++)
		one = strncmp(o->keyword, "host", 4) != 0 || o->val == NULL ||
		      strchr(o->val, ',') == NULL;
	PQconninfoFree(all);
	return one;
}

enum pg_status
pg_fail_connect(struct pg *p)
{
	char state[6] = "", words[ARRAY_LEN(p->message)];
	enum pg_status r = PG_AWAY;
	struct text t = text_on(words, sizeof(words));

	if (PQconnectionNeedsPassword(p->conn)) {
		p->final = true;
		return pg_fail(p, PG_DENIED, NULL,
		    "the server asks for a password, and there is none");
	}
	if (!find_state(PQerrorMessage(p->conn), state)) {
		join_lines(words, sizeof(words), PQerrorMessage(p->conn));
		return pg_fail(p, PG_AWAY, NULL, words);
	}
	r = pg_class(state);
	say_where(&t, p->conn);
	text_fmt(&t, "%s", refusal(state));
	/* A refused option is a fault of the URL. */
	p->final =
	    one_host(p->conn) &&
	    (r == PG_DENIED || begins(state, "42") || begins(state, "22"));
	return pg_fail(p, r, state, words);
}
