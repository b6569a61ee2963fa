/* SPDX-License-Identifier: MIT */
/*
 * nss_test: a name service that takes many spellings of a name, as directories
 * do; for tests only, in the place of libnss_hesiod.so.2.
 *
 * It knows ann, bob, cleo and dora, in any case and with the domain
 * "@ad.example" behind or "AD\" before the name. It does not answer for "down".
 */
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <strings.h>

#define DOMAIN_BEFORE "AD\\"
#define DOMAIN_BEHIND "@ad.example"

enum nss_status _nss_hesiod_getpwnam_r(const char *name, struct passwd *out,
    char *buffer, size_t size, int *error);

static const char *const names[] = { "ann", "bob", "cleo", "dora" };

static int
is_spelling_of(const char *name, const char *known)
{
	size_t before = sizeof(DOMAIN_BEFORE) - 1, len = strlen(known);

	if (strncasecmp(name, DOMAIN_BEFORE, before) == 0)
		name += before;
	if (strncasecmp(name, known, len) != 0)
		return 0;
	return name[len] == '\0' || strcasecmp(name + len, DOMAIN_BEHIND) == 0;
}

static void
fill(struct passwd *out, char *name)
{
	static char empty[] = "", shell[] = "/bin/false", home[] = "/";

	*out = (struct passwd){
		.pw_name = name, .pw_passwd = empty, .pw_uid = 4701,
		.pw_gid = 4701, .pw_gecos = empty, .pw_dir = home,
		.pw_shell = shell,
	};
}

enum nss_status
_nss_hesiod_getpwnam_r(const char *name, struct passwd *out, char *buffer,
    size_t size, int *error)
{
	if (strcmp(name, "down") == 0) {
		*error = ECONNREFUSED;
		return NSS_STATUS_UNAVAIL;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!is_spelling_of(name, names[i]))
			continue;
		if (size <= strlen(names[i])) {
			*error = ERANGE;
			return NSS_STATUS_TRYAGAIN;
		}
		fill(out, strcpy(buffer, names[i]));
		return NSS_STATUS_SUCCESS;
	}
	*error = ENOENT;
	return NSS_STATUS_NOTFOUND;
}
