/* SPDX-License-Identifier: MIT */
/*
 * A line is built on the writer's stack and written under a lock, because a
 * pipe keeps only up to PIPE_BUF bytes of one write together. Whether there
 * will be a line is asked under another one: who has nothing to write waits for
 * no file and no pipe. Who has, waits for a reader that stands still once, for
 * STALL_MS; from then on lines are dropped, and counted, until there is room
 * again. The table of repeats is bounded: an event that finds no slot takes
 * that of the one which was silent longest, whose count of suppressed lines is
 * then lost.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_BYTES ((size_t)16 * 1024)
#define FIELD_BYTES ((size_t)512)
/* Kept free for what ends a line: three counts and flags, brace, line feed. */
#define TAIL_BYTES ((size_t)96)

/* Beyond these a pipe with any room at all may still block. */
#define CHUNK_BYTES ((size_t)PIPE_BUF)
#define STALL_MS 100

#define EVENT_SIZE 48
#define SLOTS 256
#define PROBES 8

/* How often one event came in one second. */
struct slot {
	char event[EVENT_SIZE];	/* "" while free */
	uint64_t second;
	uint32_t count;
	uint32_t suppressed;	/* since its last line */
};

struct style {
	const char *open, *opened;	/* around the time */
	const char *before, *between;	/* a field's name, its value */
	const char *close;
	void (*string)(struct text *, struct str);
	bool terse;		/* for people: no names for the first fields */
};

static struct {
	const char *service;
	enum log_format format;
	uint32_t repeat_limit;	/* 0: none */
	int fd;
	bool journal;		/* lines begin with <priority> */
	int level;		/* relaxed atomic */
	uint64_t lines[LOG_TRACE + 1];	/* relaxed atomics */
	uint64_t lost, unsaid;	/* relaxed atomics; unsaid: in no line yet */
	pthread_mutex_t writing;	/* one line after the other */
	bool stalled;		/* writing; the last wait was in vain */
	bool torn;		/* writing; the last line has no end */
	pthread_mutex_t lock;	/* guards the slots; held for no system call */
	struct slot slots[SLOTS];
} logger = {
	.service = "",
	.format = LOG_FORMAT_TEXT,
	.fd = STDERR_FILENO,
	.level = LOG_INFO,
	.writing = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

const char *
log_level_name(enum log_level level)
{
	static const char *const names[] = {
		[LOG_ERROR] = "error",
		[LOG_WARN] = "warn",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
		[LOG_TRACE] = "trace",
	};

	return names[level];
}

/* Whether `fd` is the stream that systemd named in the environment. */
static bool
is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char own[64];

	if (stream == NULL || fstat(fd, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	return strcmp(own, stream) == 0;
}

void
log_setup(const char *service, enum log_level level, enum log_format format,
    uint32_t repeat_limit)
{
	if (format == LOG_FORMAT_AUTO)
		format = isatty(logger.fd) ? LOG_FORMAT_TEXT
		    : LOG_FORMAT_LOGFMT;
	logger.service = service;
	logger.format = format;
	logger.repeat_limit = repeat_limit;
	logger.journal = is_journal(logger.fd);
	log_set_level(level);
}

void
log_set_level(enum log_level level)
{
	__atomic_store_n(&logger.level, (int)level, __ATOMIC_RELAXED);
}

bool
log_enabled(enum log_level level)
{
	return (int)level <= __atomic_load_n(&logger.level, __ATOMIC_RELAXED);
}

void
log_set_fd(int fd)
{
	logger.fd = fd;
	logger.journal = is_journal(fd);
	logger.stalled = logger.torn = false;
	logger.unsaid = 0;
}

uint64_t
log_count(enum log_level level)
{
	return __atomic_load_n(&logger.lines[level], __ATOMIC_RELAXED);
}

uint64_t
log_lost(void)
{
	return __atomic_load_n(&logger.lost, __ATOMIC_RELAXED);
}

/* Valid text comes back from a JSON parser as it was; a NUL, which many parsers
 * refuse, and a byte that is no UTF-8 come back as the characters \xNN. */
static void
json_string(struct text *t, struct str s)
{
	uint32_t c;
	size_t n;

	text_str(t, STR("\""));
	for (; s.len > 0; s.ptr += n, s.len -= n) {
		n = str_char(s, &c);
		if (n == 0 || c == 0) {
			text_fmt(t, "\\\\x%02x", (uint8_t)s.ptr[0]);
			n = 1;
		} else if (!str_char_is_printable(c)) {
			text_fmt(t, "\\u%04x", c);
		} else {
			if (c == '"' || c == '\\')
				text_str(t, STR("\\"));
			text_str(t, (struct str){ s.ptr, n });
		}
	}
	text_str(t, STR("\""));
}

static bool
may_stand_bare(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~'
		    || strchr("\"=\\", s.ptr[i]) != NULL)
			return false;
	}
	return s.len > 0;
}

