/* SPDX-License-Identifier: MIT */
/*
 * data/NAME.rules is a policy (NAME.yaml.rules in YAML), data/NAME.eval what
 * it must answer:
 *
 *	verdict by user dest:port [groups=a,b] [from=ip] [cmd=udp] [proto=udp]
 *	    [to=ip,ip] [permits=0,1] [internal=1] [bound] [why=words_with_lines]
 *
 * `by` is a rule's id, `default` or `hard_deny`; user `-` is nobody. Without
 * `to` a name is judged alone and an address is its own. What is not said of
 * permits is: all of `to`, or none when blocked; of internal: none.
 * `%fence own=… internal=… nat64=…` sets what stays closed.
 */
#include "policy_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acld/explain.h"
#include "base/mem.h"
#include "net/name.h"

static const char *data_dir;

/* A line of an .eval file. */
struct line {
	struct policy_question q;
	struct dest dest;
	struct str groups[16];
	struct addr resolved[POLICY_RESOLVED_MAX];
	const char *verdict, *by;
	const char *permits, *internal, *why;	/* NULL: not said */
	bool bound;
};

static void
read_dest(struct line *l, char *text)
{
	char *colon = strrchr(text, ':');
	struct str host;
	uint64_t port;

	assert_non_null(colon);
	assert_true(str_to_u64(str_from(colon + 1), 65535, &port));
	*colon = '\0';
	host = str_from(text);
	if (host.len > 1 && host.ptr[0] == '[')
		host = (struct str){ host.ptr + 1, host.len - 2 };
	if (name_canonical(&l->dest, host) == NAME_BAD)
		fail_msg("%s is no destination", text);
	l->q.port = (uint16_t)port;
	l->q.name = (struct str){ l->dest.name, l->dest.name_len };
	if (!l->dest.is_name) {
		l->resolved[0] = l->dest.addr;
		l->q.n_resolved = 1;
	}
}

static void
read_groups(struct line *l, char *list)
{
	char *save = NULL;

	for (char *s = strtok_r(list, ",", &save); s != NULL;
	     s = strtok_r(NULL, ",", &save)) {
		assert_true(l->q.n_groups < ARRAY_LEN(l->groups));
		l->groups[l->q.n_groups++] = str_from(s);
	}
}

static void
read_option(struct line *l, char *word)
{
	char *value = strchr(word, '=');

	if (strcmp(word, "bound") == 0) {
		l->bound = true;
		return;
	}
	assert_non_null(value);
	*value++ = '\0';
	if (strcmp(word, "groups") == 0)
		read_groups(l, value);
	else if (strcmp(word, "from") == 0)
		assert_int_equal(fixture_addrs(value, &l->q.source, 1), 1);
	else if (strcmp(word, "to") == 0)
		l->q.n_resolved = fixture_addrs(value, l->resolved,
		    POLICY_RESOLVED_MAX);
	else if (strcmp(word, "cmd") == 0)
		l->q.command = strcmp(value, "udp") == 0
		    ? POLICY_COMMAND_UDP : POLICY_COMMAND_BIND;
	else if (strcmp(word, "proto") == 0)
		l->q.protocol = POLICY_PROTOCOL_UDP;
	else if (strcmp(word, "permits") == 0)
		l->permits = value;
	else if (strcmp(word, "internal") == 0)
		l->internal = value;
	else if (strcmp(word, "why") == 0)
		l->why = value;
	else
		fail_msg("option %s is unknown", word);
}

static void
read_line(struct line *l, char *text)
{
	char *save = NULL;
	char *user, *dest;

	*l = (struct line){ .q = { .command = POLICY_COMMAND_CONNECT,
		.protocol = POLICY_PROTOCOL_TCP } };
	l->q.groups = l->groups;
	l->q.resolved = l->resolved;
	l->verdict = strtok_r(text, " \t", &save);
	l->by = strtok_r(NULL, " \t", &save);
	user = strtok_r(NULL, " \t", &save);
	dest = strtok_r(NULL, " \t", &save);
	assert_non_null(dest);
	l->q.user = str_from(strcmp(user, "-") == 0 ? "" : user);
	read_dest(l, dest);
	for (char *w = strtok_r(NULL, " \t", &save); w != NULL;
	     w = strtok_r(NULL, " \t", &save))
		read_option(l, w);
}

