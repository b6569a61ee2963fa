/* SPDX-License-Identifier: MIT */
/*
 * What a cached login costs: a real authd over ipc, asked as the proxy asks,
 * by the desks of some threads that share a client. CPU time is that of each
 * process, wall time of the clock.
 *
 * usage: bench_logins AUTHD [ROUNDS [SECONDS]]. Prints two tables; a figure is
 * the median over the rounds.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypt/passhash.h"
#include "hist.h"
#include "msg/rpc_client.h"
#include "proto/auth.pb-c.h"

#define USERS 256
#define THREADS_MAX 4
#define IN_FLIGHT_MAX 1024
#define ROUNDS_MAX 99
#define MAX_MESSAGE 65536
#define DEADLINE_MS 60000
#define CHEAP 1			/* cost of the hashes that are remembered */
#define WRONG 200		/* uncached logins under way */
#define PACE 1000		/* cached logins a second beside them */
#define ASIDE_S 2		/* after a cached one all cores are used again */

/* ---- the daemon ---- */

struct authd {
	char dir[32];
	char *address;
	pid_t pid;
};

static char *
path_of(const struct authd *a, const char *name)
{
	return xasprintf("%s/%s", a->dir, name);
}

static FILE *
file_new(const struct authd *a, const char *name)
{
	char *path = path_of(a, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (f == NULL)
		die("cannot write %s", path);
	free(path);
	return f;
}

static void
write_user(FILE *f, const char *name, unsigned cost)
{
	char hash[PASSHASH_MAX];
	struct err err;

	if (passhash_make(hash, STR("right"), cost, &err) != 0)
		die("%s", err.text);
	fprintf(f, "[[users]]\nusername = \"%s\"\npassword_hash = \"%s\"\n"
	    "groups = [\"staff\", \"developers\"]\n", name, hash);
}

static void
write_files(const struct authd *a)
{
	FILE *f = file_new(a, "users.toml");
	char name[16];

	for (unsigned i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		write_user(f, name, CHEAP);
	}
	write_user(f, "victim", 0);
	fclose(f);
	f = file_new(a, "sallyport.toml");
	fprintf(f, "[authd]\nuser = \"\"\ngroup = \"\"\nrun_dir = \"%s\"\n"
	    "state_dir = \"%s\"\nusers_file = \"%s/users.toml\"\n"
	    "admin_listen = \"127.0.0.1:0\"\nqueue = %d\n"
	    "guessing.per_user = 0\nguessing.per_source = 0\n"
	    "guessing.delay_base = \"0s\"\ndeadline = \"60s\"\n"
	    "[log]\nlevel = \"warn\"\n", a->dir, a->dir, a->dir, 2 * WRONG);
	fclose(f);
}

static void
authd_stop(struct authd *a)
{
	struct dirent *e;
	DIR *d;

	kill(a->pid, SIGTERM);
	waitpid(a->pid, NULL, 0);
	d = opendir(a->dir);
	while (d != NULL && (e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	(void)rmdir(a->dir);
	free(a->address);
}

static void
authd_start(struct authd *a, char *binary)
{
	char *config;

	strcpy(a->dir, "/tmp/bench_logins.XXXXXX");
	if (mkdtemp(a->dir) == NULL)
		die("cannot make %s", a->dir);
	write_files(a);
	a->address = xasprintf("ipc://%s/auth.sock", a->dir);
	config = path_of(a, "sallyport.toml");
	a->pid = fork();
	if (a->pid == 0) {
		/* However this program ends. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(binary, binary, "--config", config, (char *)NULL);
		_exit(127);
	}
	if (a->pid < 0)
		die("cannot start %s", binary);
	free(config);
}

/* Of all its threads; none of them ends while it is measured. */
static uint64_t
authd_cpu_ns(const struct authd *a)
{
	char path[64 + sizeof(((struct dirent *)0)->d_name)];
	unsigned long long one;
	uint64_t sum = 0;
	struct dirent *e;
	DIR *d;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)a->pid);
	if ((d = opendir(path)) == NULL)
		die("%s: authd is gone", path);
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat",
		    (int)a->pid, e->d_name);
		if (e->d_name[0] == '.' || (f = fopen(path, "re")) == NULL)
			continue;
		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
		if (fscanf(f, "%llu", &one) == 1)
			sum += one;
		fclose(f);
	}
	closedir(d);
	return sum;
}

static uint64_t
own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- asking ---- */

enum questions { GOOD, GUESSES };

struct asker {
	struct rpc_client *client;
	enum questions questions;
	unsigned in_flight;		/* kept under way */
	bool paced;			/* instead */
	uint64_t until_ns;		/* no more are begun */
	struct mailbox *mailbox;
	struct rpc_desk *desk;
	unsigned long asked, answered;
	unsigned long in_time;		/* answered before until_ns */
	struct hist hist;
	pthread_t thread;
};

struct question {
	struct asker *asker;
	uint64_t begun_ns;
};

static void ask(struct asker *a);

static void
check_answer(const struct asker *a, struct str body)
{
	Sallyport__Pb__AuthReply *m = sallyport__pb__auth_reply__unpack(NULL,
	    body.len, (const uint8_t *)body.ptr);
	int expected = a->questions == GOOD
	    ? SALLYPORT__PB__AUTH_REPLY__RESULT__OK
	    : SALLYPORT__PB__AUTH_REPLY__RESULT__FAILED;

	if (m == NULL || (int)m->result != expected)
		die("an answer is not what it must be");
	sallyport__pb__auth_reply__free_unpacked(m, NULL);
}

static void
on_done(void *arg, enum rpc_result result, struct str body)
{
	struct question *q = arg;
	struct asker *a = q->asker;
	uint64_t now = now_ns();

	if (result != RPC_OK)
		die("a login came to: %s", rpc_result_name(result));
	check_answer(a, body);
	a->answered++;
	a->in_time += now < a->until_ns;
	hist_add(&a->hist, now - q->begun_ns);
	free(q);
	if (a->in_flight > 0 && now < a->until_ns)
		ask(a);
}

static void
ask(struct asker *a)
{
	static const uint8_t source[16] = { [10] = 0xff, [11] = 0xff, 127,
		[15] = 1 };
	Sallyport__Pb__AuthRequest m = SALLYPORT__PB__AUTH_REQUEST__INIT;
	struct question *q = xcalloc(1, sizeof(*q));
	char user[32], password[32] = "right";
	uint8_t body[256];
	size_t len;

	*q = (struct question){ a, now_ns() };
	snprintf(user, sizeof(user), "user%lu", a->asked % USERS);
	if (a->questions == GUESSES) {
		strcpy(user, "victim");
		snprintf(password, sizeof(password), "%p-%lu", (void *)a,
		    a->asked);
	}
	m.method = (char *)"userpass";
	m.listener = (char *)"127.0.0.1:1080";
	m.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
	m.password = (ProtobufCBinaryData){ strlen(password),
		(uint8_t *)password };
	m.source = (ProtobufCBinaryData){ sizeof(source), (uint8_t *)source };
	ASSERT(sallyport__pb__auth_request__get_packed_size(&m) <=
	    sizeof(body));
	len = sallyport__pb__auth_request__pack(&m, body);
	a->asked++;
	if (rpc_call_start(a->desk, KIND_AUTH, (struct str){ (char *)body,
	    len }, DEADLINE_MS, false, on_done, q) == NULL)
		die("no call left");
}

static void
wait_letters(struct asker *a, uint64_t ns)
{
	struct pollfd p = { .fd = mailbox_fd(a->mailbox), .events = POLLIN };
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000) };

	if (ppoll(&p, 1, &t, NULL) > 0)
		mailbox_deliver(a->mailbox);
}