/* Bare, or as text_escaped in quotes with the quotes escaped too. */
static void
logfmt_string(struct text *t, struct str s)
{
	const char *quote;
	size_t n;

	if (may_stand_bare(s)) {
		text_str(t, s);
		return;
	}
	text_str(t, STR("\""));
	while (s.len > 0) {
		quote = memchr(s.ptr, '"', s.len);
		n = quote != NULL ? (size_t)(quote - s.ptr) : s.len;
		text_escaped(t, (struct str){ s.ptr, n });
		if (quote != NULL) {
			text_str(t, STR("\\\""));
			n++;
		}
		s.ptr += n;
		s.len -= n;
	}
	text_str(t, STR("\""));
}

static const struct style styles[] = {
	[LOG_FORMAT_TEXT] = { "", "", " ", "=", "", logfmt_string, true },
	[LOG_FORMAT_LOGFMT] = { "ts=", "", " ", "=", "", logfmt_string },
	[LOG_FORMAT_JSON] = { "{\"ts\":\"", "\"", ",\"", "\":", "}",
		json_string },
};

/* At most FIELD_BYTES of the value; an ellipsis shows that more was there. */
static void
put_string(struct text *t, const struct style *style, struct str s)
{
	char array[FIELD_BYTES + sizeof("…")];
	struct text part = text_on(array, FIELD_BYTES + 1);

	if (s.len <= FIELD_BYTES) {
		style->string(t, s);
		return;
	}
	text_str(&part, s);
	part.size = sizeof(array);
	part.cut = false;
	text_str(&part, STR("…"));
	style->string(t, (struct str){ part.ptr, part.len });
}

static void
put_field(struct text *t, const struct style *style,
    const struct log_field *f)
{
	unsigned long long num = f->num;

	text_fmt(t, "%s%s%s", style->before, f->name, style->between);
	switch (f->kind) {
	case LOG_STR: put_string(t, style, f->str); break;
	case LOG_U64: text_fmt(t, "%llu", num); break;
	case LOG_I64: text_fmt(t, "%lld", (long long)num); break;
	case LOG_BOOL: text_fmt(t, "%s", num ? "true" : "false"); break;
	case LOG_SECONDS:
		text_fmt(t, "%llu.%06llu", num / 1000000, num % 1000000);
		break;
	case LOG_END: break;
	}
}

/* Up to `max` fields, the END not needed. False: one was left out, because
 * the line is full. */
static bool
put_fields(struct text *t, const struct style *style,
    const struct log_field *f, size_t max)
{
	bool whole = true;

	for (; max > 0 && f->kind != LOG_END; max--, f++) {
		size_t mark = t->len;

		put_field(t, style, f);
		if (t->cut) {
			t->len = mark;
			t->cut = false;
			whole = false;
		}
	}
	return whole;
}

static void
put_head(struct text *t, const struct style *style, enum log_level level,
    const char *component, const char *event)
{
	char ts[CLOCK_TEXT_SIZE];
	const struct log_field first[] = {
		log_str("level", log_level_name(level)),
		log_str("service", logger.service),
		log_u64("pid", (uint64_t)getpid()),
	};
	const struct log_field last[] = {
		log_str("component", component),
		log_str("event", event),
	};

	clock_format(ts, clock_wall_us(), 6);
	text_fmt(t, "%s%s%s", style->open, ts, style->opened);
	if (style->terse) {
		text_fmt(t, " %-5s ", log_level_name(level));
		put_string(t, style, str_from(component != NULL ? component
		    : logger.service));
		text_str(t, STR(" "));
		put_string(t, style, str_from(event));
		return;
	}
	put_fields(t, style, first, ARRAY_LEN(first));
	if (component != NULL)
		put_fields(t, style, &last[0], 1);
	put_fields(t, style, &last[1], 1);
}

