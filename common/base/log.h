/* SPDX-License-Identifier: MIT */
/*
 * log: an event name and typed fields, one line each on stderr.
 *
 * For operators; never the audit trail. No caller can forge a line: every
 * value is escaped, and outside data never meets a format. There is no field
 * type for secrets. A line is at most 16 KiB, a string field 512 bytes. Lines
 * of different threads never mix (one write(2) each, where it fits into 4 KiB).
 * Repeats of one event beyond the limit in a second are dropped and counted in
 * the next line of that event as `suppressed`. A reader that stands still
 * holds each thread up for 100 ms; then lines are dropped until it reads on,
 * and counted in the next line of any event as `lost`. Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };
enum log_format {
	LOG_FORMAT_AUTO,	/* text on a terminal, else logfmt */
	LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON,
};

enum log_kind { LOG_END, LOG_STR, LOG_U64, LOG_I64, LOG_SECONDS, LOG_BOOL };

struct log_field {
	enum log_kind kind;
	const char *name;
	struct str str;
	uint64_t num;	/* U64, BOOL; I64 as bits; SECONDS in µs */
};

/* Context bound once: up to four fields that each line repeats. */
struct log {
	const char *component;
	struct log_field context[4];
};

/* Once, before threads start: the daemon's name (borrowed), level, format,
 * repeats of an event in a second (0: no limit). Until then: text, info. */
void log_setup(const char *service, enum log_level level,
    enum log_format format, uint32_t repeat_limit);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* Would a line of this event be written now? false counts it as suppressed:
 * ask before work that is only done for the line. */
bool log_wants(enum log_level level, const char *event);
/* Writes lines to `fd` instead of stderr, and knows of no lost ones (tests). */
void log_set_fd(int fd);
/* Lines written so far, of one level (for metrics). */
uint64_t log_count(enum log_level level);
/* Lines that could not be written: nobody read, or the disk was full. */
uint64_t log_lost(void);

/* `fields` ends with LOG_END. `l` may be NULL. Leaves errno alone. */
void log_write(const struct log *l, enum log_level level, const char *event,
    const struct log_field *fields);

#ifdef __cppcheck__	/* 2.10 does not know __VA_OPT__ */
#define log_at(l, level, event, ...) log_write(l, level, event, NULL)
#else
#define log_at(l, level, event, ...)                                          \
	(log_enabled(level)                                                   \
		? log_write(l, level, event,                                  \
		      (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ \
			  .kind = LOG_END } })                                \
		: (void)0)
#endif
#define log_error(l, event, ...) log_at(l, LOG_ERROR, event, __VA_ARGS__)
#define log_warn(l, event, ...) log_at(l, LOG_WARN, event, __VA_ARGS__)
#define log_info(l, event, ...) log_at(l, LOG_INFO, event, __VA_ARGS__)
#define log_debug(l, event, ...) log_at(l, LOG_DEBUG, event, __VA_ARGS__)

/* Fields; values are borrowed until log_write returns. */
static inline struct log_field
log_strn(const char *name, struct str v)
{
	return (struct log_field){ LOG_STR, name, v, 0 };
}
static inline struct log_field
log_str(const char *name, const char *v)
{
	return log_strn(name, str_from(v));
}
static inline struct log_field
log_u64(const char *name, uint64_t v)
{
	return (struct log_field){ LOG_U64, name, { 0 }, v };
}
static inline struct log_field
log_i64(const char *name, int64_t v)
{
	return (struct log_field){ LOG_I64, name, { 0 }, (uint64_t)v };
}
/* Shown in seconds with a fraction; name it ..._s. */
static inline struct log_field
log_seconds(const char *name, uint64_t us)
{
	return (struct log_field){ LOG_SECONDS, name, { 0 }, us };
}
static inline struct log_field
log_bool(const char *name, bool v)
{
	return (struct log_field){ LOG_BOOL, name, { 0 }, v };
}

const char *log_level_name(enum log_level level);

#endif
