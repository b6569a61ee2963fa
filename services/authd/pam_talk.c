/* SPDX-License-Identifier: MIT */
#include "authd/pam_talk.h"

#include <stdlib.h>
#include <string.h>

#include <security/pam_appl.h>

#include "authd/pam_service.h"
#include "base/check.h"
#include "base/mem.h"

/* Of a conversation; the modules of a stack share them. */
#define ANSWERS_MAX 8
#define MESSAGES_MAX 64
#define SAID_MAX 160

/* The question as C strings. Wiped at the end. */
struct talk {
	const struct pam_question *q;
	struct pam_talk *out;
	pam_handle_t *pam;
	unsigned answers, messages;
	char said[SAID_MAX];	/* by a module, last; printable */
	char service[PAM_SERVICE_MAX + 1];
	char confdir[PAM_CONFDIR_MAX + 1];
	char user[PAM_TEXT_MAX + 1];
	char ruser[PAM_TEXT_MAX + 1];
	char rhost[PAM_RHOST_MAX + 1];
	char password[PAM_TEXT_MAX + 1];
};

/* ---- what modules ask ---- */

static void
note(struct talk *t, const char *msg)
{
	struct text said = text_on(t->said, sizeof(t->said));

	if (msg != NULL && (t->password[0] == '\0' ||
	    strstr(msg, t->password) == NULL))
		text_escaped(&said, str_from(msg));
}

/* The answer, which the module frees; NULL: there is none to give. */
static char *
answer(struct talk *t, int style)
{
	if (t->q->kind != PAM_KIND_USERNAME || ++t->answers > ANSWERS_MAX)
		return NULL;
	return strdup(style == PAM_PROMPT_ECHO_OFF ? t->password : t->user);
}

static int
converse_one(struct talk *t, const struct pam_message *m,
    struct pam_response *r)
{
	if (++t->messages > MESSAGES_MAX)
		return PAM_CONV_ERR;
	switch (m->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
	case PAM_PROMPT_ECHO_ON:
		r->resp = answer(t, m->msg_style);
		return r->resp != NULL ? PAM_SUCCESS : PAM_CONV_ERR;
	case PAM_ERROR_MSG:
	case PAM_TEXT_INFO:
		note(t, m->msg);
		return PAM_SUCCESS;
	default:
		return PAM_CONV_ERR;
	}
}

static void
free_responses(struct pam_response *r, int n)
{
	for (int i = 0; i < n; i++) {
		if (r[i].resp == NULL)
			continue;
		secret_wipe(r[i].resp, strlen(r[i].resp));
		free(r[i].resp);
	}
	free(r);
}

static int
converse(int n, const struct pam_message **messages,
    struct pam_response **out, void *arg)
{
	struct pam_response *r;
	int rc = PAM_SUCCESS;

	*out = NULL;
	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	r = calloc((size_t)n, sizeof(*r));
	if (r == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n && rc == PAM_SUCCESS; i++)
		rc = converse_one(arg, messages[i], &r[i]);
	if (rc != PAM_SUCCESS) {
		free_responses(r, n);
		return rc;
	}
	*out = r;	/* and with it the answers: the module's */
	return PAM_SUCCESS;
}

/* A refusal is not waited for here: authd delays it, and holds nobody up. */
static void
no_delay(int rc, unsigned usec, void *arg)
{
	(void)rc;
	(void)usec;
	(void)arg;
}

/* ---- the transaction ---- */

static void
put_str(char *out, size_t size, struct str s)
{
	bool whole = str_copy(out, size, s);

	ASSERT(whole);	/* pam_question_decode() has seen to it */
}

