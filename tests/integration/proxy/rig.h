/* SPDX-License-Identifier: MIT */
/*
 * rig: a real sallyport-proxy in a directory of its own, its peers played
 * (tests/unit/proxy/peers.h), targets on loopback, clients that speak SOCKS
 * byte by byte. Ports are free ones; waits end after PEERS_WAIT_MS with a
 * failed test. When a rig ends, the proxy must exit with 0 after SIGTERM, and
 * the records must be whole: no hole, END last. One thread.
 */
#ifndef TESTS_INTEGRATION_PROXY_RIG_H
#define TESTS_INTEGRATION_PROXY_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/types.h>

#include "net/addr.h"
#include "peers.h"

/* The binary; set by main. */
extern const char *rig_binary;

struct rig {
	struct peers *peers;
	pid_t pid;			/* 0: not running */
	pid_t predecessor;		/* of rig_take_over, until reaped */
	const char *log;		/* name of its file */
	int code;			/* how the last one ended, if it did */
	struct endpoint listen, listen6;
	char lines[512];		/* of rig_configure */
	/* Lines of the listeners "one", at `listen`, and "two", at `listen6`;
	 * set before rig_configure. NULL: no tables. */
	const char *one, *two;
	int target, target6;		/* listening */
	struct endpoint target_at, target6_at;
	bool recorded;			/* sessiond is played */
	unsigned descriptors;		/* RLIMIT_NOFILE of it; 0: as ours */
};

/* cmocka's setup and teardown; setup makes everything but the process. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* Adds lines to the [proxy] table of the file, e.g. "workers = 2\n"; what was
 * added before is forgotten. */
void rig_configure(struct rig *r, const char *lines);
/* Starts the proxy, `set` being "proxy.key=value" up to NULL, or NULL. */
void rig_spawn(struct rig *r, const char *const *set);
/* Starts all peers and the proxy, and waits until it is ready and has heard
 * the policy. */
void rig_start(struct rig *r, const char *const *set);
/*
 * Starts another one with --takeover. true: it has started, and is the rig's
 * process from now on; the one before is r->predecessor. false: it has ended,
 * with exit code r->code; `words` (may be NULL) gets its stderr.
 */
bool rig_take_over(struct rig *r, const char *const *set, char *words,
    size_t size);
/* The same without waiting for it. */
pid_t rig_spawn_successor(struct rig *r, const char *const *set);
/* Configures it anew while it runs. What comes after that is treated so. */
void rig_reload(struct rig *r, const char *lines);
/* Waits for the end of the predecessor; exit code, or 128 + signal. */
int rig_wait_predecessor(struct rig *r);
void rig_signal(struct rig *r, int sig);
/* Waits for the end; exit code, or 128 + signal. */
int rig_wait_exit(struct rig *r);
/* Runs a second one with that address; exit code. `words` gets its stderr. */
int rig_run_other(struct rig *r, const struct endpoint *listen, char *words,
    size_t size);
/* What it has written to stderr; free() it. */
char *rig_log(const struct rig *r);
void rig_wait_log(struct rig *r, const char *text);

/* Value of a line of /metrics, e.g. "proxy_records_total" or
 * "bus_connected{socket=\"auth\"}"; 0 when there is no such line. */
int64_t rig_metric(struct rig *r, const char *name);
void rig_wait_metric(struct rig *r, const char *name, int64_t value);
/* Until at least that. */
void rig_wait_metric_from(struct rig *r, const char *name, int64_t value);
/* The same of several together, up to NULL. */
void rig_wait_sum_from(struct rig *r, const char *const *names, int64_t value);
/* Until no connection is left, in whatever state. */
void rig_wait_idle(struct rig *r);
/* Is /readyz 200? */
bool rig_is_ready(struct rig *r);
/* Open descriptors of the process. */
size_t rig_descriptors(const struct rig *r);
/* CPU time used so far, ms. */
uint64_t rig_cpu_ms(const struct rig *r);

/* ---- sockets ---- */

/* Accepts the next connection to a target. */
int rig_accept(int target);
/* A client's connection to the proxy, from any local address if `from` is
 * NULL. */
int rig_connect(struct rig *r, const char *from);
int rig_connect_to(const struct endpoint *to, const char *from);
/* A proxy that has closed already, as it may while a client still speaks, is for
 * what the test expects next to see. */
void rig_send(int fd, const void *p, size_t len);
#define rig_send_lit(fd, literal) rig_send(fd, literal, sizeof(literal) - 1)
/* Exactly these bytes come next. */
void rig_expect(int fd, const void *p, size_t len);
#define rig_expect_lit(fd, literal) \
	rig_expect(fd, literal, sizeof(literal) - 1)
enum rig_end { RIG_FIN, RIG_RESET };
/* Nothing comes but the end; which. */
enum rig_end rig_expect_end(int fd);
/* Nothing may be there to read now. */
void rig_expect_silence(int fd);
void rig_reset(int fd);		/* closes with RST */

/* ---- SOCKS ---- */

/* Greeting and login; waits for neither answer. */
void rig_send_login(int fd, const char *user, const char *password);
/* As above, and it succeeds. */
void rig_login(int fd, const char *user);
/* A request: by address, or by name. */
void rig_request(int fd, const struct endpoint *to);
void rig_request_name(int fd, const char *name, uint16_t port);
/* The ten bytes of a failure (case 40). */
void rig_expect_refusal(int fd, uint8_t code);
/* The reply of success; BND. */
struct endpoint rig_expect_success(int fd);
/* All of it to the IPv4 target; `target` gets the other end. */
int rig_session(struct rig *r, const char *user, int *target);

/* ---- SOCKS4 and CONNECT of HTTP ---- */

/* CONNECT with the user id "root"; 4a where `name` is not NULL. */
void rig_send_socks4(int fd, uint16_t port, const char *ip, const char *name);
/* `fields`: whole lines of the head, or "". */
void rig_send_connect(int fd, const struct endpoint *to, const char *fields);
#define RIG_HEAD_MAX 1024
/* An answer up to its empty line, and no byte more. */
void rig_read_head(int fd, char out[static RIG_HEAD_MAX]);
/* It begins with `status` and has `field` in it, which may be NULL. */
void rig_expect_answer(int fd, const char *status, const char *field);

/* Bytes both ways, and the end of both; closes both. */
void rig_expect_tunnel(int fd, int target);

#endif
