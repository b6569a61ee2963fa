/* SPDX-License-Identifier: MIT */
#include "proxy/egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "config/settings.h"

static const struct addr *
source_of(const struct proxy_config *cfg, bool v4)
{
	const struct cidr_list *l = &cfg->source_address;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].v4 == v4)
			return &l->v[i].base;
	return NULL;
}

static int
bind_interface(int fd, const char *name)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name,
	    (socklen_t)strlen(name));
}

/* IPv6 has no option of its own for this: it goes by IPv4's. */
static int
bind_source(int fd, const struct addr *from)
{
	const struct endpoint at = { .addr = *from };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&at, &sa);
	int on = 1;

	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
	    sizeof(on)) != 0)
		return -1;
	return bind(fd, (struct sockaddr *)&sa, len);
}

int
egress_bind(const struct proxy_config *cfg, int fd, bool v4)
{
	const struct addr *from = source_of(cfg, v4);

	if (*cfg->egress_interface != '\0' &&
	    bind_interface(fd, cfg->egress_interface) != 0)
		return -1;
	return from != NULL ? bind_source(fd, from) : 0;
}

static int
say_interface(const char *name, int error, struct err *err)
{
	if (error == ENODEV)
		return err_set(err, "proxy.egress_interface: this machine has "
		    "no interface %s; see: ip link", name);
	if (error == EPERM)
		return err_set(err, "proxy.egress_interface: the kernel does "
		    "not let this process choose %s: before Linux 5.7 that "
		    "takes CAP_NET_RAW, which the proxy gives up; use "
		    "proxy.source_address and a rule (ip rule add from …)",
		    name);
	errno = error;
	return err_sys(err, "proxy.egress_interface: %s", name);
}

static int
say_source(const struct addr *from, int error, struct err *err)
{
	char text[ADDR_TEXT_SIZE];

	addr_format(text, from);
	if (error == EADDRNOTAVAIL)
		return err_set(err, "proxy.source_address: %s is not an "
		    "address of this machine; see: ip address", text);
	errno = error;
	return err_sys(err, "proxy.source_address: %s", text);
}

/* One socket of that family, made, bound and thrown away. */
static int
check_family(const struct proxy_config *cfg, bool v4, struct err *err)
{
	const struct addr *from = source_of(cfg, v4);
	const char *name = cfg->egress_interface;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC,
	    IPPROTO_TCP), rc = 0;

	if (fd < 0)
		return err_sys(err, "a socket for %s", v4 ? "IPv4" : "IPv6");
	if (*name != '\0' && bind_interface(fd, name) != 0)
		rc = say_interface(name, errno, err);
	else if (from != NULL && bind_source(fd, from) != 0)
		rc = say_source(from, errno, err);
	close(fd);
	return rc;
}

int
egress_check(const struct proxy_config *cfg, struct err *err)
{
	/* The interface is the same for both, and IPv6 may be switched off. */
	if ((*cfg->egress_interface != '\0' || source_of(cfg, true) != NULL) &&
	    check_family(cfg, true, err) != 0)
		return -1;
	if (source_of(cfg, false) != NULL &&
	    check_family(cfg, false, err) != 0)
		return -1;
	return 0;
}
