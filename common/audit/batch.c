/* SPDX-License-Identifier: MIT */
#include "audit/batch.h"

#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "base/buf.h"
#include "base/mem.h"
#include "proto/wire.h"

/* Field numbers of message Batch in events.proto. */
enum { STREAM = 1, FIRST_SEQ, RECORDS, PROXY, MAC };

#define RECORD_MIN 4	/* type, version, flags */
#define MAC_SIZE 16

struct batch_writer {
	struct id stream;
	struct str proxy;		/* lies in proxy_text */
	uint64_t next_seq;
	unsigned n;
	struct writer out;		/* the message without its proxy */
	char proxy_text[BATCH_PROXY_MAX + 1];
	uint8_t buffer[BATCH_BYTES_MAX];
};

struct batch_writer *
batch_writer_new(const struct id *stream, const char *proxy,
    uint64_t first_seq)
{
	struct batch_writer *w = xmalloc(sizeof(*w));
	struct text t = text_on(w->proxy_text, sizeof(w->proxy_text));

	ASSERT(first_seq >= 1);
	text_escaped(&t, str_from(proxy));
	w->stream = *stream;
	w->proxy = (struct str){ t.ptr, t.len };
	w->next_seq = first_seq;
	w->n = 0;
	w->out = writer_on(w->buffer, sizeof(w->buffer));
	return w;
}

static void
begin(struct batch_writer *w)
{
	struct str stream = { (const char *)w->stream.b, sizeof(w->stream.b) };

	w->out = writer_on(w->buffer, sizeof(w->buffer));
	wire_put_bytes(&w->out, STREAM, stream);
	wire_put_varint(&w->out, FIRST_SEQ, w->next_seq);
}

bool
batch_writer_add(struct batch_writer *w, struct str body)
{
	size_t tail = wire_bytes_size(PROXY, w->proxy.len);

	ASSERT(body.len >= RECORD_MIN && body.len <= RECORD_MAX);
	if (w->n == 0)
		begin(w);
	if (w->n == BATCH_RECORDS_MAX || w->out.len + tail +
	    wire_bytes_size(RECORDS, body.len) > w->out.size)
		return false;
	wire_put_bytes(&w->out, RECORDS, body);
	w->next_seq++;
	w->n++;
	return true;
}

unsigned
batch_writer_records(const struct batch_writer *w)
{
	return w->n;
}

uint64_t
batch_writer_next_seq(const struct batch_writer *w)
{
	return w->next_seq;
}

struct str
batch_writer_take(struct batch_writer *w)
{
	if (w->n == 0)
		return STR("");
	wire_put_bytes(&w->out, PROXY, w->proxy);
	ASSERT(!w->out.failed);
	w->n = 0;
	return (struct str){ (const char *)w->buffer, w->out.len };
}

void
batch_writer_free(struct batch_writer **wp)
{
	free(*wp);
	*wp = NULL;
}

static bool
take_proxy(struct batch *b, struct str s)
{
	return str_is_clean(s) && str_copy(b->proxy, sizeof(b->proxy), s);
}

static bool
take_record(struct batch *b, struct str *records, struct str body)
{
	if (body.len < RECORD_MIN || body.len > RECORD_MAX ||
	    b->n == BATCH_RECORDS_MAX)
		return false;
	records[b->n++] = body;
	return true;
}

static bool
take_field(struct batch *b, struct str *records, const struct wire_field *f)
{
	if (f->number > MAC)
		return true;	/* of a later release */
	if (f->type != (f->number == FIRST_SEQ ? WIRE_VARINT : WIRE_BYTES))
		return false;
	switch (f->number) {
	case STREAM:
		if (f->bytes.len != sizeof(b->stream.b))
			return false;
		memcpy(b->stream.b, f->bytes.ptr, sizeof(b->stream.b));
		return true;
	case FIRST_SEQ:
		b->first_seq = f->value;
		return true;
	case RECORDS: return take_record(b, records, f->bytes);
	case PROXY: return take_proxy(b, f->bytes);
	case MAC: return f->bytes.len == MAC_SIZE;
	}
	return false;
}

/* The fields stand in order, each but records once: then the same range has
 * the same bytes, and the stream is the first. */
static bool
walk(struct batch *b, struct str *records, struct str message)
{
	enum wire_result r;
	struct wire_field f;
	uint32_t last = 0;

	while ((r = wire_next(&message, &f)) == WIRE_FIELD) {
		if (f.number < last || (f.number == last && last <= MAC &&
		    last != RECORDS))
			return false;
		if (last == 0 && f.number != STREAM)
			return false;
		last = f.number;
		if (!take_field(b, records, &f))
			return false;
	}
	/* The seq behind the last must be a number too. */
	return r == WIRE_END && b->n > 0 && b->first_seq >= 1 &&
	    b->first_seq <= (uint64_t)INT64_MAX - b->n;
}

int
batch_check(struct batch *b, struct str message)
{
	struct str *records;

	*b = (struct batch){ 0 };
	if (message.len == 0 || message.len > BATCH_BYTES_MAX)
		return -1;
	records = xreallocarray(NULL, BATCH_RECORDS_MAX, sizeof(*records));
	b->memory = records;
	b->records = records;
	if (walk(b, records, message))
		return 0;
	batch_fini(b);
	return -1;
}

void
batch_fini(struct batch *b)
{
	free(b->memory);
	*b = (struct batch){ 0 };
}
