/* SPDX-License-Identifier: MIT */
/*
 * The input is a packet of the pair between authd and a PAM worker: either
 * side may be what a broken module made of it. What is accepted lies inside
 * the packet, has no NUL, and encodes to the same bytes again.
 */
#include <string.h>

#include "authd/pam_wire.h"
#include "fuzz.h"

static void
check_text(struct str packet, struct str s)
{
	ASSERT(!str_has_nul(s));
	if (s.len == 0)
		return;
	ASSERT(s.ptr >= packet.ptr);
	ASSERT(s.ptr + s.len <= packet.ptr + packet.len);
}

static void
question(struct str packet)
{
	uint8_t again[PAM_QUESTION_MAX];
	struct pam_question q;

	if (!pam_question_decode(&q, packet)) {
		ASSERT(q.kind == 0 && q.password.ptr == NULL);
		return;
	}
	check_text(packet, q.user);
	check_text(packet, q.service);
	check_text(packet, q.confdir);
	check_text(packet, q.rhost);
	check_text(packet, q.ruser);
	check_text(packet, q.password);
	ASSERT(q.user.len > 0);
	ASSERT((q.password.len > 0) == (q.kind == PAM_KIND_USERNAME));
	ASSERT(pam_service_ok(q.service) == (q.kind != PAM_KIND_GROUPS));
	ASSERT(pam_question_encode(&q, again) == packet.len);
	ASSERT(memcmp(again, packet.ptr, packet.len) == 0);
}

static void
reply(struct str packet)
{
	static uint8_t again[PAM_REPLY_MAX];
	static struct pam_reply r;

	if (!pam_reply_decode(&r, packet)) {
		ASSERT(r.verdict == PAM_VERDICT_ERROR && r.n_groups == 0);
		return;
	}
	ASSERT(r.verdict < PAM_VERDICTS && r.n_groups <= PAM_GROUPS_MAX);
	check_text(packet, r.detail);
	check_text(packet, r.user);
	ASSERT(r.user.len == 0 || (r.verdict == PAM_VERDICT_SUCCESS &&
	    r.n_groups == 0 && str_is_utf8(r.user) &&
	    str_is_printable(r.user)));
	for (size_t i = 0; i < r.n_groups; i++)
		check_text(packet, r.groups[i]);
	ASSERT(pam_reply_encode(&r, again) == packet.len);
	ASSERT(memcmp(again, packet.ptr, packet.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str packet = { (const char *)data, size };

	question(packet);
	reply(packet);
	return 0;
}
