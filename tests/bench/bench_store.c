/* SPDX-License-Identifier: MIT */
/*
 * What storing a session costs: rows a second and µs of CPU a row, from the
 * records of an OPEN and a CLOSE to the commit, on a new SQLite database.
 *
 * usage: bench_store [ROWS [ROWS-PER-COMMIT [DIRECTORY]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "audit/record.h"
#include "base/clock.h"
#include "base/mem.h"
#include "sessiond/apply.h"
#include "sessiond/metrics.h"

#define SESSIONS_A_BATCH 250
#define BATCHES_MAX      64

static uint64_t
cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void
fill(struct batch_writer *w, unsigned long n)
{
	char user[32], host[48], body[RECORD_MAX];
	struct record_session s = {
		.id = id_new_v7(),
		.user = { user, 0 },
		.groups = { STR("staff") },
		.n_groups = 1,
		.source.addr = addr_from_v4(
		    (uint8_t[]){ 10, 1, (uint8_t)(n >> 8), (uint8_t)n }),
		.source.port = 40000,
		.listener = STR("main"),
		.command = COMMAND_CONNECT,
		.carrier = CARRIER_SOCKS5,
		.protocol = PROTOCOL_TCP,
		.dest_host = { host, 0 },
		.has_dest_ip = true,
		.dest_ip = addr_from_v4((uint8_t[]){ 192, 0, 2, (uint8_t)n }),
		.dest_port = 443,
		.n_permitted = 1,
		.decision = DECISION_ALLOW,
		.rule = STR("r-web"),
		.generation = 1700000000000000,
		.auth_method = AUTH_USERPASS,
	};
	size_t len;

	s.started_ms = id_ms(&s.id);
	s.permitted[0] = s.dest_ip;
	s.user.len =
	    (size_t)snprintf(user, sizeof(user), "user%lu", n * 7919 % 1000);
	s.dest_host.len = (size_t)snprintf(
	    host, sizeof(host), "host%lu.example.com", n * 104729 % 5000);
	len = record_pack_session(body, sizeof(body), RECORD_OPEN, &s);
	if (!batch_writer_add(w, (struct str){ body, len }))
		die("batch full");
	s.counters = (struct record_counters){ 700, 12000, 5, 11 };
	s.duration_us = 120000;
	s.status = STATUS_CLOSED;
	s.close_reason = STR("client_closed");
	s.setup_us = 1500;
	len = record_pack_session(body, sizeof(body), RECORD_CLOSE, &s);
	if (!batch_writer_add(w, (struct str){ body, len }))
		die("batch full");
}

int
main(int argc, char **argv)
{
	unsigned long rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	unsigned long commit = argc > 2 ? strtoul(argv[2], NULL, 10) : 5000;
	char *dir =
	    xasprintf("%s/bench-store-XXXXXX", argc > 3 ? argv[3] : "/tmp");
	struct metrics *m =
	    metrics_new("sallyport", NULL, sessiond_metrics, SESSIOND_METRICS);
	struct apply_batch items[BATCHES_MAX], *list[BATCHES_MAX];
	char *copies[BATCHES_MAX];
	size_t n = commit / SESSIONS_A_BATCH;
	uint64_t wall = 0, cpu = 0, records = 0;
	struct id stream = id_random();
	struct batch_writer *w = batch_writer_new(&stream, "proxy-1", 1);
	struct store *store;
	struct apply *a;
	struct err err;

	n = n < 1 ? 1 : n > BATCHES_MAX ? BATCHES_MAX : n;
	if (mkdtemp(dir) == NULL || store_open(&store, &(struct store_options){ .database = "", .state_dir = dir }, &err) < 0)
		die("%s", err.text);
	a = apply_new(store, metrics_thread(m));
	while (records < rows) {
		uint64_t w0, c0;

		for (size_t i = 0; i < n; i++) {
			struct str msg;

			for (unsigned k = 0; k < SESSIONS_A_BATCH; k++)
				fill(w, records++);
			msg = batch_writer_take(w);
			copies[i] = xmemdup0(msg.ptr, msg.len);
			items[i].done = false;
			if (batch_check(&items[i].batch,
				(struct str){ copies[i], msg.len }) < 0)
				die("malformed");
			list[i] = &items[i];
		}
		w0 = clock_mono_us();
		c0 = cpu_us();
		if (apply_batches(a, list, n) != STORE_OK)
			die("%s", store->ops->message(store));
		wall += clock_mono_us() - w0;
		cpu += cpu_us() - c0;
		for (size_t i = 0; i < n; i++) {
			batch_fini(&items[i].batch);
			free(copies[i]);
		}
	}
	printf("%lu rows, %zu a commit: %.0f rows/s, %.2f us CPU a row "
	       "(%.0f rows/s of CPU)\n",
	    records, n * SESSIONS_A_BATCH,
	    (double)records / ((double)wall / 1e6),
	    (double)cpu / (double)records, 1e6 * (double)records / (double)cpu);
	apply_free(&a);
	batch_writer_free(&w);
	store_close(&store);
	metrics_free(&m);
	return 0;
}
