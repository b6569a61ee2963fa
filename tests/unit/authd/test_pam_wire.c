/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "authd/pam_wire.h"
#include "base/mem.h"

static const struct pam_question login = {
	.number = 0x01020304, .kind = PAM_KIND_USERNAME, .verbose = true,
	.user = { "ann", 3 }, .service = { "sallyport", 9 },
	.confdir = { "/etc/other", 10 }, .rhost = { "2001:db8::1", 11 },
	.ruser = { "who", 3 }, .password = { "\x01 pass\xff", 7 },
};

static char long_text[PAM_CONFDIR_MAX + 2];

/* `len` times 'x', after a slash: right for any of the strings. */
static struct str
text(size_t len)
{
	memset(long_text, 'x', sizeof(long_text));
	long_text[0] = '/';
	return (struct str){ long_text, len };
}

static void
same_question(const struct pam_question *a, const struct pam_question *b)
{
	assert_int_equal(a->number, b->number);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->verbose, b->verbose);
	assert_true(str_eq(a->user, b->user));
	assert_true(str_eq(a->service, b->service));
	assert_true(str_eq(a->confdir, b->confdir));
	assert_true(str_eq(a->rhost, b->rhost));
	assert_true(str_eq(a->ruser, b->ruser));
	assert_true(str_eq(a->password, b->password));
}

/* There and back; then nothing shorter, longer or of another version. */
static void
question_passes(const struct pam_question *q)
{
	uint8_t out[PAM_QUESTION_MAX], longer[PAM_QUESTION_MAX + 1] = { 0 };
	size_t len = pam_question_encode(q, out);
	struct pam_question back;

	assert_int_not_equal(len, 0);
	assert_true(pam_question_decode(&back, (struct str){ (char *)out,
	    len }));
	same_question(&back, q);
	for (size_t n = 0; n < len; n++) {
		char *copy = xmemdup0(out, n);

		assert_false(pam_question_decode(&back,
		    (struct str){ copy, n }));
		assert_null(back.password.ptr);
		free(copy);
	}
	memcpy(longer, out, len);
	assert_false(pam_question_decode(&back, (struct str){ (char *)longer,
	    len + 1 }));
	longer[0]++;
	assert_false(pam_question_decode(&back, (struct str){ (char *)longer,
	    len }));
}

static void
question_refused(const struct pam_question *q)
{
	uint8_t out[PAM_QUESTION_MAX];

	assert_int_equal(pam_question_encode(q, out), 0);
}

static void
questions_pass(void **state)
{
	struct pam_question q = login;

	(void)state;
	question_passes(&q);
	q.verbose = false;
	q.confdir = q.ruser = (struct str){ 0 };
	question_passes(&q);
	q.kind = PAM_KIND_ADDRESS;
	q.password = (struct str){ 0 };
	question_passes(&q);
	q = (struct pam_question){ .kind = PAM_KIND_GROUPS,
		.user = STR("ann@ad.example") };
	question_passes(&q);
}

static void
questions_are_bounded(void **state)
{
	static const size_t max[] = { PAM_TEXT_MAX, PAM_CONFDIR_MAX,
		PAM_RHOST_MAX, PAM_TEXT_MAX, PAM_TEXT_MAX };
	struct pam_question q = login, all = login;
	struct str *const field[] = { &q.user, &q.confdir, &q.rhost,
		&q.ruser, &q.password };
	struct str *const whole[] = { &all.user, &all.confdir, &all.rhost,
		&all.ruser, &all.password };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(field); i++) {
		q = login;
		*field[i] = text(max[i]);
		question_passes(&q);
		*field[i] = text(max[i] + 1);
		question_refused(&q);
		*field[i] = (struct str){ "/\0x", 3 };
		question_refused(&q);
		*whole[i] = text(max[i]);
	}
	all.service = (struct str){ "ssssssssssssssssssssssssssssssss"
	    "ssssssssssssssssssssssssssssssss", PAM_SERVICE_MAX };
	question_passes(&all);
	q = login;
	q.user.len = 0;
	question_refused(&q);
	q = login;
	q.password.len = 0;
	question_refused(&q);
	q = login;
	q.rhost.len = 0;
	question_refused(&q);
}

static void
a_kind_has_its_own_strings(void **state)
{
	struct pam_question q = login;

	(void)state;
	q.kind = PAM_KIND_ADDRESS;	/* with a password */
	question_refused(&q);
	q.kind = PAM_KIND_GROUPS;	/* with all of them */
	question_refused(&q);
	q = (struct pam_question){ .kind = PAM_KIND_GROUPS,
		.user = STR("ann"), .password = STR("x") };
	question_refused(&q);
	q = login;
	q.kind = PAM_KIND_GROUPS + 1;
	question_refused(&q);
	q.kind = 0;
	question_refused(&q);
	q = login;
	q.confdir = STR("etc");
	question_refused(&q);
}

