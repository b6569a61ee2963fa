/* SPDX-License-Identifier: MIT */
#include "authd/pam_backend.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "authd/metrics.h"
#include "authd/pam_process.h"
#include "authd/pam_service.h"
#include "base/clock.h"
#include "base/mem.h"

/* Modules spend no hash on whom they do not know; the slowest hash that is in
 * use takes less than this. */
#define REFUSAL_MS 500

struct pam_backend {
	const struct authd_config *cfg;
	struct roster *roster;
	struct notices_workers notices;
	_Atomic unsigned busy;
	struct pam_process *processes[];	/* cfg->workers, by thread */
};

static const enum authd_pam_result results[PAM_VERDICTS] = {
	[PAM_VERDICT_SUCCESS] = AUTHD_PAM_SUCCESS,
	[PAM_VERDICT_FAILURE] = AUTHD_PAM_FAILURE,
	[PAM_VERDICT_ERROR] = AUTHD_PAM_ERROR,
};

/* ---- one conversation ---- */

static const char *
service_of(const struct authd_config *cfg, enum auth_method method)
{
	return method == AUTH_PAM_USERNAME ? cfg->pam_username_service :
	    cfg->pam_address_service;
}

static struct pam_question
question_of(const struct pam_backend *b, const struct auth_question *q,
    const char *rhost)
{
	const struct authd_config *cfg = b->cfg;
	struct pam_question p = {
		.kind = PAM_KIND_USERNAME, .verbose = cfg->pam_verbose,
		.user = q->user, .password = q->password,
		.service = str_from(service_of(cfg, q->method)),
		.confdir = str_from(cfg->pam_confdir),
		.rhost = str_from(rhost),
	};

	if (q->method == AUTH_PAM_ADDRESS) {
		p.kind = PAM_KIND_ADDRESS;
		p.user = str_from(cfg->pam_default_user);
		p.ruser = str_from(cfg->pam_default_ruser);
	}
	return p;
}

static enum pam_verdict
converse(struct pam_backend *b, const struct backend_turn *turn,
    const struct auth_question *q, struct auth_answer *out)
{
	char rhost[ADDR_TEXT_SIZE];
	struct pam_question p;
	struct pam_reply reply;
	enum pam_process_result how;

	addr_format(rhost, &q->source);
	p = question_of(b, q, rhost);
	how = pam_process_ask(b->processes[turn->thread], &p,
	    turn->deadline_ms, &reply);
	if (how != PAM_PROCESS_ANSWERED)
		reply.verdict = PAM_VERDICT_ERROR;
	/* Some modules have no other word for a wrong password. */
	out->counts = how != PAM_PROCESS_FAILED;
	auth_answer_why(out, "PAM: %.*s", (int)reply.detail.len,
	    reply.detail.ptr);
	if (q->method == AUTH_PAM_USERNAME &&
	    reply.verdict == PAM_VERDICT_SUCCESS && reply.user.len > 0 &&
	    !str_eq(reply.user, q->user))
		out->user = xasprintf("%.*s", (int)reply.user.len,
		    reply.user.ptr);
	return reply.verdict;
}

static enum pam_verdict
converse_counted(struct pam_backend *b, const struct backend_turn *turn,
    const struct auth_question *q, struct auth_answer *out)
{
	struct metrics_cells *cells = authd_cells(b->notices.metrics);
	unsigned method = q->method == AUTH_PAM_USERNAME ?
	    AUTHD_PAM_USERNAME : AUTHD_PAM_ADDRESS;
	uint64_t start_us = clock_mono_us();
	enum pam_verdict verdict;

	b->busy++;
	verdict = converse(b, turn, q, out);
	b->busy--;
	metrics_add(cells, METRIC_pam_auth_total,
	    method * AUTHD_PAM_RESULTS + results[verdict], 1);
	metrics_observe(cells, METRIC_pam_auth_duration_seconds, method,
	    (double)(clock_mono_us() - start_us) / 1e6);
	return verdict;
}

/* ---- whom the users file knows ---- */

/* As the system spells it, where it knows him. */
static struct str
name_of(const struct auth_question *q, const struct auth_answer *a)
{
	return a->user != NULL ? str_from(a->user) : q->user;
}

static const struct user *
known(const struct users_file *f, const struct auth_question *q,
    const struct auth_answer *a)
{
	return q->method == AUTH_PAM_USERNAME ?
	    users_file_find(f, name_of(q, a)) :
	    users_file_find_network(f, &q->source);
}

