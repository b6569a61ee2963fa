/* SPDX-License-Identifier: MIT */
/*
 * The real sallyport-sessiond, its proxies played over nng. With
 * SALLYPORT_TEST_PG, the URL of a server, only what is not SQLite's alone.
 *
 * usage: test_daemon SALLYPORT-SESSIOND
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audit/batch.h"
#include "base/clock.h"
#include "base/mem.h"
#include "msg/topic.h"
#include "pgsql/pg.h"
#include "sessiond/store_pg_migrate.h"
#include "sessiond/store_sqlite.h"
#include "tests/unit/sessiond/helper.h"
#include "tests/unit/sessiond/mirror.h"

#define WAIT_MS      60000
#define LOAD_BATCHES 120
#define LOAD_RECORDS 100

extern char **environ;
static const char *daemon_path;

/* A daemon in a directory of its own. */
struct rig {
	struct base base; /* dir, path and reader only */
	char config[96], log[96], address[128];
	pid_t pid;
	struct topic_pub *pub;
};

static void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

static void
write_config(const struct rig *r, unsigned max_events, const char *interval)
{
	FILE *f = fopen(r->config, "w");

	assert_non_null(f);
	fprintf(f,
	    "[sessiond]\nuser = \"\"\ngroup = \"\"\n"
	    "run_dir = \"%s\"\nstate_dir = \"%s\"\n"
	    "admin_listen = \"127.0.0.1:0\"\nbatch_interval = \"20ms\"\n",
	    r->base.dir, r->base.dir);
	if (base_server() != NULL)
		fprintf(f, "database = \"%s\"\n", base_server());
	fprintf(f,
	    "maintenance_interval = \"%s\"\n"
	    "[sessiond.telemetry]\nmax_events = %u\n"
	    "retention_hours = 87600\n",
	    interval, max_events);
	fclose(f);
}

