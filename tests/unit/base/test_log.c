/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define OUT_SIZE (4 << 20)
#define LINE_MAX_BYTES (16 * 1024)
#define TS "2026-11-20T12:34:56.123456Z"
#define WALL_US UINT64_C(1795178096123456)

static int fd;
static uint64_t mono;

static int
set_up(void **state)
{
	(void)state;
	fd = memfd_create("log", MFD_CLOEXEC);
	log_set_fd(fd);
	/* A second of its own for each test. */
	mono += 5000000;
	clock_test_set(mono, WALL_US);
	return fd < 0;
}

static int
tear_down(void **state)
{
	(void)state;
	clock_test_reset();
	log_set_fd(STDERR_FILENO);
	close(fd);
	return 0;
}

/* All that was written since the last call, NUL at the end. */
static const char *
take(void)
{
	static char out[OUT_SIZE];
	ssize_t n = pread(fd, out, sizeof(out) - 1, 0);

	assert_true(n >= 0);
	out[n] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	return out;
}

static size_t
count_lines(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += *s == '\n';
	return n;
}

/* The one line, as an object: any JSON parser must take it. */
static json_t *
take_json(void)
{
	const char *s = take();
	json_error_t e;
	json_t *j;

	assert_int_equal(count_lines(s), 1);
	j = json_loads(s, JSON_REJECT_DUPLICATES, &e);
	if (j == NULL)
		fail_msg("%s: %s", e.text, s);
	return j;
}

static void
write_sample(void)
{
	struct log l = { "worker", { log_str("client", "192.0.2.1:5") } };

	log_info(&l, "session_closed", log_u64("bytes", UINT64_MAX),
	    log_i64("delta", -3), log_seconds("duration_s", 1500001),
	    log_bool("ok", true), log_bool("late", false),
	    log_str("user", "M\xc3\xbcller"), log_str("none", NULL));
}

static void
test_text(void **state)
{
	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_TEXT, 0);
	write_sample();
	assert_string_equal(take(), TS " info  worker session_closed"
	    " client=192.0.2.1:5 bytes=18446744073709551615 delta=-3"
	    " duration_s=1.500001 ok=true late=false user=\"M\xc3\xbcller\""
	    " none=\"\"\n");
	log_error(NULL, "gone");
	assert_string_equal(take(), TS " error proxy gone\n");
}

static void
test_logfmt(void **state)
{
	char want[512];

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_LOGFMT, 0);
	write_sample();
	snprintf(want, sizeof(want), "ts=" TS " level=info service=proxy pid=%d"
	    " component=worker event=session_closed client=192.0.2.1:5"
	    " bytes=18446744073709551615 delta=-3 duration_s=1.500001 ok=true"
	    " late=false user=\"M\xc3\xbcller\" none=\"\"\n", (int)getpid());
	assert_string_equal(take(), want);
}

static void
test_json(void **state)
{
	char want[512];

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_JSON, 0);
	write_sample();
	snprintf(want, sizeof(want), "{\"ts\":\"" TS "\",\"level\":\"info\","
	    "\"service\":\"proxy\",\"pid\":%d,\"component\":\"worker\","
	    "\"event\":\"session_closed\",\"client\":\"192.0.2.1:5\","
	    "\"bytes\":18446744073709551615,\"delta\":-3,"
	    "\"duration_s\":1.500001,\"ok\":true,\"late\":false,"
	    "\"user\":\"M\xc3\xbcller\",\"none\":\"\"}\n", (int)getpid());
	assert_string_equal(take(), want);
}

static void
test_auto_is_logfmt_off_a_terminal(void **state)
{
	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_AUTO, 0);
	log_info(NULL, "up");
	assert_int_equal(strncmp(take(), "ts=" TS, strlen(TS)), 0);
}

