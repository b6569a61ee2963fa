/* SPDX-License-Identifier: MIT */
/*
 * kinds: the number of every request on the bus, and the daemons' sockets.
 * Numbers are wire format: never reused.
 */
#ifndef MSG_KINDS_H
#define MSG_KINDS_H

enum rpc_kind {
	KIND_AUTH = 1,		/* AuthRequest -> AuthReply */
	KIND_BUNDLE = 2,	/* Bundle -> Bundle, on every socket */
	KIND_DECIDE = 16,	/* DecideRequest -> Decision */
	/* admin_acl */
	KIND_ACL_TEST = 32,	/* DecideRequest -> Decision */
	KIND_ACL_RELOAD = 33,	/* PolicyReload -> PolicyStatus */
	KIND_ACL_STATUS = 34,	/* PolicyReload -> PolicyStatus */
	/* admin_auth */
	KIND_USERS_RELOAD = 48,	/* UsersReload -> UsersReloadReply */
	KIND_USERS_LIST = 49,	/* UsersList -> UsersListReply */
	KIND_LOGIN_TEST = 50,	/* LoginTest -> LoginTestReply */
	KIND_FAILURES_LIST = 51,	/* FailuresList -> FailuresListReply */
	KIND_USERS_UNLOCK = 52,	/* UsersUnlock -> UsersUnlockReply */
};

#endif
