/* SPDX-License-Identifier: MIT */
/*
 * Prints one daemon's metrics as a section of docs/metrics-reference.md.
 *
 * Built once a daemon, which the build names: METRICS_HEADER declares
 * METRICS_TABLE, an array of struct metric_def.
 */
#include <stdio.h>

#include METRICS_HEADER

static void
print_labels(const struct metric_def *m)
{
	const struct metric_labels *l = m->labels;

	if (m->by_component)
		printf("`component`: the daemon%s", l != NULL ? "; " : "");
	for (int i = 0; l != NULL && i < 2 && l->name[i] != NULL; i++) {
		printf("%s`%s`:", i > 0 ? "; " : "", l->name[i]);
		for (const char *const *v = l->values[i]; *v != NULL; v++)
			printf("%s %s", v == l->values[i] ? "" : ",", *v);
	}
}

int
main(int argc, char **argv)
{
	static const char *const kinds[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	printf("\n## %s\n\n| metric | type | labels | meaning |\n"
	       "| --- | --- | --- | --- |\n", argc > 1 ? argv[1] : "");
	for (size_t i = 0; i < ARRAY_LEN(METRICS_TABLE); i++) {
		const struct metric_def *m = &METRICS_TABLE[i];

		printf("| `sallyport_%s` | %s | ", m->name, kinds[m->kind]);
		print_labels(m);
		printf(" | %s |\n", m->help);
	}
	return 0;
}