static void
test_levels(void **state)
{
	uint64_t warned = log_count(LOG_WARN), said = log_count(LOG_INFO);

	(void)state;
	log_setup("proxy", LOG_WARN, LOG_FORMAT_TEXT, 0);
	assert_true(log_enabled(LOG_WARN));
	assert_false(log_enabled(LOG_INFO));
	log_info(NULL, "quiet");
	log_write(NULL, LOG_DEBUG, "quiet", &(struct log_field){ 0 });
	assert_string_equal(take(), "");
	log_warn(NULL, "heard");
	assert_int_equal(count_lines(take()), 1);
	log_set_level(LOG_TRACE);
	log_debug(NULL, "heard");
	log_info(NULL, "heard");
	assert_int_equal(count_lines(take()), 2);
	assert_int_equal(log_count(LOG_WARN), warned + 1);
	assert_int_equal(log_count(LOG_INFO), said + 1);
}

static const struct str hostile[] = {
	{ "a\nts=0 level=error event=forged", 31 },
	{ "a\" event=\"forged", 16 },
	{ "a\\\" event=forged", 16 },
	{ "a\\", 2 },
	{ "\",\"event\":\"forged\",\"x\":\"", 24 },
	{ "a event=forged", 14 },
	{ "\x1b[2J\x07\r\0 event=forged", 20 },
	{ "\xe2\x80\xa8\xe2\x80\xae\xc2\x85 event=forged", 21 },
	{ "\xff\xfe\xc3 event=forged", 16 },
	{ "%s%n%s%n", 8 },
};

/* Splits as logfmt is read: by spaces outside of quotes. How many fields. */
static size_t
count_fields(const char *s)
{
	size_t n = 1;
	bool quoted = false;

	for (; *s != '\0'; s++) {
		if (*s == '\\' && quoted)
			s++;
		else if (*s == '"')
			quoted = !quoted;
		else if (*s == ' ' && !quoted)
			n++;
	}
	assert_false(quoted);
	return n;
}

static void
test_logfmt_cannot_be_forged(void **state)
{
	size_t i;

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_LOGFMT, 0);
	for (i = 0; i < ARRAY_LEN(hostile); i++) {
		const char *line;

		log_info(NULL, "e", log_strn("user", hostile[i]),
		    log_u64("n", 1));
		line = take();
		assert_int_equal(count_lines(line), 1);
		assert_int_equal(count_fields(line), 7);
		assert_true(str_is_printable((struct str){ line,
		    strlen(line) - 1 }));
		assert_true(str_is_utf8(str_from(line)));
	}
}

static void
test_json_cannot_be_forged(void **state)
{
	size_t i;

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_JSON, 0);
	for (i = 0; i < ARRAY_LEN(hostile); i++) {
		json_t *j;

		log_info(NULL, "e", log_strn("user", hostile[i]),
		    log_u64("n", 1));
		j = take_json();
		assert_int_equal(json_object_size(j), 7);
		assert_string_equal(json_string_value(json_object_get(j,
		    "event")), "e");
		json_decref(j);
	}
}

/* Valid text without NUL comes back from the parser as it went in. */
static void
test_json_keeps_text(void **state)
{
	static const char text[] = "DOM\\user \"x\" \t\n\x01\x7f \xc2\x9b"
	    "\xe2\x80\xae \xf0\x9f\x98\x80";
	const char *got;
	json_t *j;

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_JSON, 0);
	log_info(NULL, "e", log_str("user", text), log_str("bad", "\xff"));
	got = take();
	assert_null(strpbrk(got, "\x01\x7f\t"));
	assert_null(strstr(got, "\xe2\x80\xae"));
	log_info(NULL, "e", log_str("user", text), log_str("bad", "\xff"));
	j = take_json();
	assert_string_equal(json_string_value(json_object_get(j, "user")),
	    text);
	assert_string_equal(json_string_value(json_object_get(j, "bad")),
	    "\\xff");
	json_decref(j);
}