/* At PACE, whether or not earlier ones are done. */
static void
run_paced(struct asker *a)
{
	uint64_t next = now_ns(), now;

	while ((now = now_ns()) < a->until_ns) {
		if (now < next) {
			wait_letters(a, next - now);
			continue;
		}
		ask(a);
		next += 1000000000 / PACE;
	}
}

static void *
run(void *arg)
{
	struct asker *a = arg;

	for (unsigned i = 0; i < a->in_flight; i++)
		ask(a);
	if (a->paced)
		run_paced(a);
	while (a->answered < a->asked)
		wait_letters(a, 1000000000);
	return NULL;
}

static void
asker_start(struct asker *a, struct rpc_client *client,
    enum questions questions, unsigned in_flight, double seconds)
{
	struct err err;

	*a = (struct asker){ .client = client, .questions = questions,
		.in_flight = in_flight, .paced = questions == GOOD &&
		    in_flight == 0, .mailbox = mailbox_new(),
		.until_ns = now_ns() + (uint64_t)(seconds * 1e9) };
	/* One more: a call is given back after its done(). */
	if (rpc_desk_new(&a->desk, client, a->mailbox, IN_FLIGHT_MAX + 1,
	    &err) != 0)
		die("%s", err.text);
	if (pthread_create(&a->thread, NULL, run, a) != 0)
		die("cannot start a thread");
}

