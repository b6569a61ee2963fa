/* SPDX-License-Identifier: MIT */
/*
 * getgrouplist(3) has no way to say that a service failed: it goes on with
 * what the others know. So a group that nobody can have is looked up as well:
 * that finds nothing where all services work, and an error where the last one
 * in the line, the directory, does not.
 */
#include "authd/nss_groups.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define NOBODYS_GROUP "sallyport: no such group"
#define BUFFER_FIRST 4096
/* An entry of a large group names all of its members. */
#define BUFFER_MAX (16U << 20)
#define ROUNDS_MAX 8	/* while the list grows under our hands */

/* What a lookup needs beyond its result; grows as it asks. */
struct scratch {
	char *ptr;
	size_t size;
};

/* After a lookup that said `rc`: shall it be done again, with more room? */
static bool
grow(struct scratch *s, int rc)
{
	if (rc != ERANGE || s->size >= BUFFER_MAX)
		return false;
	s->size *= 2;
	s->ptr = xreallocarray(s->ptr, s->size, 1);
	return true;
}

static int
fail(int error, struct err *err, const char *database)
{
	errno = error;
	return err_sys(err, "a service in the line \"%s\" of "
	    "/etc/nsswitch.conf does not answer", database);
}

/* 1: found, and *pw borrows from `s`; 0: nobody of that name. */
static int
find_user(struct scratch *s, const char *user, struct passwd *pw,
    struct err *err)
{
	struct passwd *found = NULL;
	int rc;

	do
		rc = getpwnam_r(user, pw, s->ptr, s->size, &found);
	while (grow(s, rc) || rc == EINTR);
	if (rc != 0)
		return fail(rc, err, "passwd");
	return found != NULL;
}

/* -1, or how many; free() the list. */
static int
find_gids(const char *user, gid_t gid, gid_t **list, struct err *err)
{
	int room = 64;

	*list = NULL;
	for (int i = 0; i < ROUNDS_MAX; i++) {
		int n = room;

		*list = xreallocarray(*list, (size_t)room, sizeof(**list));
		if (getgrouplist(user, gid, *list, &n) >= 0)
			return n;
		room = n > room ? n : room * 2;
	}
	free(*list);
	*list = NULL;
	return err_set(err, "the list of groups does not come to an end");
}

static int
add_name(struct pam_reply *out, struct writer *names, const char *name,
    struct err *err)
{
	struct str s = { (char *)names->ptr + names->len, strlen(name) };

	if (!pam_name_ok(str_from(name)))
		return err_set(err, "a group has a name that is no text of "
		    "1..%d bytes", PAM_TEXT_MAX);
	writer_put(names, name, s.len);
	if (names->failed || out->n_groups >= PAM_GROUPS_MAX)
		return err_set(err, "more than %d groups, or their names are "
		    "too long", PAM_GROUPS_MAX);
	out->groups[out->n_groups++] = s;
	return 0;
}

static int
add_group(struct pam_reply *out, struct writer *names, struct scratch *s,
    gid_t gid, struct err *err)
{
	struct group gr, *found = NULL;
	int rc;

	do
		rc = getgrgid_r(gid, &gr, s->ptr, s->size, &found);
	while (grow(s, rc) || rc == EINTR);
	if (rc != 0)
		return fail(rc, err, "group");
	return found != NULL ? add_name(out, names, gr.gr_name, err) : 0;
}

/* Do all services of groups work? */
static int
try_services(struct scratch *s, struct err *err)
{
	struct group gr, *found = NULL;
	int rc;

	do
		rc = getgrnam_r(NOBODYS_GROUP, &gr, s->ptr, s->size, &found);
	while (grow(s, rc) || rc == EINTR);
	return rc == 0 ? 0 : fail(rc, err, "group");
}

static int
find_groups(struct pam_reply *out, struct scratch *s, const char *user,
    struct writer *names, struct err *err)
{
	struct passwd pw;
	gid_t *list;
	int n, rc = find_user(s, user, &pw, err);

	if (rc <= 0)
		return rc;
	if (try_services(s, err) != 0)
		return -1;
	n = find_gids(user, pw.pw_gid, &list, err);
	rc = n < 0 ? -1 : 0;
	for (int i = 0; i < n && rc == 0; i++)
		rc = add_group(out, names, s, list[i], err);
	free(list);
	return rc;
}

int
nss_groups(struct pam_reply *out, struct str user,
    char names[static PAM_REPLY_MAX], struct err *err)
{
	struct scratch s = { xmalloc(BUFFER_FIRST), BUFFER_FIRST };
	struct writer w = writer_on(names, PAM_REPLY_MAX);
	char *name = xmemdup0(user.ptr, user.len);
	int rc;

	out->n_groups = 0;
	rc = find_groups(out, &s, name, &w, err);
	if (rc != 0)
		out->n_groups = 0;
	free(name);
	free(s.ptr);
	return rc;
}

static int
copy_name(char out[static PAM_TEXT_MAX + 1], struct str name, struct err *err)
{
	if (pam_name_ok(name) && str_copy(out, PAM_TEXT_MAX + 1, name))
		return 0;
	return err_set(err, "the user has a name that is no text of 1..%d "
	    "bytes", PAM_TEXT_MAX);
}

int
nss_name(char out[static PAM_TEXT_MAX + 1], struct str user, struct err *err)
{
	struct scratch s = { xmalloc(BUFFER_FIRST), BUFFER_FIRST };
	char *name = xmemdup0(user.ptr, user.len);
	struct passwd pw;
	int rc = find_user(&s, name, &pw, err);

	*out = '\0';
	if (rc > 0)
		rc = copy_name(out, str_from(pw.pw_name), err);
	free(name);
	free(s.ptr);
	return rc;
}