static void
a_service_is_a_name(void **state)
{
	static const char *const good[] = { "sallyport", "A", "a.b_c-9" };
	static const char *const bad[] = { "", ".", "..", ".a", "a/b", "/a",
		"../a", "a b", "a\n", "\xc3\xa4", "a%n",
		long_text };
	struct pam_question q = login;

	(void)state;
	memset(long_text, 'x', PAM_SERVICE_MAX + 1);
	long_text[PAM_SERVICE_MAX + 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(pam_service_ok(str_from(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(pam_service_ok(str_from(bad[i])));
		q.service = str_from(bad[i]);
		question_refused(&q);
	}
	assert_false(pam_service_ok((struct str){ "a\0", 2 }));
}

/* ---- reply ---- */

static void
reply_passes(const struct pam_reply *r)
{
	static uint8_t out[PAM_REPLY_MAX + 1];
	static struct pam_reply back;
	size_t len = pam_reply_encode(r, out);

	assert_int_not_equal(len, 0);
	assert_true(pam_reply_decode(&back, (struct str){ (char *)out, len }));
	assert_int_equal(back.number, r->number);
	assert_int_equal(back.verdict, r->verdict);
	assert_true(str_eq(back.detail, r->detail));
	assert_true(str_eq(back.user, r->user));
	assert_int_equal(back.n_groups, r->n_groups);
	for (size_t i = 0; i < r->n_groups; i++)
		assert_true(str_eq(back.groups[i], r->groups[i]));
	out[len] = 0;
	assert_false(pam_reply_decode(&back,
	    (struct str){ (char *)out, len + 1 }));
	for (size_t n = 0; n < len && n < 64; n++)
		assert_false(pam_reply_decode(&back,
		    (struct str){ (char *)out, n }));
	assert_int_equal(back.verdict, PAM_VERDICT_ERROR);
	assert_int_equal(back.n_groups, 0);
	assert_null(back.user.ptr);
	out[0]++;
	assert_false(pam_reply_decode(&back, (struct str){ (char *)out, len }));
}

static void
reply_refused(const struct pam_reply *r)
{
	static uint8_t out[PAM_REPLY_MAX];

	assert_int_equal(pam_reply_encode(r, out), 0);
}

static void
replies_pass(void **state)
{
	static struct pam_reply r = { .number = UINT32_MAX };

	(void)state;
	for (unsigned v = 0; v < PAM_VERDICTS; v++) {
		r.verdict = v;
		r.detail = STR("Authentication failure");
		reply_passes(&r);
		r.detail = (struct str){ 0 };
		reply_passes(&r);
	}
	r.verdict = PAM_VERDICT_SUCCESS;
	r.groups[r.n_groups++] = STR("Domain Users@ad.example");
	r.groups[r.n_groups++] = STR("x");
	reply_passes(&r);
	r.n_groups = 0;
	r.user = STR("Z\xc3\xbc" "rich@ad.example");
	r.detail = STR("Success");
	reply_passes(&r);
}

static void
replies_are_bounded(void **state)
{
	static struct pam_reply r = { .verdict = PAM_VERDICT_SUCCESS };

	(void)state;
	r.detail = text(PAM_TEXT_MAX);
	for (size_t i = 0; i < PAM_GROUPS_MAX; i++)
		r.groups[i] = text(61);
	r.n_groups = PAM_GROUPS_MAX;
	reply_passes(&r);
	r.n_groups++;
	reply_refused(&r);
	r.n_groups = 254;
	for (size_t i = 0; i < PAM_GROUPS_MAX; i++)
		r.groups[i] = text(PAM_TEXT_MAX);
	r.detail.len = 0;
	reply_passes(&r);
	r.n_groups = 255;	/* more than a packet */
	reply_refused(&r);
	r.n_groups = 1;
	r.groups[0] = text(PAM_TEXT_MAX + 1);
	reply_refused(&r);
	r.groups[0].len = 0;
	reply_refused(&r);
	r.groups[0] = (struct str){ "a\0", 2 };
	reply_refused(&r);
	r.n_groups = 0;
	r.detail = text(PAM_TEXT_MAX + 1);
	reply_refused(&r);
	r.detail = (struct str){ "a\0", 2 };
	reply_refused(&r);
}

static void
a_name_is_text_and_needs_success(void **state)
{
	static const struct str bad[] = { { "a\0", 2 }, { "a\n", 2 },
		{ "\xe9ve", 3 }, { "\x7f", 1 } };
	static struct pam_reply r = { .verdict = PAM_VERDICT_SUCCESS };

	(void)state;
	r.user = text(PAM_TEXT_MAX);
	reply_passes(&r);
	r.user.len++;
	reply_refused(&r);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		r.user = bad[i];
		reply_refused(&r);
	}
	r.user = STR("ann");
	reply_passes(&r);
	r.groups[r.n_groups++] = STR("wheel");
	reply_refused(&r);
	r.n_groups = 0;
	r.verdict = PAM_VERDICT_FAILURE;
	reply_refused(&r);
	r.verdict = PAM_VERDICT_ERROR;
	reply_refused(&r);
}

static void
groups_need_success(void **state)
{
	static struct pam_reply r = { .n_groups = 1 };

	(void)state;
	r.groups[0] = STR("wheel");
	for (unsigned v = 0; v <= PAM_VERDICTS; v++) {
		r.verdict = v;
		if (v != PAM_VERDICT_SUCCESS)
			reply_refused(&r);
	}
	r.n_groups = 0;		/* and no verdict is beyond the last */
	reply_refused(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_pass),
		cmocka_unit_test(questions_are_bounded),
		cmocka_unit_test(a_kind_has_its_own_strings),
		cmocka_unit_test(a_service_is_a_name),
		cmocka_unit_test(replies_pass),
		cmocka_unit_test(replies_are_bounded),
		cmocka_unit_test(a_name_is_text_and_needs_success),
		cmocka_unit_test(groups_need_success),
	};

	return cmocka_run_group_tests_name("pam_wire", tests, NULL, NULL);
}