static void
asker_end(struct asker *a)
{
	pthread_join(a->thread, NULL);
	rpc_desk_free(&a->desk);
	mailbox_free(&a->mailbox);
}

/* ---- what is measured ---- */

struct bench {
	struct authd authd;
	struct rpc_client *client;
	unsigned rounds;
	double seconds;
};

/* All users are remembered for a minute. */
static void
warm(struct bench *b)
{
	struct asker a;

	asker_start(&a, b->client, GOOD, USERS, 0);
	asker_end(&a);
}

struct cost {
	double rate, authd_us, asker_us, p50_us, p99_us;
};

static struct cost
measure_cost(struct bench *b, unsigned threads, unsigned in_flight)
{
	static struct asker askers[THREADS_MAX];
	struct hist all = { 0 };
	uint64_t t0, authd, own;
	double n;

	warm(b);
	authd = authd_cpu_ns(&b->authd);
	own = own_cpu_ns();
	t0 = now_ns();
	for (unsigned i = 0; i < threads; i++)
		asker_start(&askers[i], b->client, GOOD, in_flight,
		    b->seconds);
	for (unsigned i = 0; i < threads; i++) {
		asker_end(&askers[i]);
		all.n += askers[i].hist.n;
		for (unsigned k = 0; k < HIST_BUCKETS; k++)
			all.buckets[k] += askers[i].hist.buckets[k];
		if (askers[i].hist.max > all.max)
			all.max = askers[i].hist.max;
	}
	n = (double)all.n;
	return (struct cost){ n * 1e9 / (double)(now_ns() - t0),
		(double)(authd_cpu_ns(&b->authd) - authd) / 1e3 / n,
		(double)(own_cpu_ns() - own) / 1e3 / n,
		(double)hist_quantile(&all, 0.5) / 1e3,
		(double)hist_quantile(&all, 0.99) / 1e3 };
}

struct delay {
	double p50_us, p99_us, p999_us, guesses;
};

/* What wrong logins get done where no cached ones are asked for. */
static struct delay
measure_guesses(struct bench *b)
{
	const struct timespec aside = { .tv_sec = ASIDE_S };
	static struct asker wrong;

	nanosleep(&aside, NULL);
	asker_start(&wrong, b->client, GUESSES, WRONG, b->seconds);
	asker_end(&wrong);
	return (struct delay){ .guesses =
	    (double)wrong.in_time / b->seconds };
}