static pid_t
spawn(const struct rig *r, const char *flag)
{
	char *argv[] = { (char *)daemon_path, (char *)"--config",
		(char *)r->config, (char *)flag, NULL };
	posix_spawn_file_actions_t a;
	pid_t pid;

	posix_spawn_file_actions_init(&a);
	posix_spawn_file_actions_addopen(&a, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(
	    &a, 2, r->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(
	    posix_spawn(&pid, daemon_path, &a, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&a);
	return pid;
}

/* Exit code, or 128 + signal. */
static int
reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
read_log(const struct rig *r, char *text, size_t size)
{
	int fd = open(r->log, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static void
wait_peers(const struct rig *r)
{
	uint64_t end = clock_mono_ms() + WAIT_MS;

	while (topic_pub_peers(r->pub) == 0 && clock_mono_ms() < end)
		nap();
	assert_true(topic_pub_peers(r->pub) > 0);
}

/* Something that the first release left behind. */
#define LEFT(table, id)                                                        \
	"INSERT INTO " table " (stream_id, proxy, next_seq, state, opened_at," \
	" last_contact) VALUES (" id ", 'proxy-1', 7, 1, "

static void
sqlite_of_first_release(const struct rig *r)
{
	const struct store_migration list[] = { store_sqlite_migrations[0],
		{ 0 } };
	struct err err = { 0 };
	sqlite3 *db;

	assert_int_equal(sqlite3_open(r->base.path, &db), SQLITE_OK);
	if (store_sqlite_migrate(db, list, false, &err) < 0 ||
	    sqlite3_exec(db,
		LEFT("audit_stream",
		    "x'aa000000000000000000000000000001'") "5, 5)",
		NULL, NULL, NULL) != SQLITE_OK)
		die("%s%s", err.text, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void
server_of_first_release(void)
{
	const struct store_migration list[] = { store_pg_migrations[0], { 0 } };
	struct store_pg_migrate m = { .list = list };
	struct pg *p = pg_new(&(struct pg_options){ .url = base_server(),
	    .connect_ms = WAIT_MS,
	    .statement_ms = WAIT_MS,
	    .lock_ms = WAIT_MS });
	struct err err = { 0 };

	if (pg_connect(p) != PG_OK ||
	    pg_exec(p, "DROP SCHEMA IF EXISTS sallyport CASCADE") != PG_OK ||
	    store_pg_migrate(p, &m, &err) != SCHEMA_READY ||
	    pg_exec(p,
		LEFT("sallyport.audit_stream",
		    "'aa000000-0000-0000-0000-000000000001'") "now(), "
							      "now())") !=
		PG_OK)
		die("%s%s", err.text, pg_message(p));
	pg_free(&p);
}

static int
start(void **state, bool first_release)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	struct topic_options o = { .name = "events",
		.max_message = 4 << 20,
		.reconnect_max_ms = 100,
		.queue = 1024,
		.group = (unsigned)-1 };
	struct err err;

	strcpy(r->base.dir, "/tmp/sessiond-test-XXXXXX");
	assert_non_null(mkdtemp(r->base.dir));
	snprintf(
	    r->base.path, sizeof(r->base.path), "%s/sallyport.db", r->base.dir);
	snprintf(r->config, sizeof(r->config), "%s/s.toml", r->base.dir);
	snprintf(r->log, sizeof(r->log), "%s/log", r->base.dir);
	snprintf(r->address, sizeof(r->address), "ipc://%s/events.sock",
	    r->base.dir);
	write_config(r, 100, "1h");
	if (base_server() != NULL && first_release)
		server_of_first_release();
	else if (base_server() != NULL)
		mirror_clear(base_server());
	else if (first_release)
		sqlite_of_first_release(r);
	r->pid = spawn(r, NULL);
	o.address = r->address;
	if (topic_pub_open(&r->pub, &o, &err) != 0)
		die("%s", err.text);
	wait_peers(r);
	*state = r;
	if (base_server() != NULL)
		return 0;
	assert_int_equal(sqlite3_open_v2(r->base.path, &r->base.reader,
			     SQLITE_OPEN_READONLY, NULL),
	    SQLITE_OK);
	sqlite3_busy_timeout(r->base.reader, 5000);
	return 0;
}

static int
setup(void **state)
{
	return start(state, false);
}

static int
setup_first_release(void **state)
{
	return start(state, true);
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	topic_pub_close(&r->pub);
	sqlite3_close(r->base.reader);
	if (r->pid > 0) {
		kill(r->pid, SIGTERM);
		assert_int_equal(reap(r->pid), 0);
	}
	remove_dir(r->base.dir);
	free(r);
	return 0;
}

static void
send_bytes(struct rig *r, const void *p, size_t len)
{
	assert_true(topic_pub_send(r->pub, (struct str){ p, len }));
}

static void
send_records(
    struct rig *r, uint64_t first_seq, struct body **bodies, unsigned n)
{
	struct id id = stream_of(1);
	struct bytes m = message_of(&id, "proxy-1", first_seq, bodies, n);

	send_bytes(r, m.ptr, m.len);
	bytes_fini(&m);
	for (unsigned i = 0; i < n; i++)
		free(bodies[i]);
}

static void
wait_number(struct rig *r, const char *sql, int64_t want)
{
	uint64_t end = clock_mono_ms() + WAIT_MS;

	while (base_number(&r->base, sql) != want && clock_mono_ms() < end)
		nap();
	assert_int_equal(base_number(&r->base, sql), want);
}

/* Batch `i` of a load in which every record is a session. */
static void
send_load(struct rig *r, unsigned i)
{
	struct body *bodies[LOAD_RECORDS];

	for (unsigned k = 0; k < LOAD_RECORDS; k++)
		bodies[k] = body_reject(1, i * LOAD_RECORDS + k, "bob");
	send_records(r, (uint64_t)i * LOAD_RECORDS + 1, bodies, LOAD_RECORDS);
}

static void
test_history(void **state)
{
	struct rig *r = *state;

	send_records(r, 1, (struct body *[]){ body_open(1, 1) }, 1);
	wait_number(r, "SELECT count(*) FROM session_active", 1);
	send_records(r, 2, (struct body *[]){ body_close(1, 1, 9) }, 1);
	wait_number(r, "SELECT count(*) FROM session", 1);
	wait_number(r, "SELECT count(*) FROM session_active", 0);
}

/* Killed in the middle of a load: rows and position agree; the whole load
 * once more, and each session is there exactly once. */
static void
test_kill_in_the_middle(void **state)
{
	struct rig *r = *state;
	int64_t rows;

	for (unsigned i = 0; i < LOAD_BATCHES; i++) {
		send_load(r, i);
		if (i == LOAD_BATCHES / 4)
			wait_number(r, "SELECT count(*) > 0 FROM session", 1);
	}
	kill(r->pid, SIGKILL);
	assert_int_equal(reap(r->pid), 128 + SIGKILL);
	rows = base_number(&r->base, "SELECT count(*) FROM session");
	print_message("killed after %d rows\n", (int)rows);
	assert_true(rows > 0);
	assert_int_equal(
	    base_number(&r->base, "SELECT next_seq FROM audit_stream"),
	    rows + 1);
	assert_int_equal(
	    base_number(&r->base, "SELECT sum(sessions) FROM "
				  "rollup_hour WHERE dimension = 0"),
	    rows);
	while (topic_pub_peers(r->pub) > 0)
		nap();
	r->pid = spawn(r, NULL);
	wait_peers(r);
	for (unsigned i = 0; i < LOAD_BATCHES; i++)
		send_load(r, i);
	wait_number(r, "SELECT next_seq FROM audit_stream",
	    LOAD_BATCHES * LOAD_RECORDS + 1);
	assert_int_equal(base_number(&r->base, "SELECT count(*) FROM session"),
	    LOAD_BATCHES * LOAD_RECORDS);
	assert_int_equal(base_number(&r->base,
			     "SELECT sum(sessions) FROM "
			     "rollup_hour WHERE dimension = 1 AND key = 'bob'"),
	    LOAD_BATCHES * LOAD_RECORDS);
	assert_int_equal(
	    base_number(&r->base, "SELECT count(*) FROM audit_gap"), 0);
}

static void
send_events(struct rig *r, uint64_t first_seq, unsigned n)
{
	struct body *bodies[1000];

	for (unsigned i = 0; i < n; i++)
		bodies[i] = body_event(1, (unsigned)first_seq + i, "told");
	send_records(r, first_seq, bodies, n);
}

/* A stream of events and nothing else; no more of them stay than may. */
static void
test_events(void **state)
{
	struct rig *r = *state;

	send_events(r, 1, 3);
	wait_number(r, "SELECT count(*) FROM telemetry_event", 3);
	assert_string_equal(
	    base_text(&r->base,
		"SELECT category || ' ' || event || ' ' || severity || ' ' || "
		"message || ' ' || component || ' ' || instance || "
		"json_extract(details, '$.source') || suppressed "
		"FROM telemetry_event ORDER BY at DESC LIMIT 1"),
	    "security guessing_detected 2 told authd proxy-1192.0.2.93");
	/* A round may come between: then fewer than 1,000 are left over. */
	send_events(r, 4, 1000);
	send_events(r, 1004, 1000);
	wait_number(r, "SELECT next_seq FROM audit_stream", 2004);
	wait_number(r, "SELECT count(*) < 1100 FROM telemetry_event", 1);
	assert_int_equal(base_number(&r->base, "SELECT max(suppressed) FROM "
					       "telemetry_event"),
	    2003);
	send_records(r, 2004, (struct body *[]){ body_end("shutdown") }, 1);
	wait_number(r, "SELECT state FROM audit_stream", STREAM_ENDED);
	assert_int_equal(
	    base_number(&r->base, "SELECT count(*) FROM audit_quarantine"), 0);
}

/* What a reload says holds from the next round on. */
static void
test_reload(void **state)
{
	struct rig *r = *state;

	kill(r->pid, SIGTERM);
	assert_int_equal(reap(r->pid), 0);
	while (topic_pub_peers(r->pub) > 0)
		nap();
	write_config(r, 500, "1s");
	r->pid = spawn(r, NULL);
	wait_peers(r);
	send_events(r, 1, 600);
	wait_number(r, "SELECT count(*) FROM telemetry_event", 500);
	write_config(r, 100, "1s");
	kill(r->pid, SIGHUP);
	wait_number(r, "SELECT count(*) FROM telemetry_event", 100);
	assert_int_equal(base_number(&r->base,
			     "SELECT max(suppressed) FROM telemetry_event"),
	    600);
}

/* The daemon brings the schema of the first release up to date and goes on
 * with what is in it. */
static void
test_from_the_first_release(void **state)
{
	struct rig *r = *state;

	send_events(r, 7, 2);
	wait_number(r, "SELECT count(*) FROM telemetry_event", 2);
	assert_int_equal(
	    base_number(&r->base, "SELECT next_seq FROM audit_stream"), 9);
	assert_int_equal(
	    base_number(&r->base, "SELECT count(*) FROM audit_gap"), 0);
}

/* GET from the admin address that the log names. */
static void
http_get(const struct rig *r, const char *path, char *out, size_t size)
{
	char log[8192], request[128];
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint64_t end = clock_mono_ms() + WAIT_MS;
	const char *at;
	size_t len = 0;
	ssize_t n;
	int fd;

	/* The bus is there before the log says so. */
	while (read_log(r, log, sizeof(log)),
	    (at = strstr(log, "admin=127.0.0.1:")) == NULL) {
		assert_true(clock_mono_ms() < end);
		nap();
	}
	sin.sin_port = htons((uint16_t)atoi(at + strlen("admin=127.0.0.1:")));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	n = snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	assert_int_equal(write(fd, request, (size_t)n), n);
	while ((n = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(fd);
}

static unsigned long
count_malformed(struct rig *r)
{
	static const char name[] = "sallyport_audit_batches_total"
				   "{carrier=\"pub\",result=\"malformed\"} ";
	static char page[65536];
	const char *line;

	http_get(r, "/metrics", page, sizeof(page));
	line = strstr(page, name);
	assert_non_null(line);
	return strtoul(line + sizeof(name) - 1, NULL, 10);
}

/* Who sends this is closed and dials again, and what is sent meanwhile is
 * lost: so it is sent until it was counted. */
static void
send_hostile(struct rig *r, const void *p, size_t len)
{
	unsigned long before = count_malformed(r);
	uint64_t end = clock_mono_ms() + WAIT_MS;

	while (count_malformed(r) == before && clock_mono_ms() < end) {
		send_bytes(r, p, len);
		nap();
	}
	assert_true(count_malformed(r) > before);
}

/* What is cut between two fields may be whole. */
static bool
is_malformed(const char *p, size_t len)
{
	struct batch b;

	if (batch_check(&b, (struct str){ p, len }) != 0)
		return true;
	batch_fini(&b);
	return false;
}

static void
test_malformed_messages(void **state)
{
	static char page[65536];
	struct rig *r = *state;
	struct id id = stream_of(1);
	struct body *b = body_open(1, 1);
	struct bytes m = message_of(&id, "proxy-1", 1, &b, 1);
	uint64_t end;
	char *huge;

	free(b);
	for (size_t cut = 0; cut < m.len; cut += 23)
		if (is_malformed(m.ptr, cut))
			send_hostile(r, m.ptr, cut);
	for (unsigned i = 0; i < 10; i++) {
		char noise[300];

		random_bytes(noise, sizeof(noise));
		noise[0] = 0x0f; /* no field of a batch */
		send_hostile(r, noise, 1 + i * 25);
	}
	bytes_fini(&m);
	/* A well-formed batch that says nonsense. */
	end = clock_mono_ms() + WAIT_MS;
	while (base_number(&r->base, "SELECT count(*) FROM audit_quarantine") <
		   2 &&
	       clock_mono_ms() < end) {
		send_records(r, 1,
		    (struct body *[]){ body_raw("\x01\x01\0\0\xff", 5),
			body_raw("\xee\x01\0\0\xff", 5) },
		    2);
		nap();
	}
	wait_number(r, "SELECT count(*) FROM audit_quarantine", 2);
	http_get(r, "/readyz", page, sizeof(page));
	assert_non_null(strstr(page, " 200 "));
	/* Larger than the socket takes: that peer is cut off, comes back,
	 * and is served again. */
	huge = xcalloc(1, 3 << 20);
	send_bytes(r, huge, 3 << 20);
	free(huge);
	for (unsigned i = 0; i < 400; i++) {
		send_records(r, 3, (struct body *[]){ body_close(1, 2, 5) }, 1);
		if (base_number(&r->base, "SELECT count(*) FROM session") > 0)
			break;
		nap();
	}
	wait_number(r, "SELECT count(*) FROM session", 1);
}

static void
expect_exit(struct rig *r, const char *flag, int code, const char *words)
{
	char log[8192];
	pid_t pid;

	/* its own log */
	strcpy(strrchr(r->log, '/'), "/other");
	pid = spawn(r, flag);
	assert_int_equal(reap(pid), code);
	read_log(r, log, sizeof(log));
	strcpy(strrchr(r->log, '/'), "/log");
	if (strstr(log, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, log);
}

static void
test_cannot_start(void **state)
{
	struct rig *r = *state;
	sqlite3 *db;

	expect_exit(r, NULL, 1, "another sessiond");
	kill(r->pid, SIGTERM);
	assert_int_equal(reap(r->pid), 0);
	r->pid = 0;
	expect_exit(r, "--check", 0, "");
	assert_int_equal(sqlite3_open(r->base.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "INSERT INTO schema_migration "
			     "VALUES (99, 'future', 'x', 0, 99)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	expect_exit(r, NULL, 1, "later release");
	expect_exit(r, "--check", 78, "later release");
}

/* Records in flight at SIGTERM are stored before the end. */
static void
test_stop_flushes(void **state)
{
	static char page[65536];
	struct rig *r = *state;
	char *line;

	for (unsigned i = 0; i < 20; i++)
		send_load(r, i);
	do { /* until the daemon holds them, stored or not */
		http_get(r, "/metrics", page, sizeof(page));
		line = strstr(page, "\nsallyport_audit_queue_bytes ");
		assert_non_null(line);
	} while (base_number(&r->base, "SELECT count(*) FROM session") == 0);
	kill(r->pid, SIGTERM);
	assert_int_equal(reap(r->pid), 0);
	r->pid = 0;
	assert_int_equal(base_number(&r->base, "SELECT count(*) FROM session"),
	    base_number(&r->base, "SELECT next_seq - 1 FROM audit_stream"));
}

int
main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		T(events),
		T(reload),
		cmocka_unit_test_setup_teardown(test_from_the_first_release,
		    setup_first_release, teardown),
		/* SQLite's alone */
		T(history),
		T(kill_in_the_middle),
		T(malformed_messages),
		T(cannot_start),
		T(stop_flushes),
	};
	/* clang-format on */
	const struct CMUnitTest of_both[] = { tests[0], tests[1], tests[2] };

	if (argc != 2)
		die("usage: test_daemon SALLYPORT-SESSIOND");
	daemon_path = argv[1];
	return base_server() != NULL
		   ? cmocka_run_group_tests(of_both, NULL, NULL)
		   : cmocka_run_group_tests(tests, NULL, NULL);
}