static void
test_long_field_is_cut(void **state)
{
	char value[600];
	const char *got;
	json_t *j;

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_JSON, 0);
	memset(value, 'a', sizeof(value));
	log_info(NULL, "e", log_strn("v", (struct str){ value, 512 }));
	j = take_json();
	assert_int_equal(json_string_length(json_object_get(j, "v")), 512);
	json_decref(j);
	memcpy(value + 511, "\xc3\xa9", 2);
	log_info(NULL, "e", log_strn("v", (struct str){ value, 513 }));
	j = take_json();
	got = json_string_value(json_object_get(j, "v"));
	assert_int_equal(strlen(got), 514);
	assert_string_equal(got + 510, "a\xe2\x80\xa6");
	json_decref(j);
}

static void
write_huge(void)
{
	char control[512];
	struct str v = { control, sizeof(control) };

	memset(control, 1, sizeof(control));
	log_info(NULL, "e", log_strn("a", v), log_strn("b", v),
	    log_strn("c", v), log_strn("d", v), log_strn("f", v),
	    log_strn("g", v), log_strn("h", v), log_strn("i", v),
	    log_u64("last", 1));
}

/* Fields that do not fit are left out whole; the line says so, and ends. */
static void
test_long_line_is_cut(void **state)
{
	enum log_format f;
	json_t *j;

	(void)state;
	for (f = LOG_FORMAT_TEXT; f <= LOG_FORMAT_JSON; f++) {
		const char *line;

		log_setup("proxy", LOG_INFO, f, 0);
		write_huge();
		line = take();
		assert_true(strlen(line) <= LINE_MAX_BYTES);
		assert_int_equal(count_lines(line), 1);
	}
	write_huge();
	j = take_json();
	assert_true(json_is_true(json_object_get(j, "cut")));
	assert_int_equal(json_string_length(json_object_get(j, "f")), 512);
	assert_null(json_object_get(j, "g"));
	assert_non_null(json_object_get(j, "last"));
	json_decref(j);
}

/* However full it is, a line has room for its end. */
static void
test_full_line_is_ended(void **state)
{
	static struct log_field fields[6001];
	const char *line;
	size_t i;

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_TEXT, 1);
	for (i = 0; i + 1 < ARRAY_LEN(fields); i++)
		fields[i] = log_u64("n", 1);
	log_write(NULL, LOG_INFO, "full", fields);
	log_write(NULL, LOG_INFO, "full", fields);
	take();
	clock_test_set(mono + 1000000, WALL_US);
	log_write(NULL, LOG_INFO, "full", fields);
	line = take();
	assert_true(strlen(line) <= LINE_MAX_BYTES);
	assert_non_null(strstr(line, " n=1 suppressed=1 cut=true\n"));
}

static void
test_repeats(void **state)
{
	int i;
	json_t *j;

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_JSON, 3);
	for (i = 0; i < 10; i++)
		log_error(NULL, "same");
	assert_int_equal(count_lines(take()), 3);
	log_error(NULL, "other");
	assert_int_equal(count_lines(take()), 1);
	clock_test_set(mono + 1000000, WALL_US);
	log_error(NULL, "same");
	j = take_json();
	assert_int_equal(json_integer_value(json_object_get(j, "suppressed")),
	    7);
	json_decref(j);
	log_error(NULL, "same");
	j = take_json();
	assert_null(json_object_get(j, "suppressed"));
	json_decref(j);
}

/* Who asks first does no work for a line that would be dropped, and the line is
 * counted all the same. */
static void
test_wants(void **state)
{
	json_t *j;

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_JSON, 2);
	for (int i = 0; i < 6; i++)
		if (log_wants(LOG_INFO, "same"))
			log_info(NULL, "same");
	assert_int_equal(count_lines(take()), 2);
	assert_true(log_wants(LOG_INFO, "other"));
	assert_false(log_wants(LOG_DEBUG, "other"));
	clock_test_set(mono + 1000000, WALL_US);
	assert_true(log_wants(LOG_INFO, "same"));
	log_info(NULL, "same");
	j = take_json();
	assert_int_equal(json_integer_value(json_object_get(j, "suppressed")),
	    4);
	json_decref(j);
	log_setup("proxy", LOG_INFO, LOG_FORMAT_JSON, 0);
	for (int i = 0; i < 100; i++)
		assert_true(log_wants(LOG_INFO, "same"));
}

