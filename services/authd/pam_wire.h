/* SPDX-License-Identifier: MIT */
/*
 * pam_wire: what authd and its PAM worker processes say to each other.
 *
 * One question, then its one reply, each a packet of a SOCK_SEQPACKET pair,
 * so that nothing is ever cut or joined. Both begin with the version of this
 * form and the question's number: a worker of another release, or an answer
 * to somebody else's question, is told at once. Strings carry their lengths.
 *
 * Pure; no allocation. What is decoded borrows from the packet. A packet of a
 * question holds a password: whoever owns the buffer wipes it. Any thread.
 */
#ifndef AUTHD_PAM_WIRE_H
#define AUTHD_PAM_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Bytes of the strings. */
#define PAM_SERVICE_MAX 64
#define PAM_CONFDIR_MAX 4000
#define PAM_RHOST_MAX 63
#define PAM_TEXT_MAX 255	/* user, password, ruser, detail, a group */
#define PAM_GROUPS_MAX 1024

/* Bytes of any packet, both ways. */
#define PAM_QUESTION_MAX 8192
#define PAM_REPLY_MAX 65536

enum pam_kind {
	PAM_KIND_USERNAME = 1,	/* authenticate and account, with password */
	PAM_KIND_ADDRESS,	/* the same without, for rhost's sake */
	PAM_KIND_GROUPS,	/* the user's groups, from NSS */
};

/* Borrowed strings, none with a NUL. */
struct pam_question {
	uint32_t number;	/* repeated in the reply */
	enum pam_kind kind;
	bool verbose;		/* let modules and stderr say more */
	struct str user;	/* 1.. */
	/* Empty of PAM_KIND_GROUPS. */
	struct str service;	/* pam_service_ok() */
	struct str confdir;	/* "/…"; empty: where the system has them */
	struct str rhost;	/* the client's address as text, 1.. */
	struct str ruser;
	struct str password;	/* 1.. of PAM_KIND_USERNAME, else empty */
};

/* No zeroed reply lets anybody in. */
enum pam_verdict {
	PAM_VERDICT_ERROR,	/* could not be found out; refuse */
	PAM_VERDICT_FAILURE,	/* not he, or may not log in */
	PAM_VERDICT_SUCCESS,
	PAM_VERDICTS,
};

/* Borrowed strings, none with a NUL. */
struct pam_reply {
	uint32_t number;	/* of the question */
	enum pam_verdict verdict;
	struct str detail;	/* for logs and administrators only */
	/* Of PAM_KIND_USERNAME and success: the name as NSS spells it,
	 * pam_name_ok(); empty: NSS does not know him. */
	struct str user;
	/* Of PAM_KIND_GROUPS and success; each 1.. bytes, as NSS has them. */
	size_t n_groups;
	struct str groups[PAM_GROUPS_MAX];
};

/* Can it be the name of a service? A file's name of letters, digits, `.`, `_`
 * and `-`, not beginning with a dot: never a path. */
bool pam_service_ok(struct str s);
/* Can it be the name of a user or group that a system has? 1..PAM_TEXT_MAX
 * bytes of UTF-8 without control characters. */
bool pam_name_ok(struct str s);

/* Bytes written; 0: no question as described above. */
size_t pam_question_encode(const struct pam_question *q,
    uint8_t out[static PAM_QUESTION_MAX]) MUST_CHECK;
/* false: no such question, to the last byte; *out is empty then. */
bool pam_question_decode(struct pam_question *out, struct str packet)
    MUST_CHECK;

/* Bytes written; 0: no reply as described above, or more than a packet, which
 * takes 254 groups of the longest names, or all 1024 of up to 61 bytes. */
size_t pam_reply_encode(const struct pam_reply *r,
    uint8_t out[static PAM_REPLY_MAX]) MUST_CHECK;
/* As above. */
bool pam_reply_decode(struct pam_reply *out, struct str packet) MUST_CHECK;

#endif
