/* SPDX-License-Identifier: MIT */
#include "own_accounts.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

enum which { PASSWD, SHADOW, GROUP, NSSWITCH, RESOLV, FILES };

/* What is written goes to the descriptor, never by way of /etc. */
static struct own_file {
	const char *target;
	mode_t mode;
	int fd;
	char path[32];	/* until it is mounted */
} files[FILES] = {
	[PASSWD] = { "/etc/passwd", 0644, -1, "" },
	[SHADOW] = { "/etc/shadow", 0600, -1, "" },
	[GROUP] = { "/etc/group", 0644, -1, "" },
	[NSSWITCH] = { "/etc/nsswitch.conf", 0644, -1, "" },
	[RESOLV] = { "/etc/resolv.conf", 0644, -1, "" },
};

static void
must(bool done, const char *what)
{
	if (!done)
		die("%s: %s", what, strerror(errno));
}

static void
put(enum which w, const char *text)
{
	struct own_file *f = &files[w];
	size_t len = strlen(text);

	if (f->fd < 0) {
		strcpy(f->path, "/tmp/sallyport-etc-XXXXXX");
		f->fd = mkostemp(f->path, O_CLOEXEC);
		must(f->fd >= 0 && fchmod(f->fd, f->mode) == 0, f->path);
	}
	must(ftruncate(f->fd, 0) == 0, f->target);
	must(pwrite(f->fd, text, len, 0) == (ssize_t)len, f->target);
}

void
own_passwd(const char *text)
{
	put(PASSWD, text);
}

void
own_shadow(const char *text)
{
	put(SHADOW, text);
}

void
own_group(const char *text)
{
	put(GROUP, text);
}

void
own_nsswitch(const char *text)
{
	put(NSSWITCH, text);
}

/* ---- namespaces ---- */

static bool
write_once(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 &&
	    write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* Root of a user namespace, for whoever is not. */
static bool
become_root(void)
{
	char *uids = xasprintf("0 %u 1", (unsigned)geteuid());
	char *gids = xasprintf("0 %u 1", (unsigned)getegid());
	bool done = unshare(CLONE_NEWUSER) == 0 &&
	    write_once("/proc/self/setgroups", "deny") &&
	    write_once("/proc/self/uid_map", uids) &&
	    write_once("/proc/self/gid_map", gids);

	free(uids);
	free(gids);
	return done;
}

static bool
enter(void)
{
	if (geteuid() != 0 && !become_root())
		return false;
	return unshare(CLONE_NEWNS | CLONE_NEWNET) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

bool
own_accounts(void)
{
	bool entered = enter();

	if (!entered)
		printf("no namespace for accounts of our own: %s\n",
		    strerror(errno));
	put(RESOLV, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
	for (enum which w = 0; w < FILES; w++) {
		must(!entered || mount(files[w].path, files[w].target, NULL,
		    MS_BIND, NULL) == 0, files[w].target);
		must(unlink(files[w].path) == 0, files[w].path);
	}
	return entered;
}

/* ---- more ---- */

/* Where the loader finds it; free() it. */
static char *
path_of_library(const char *name)
{
	void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
	struct link_map *map = NULL;
	char *path;

	if (library == NULL || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0)
		die("%s: %s", name, dlerror());
	path = xstrdup(map->l_name);
	dlclose(library);
	return path;
}

void
own_hesiod(const char *module)
{
	char *path = path_of_library("libnss_hesiod.so.2");

	must(mount(module, path, NULL, MS_BIND, NULL) == 0, path);
	free(path);
}

void
own_loopback(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0, "lo");
	close(fd);
}