/* Directories take a name in many spellings, the file knows one. An entry that
 * may be his, and disabled, is not passed by because it was not found. */
static bool
is_misspelt(const struct users_file *f, const struct auth_question *q,
    const struct auth_answer *a)
{
	struct str name = name_of(q, a);

	for (size_t i = 0; i < users_file_count(f); i++) {
		const struct user *u = users_file_at(f, i);

		if (str_eq_nocase(u->name, name) ||
		    str_eq_nocase(u->name, q->user))
			return true;
	}
	return false;
}

static void
refuse_misspelt(struct auth_answer *a)
{
	auth_answer_fini(a);
	a->result = AUTH_FAILED;
	auth_answer_why(a, "the users file has this name in another spelling: "
	    "write it in both places as `getent passwd` does");
}

static void
join(struct pam_backend *b, const struct auth_question *q,
    struct auth_answer *a)
{
	const struct roster_version *v = roster_pin(b->roster);
	const struct user *u;

	if (v == NULL) {
		auth_answer_fini(a);
		return;
	}
	u = known(v->file, q, a);
	if (u != NULL && q->method == AUTH_PAM_ADDRESS)
		a->user = xasprintf("%.*s", (int)u->name.len, u->name.ptr);
	if (u == NULL && q->method == AUTH_PAM_USERNAME &&
	    is_misspelt(v->file, q, a))
		refuse_misspelt(a);
	else
		auth_join(u, &q->source, clock_wall_us(), a);
	roster_unpin(b->roster, &v);
}

static void
check(void *arg, const struct backend_turn *turn,
    const struct auth_question *q, struct auth_answer *out)
{
	static const enum auth_result meanings[PAM_VERDICTS] = {
		[PAM_VERDICT_SUCCESS] = AUTH_OK,
		[PAM_VERDICT_FAILURE] = AUTH_FAILED,
		[PAM_VERDICT_ERROR] = AUTH_BUSY,
	};
	struct pam_backend *b = arg;

	*out = (struct auth_answer){ .result = AUTH_BUSY };
	if (q->service.len > 0 && !str_eq(q->service,
	    str_from(service_of(b->cfg, q->method)))) {
		auth_answer_why(out, "not a PAM service of this authd");
		return;
	}
	out->result = meanings[converse_counted(b, turn, q, out)];
	if (out->result != AUTH_OK)
		return;
	out->source_bound = true;
	join(b, q, out);
}

static bool
uses_source(void *arg, struct str user)
{
	(void)arg;
	(void)user;
	return true;
}

struct backend
pam_backend_username(struct pam_backend *b)
{
	return (struct backend){ .name = "pam.username", .arg = b,
		.refusal_ms = REFUSAL_MS, .uses_source = uses_source, .check = check };
}

struct backend
pam_backend_address(struct pam_backend *b)
{
	return (struct backend){ .name = "pam.address", .arg = b,
		.uses_source = uses_source, .check = check };
}

/* ---- life ---- */

struct pam_backend *
pam_backend_new(const struct authd_config *cfg, struct roster *roster,
    const struct notices_workers *w)
{
	struct pam_backend *b = xcalloc(1, sizeof(*b) +
	    cfg->workers * sizeof(b->processes[0]));
	const struct pam_process_options o = {
		.recycle_after = cfg->recycle_after,
		.on_restart = notices_on_restart, .arg = &b->notices,
	};

	b->cfg = cfg;
	b->roster = roster;
	b->notices = *w;
	for (unsigned i = 0; i < cfg->workers; i++)
		b->processes[i] = pam_process_new(&o);
	return b;
}

unsigned
pam_backend_size(const struct pam_backend *b)
{
	return b->cfg->workers;
}

unsigned
pam_backend_busy(const struct pam_backend *b)
{
	return b->busy;
}

void
pam_backend_interrupt(struct pam_backend *b)
{
	for (unsigned i = 0; i < b->cfg->workers; i++)
		pam_process_interrupt(b->processes[i]);
}

void
pam_backend_free(struct pam_backend **bp)
{
	struct pam_backend *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	for (unsigned i = 0; i < b->cfg->workers; i++)
		pam_process_free(&b->processes[i]);
	free(b);
}

int
pam_backend_verify(const struct authd_config *cfg, enum auth_method method,
    struct err *err)
{
	if (pam_service_check(str_from(cfg->pam_confdir),
	    str_from(service_of(cfg, method)), err) == 0)
		return 0;
	return err_prefix(err, "%s", auth_method_names[method]);
}
