/* SPDX-License-Identifier: MIT */
/*
 * The bounding set goes first, because CAP_SETPCAP is needed for it; then
 * groups, group and user, while CAP_SETGID and CAP_SETUID are there; then what
 * is left of the other sets. Nothing is believed: all of it is read back.
 */
#include "service/priv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cap-ng.h>

/* LeakSanitizer looks at its own process from a child, which only a dumpable
 * process allows. */
#ifndef __has_feature
#define __has_feature(x) 0	/* clang's */
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define DUMPABLE 1
#else
#define DUMPABLE 0
#endif

/* get*nam(3) may set any of these where the name is merely unknown. */
static bool
is_absence(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH ||
	    error == EBADF || error == EPERM;
}

static int
find_user(struct priv_ids *out, const char *name, struct err *err)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL && is_absence(errno))
		return err_set(err, "user \"%s\" does not exist; make it: "
		    "useradd --system --user-group --no-create-home "
		    "--shell /usr/sbin/nologin %s", name, name);
	if (pw == NULL)
		return err_sys(err, "user \"%s\"", name);
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	return 0;
}

static int
find_group(gid_t *out, const char *name, struct err *err)
{
	const struct group *gr;

	errno = 0;
	gr = getgrnam(name);
	if (gr == NULL && is_absence(errno))
		return err_set(err, "group \"%s\" does not exist; make it: "
		    "groupadd --system %s", name, name);
	if (gr == NULL)
		return err_sys(err, "group \"%s\"", name);
	*out = gr->gr_gid;
	return 0;
}

int
priv_lookup(struct priv_ids *out, const char *user, const char *group,
    struct err *err)
{
	*out = (struct priv_ids){ geteuid(), getegid() };
	if (out->uid != 0)
		return 0;
	if (*user != '\0' && find_user(out, user, err) != 0)
		return -1;
	if (*group != '\0' && find_group(&out->gid, group, err) != 0)
		return -1;
	return 0;
}

int
priv_lookup_kept(gid_t *out, const char *group, struct err *err)
{
	if (find_group(out, group, err) != 0)
		return -1;
	if (geteuid() == 0 || *out == getegid() || group_member(*out))
		return 0;
	return err_set(err, "this process is not in the group \"%s\"; join "
	    "it: usermod -aG %s USER, or start as root", group, group);
}

static int
drop_bounding(struct err *err)
{
	if (capng_get_caps_process() != 0)
		return err_set(err, "cannot read the capability sets");
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return 0;	/* cannot; no_new_privs closes that way too */
	capng_clear(CAPNG_SELECT_BOUNDS);
	if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
		return err_sys(err, "cannot empty the capability bounding set");
	return 0;
}

static int
become(const char *user, const struct priv_ids *ids, gid_t kept,
    struct err *err)
{
	if (setgroups(kept != PRIV_NO_GROUP, &kept) == 0 &&
	    setresgid(ids->gid, ids->gid, ids->gid) == 0 &&
	    setresuid(ids->uid, ids->uid, ids->uid) == 0)
		return 0;
	return err_sys(err, "cannot become user \"%s\" (uid %u, gid %u)", user,
	    (unsigned)ids->uid, (unsigned)ids->gid);
}

static int
drop_capabilities(struct err *err)
{
	capng_clear(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
	if (capng_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT) != 0)
		return err_sys(err, "cannot empty the capability sets");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_sys(err, "cannot set no_new_privs");
	return 0;
}

static bool
has_capabilities(void)
{
	capng_clear(CAPNG_SELECT_ALL);
	return capng_get_caps_process() != 0 ||
	    capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE ||
	    capng_have_permitted_capabilities() != CAPNG_NONE;
}

/* No supplementary groups but that one. */
static bool
has_only(gid_t kept)
{
	gid_t has[2];
	int n = getgroups(ARRAY_LEN(has), has);

	return kept == PRIV_NO_GROUP ? n == 0 : n == 1 && has[0] == kept;
}

/* Asks the kernel who we are, and tries to be root again. `kept` NULL: the
 * groups are not ours to judge. */
static int
verify(const struct priv_ids *ids, const gid_t *kept, struct err *err)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	if (getresuid(&ru, &eu, &su) != 0 || getresgid(&rg, &eg, &sg) != 0 ||
	    ru != ids->uid || eu != ids->uid || su != ids->uid ||
	    rg != ids->gid || eg != ids->gid || sg != ids->gid)
		return err_set(err, "user or group did not change as asked");
	if (kept != NULL && !has_only(*kept))
		return err_set(err, "supplementary groups are left");
	if (ids->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		return err_set(err, "root could be had back");
	if (ids->uid != 0 && ids->gid != 0 &&
	    (setgid(0) == 0 || setegid(0) == 0))
		return err_set(err, "root's group could be had back");
	if (has_capabilities())
		return err_set(err, "capabilities are left");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return err_set(err, "no_new_privs is not set");
	return 0;
}

int
priv_drop(const char *user, const char *group, gid_t kept, struct err *err)
{
	bool change = geteuid() == 0 && (*user != '\0' || *group != '\0' ||
	    kept != PRIV_NO_GROUP);
	struct priv_ids ids;

	if (priv_lookup(&ids, user, group, err) != 0 ||
	    drop_bounding(err) != 0)
		return -1;
	if (change && become(user, &ids, kept, err) != 0)
		return -1;
	if (drop_capabilities(err) != 0)
		return -1;
	prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0);
	if (!change)	/* a set-user-ID start is not ours to judge */
		ids = (struct priv_ids){ geteuid(), getegid() };
	if (verify(&ids, change ? &kept : NULL, err) != 0)
		return err_prefix(err, "privileges were not dropped");
	return 0;
}

void
priv_limits(void)
{
	struct rlimit none = { 0, 0 }, files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0);
}