/* More events than the table holds: each is still limited or written. */
static void
test_repeats_are_bounded(void **state)
{
	char name[100];
	int i;

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_TEXT, 1);
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "event_%d_%060d", i, 0);
		log_info(NULL, name);
		log_info(NULL, name);
	}
	assert_int_equal(count_lines(take()), 2000);
}

static void
test_journal_priority(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_setup("proxy", LOG_DEBUG, LOG_FORMAT_TEXT, 0);
	unsetenv("JOURNAL_STREAM");
	log_warn(NULL, "e");
	assert_string_equal(take(), "<4>" TS " warn  proxy e\n");
	log_debug(NULL, "e");
	assert_string_equal(take(), "<7>" TS " debug proxy e\n");
}

static void
test_errno_is_kept_and_failure_not_counted(void **state)
{
	uint64_t before = log_count(LOG_INFO);

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_TEXT, 0);
	log_set_fd(-1);
	errno = ENOENT;
	log_info(NULL, "lost");
	assert_int_equal(errno, ENOENT);
	assert_int_equal(log_count(LOG_INFO), before);
}

static void *
write_many(void *arg)
{
	char value[500];
	int i;

	memset(value, *(char *)arg, sizeof(value));
	for (i = 0; i < 200; i++)
		log_info(NULL, "e", log_strn("v",
		    (struct str){ value, sizeof(value) }));
	return NULL;
}

/* ---- a reader that stands still ---- */

#ifdef SYS_poll
#define POLL_CALL SYS_poll
#else
#define POLL_CALL SYS_ppoll
#endif

/* A pipe of `pages` of which `full` are; lines go there. */
static void
open_pipe(int ends[2], int pages, int full)
{
	static const char page[4096];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, pages * 4096),
	    pages * 4096);
	for (int i = 0; i < full; i++)
		assert_int_equal(write(ends[1], page, sizeof(page)),
		    sizeof(page));
	log_set_fd(ends[1]);
}

static void
close_pipe(int ends[2])
{
	log_set_fd(fd);
	close(ends[0]);
	close(ends[1]);
}

/* What is in it behind the pages that were full. */
static const char *
take_from(int ends[2], int full)
{
	static char got[16 * 4096 + 1];
	ssize_t n;

	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	while (full-- > 0)
		assert_int_equal(read(ends[0], got, 4096), 4096);
	n = read(ends[0], got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = '\0';
	return got;
}

static void
test_lines_are_lost_where_nobody_reads(void **state)
{
	uint64_t written = log_count(LOG_INFO), lost = log_lost();
	int ends[2];

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_TEXT, 0);
	open_pipe(ends, 2, 2);
	errno = ENOENT;
	log_info(NULL, "first");
	log_info(NULL, "second");
	assert_int_equal(errno, ENOENT);
	assert_int_equal(log_lost(), lost + 2);
	assert_int_equal(log_count(LOG_INFO), written);
	assert_string_equal(take_from(ends, 2), "");
	log_info(NULL, "third");
	log_info(NULL, "fourth");
	assert_string_equal(take_from(ends, 0), TS " info  proxy third lost=2\n"
	    TS " info  proxy fourth\n");
	assert_int_equal(log_count(LOG_INFO), written + 2);
	close_pipe(ends);
}

