/* SPDX-License-Identifier: MIT */
/*
 * notify: tells systemd (Type=notify) how far the daemon is. Nothing happens
 * unless NOTIFY_SOCKET is set. Main thread.
 */
#ifndef SERVICE_NOTIFY_H
#define SERVICE_NOTIFY_H

void notify_ready(void);
void notify_reloading(void);	/* notify_ready() ends it */
void notify_stopping(void);

#endif