static struct slot *
find_slot(const char *event)
{
	uint32_t hash = 2166136261u;	/* FNV-1a; names are ours */
	struct slot *s, *oldest = NULL;
	const char *p;
	uint32_t i;

	for (p = event; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	for (i = 0; i < PROBES; i++) {
		s = &logger.slots[(hash + i) % SLOTS];
		if (strncmp(s->event, event, EVENT_SIZE - 1) == 0)
			return s;
		if (oldest == NULL || s->second < oldest->second)
			oldest = s;
	}
	*oldest = (struct slot){ 0 };
	snprintf(oldest->event, sizeof(oldest->event), "%s", event);
	return oldest;
}

/* The slot of this event, its count that of this second; locked. */
static struct slot *
slot_now(const char *event)
{
	uint64_t second = clock_mono_us() / 1000000;
	struct slot *s = find_slot(event);

	if (s->second != second) {
		s->second = second;
		s->count = 0;
	}
	return s;
}

/* False: too many of this event in this second. Else how many lines of it
 * were dropped before. */
static bool
admit(const char *event, uint32_t *suppressed)
{
	struct slot *s;
	bool ok;

	*suppressed = 0;
	if (logger.repeat_limit == 0)
		return true;
	pthread_mutex_lock(&logger.lock);
	s = slot_now(event);
	ok = s->count < logger.repeat_limit;
	if (ok) {
		s->count++;
		*suppressed = s->suppressed;
		s->suppressed = 0;
	} else {
		s->suppressed++;
	}
	pthread_mutex_unlock(&logger.lock);
	return ok;
}

bool
log_wants(enum log_level level, const char *event)
{
	struct slot *s;
	bool full;

	if (!log_enabled(level))
		return false;
	if (logger.repeat_limit == 0)
		return true;
	pthread_mutex_lock(&logger.lock);
	s = slot_now(event);
	full = s->count >= logger.repeat_limit;
	if (full)
		s->suppressed++;
	pthread_mutex_unlock(&logger.lock);
	return !full;
}

static void
count(uint64_t *counter, uint64_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

/* Files always have room. An error is what write() then tells. */
static bool
wait_for_room(void)
{
	struct pollfd p = { .fd = logger.fd, .events = POLLOUT };

	logger.stalled = poll(&p, 1, logger.stalled ? 0 : STALL_MS) == 0;
	return !logger.stalled;
}

/* Locked. How much of it was written. */
static size_t
write_bytes(const char *p, size_t len)
{
	size_t done = 0;

	while (done < len && wait_for_room()) {
		size_t want = len - done < CHUNK_BYTES ? len - done
		    : CHUNK_BYTES;
		ssize_t n = write(logger.fd, p + done, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* Locked. A line that could not be ended is ended first. */
static bool
write_whole(const char *p, size_t len)
{
	size_t done;

	if (logger.torn && write_bytes("\n", 1) == 0)
		return false;
	done = write_bytes(p, len);
	logger.torn = done > 0 && done < len;
	return done == len;
}

static bool
write_line(const char *p, size_t len)
{
	bool whole;

	pthread_mutex_lock(&logger.writing);
	whole = write_whole(p, len);
	pthread_mutex_unlock(&logger.writing);
	return whole;
}

void
log_write(const struct log *l, enum log_level level, const char *event,
    const struct log_field *fields)
{
	static const char priority[] = { '3', '4', '6', '7', '7' };
	const struct style *style = &styles[logger.format];
	int saved = errno;
	char line[LINE_BYTES];
	struct text t = text_on(line, sizeof(line) - TAIL_BYTES);
	uint64_t unsaid;
	uint32_t suppressed;
	bool whole = true;

	if (!log_enabled(level) || !admit(event, &suppressed))
		return;
	if (logger.journal)
		text_fmt(&t, "<%c>", priority[level]);
	put_head(&t, style, level, l != NULL ? l->component : NULL, event);
	if (l != NULL)
		whole = put_fields(&t, style, l->context,
		    ARRAY_LEN(l->context));
	whole &= put_fields(&t, style, fields, SIZE_MAX);
	t.size = sizeof(line);
	if (suppressed > 0)
		put_field(&t, style, &(struct log_field){
		    LOG_U64, "suppressed", { 0 }, suppressed });
	unsaid = __atomic_exchange_n(&logger.unsaid, 0, __ATOMIC_RELAXED);
	if (unsaid > 0)
		put_field(&t, style, &(struct log_field){
		    LOG_U64, "lost", { 0 }, unsaid });
	if (!whole)
		put_field(&t, style, &(struct log_field){
		    LOG_BOOL, "cut", { 0 }, true });
	text_fmt(&t, "%s\n", style->close);
	if (write_line(line, t.len)) {
		count(&logger.lines[level], 1);
	} else {
		count(&logger.lost, 1);
		count(&logger.unsaid, unsaid + 1);
	}
	errno = saved;
}