static struct delay
measure_delay(struct bench *b, unsigned guesses)
{
	static struct asker good, wrong;

	warm(b);
	asker_start(&wrong, b->client, GUESSES, guesses, b->seconds);
	asker_start(&good, b->client, GOOD, 0, b->seconds);
	asker_end(&good);
	asker_end(&wrong);
	return (struct delay){ (double)hist_quantile(&good.hist, 0.5) / 1e3,
		(double)hist_quantile(&good.hist, 0.99) / 1e3,
		(double)hist_quantile(&good.hist, 0.999) / 1e3,
		(double)wrong.in_time / b->seconds };
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of every `stride`-th double from `v`. */
static double
median(const double *v, size_t stride, unsigned n)
{
	double sorted[ROUNDS_MAX];

	for (unsigned i = 0; i < n; i++)
		sorted[i] = v[i * stride];
	qsort(sorted, n, sizeof(sorted[0]), compare);
	return n % 2 == 1 ? sorted[n / 2]
			  : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void
print_cost(struct bench *b)
{
	static const struct {
		unsigned threads, in_flight;
	} rows[] = { { 1, 1 }, { 1, 8 }, { 1, 64 }, { 2, 64 }, { 2, 512 } };
	struct cost of[ARRAY_LEN(rows)][ROUNDS_MAX];
	const size_t stride = sizeof(of[0][0]) / sizeof(double);

	for (unsigned i = 0; i < b->rounds; i++)
		for (size_t k = 0; k < ARRAY_LEN(rows); k++)
			of[k][i] = measure_cost(b, rows[k].threads,
			    rows[k].in_flight);
	printf("| threads that ask | under way in each | logins/s | µs CPU / "
	    "login, authd | asker | p50 ms | p99 ms |\n"
	    "| --- | --- | --- | --- | --- | --- | --- |\n");
	for (size_t k = 0; k < ARRAY_LEN(rows); k++)
		printf("| %u | %u | %.0f | %.1f | %.1f | %.2f | %.2f |\n",
		    rows[k].threads, rows[k].in_flight,
		    median(&of[k][0].rate, stride, b->rounds),
		    median(&of[k][0].authd_us, stride, b->rounds),
		    median(&of[k][0].asker_us, stride, b->rounds),
		    median(&of[k][0].p50_us, stride, b->rounds) / 1e3,
		    median(&of[k][0].p99_us, stride, b->rounds) / 1e3);
}

static void
print_delay(struct bench *b)
{
	static const unsigned rows[] = { 0, WRONG };
	struct delay of[ARRAY_LEN(rows)][ROUNDS_MAX], alone[ROUNDS_MAX];
	const size_t stride = sizeof(of[0][0]) / sizeof(double);

	for (unsigned i = 0; i < b->rounds; i++) {
		for (size_t k = 0; k < ARRAY_LEN(rows); k++)
			of[k][i] = measure_delay(b, rows[k]);
		alone[i] = measure_guesses(b);
	}
	printf("\n| cached logins / s | wrong ones under way | of them checked "
	    "/ s | p50 ms of a cached one | p99 ms | p99.9 ms |\n"
	    "| --- | --- | --- | --- | --- | --- |\n");
	for (size_t k = 0; k < ARRAY_LEN(rows); k++)
		printf("| %u | %u | %.0f | %.2f | %.2f | %.2f |\n", PACE,
		    rows[k], median(&of[k][0].guesses, stride, b->rounds),
		    median(&of[k][0].p50_us, stride, b->rounds) / 1e3,
		    median(&of[k][0].p99_us, stride, b->rounds) / 1e3,
		    median(&of[k][0].p999_us, stride, b->rounds) / 1e3);
	printf("| 0 | %u | %.0f | - | - | - |\n", WRONG,
	    median(&alone[0].guesses, stride, b->rounds));
}

int
main(int argc, char **argv)
{
	struct rpc_client_options o = { .name = "auth",
		.max_message = MAX_MESSAGE, .reconnect_max_ms = 100,
		.unconnected_ms = 10000 };
	struct bench b = { .rounds = 5, .seconds = 1 };
	struct err err;

	if (argc > 2)
		b.rounds = (unsigned)strtoul(argv[2], NULL, 10);
	if (argc > 3)
		b.seconds = strtod(argv[3], NULL);
	if (argc < 2 || argc > 4 || b.rounds < 1 || b.rounds > ROUNDS_MAX ||
	    !(b.seconds > 0 && b.seconds <= 30))
		die("usage: bench_logins AUTHD [ROUNDS [SECONDS]]");
	authd_start(&b.authd, argv[1]);
	o.address = b.authd.address;
	if (rpc_client_new(&b.client, &o, &err) != 0)
		die("%s", err.text);
	print_cost(&b);
	print_delay(&b);
	rpc_client_free(&b.client);
	authd_stop(&b.authd);
	return 0;
}