static void
indices(const struct policy_answer *a, bool internal_only, struct text *out)
{
	for (unsigned i = 0; i < a->n_permitted; i++)
		if (!internal_only || a->internal_ok[i])
			text_fmt(out, "%s%u", out->len > 0 ? "," : "",
			    (unsigned)a->permitted[i]);
}

static void
all_indices(unsigned n, struct text *out)
{
	for (unsigned i = 0; i < n; i++)
		text_fmt(out, "%s%u", i > 0 ? "," : "", i);
}

/* What is wrong with the answer, "" if nothing. */
static void
compare(const struct line *l, const struct policy_answer *a, struct text *out)
{
	char permits[128], internal[128], all[128], why[512];
	struct text p = text_on(permits, sizeof(permits));
	struct text i = text_on(internal, sizeof(internal));
	struct text n = text_on(all, sizeof(all));
	struct text w = text_on(why, sizeof(why));
	const char *by = a->source == POLICY_BY_RULE
	    ? a->rule : explain_source(a->source);
	const char *want = l->permits;

	explain_answer(&l->q, a, &w);
	indices(a, false, &p);
	indices(a, true, &i);
	if (a->action == POLICY_ALLOW)
		all_indices(l->q.n_resolved, &n);
	want = want != NULL ? want : all;
	for (char *c = strchr(why, ' '); c != NULL; c = strchr(c, ' '))
		*c = '_';
	if (strcmp(l->verdict, explain_action(a->action)) != 0 ||
	    strcmp(l->by, by) != 0)
		text_fmt(out, "%s by %s (%s)", explain_action(a->action), by,
		    why);
	else if (strcmp(permits, want) != 0)
		text_fmt(out, "permits %s, not %s", permits, want);
	else if (strcmp(internal, l->internal ? l->internal : "") != 0)
		text_fmt(out, "internal %s", internal);
	else if (l->bound != a->source_bound)
		text_fmt(out, "source_bound %d", a->source_bound);
	else if (l->why != NULL && strcmp(why, l->why) != 0)
		text_fmt(out, "says %s", why);
}

static void
read_fence(char *text, struct acld_config *cfg)
{
	char *save = NULL;

	for (char *w = strtok_r(text, " ", &save); w != NULL;
	     w = strtok_r(NULL, " ", &save)) {
		if (strncmp(w, "own=", 4) == 0)
			fixture_cidrs(w + 4, &cfg->own_addresses);
		else if (strncmp(w, "internal=", 9) == 0)
			fixture_cidrs(w + 9, &cfg->internal_ranges);
		else if (strncmp(w, "nat64=", 6) == 0)
			fixture_cidrs(w + 6, &cfg->nat64_prefixes);
	}
}

static struct policy *
load(const char *name, const char *rules, const struct acld_config *cfg)
{
	struct policy_report report = { .expect_failures = 0 };
	struct policy *p = fixture_parse(name, rules, cfg, &report);
	struct err err;

	if (p == NULL) {
		(void)policy_notes_err(&report.errors, &err);
		fail_msg("%s", err.text);
	}
	policy_report_fini(&report);
	return p;
}

/* Number of lines that were answered otherwise. */
static unsigned
run(const char *name, const struct policy *p, char *eval)
{
	unsigned number = 0, wrong = 0;
	char *rest = eval, *text;

	while ((text = strsep(&rest, "\n")) != NULL) {
		char *copy = xstrdup(text), diff[1024];
		struct text d = text_on(diff, sizeof(diff));
		struct policy_answer a;
		struct line l;

		number++;
		if (text[0] != '\0' && text[0] != '#' && text[0] != '%') {
			read_line(&l, text);
			policy_decide(p, &l.q, &a);
			compare(&l, &a, &d);
		}
		if (d.len > 0) {
			print_error("%s.eval:%u: %s\n    %s\n", name, number,
			    copy, diff);
			wrong++;
		}
		free(copy);
	}
	return wrong;
}

