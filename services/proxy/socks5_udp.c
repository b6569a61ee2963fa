/* SPDX-License-Identifier: MIT */
#include "proxy/socks5_udp.h"

#include "base/buf.h"
#include "base/check.h"
#include "proxy/socks5.h"

/* An address takes the place of a name without touching all of its bytes:
 * this is done for each datagram. */
static enum socks5_udp_verdict
take_addr(struct reader *r, size_t len, struct dest *dest)
{
	struct str s = reader_take(r, len);

	if (r->failed)
		return SOCKS5_UDP_RUNT;
	dest->is_name = false;
	dest->name_len = 0;
	dest->name[0] = '\0';
	dest->addr = len == 4 ? addr_from_v4((const uint8_t *)s.ptr) :
	    addr_from_v6((const uint8_t *)s.ptr);
	return SOCKS5_UDP_OK;
}

static enum socks5_udp_verdict
take_name(struct reader *r, struct dest *dest)
{
	struct str name = reader_take(r, reader_u8(r));

	if (r->failed)
		return SOCKS5_UDP_RUNT;
	return name_canonical(dest, name) == NAME_BAD ? SOCKS5_UDP_NAME :
	    SOCKS5_UDP_OK;
}

static enum socks5_udp_verdict
take_host(struct reader *r, uint8_t atyp, struct dest *dest)
{
	switch (atyp) {
	case SOCKS5_ATYP_IPV4: return take_addr(r, 4, dest);
	case SOCKS5_ATYP_IPV6: return take_addr(r, 16, dest);
	case SOCKS5_ATYP_NAME: return take_name(r, dest);
	default: return SOCKS5_UDP_ATYP;
	}
}

enum socks5_udp_verdict
socks5_udp_parse(struct str datagram, struct dest *dest, struct str *payload)
{
	struct reader r = reader_on(datagram.ptr, datagram.len);
	uint16_t rsv = reader_u16(&r);
	uint8_t frag = reader_u8(&r), atyp = reader_u8(&r);
	enum socks5_udp_verdict v;

	if (r.failed)
		return SOCKS5_UDP_RUNT;
	if (rsv != 0)
		return SOCKS5_UDP_RSV;
	if (frag != 0)
		return SOCKS5_UDP_FRAG;
	v = take_host(&r, atyp, dest);
	if (v != SOCKS5_UDP_OK)
		return v;
	dest->port = reader_u16(&r);
	if (r.failed)
		return SOCKS5_UDP_RUNT;
	if (dest->port == 0)
		return SOCKS5_UDP_PORT;
	*payload = (struct str){ (const char *)r.ptr, r.left };
	return SOCKS5_UDP_OK;
}

size_t
socks5_udp_header(uint8_t out[static SOCKS5_UDP_HEADER_V6],
    const struct endpoint *from)
{
	struct writer w = writer_on(out, SOCKS5_UDP_HEADER_V6);

	writer_u16(&w, 0);
	writer_u8(&w, 0);
	socks5_put_endpoint(&w, from);
	ASSERT(!w.failed);
	return w.len;
}
