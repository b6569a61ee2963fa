/* SPDX-License-Identifier: MIT */
/* sallyctl acl: what would be decided, and why. */
#include "cli.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "acl_rpc.h"
#include "out.h"

static enum cli_exit
read_dest(const struct cli_args *a, struct acl_question *q)
{
	const char *dest = cli_get(a, "dest"), *port = cli_get(a, "port");
	uint64_t n;

	if (dest == NULL || port == NULL)
		return cli_fail(CLI_USAGE, "--dest and --port are needed");
	if (!str_to_u64(str_from(port), 65535, &n) || n == 0)
		return cli_fail(CLI_USAGE, "--port %s: expected 1 to 65535",
		    port);
	switch (name_canonical(&q->dest, str_from(dest))) {
	case NAME_BAD:
		return cli_fail(CLI_USAGE,
		    "--dest %s: neither an address nor a name", dest);
	case NAME_IS_ADDR:
		q->resolved[q->n_resolved++] = q->dest.addr;
		break;
	case NAME_OK:
		break;
	}
	q->dest.port = (uint16_t)n;
	return CLI_OK;
}

static enum cli_exit
read_resolved(const struct cli_args *a, struct acl_question *q)
{
	const char *value;

	if (cli_get(a, "resolved") != NULL && !q->dest.is_name)
		return cli_fail(CLI_USAGE, "--resolved goes with a name");
	for (unsigned i = 0;
	     (value = cli_get_nth(a, "resolved", i)) != NULL; i++)
		if (q->n_resolved == ACL_RPC_ADDRS_MAX ||
		    !addr_parse(&q->resolved[q->n_resolved++],
			str_from(value)))
			return cli_fail(CLI_USAGE,
			    "--resolved %s: expected an address, 32 at most",
			    value);
	return CLI_OK;
}

static enum cli_exit
read_question(const struct cli_args *a, struct acl_question *q)
{
	const char *source = cli_get(a, "source");
	const char *protocol = cli_get(a, "protocol");
	enum cli_exit code = read_dest(a, q);

	if (code == CLI_OK)
		code = read_resolved(a, q);
	if (code != CLI_OK)
		return code;
	q->user = cli_get(a, "user");
	if (q->user == NULL || *q->user == '\0')
		return cli_fail(CLI_USAGE, "--user is needed");
	if (!str_is_utf8(str_from(q->user)))
		return cli_fail(CLI_USAGE, "--user: expected UTF-8");
	if (!addr_parse(&q->source,
		source != NULL ? str_from(source) : STR("127.0.0.1")))
		return cli_fail(CLI_USAGE, "--source %s: expected an address",
		    source);
	q->udp = protocol != NULL && strcmp(protocol, "udp") == 0;
	if (protocol != NULL && !q->udp && strcmp(protocol, "tcp") != 0)
		return cli_fail(CLI_USAGE, "--protocol %s: tcp or udp",
		    protocol);
	while (q->n_groups < ACL_RPC_GROUPS_MAX &&
	    (q->groups[q->n_groups] =
		    cli_get_nth(a, "group", q->n_groups)) != NULL)
		q->n_groups++;
	return CLI_OK;
}

static enum cli_exit
show(const struct cli *c, const struct acl_question *q,
    const struct acl_answer *answer)
{
	char dest[DEST_TEXT_SIZE];
	json_t *o;

	dest_format(dest, &q->dest);
	o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:I}",
	    "user", q->user, "destination", dest,
	    "decision", answer->decision, "decided_by", answer->source,
	    "rule", *answer->rule != '\0' ? json_string(answer->rule) :
					    json_null(),
	    "reason", answer->reason,
	    "generation", (json_int_t)answer->generation);
	if (o == NULL)
		return cli_fail(CLI_ERROR, "acld's answer is not UTF-8");
	if (c->json)
		out_json(o);
	else
		out_members(o);
	json_decref(o);
	return CLI_OK;
}

/* "allow", "block" or "redirect"; NULL: nothing is expected. */
static enum cli_exit
read_expected(const struct cli_args *a, const char **out)
{
	const char *e = cli_get(a, "expect");

	*out = e;
	if (e == NULL || strcmp(e, "allow") == 0 || strcmp(e, "block") == 0 ||
	    strcmp(e, "redirect") == 0)
		return CLI_OK;
	return cli_fail(CLI_USAGE, "--expect %s: allow, block or redirect", e);
}

enum cli_exit
cmd_acl_test(struct cli *c)
{
	const char *expected;
	struct acl_question q = { 0 };
	struct acl_answer answer;
	enum cli_exit code;

	if (cli_settings(c) == NULL)
		return CLI_BAD_CONFIG;
	code = read_question(&c->args, &q);
	if (code == CLI_OK)
		code = read_expected(&c->args, &expected);
	if (code == CLI_OK)
		code = acl_rpc_test(c, &q, &answer);
	if (code != CLI_OK)
		return code;
	code = show(c, &q, &answer);
	if (code == CLI_OK && expected != NULL &&
	    strcmp(expected, answer.decision) != 0)
		code = CLI_DIFFERENT;
	return code;
}