static int
set_items(const struct talk *t)
{
	union {
		void (*function)(int, unsigned, void *);
		const void *item;
	} delay = { no_delay };
	const struct {
		int type;
		const void *item;
	} items[] = {
		{ PAM_FAIL_DELAY, delay.item },
		{ PAM_TTY, PAM_TTY_NAME },
		{ PAM_RHOST, t->rhost },
		{ PAM_RUSER, *t->ruser != '\0' ? t->ruser : NULL },
	};
	int rc = PAM_SUCCESS;

	for (size_t i = 0; i < ARRAY_LEN(items) && rc == PAM_SUCCESS; i++)
		if (items[i].item != NULL)
			rc = pam_set_item(t->pam, items[i].type,
			    items[i].item);
	return rc;
}

static int
start(struct talk *t)
{
	const struct pam_conv conv = { converse, t };
	int rc;

	/* Two calls: the older releases take no NULL for "as ever". */
	if (*t->confdir != '\0')
		rc = pam_start_confdir(t->service, t->user, &conv,
		    t->confdir, &t->pam);
	else
		rc = pam_start(t->service, t->user, &conv, &t->pam);
	return rc == PAM_SUCCESS ? set_items(t) : rc;
}

/* A module may make "ann" another one, and the rest of the stack with it. */
static bool
same_user(const struct talk *t)
{
	const void *now = NULL;

	return pam_get_item(t->pam, PAM_USER, &now) == PAM_SUCCESS &&
	    now != NULL && strcmp(now, t->user) == 0;
}

/* The expired ones are failures too, where parity has them as errors: who
 * knows a right password shall not learn so from another answer. */
static enum pam_verdict
verdict(int rc)
{
	switch (rc) {
	case PAM_SUCCESS:
		return PAM_VERDICT_SUCCESS;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_PERM_DENIED:
	case PAM_ACCT_EXPIRED:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_EXPIRED:
		return PAM_VERDICT_FAILURE;
	default:
		return PAM_VERDICT_ERROR;
	}
}

static void
conclude(struct talk *t, int rc)
{
	struct text detail = text_on(t->out->detail, sizeof(t->out->detail));

	t->out->verdict = verdict(rc);
	/* Both take a handle that never came to be. */
	text_str(&detail, str_from(pam_strerror(t->pam, rc)));
	if (t->q->verbose && *t->said != '\0')
		text_fmt(&detail, "; a module said: %s", t->said);
}

static void
refuse(struct talk *t, const char *why)
{
	struct text detail = text_on(t->out->detail, sizeof(t->out->detail));

	t->out->verdict = PAM_VERDICT_ERROR;
	text_str(&detail, str_from(why));
}

static void
run(struct talk *t)
{
	int flags = t->q->verbose ? 0 : PAM_SILENT;
	struct err err;
	int rc;

	if (pam_service_check(t->q->confdir, t->q->service, &err) != 0) {
		refuse(t, err.text);
		return;
	}
	rc = start(t);
	if (rc == PAM_SUCCESS)
		rc = pam_authenticate(t->pam,
		    flags | PAM_DISALLOW_NULL_AUTHTOK);
	if (rc == PAM_SUCCESS)
		rc = pam_acct_mgmt(t->pam, flags | PAM_DISALLOW_NULL_AUTHTOK);
	conclude(t, rc);
	if (rc == PAM_SUCCESS && !same_user(t))
		refuse(t, "a module made the user another one");
	if (t->pam != NULL)
		(void)pam_end(t->pam, rc);
}

void
pam_talk(const struct pam_question *q, struct pam_talk *out)
{
	struct talk t = { .q = q, .out = out };

	*out = (struct pam_talk){ .verdict = PAM_VERDICT_ERROR };
	put_str(t.service, sizeof(t.service), q->service);
	put_str(t.confdir, sizeof(t.confdir), q->confdir);
	put_str(t.user, sizeof(t.user), q->user);
	put_str(t.ruser, sizeof(t.ruser), q->ruser);
	put_str(t.rhost, sizeof(t.rhost), q->rhost);
	put_str(t.password, sizeof(t.password), q->password);
	run(&t);
	secret_wipe(&t, sizeof(t));
}
