/* SPDX-License-Identifier: MIT */
/*
 * admin_impl: what admin_rpc.c, admin_users_rpc.c and admin_logins_rpc.c share;
 * not for others.
 *
 * A handler that has more to do than a glance only notes who asked what
 * (admin_later): a worker does it, and reads the body too.
 */
#ifndef AUTHD_ADMIN_IMPL_H
#define AUTHD_ADMIN_IMPL_H

#include "authd/admin_rpc.h"
#include "authd/body_rpc.h"

#define ADMIN_PAGE_MAX 1000	/* entries of a list in one reply */

/* Answers `r`. */
typedef void admin_answer_fn(struct admin_rpc *rpc, struct rpc_request *r);

/* Has a worker run `answer`, before the logins that wait for one. */
void admin_later(struct admin_rpc *rpc, struct rpc_request *r,
    admin_answer_fn *answer);
void admin_reply(struct rpc_request *r, const ProtobufCMessage *m);
/* Bytes of a list in one reply; more only for a single entry. */
size_t admin_page_bytes(const struct admin_rpc *rpc);

/* admin_users_rpc.c */
rpc_handler_fn admin_on_users_reload, admin_on_users_list;
/* admin_logins_rpc.c */
rpc_handler_fn admin_on_login_test, admin_on_failures_list,
    admin_on_users_unlock;

#endif
