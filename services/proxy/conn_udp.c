/* SPDX-License-Identifier: MIT */
/*
 * UDP ASSOCIATE: open the client's socket, say where it is, and start the
 * association. Nothing is asked here: each destination is judged when the
 * first datagram names it.
 */
#include "proxy/conn_impl.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock.h"
#include "proxy/ports.h"
#include "proxy/worker.h"

/* At the address that the client is connected to, which therefore reaches
 * us. -1 with err. */
static int
open_socket(const struct conn *c, const struct endpoint *local,
    struct endpoint *bound, struct err *err)
{
	const struct proxy_config *cfg = c->w->cfg;
	int fd = ports_datagram(&local->addr, cfg->udp_ports.low,
	    cfg->udp_ports.high, err);

	if (fd < 0) {
		log_warn(NULL, errno == EADDRINUSE ? "udp_ports_exhausted" :
		    "udp_bind_failed", log_str("error", err->text));
		return -1;
	}
	if (!sock_local(fd, bound)) {
		close(fd);
		return err_sys(err, "getsockname");
	}
	bound->addr = ports_advertise(&cfg->udp_advertise, &c->source.addr,
	    &local->addr);
	return fd;
}

enum conn_state
conn_udp(struct conn *c, const struct decision *d)
{
	struct endpoint local, bound;
	struct err err;
	int fd;

	ASSERT(d == NULL);
	if (!sock_local(c->client.fd, &local))
		return conn_refuse(c, CLOSE_out_of_resources, NULL, NULL);
	fd = open_socket(c, &local, &bound, &err);
	if (fd < 0)
		return conn_refuse(c, CLOSE_udp_bind_failed, NULL, err.text);
	conn_record_open(c, NULL);
	/* A client sends to exactly what it was told (case 61). */
	if (!conn_tell(c, &bound)) {
		close(fd);
		return conn_gone(c);
	}
	conn_set_up(c);
	if (conn_start_assoc(c, fd))
		return CONN_UDP;
	close(fd);
	return conn_hang_up(c, CLOSE_out_of_resources);
}
