/* SPDX-License-Identifier: MIT */
#include "authd/pam_service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "authd/pam_wire.h"

#define PATH_SIZE (PAM_CONFDIR_MAX + 1 + PAM_SERVICE_MAX + 1)

static const char *const system_dirs[] = { "/etc/pam.d", "/usr/lib/pam.d" };

enum found { FOUND_BAD = -1, FOUND_NOTHING, FOUND_FILE };

/* Reading is tried, not asked: as libpam will, with this process's rights. */
static enum found
check_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool known;

	if (fd < 0 && errno == ENOENT)
		return FOUND_NOTHING;
	if (fd < 0)
		return err_sys(err, "PAM service %s", path);
	known = fstat(fd, &st) == 0;
	close(fd);
	if (!known || !S_ISREG(st.st_mode))
		return err_set(err, "PAM service %s: not a file", path);
	if ((st.st_mode & S_IWOTH) != 0)
		return err_set(err, "PAM service %s: everybody may write it; "
		    "chmod o-w", path);
	return FOUND_FILE;
}

int
pam_service_check(struct str confdir, struct str service, struct err *err)
{
	char path[PATH_SIZE], name[PAM_SERVICE_MAX + 1];
	char dir[PAM_CONFDIR_MAX + 1];
	const char *const own[] = { dir };
	const char *const *dirs = confdir.len > 0 ? own : system_dirs;
	size_t n = confdir.len > 0 ? ARRAY_LEN(own) : ARRAY_LEN(system_dirs);
	enum found found;

	if (!pam_service_ok(service) ||
	    !str_copy(name, sizeof(name), service) ||
	    !str_copy(dir, sizeof(dir), confdir))
		return err_set(err, "no name of a PAM service, or its "
		    "directory's is too long");
	str_lower(name, strlen(name));
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		found = check_file(path, err);
		if (found != FOUND_NOTHING)
			return found == FOUND_FILE ? 0 : -1;
	}
	return err_set(err, "there is no PAM service %s/%s; make the file, or "
	    "name another service in the configuration", dirs[0], name);
}
