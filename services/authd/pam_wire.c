/* SPDX-License-Identifier: MIT */
/*
 * question:	version u8, number u32, kind u8, verbose u8,
 *		user, service, confdir, rhost, ruser, password
 * reply:	version u8, number u32, verdict u8, detail, user,
 *		n_groups u16, groups
 *
 * A string is its length as u16 and its bytes. The same function says of both
 * sides what a question and a reply may be.
 */
#include "authd/pam_wire.h"

#include "base/buf.h"

#define VERSION 2

static bool
is_text(struct str s, size_t min, size_t max)
{
	return s.len >= min && s.len <= max && !str_has_nul(s);
}

bool
pam_service_ok(struct str s)
{
	if (s.len == 0 || s.len > PAM_SERVICE_MAX || s.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') &&
		    c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

bool
pam_name_ok(struct str s)
{
	return is_text(s, 1, PAM_TEXT_MAX) && str_is_utf8(s) &&
	    str_is_printable(s);
}

/* ---- question ---- */

static bool
question_ok(const struct pam_question *q)
{
	bool has_password = q->kind == PAM_KIND_USERNAME;

	if (!is_text(q->user, 1, PAM_TEXT_MAX))
		return false;
	if (q->kind == PAM_KIND_GROUPS)
		return q->service.len == 0 && q->confdir.len == 0 &&
		    q->rhost.len == 0 && q->ruser.len == 0 &&
		    q->password.len == 0;
	if (q->kind != PAM_KIND_USERNAME && q->kind != PAM_KIND_ADDRESS)
		return false;
	return pam_service_ok(q->service) &&
	    is_text(q->confdir, 0, PAM_CONFDIR_MAX) &&
	    (q->confdir.len == 0 || q->confdir.ptr[0] == '/') &&
	    is_text(q->rhost, 1, PAM_RHOST_MAX) &&
	    is_text(q->ruser, 0, PAM_TEXT_MAX) &&
	    is_text(q->password, has_password, has_password * PAM_TEXT_MAX);
}

static void
put_str(struct writer *w, struct str s)
{
	writer_u16(w, (uint16_t)s.len);
	writer_put(w, s.ptr, s.len);
}

static struct str
take_str(struct reader *r)
{
	return reader_take(r, reader_u16(r));
}

size_t
pam_question_encode(const struct pam_question *q,
    uint8_t out[static PAM_QUESTION_MAX])
{
	struct writer w = writer_on(out, PAM_QUESTION_MAX);

	if (!question_ok(q))
		return 0;
	writer_u8(&w, VERSION);
	writer_u32(&w, q->number);
	writer_u8(&w, (uint8_t)q->kind);
	writer_u8(&w, q->verbose);
	put_str(&w, q->user);
	put_str(&w, q->service);
	put_str(&w, q->confdir);
	put_str(&w, q->rhost);
	put_str(&w, q->ruser);
	put_str(&w, q->password);
	ASSERT(!w.failed);	/* the maxima together are less */
	return w.len;
}

bool
pam_question_decode(struct pam_question *out, struct str packet)
{
	struct reader r = reader_on(packet.ptr, packet.len);
	uint8_t version = reader_u8(&r), verbose;

	out->number = reader_u32(&r);
	out->kind = reader_u8(&r);
	verbose = reader_u8(&r);
	out->verbose = verbose == 1;
	out->user = take_str(&r);
	out->service = take_str(&r);
	out->confdir = take_str(&r);
	out->rhost = take_str(&r);
	out->ruser = take_str(&r);
	out->password = take_str(&r);
	if (!r.failed && r.left == 0 && version == VERSION && verbose <= 1 &&
	    question_ok(out))
		return true;
	*out = (struct pam_question){ 0 };
	return false;
}

/* ---- reply ---- */

static bool
reply_ok(const struct pam_reply *r)
{
	if ((unsigned)r->verdict >= PAM_VERDICTS ||
	    !is_text(r->detail, 0, PAM_TEXT_MAX) ||
	    (r->user.len > 0 && (r->verdict != PAM_VERDICT_SUCCESS ||
	    r->n_groups > 0 || !pam_name_ok(r->user))) ||
	    r->n_groups > PAM_GROUPS_MAX ||
	    (r->n_groups > 0 && r->verdict != PAM_VERDICT_SUCCESS))
		return false;
	for (size_t i = 0; i < r->n_groups; i++)
		if (!is_text(r->groups[i], 1, PAM_TEXT_MAX))
			return false;
	return true;
}

size_t
pam_reply_encode(const struct pam_reply *r,
    uint8_t out[static PAM_REPLY_MAX])
{
	struct writer w = writer_on(out, PAM_REPLY_MAX);

	if (!reply_ok(r))
		return 0;
	writer_u8(&w, VERSION);
	writer_u32(&w, r->number);
	writer_u8(&w, (uint8_t)r->verdict);
	put_str(&w, r->detail);
	put_str(&w, r->user);
	writer_u16(&w, (uint16_t)r->n_groups);
	for (size_t i = 0; i < r->n_groups; i++)
		put_str(&w, r->groups[i]);
	return w.failed ? 0 : w.len;
}

bool
pam_reply_decode(struct pam_reply *out, struct str packet)
{
	struct reader r = reader_on(packet.ptr, packet.len);
	uint8_t version = reader_u8(&r);
	size_t n;

	out->number = reader_u32(&r);
	out->verdict = reader_u8(&r);
	out->detail = take_str(&r);
	out->user = take_str(&r);
	n = reader_u16(&r);
	out->n_groups = 0;
	while (!r.failed && out->n_groups < n && n <= PAM_GROUPS_MAX)
		out->groups[out->n_groups++] = take_str(&r);
	if (!r.failed && r.left == 0 && version == VERSION &&
	    out->n_groups == n && packet.len <= PAM_REPLY_MAX && reply_ok(out))
		return true;
	out->verdict = PAM_VERDICT_ERROR;
	out->number = 0;
	out->detail = out->user = (struct str){ 0 };
	out->n_groups = 0;
	return false;
}
