/* SPDX-License-Identifier: MIT */
/*
 * buf: the one checked reader and the one checked writer of binary data.
 *
 * Numbers are in network order. After the first failure a reader or writer
 * stays failed and every further call does nothing, so that a parser may
 * check once at its end. Any thread.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* What a parser of a stream says; PARSE_MORE: not all bytes are here yet. */
enum parse { PARSE_BAD = -1, PARSE_MORE, PARSE_DONE };

struct reader {
	const uint8_t *ptr;
	size_t left;
	bool failed;
};

struct reader reader_on(const void *p, size_t len);
uint8_t reader_u8(struct reader *r);	/* 0 once failed */
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* `n` bytes, borrowed from the input; {NULL, 0} once failed. */
struct str reader_take(struct reader *r, size_t n);

struct writer {
	uint8_t *ptr;
	size_t size, len;
	bool failed;	/* something did not fit */
};

struct writer writer_on(void *p, size_t size);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_put(struct writer *w, const void *p, size_t n);

#endif
