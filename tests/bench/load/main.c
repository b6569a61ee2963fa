/* SPDX-License-Identifier: MIT */
/*
 * bench_load serve PORT     echo, source and sink on PORT and the two after it
 * bench_load MODE OPTIONS   loads a SOCKS5 proxy and prints one line of JSON
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"
#include "targets.h"

static const char usage[] =
    "usage: bench_load serve PORT\n"
    "       bench_load MODE [OPTION]...\n"
    "  -p PORT      of the proxy on 127.0.0.1 (0: straight to the target)\n"
    "  -t PORT      of the target (7000)\n"
    "  -u USER -w PASSWORD\n"
    "  -c N         connections at once (64)\n"
    "  -d SECONDS   (4)\n"
    "  -n N         connections in all (0: any number)\n"
    "  -s BYTES     of a round trip (64)\n"
    "  -r RATE      paced: connections a second (1000)\n"
    "  -i SECONDS   slow: between two bytes (5)\n";

static void
show_usage(void)
{
	fputs(usage, stderr);
	fputs("modes:", stderr);
	for (const char *const *m = load_modes; *m != NULL; m++)
		fprintf(stderr, " %s", *m);
	fputc('\n', stderr);
	exit(2);
}

static double
number(const char *text, double low, double high)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end != '\0' || !(n >= low && n <= high)) {
		fprintf(stderr, "bench_load: %s: expected %.10g to %.10g\n",
		    text, low, high);
		exit(2);
	}
	return n;
}

static const char *
short_text(const char *text)
{
	if (strlen(text) > 255)
		show_usage();
	return text;
}

static struct load_options
read_options(int argc, char **argv)
{
	struct load_options o = { .target_port = 7000, .conns = 64,
		.seconds = 4, .size = 64, .rate = 1000, .interval = 5 };
	int c;

	while ((c = getopt(argc, argv, "p:t:u:w:c:d:n:s:r:i:")) != -1) {
		switch (c) {
		case 'p': o.proxy_port = (uint16_t)number(optarg, 0, 65535); break;
		case 't': o.target_port = (uint16_t)number(optarg, 1, 65535); break;
		case 'u': o.user = short_text(optarg); break;
		case 'w': o.password = short_text(optarg); break;
		case 'c': o.conns = (unsigned)number(optarg, 1, 1e6); break;
		case 'd': o.seconds = number(optarg, 0, 1e6); break;
		case 'n': o.count = (uint64_t)number(optarg, 0, 1e12); break;
		case 's': o.size = (size_t)number(optarg, 1, 65536); break;
		case 'r': o.rate = number(optarg, 0.001, 1e6); break;
		case 'i': o.interval = number(optarg, 0.001, 3600); break;
		default: show_usage();
		}
	}
	if (optind != argc || (o.user == NULL) != (o.password == NULL))
		show_usage();
	return o;
}

static void
print_result(const char *mode, const struct load_result *r)
{
	static const struct { const char *name; double q; } quantiles[] = {
		{ "p50_us", 0.5 }, { "p99_us", 0.99 }, { "p999_us", 0.999 } };
	static const char *const stages[] = {
		[CLIENT_CONNECTING] = "connecting",
		[CLIENT_GREETING] = "greeting", [CLIENT_LOGIN] = "login",
		[CLIENT_REQUEST] = "request", [CLIENT_OPEN] = "open" };

	printf("{\"mode\": \"%s\", \"seconds\": %.3f, \"done\": %llu, "
	    "\"bytes\": %llu, \"cut\": %llu, \"failed\": {", mode, r->seconds,
	    (unsigned long long)r->done, (unsigned long long)r->bytes,
	    (unsigned long long)r->cut);
	for (unsigned i = 0; i < CLIENT_STAGES; i++)
		printf("%s\"%s\": %llu", i > 0 ? ", " : "", stages[i],
		    (unsigned long long)r->failed[i]);
	printf("}");
	for (unsigned i = 0; i < ARRAY_LEN(quantiles); i++)
		printf(", \"%s\": %.1f", quantiles[i].name,
		    (double)hist_quantile(&r->latency, quantiles[i].q) / 1e3);
	printf("}\n");
}

static void
serve(const char *port)
{
	struct targets t;

	targets_listen(&t, (uint16_t)number(port, 0, 65533));
	printf("{\"echo\": %u, \"source\": %u, \"sink\": %u}\n",
	    t.port[TARGET_ECHO], t.port[TARGET_SOURCE], t.port[TARGET_SINK]);
	fflush(stdout);
	targets_serve(&t);
}

int
main(int argc, char **argv)
{
	static struct load_result r;
	struct load_options o;
	struct rlimit files;

	if (argc < 2)
		show_usage();
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (strcmp(argv[1], "serve") == 0 && argc == 3)
		serve(argv[2]);
	o = read_options(argc - 1, argv + 1);
	if (load_run(argv[1], &o, &r) != 0)
		show_usage();
	print_result(argv[1], &r);
	return 0;
}
