/* SPDX-License-Identifier: MIT */
/*
 * pam_worker: what `sallyport-authd --pam-worker` does.
 *
 * A process that authd starts (pam_process.h) to talk to PAM and NSS, whose
 * modules may block, leak, crash and print. It answers one question after the
 * other on the SOCK_SEQPACKET socket that is its descriptor 3, and ends when
 * that is hung up. It is a session and a process group of its own, so that
 * what modules start can be killed with it; it dies with the thread that
 * started it. No nng, no libevent, no threads.
 */
#ifndef AUTHD_PAM_WORKER_H
#define AUTHD_PAM_WORKER_H

#include <stdbool.h>

#define PAM_WORKER_FLAG "--pam-worker"
#define PAM_WORKER_FD 3

/* Is that what these arguments ask for? Main looks before all else. */
bool pam_worker_wanted(int argc, char **argv);
/*
 * The whole life of the process, from priv_limits() on. Its exit code: 0 when
 * authd hung up or is gone, 1 when it spoke another language, 2 when descriptor
 * 3 is not what it ought to be, which is said on stderr.
 */
int pam_worker_main(void);

#endif
