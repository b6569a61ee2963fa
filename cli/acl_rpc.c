/* SPDX-License-Identifier: MIT */
#include "acl_rpc.h"

#include <stdlib.h>

#include "audit/record.h"
#include "base/mem.h"
#include "daemon_rpc.h"
#include "msg/kinds.h"
#include "proto/decide.pb-c.h"

#define DEADLINE_MS 5000

static ProtobufCBinaryData
binary(const struct addr *a)
{
	return (ProtobufCBinaryData){ .len = sizeof(a->b),
		.data = (uint8_t *)a->b };
}

static struct bytes
pack(const struct acl_question *q)
{
	Sallyport__Pb__DecideRequest m = SALLYPORT__PB__DECIDE_REQUEST__INIT;
	ProtobufCBinaryData resolved[ACL_RPC_ADDRS_MAX];
	struct bytes out = { 0 };

	for (unsigned i = 0; i < q->n_resolved; i++)
		resolved[i] = binary(&q->resolved[i]);
	m.user = (char *)q->user;
	m.groups = (char **)q->groups;
	m.n_groups = q->n_groups;
	m.source = binary(&q->source);
	m.command = COMMAND_CONNECT;
	if (q->udp)
		m.command = COMMAND_UDP;
	m.protocol = q->udp ? PROTOCOL_UDP : PROTOCOL_TCP;
	m.name = (char *)q->dest.name;
	m.resolved = resolved;
	m.n_resolved = q->n_resolved;
	m.port = q->dest.port;
	out.cap = out.len = protobuf_c_message_get_packed_size(&m.base);
	out.ptr = xmalloc(out.len);
	protobuf_c_message_pack(&m.base, (uint8_t *)out.ptr);
	return out;
}

static enum cli_exit
read_answer(struct acl_answer *out, struct str body)
{
	static const char *const actions[] = { NULL, "allow", "block",
		"redirect" };
	static const char *const sources[] = { NULL, "rule", "default",
		"hard_deny" };
	Sallyport__Pb__Decision *m = sallyport__pb__decision__unpack(NULL,
	    body.len, (const uint8_t *)body.ptr);
	bool ok = m != NULL && m->action >= 1 &&
	    m->action < ARRAY_LEN(actions) && m->source >= 1 &&
	    m->source < ARRAY_LEN(sources) &&
	    str_copy(out->rule, sizeof(out->rule), str_from(m->rule)) &&
	    str_copy(out->reason, sizeof(out->reason), str_from(m->reason));

	if (ok) {
		out->decision = actions[m->action];
		out->source = sources[m->source];
		out->generation = m->generation;
	}
	if (m != NULL)
		sallyport__pb__decision__free_unpacked(m, NULL);
	return ok ? CLI_OK : cli_fail(CLI_ERROR, "acld's answer is malformed");
}

enum cli_exit
acl_rpc_test(struct cli *c, const struct acl_question *q,
    struct acl_answer *out)
{
	struct bytes body = pack(q), reply = { 0 };
	enum cli_exit code = daemon_rpc_ask(c, "acld", "admin_acl",
	    KIND_ACL_TEST, (struct str){ body.ptr, body.len }, DEADLINE_MS,
	    &reply);

	if (code == CLI_OK)
		code = read_answer(out, (struct str){ reply.ptr, reply.len });
	bytes_fini(&body);
	bytes_fini(&reply);
	return code;
}