static unsigned
check_file(const char *name)
{
	char *rules_path = xasprintf("%s/%s.rules", data_dir, name);
	char *eval_path = xasprintf("%s/%s.eval", data_dir, name);
	char *rules = fixture_read(rules_path), *eval = fixture_read(eval_path);
	struct acld_config cfg = fixture_config();
	char *fence = strstr(eval, "%fence ");
	struct policy *p;
	unsigned wrong;

	if (fence != NULL) {
		char *line = xmemdup0(fence, strcspn(fence, "\n"));

		read_fence(line, &cfg);
		free(line);
	}
	p = load(name, rules, &cfg);
	wrong = run(name, p, eval);
	policy_free(&p);
	free(cfg.own_addresses.v);
	free(cfg.internal_ranges.v);
	free(cfg.nat64_prefixes.v);
	free(rules);
	free(eval);
	free(rules_path);
	free(eval_path);
	return wrong;
}

static void
test_all_files(void **state)
{
	DIR *dir = opendir(data_dir);
	unsigned files = 0, wrong = 0;
	struct dirent *e;

	(void)state;
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		char *dot = strstr(e->d_name, ".rules");

		if (dot == NULL)
			continue;
		*dot = '\0';
		files++;
		wrong += check_file(e->d_name);
	}
	closedir(dir);
	assert_true(files >= 10);
	assert_int_equal(wrong, 0);
}

/* Two names a long owner would cut to the same id get different ones. */
static void
test_generated_ids(void **state)
{
	char text[1024], longest[201];
	struct policy *p;
	struct policy_question q = { .command = POLICY_COMMAND_CONNECT,
		.protocol = POLICY_PROTOCOL_TCP, .name = STR("a.b"),
		.port = 1 };
	struct policy_answer a;

	(void)state;
	memset(longest, 'u', 200);
	longest[200] = '\0';
	snprintf(text, sizeof(text),
	    "[[users]]\nusername=\"%s1\"\n"
	    "rules=[{action=\"allow\",destinations=[\"*\"]}]\n"
	    "[[users]]\nusername=\"%s2\"\n"
	    "rules=[{action=\"allow\",destinations=[\"*\"]}]\n",
	    longest, longest);
	p = fixture_policy(text);
	longest[199] = 'u';
	snprintf(text, sizeof(text), "%s2", longest);
	q.user = str_from(text);
	policy_decide(p, &q, &a);
	assert_int_equal(a.action, POLICY_ALLOW);
	assert_true(strlen(a.rule) <= 128);
	longest[96] = '\0';
	snprintf(text, sizeof(text), "users.%s~2.1", longest);
	assert_string_equal(a.rule, text);
	policy_free(&p);
}

static void
test_port_zero(void **state)
{
	struct policy *p = fixture_policy(
	    "[global]\ndefault_policy = \"allow\"\n");
	struct policy_question q = { .command = POLICY_COMMAND_CONNECT,
		.protocol = POLICY_PROTOCOL_TCP, .name = STR("a.b") };
	struct policy_answer a;
	char why[128];
	struct text text = text_on(why, sizeof(why));

	(void)state;
	policy_decide(p, &q, &a);
	assert_int_equal(a.action, POLICY_BLOCK);
	assert_int_equal(a.source, POLICY_BY_HARD_DENY);
	assert_int_equal(a.n_permitted, 0);
	explain_answer(&q, &a, &text);
	assert_string_equal(why, "port 0 is no destination");
	policy_free(&p);
}

static void
test_counts(void **state)
{
	struct policy *p = fixture_policy(
	    "rules = [{ action = \"block\", destinations = [\"*\"] }]\n"
	    "[[groups]]\nname = \"g\"\n[[groups]]\nname = \"h\"\n"
	    "[[users]]\nusername = \"u\"\ngroups = [\"G\"]\n");
	struct policy_counts n = policy_count(p);

	(void)state;
	assert_int_equal(n.rules, 1);
	assert_int_equal(n.users, 1);
	assert_int_equal(n.groups, 2);
	assert_true(n.memory > 100 && n.memory < 100000);
	policy_free(&p);
	policy_free(&p);	/* twice is harmless */
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_files),
		cmocka_unit_test(test_generated_ids),
		cmocka_unit_test(test_port_zero),
		cmocka_unit_test(test_counts),
	};

	data_dir = argc > 1 ? argv[1] : "data";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