static void
test_torn_line_is_ended(void **state)
{
	char value[500];
	struct log_field fields[11] = { { .kind = LOG_END } };
	uint64_t lost = log_lost();
	const char *got;
	int ends[2];

	(void)state;
	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < 10; i++)
		fields[i] = log_strn("v", (struct str){ value, sizeof(value) });
	log_setup("proxy", LOG_INFO, LOG_FORMAT_TEXT, 0);
	open_pipe(ends, 2, 1);
	log_write(NULL, LOG_INFO, "long", fields);
	assert_int_equal(log_lost(), lost + 1);
	got = take_from(ends, 1);
	assert_int_equal(strlen(got), 4096);
	assert_null(strchr(got, '\n'));
	log_info(NULL, "next");
	log_info(NULL, "and on");
	assert_string_equal(take_from(ends, 0), "\n"
	    TS " info  proxy next lost=1\n" TS " info  proxy \"and on\"\n");
	/* and a long one passes where there is room */
	log_write(NULL, LOG_INFO, "long", fields);
	got = take_from(ends, 0);
	assert_true(strlen(got) > 5000);
	assert_int_equal(count_lines(got), 1);
	assert_int_equal(log_lost(), lost + 1);
	close_pipe(ends);
}

static pid_t writer;	/* atomic; 0: not yet */

static void *
write_one(void *arg)
{
	(void)arg;
	__atomic_store_n(&writer, gettid(), __ATOMIC_RELEASE);
	log_info(NULL, "held");
	return NULL;
}

/* Until the writer waits for room, or has waited. */
static void
wait_for_writer(uint64_t lost)
{
	char path[64];
	long call = -1;
	FILE *f;

	while (call != POLL_CALL && log_lost() == lost) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/syscall",
		    (int)__atomic_load_n(&writer, __ATOMIC_ACQUIRE));
		f = fopen(path, "re");
		if (f == NULL || fscanf(f, "%ld", &call) != 1)
			call = -1;	/* not there yet, or "running" */
		if (f != NULL)
			fclose(f);
	}
}

/* Whoever has nothing to write does not wait for a reader. On a busy machine
 * the writer's wait may be over first: once in fifty times it is not. */
static void
test_question_is_not_held_up(void **state)
{
	bool at_once = false;
	int ends[2];

	(void)state;
	log_setup("proxy", LOG_INFO, LOG_FORMAT_TEXT, 10000);
	for (int i = 0; i < 50 && !at_once; i++) {
		uint64_t lost = log_lost();
		pthread_t thread;

		__atomic_store_n(&writer, 0, __ATOMIC_RELAXED);
		open_pipe(ends, 1, 1);
		assert_int_equal(pthread_create(&thread, NULL, write_one,
		    NULL), 0);
		wait_for_writer(lost);
		assert_true(log_wants(LOG_INFO, "other"));
		at_once = log_lost() == lost;
		pthread_join(thread, NULL);
		assert_int_equal(log_lost(), lost + 1);
		close_pipe(ends);
	}
	assert_true(at_once);
}

static void
test_threads_do_not_mix(void **state)
{
	char names[] = "abcd";
	pthread_t threads[4];
	const char *p;
	int i;

	(void)state;
	log_setup("p", LOG_INFO, LOG_FORMAT_TEXT, 1000000);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many,
		    &names[i]), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	p = take();
	assert_int_equal(count_lines(p), 800);
	for (i = 0; i < 800; i++) {
		p = strstr(p, " v=") + 3;
		assert_int_equal(strspn(p, (char[]){ *p, '\0' }), 500);
		assert_int_equal(p[500], '\n');
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_text),
		CASE(test_logfmt),
		CASE(test_json),
		CASE(test_auto_is_logfmt_off_a_terminal),
		CASE(test_levels),
		CASE(test_logfmt_cannot_be_forged),
		CASE(test_json_cannot_be_forged),
		CASE(test_json_keeps_text),
		CASE(test_long_field_is_cut),
		CASE(test_long_line_is_cut),
		CASE(test_full_line_is_ended),
		CASE(test_repeats),
		CASE(test_wants),
		CASE(test_repeats_are_bounded),
		CASE(test_journal_priority),
		CASE(test_errno_is_kept_and_failure_not_counted),
		CASE(test_lines_are_lost_where_nobody_reads),
		CASE(test_torn_line_is_ended),
		CASE(test_question_is_not_held_up),
		CASE(test_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
