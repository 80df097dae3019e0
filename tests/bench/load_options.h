/* The command line of the load generator, and its modes. */
#ifndef FW_BENCH_LOAD_OPTIONS_H
#define FW_BENCH_LOAD_OPTIONS_H

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "load_base.h"

#define WATCH_MAX 4u

enum mode { ROUTE, PULL, PUBACK, PROGRESS, REPORT, READ, FOREIGN, BROKEN, FLEET, MODES };

static const struct {
	/* topics behind /product/device/; no answer: the PUBACK is it */
	const char *name, *topic, *answer;
} modes[MODES] = {
	[ROUTE] = {"route", "bench/route", "bench/route"},
	[PULL] = {"pull", "firmware/pull", "firmware/pull/reply"},
	[PUBACK] = {"puback", "bench/upgrade/progress", NULL},
	[PROGRESS] = {"progress", "firmware/upgrade/progress", NULL},
	[REPORT] = {"report", "firmware/report", NULL},
	[READ] = {"read", "firmware/read", "firmware/read/reply"},
	/* of another device: to be refused */
	[FOREIGN] = {"foreign", "firmware/upgrade/progress", NULL},
	[BROKEN] = {"broken", "firmware/upgrade/progress", NULL}, /* no JSON */
	[FLEET] = {"fleet", NULL, "firmware/upgrade"},
};

static struct {
	enum mode mode;
	const char *unix_path, *product, *prefix;
	unsigned port, clients, first, inflight, payload, products, versions, stride;
	double seconds, warmup, rate;
	pid_t watch[WATCH_MAX];
	unsigned watched;
} options = {.port = 1883,
	.product = "bench",
	.prefix = "d",
	.clients = 1,
	.first = 1,
	.inflight = 1,
	.payload = 250,
	.versions = 1,
	.stride = 1,
	.seconds = 1,
	.warmup = 0.3};

static const struct option long_options[] = {
	{"mode", required_argument, NULL, 'm'},
	{"port", required_argument, NULL, 'p'},
	{"unix", required_argument, NULL, 'u'},
	{"clients", required_argument, NULL, 'c'},
	{"first", required_argument, NULL, 'f'},
	{"inflight", required_argument, NULL, 'i'},
	{"rate", required_argument, NULL, 'r'},
	{"seconds", required_argument, NULL, 's'},
	{"warmup", required_argument, NULL, 'w'},
	{"payload", required_argument, NULL, 'l'},
	{"product", required_argument, NULL, 'P'},
	{"products", required_argument, NULL, 'N'},
	{"versions", required_argument, NULL, 'V'},
	{"stride", required_argument, NULL, 'S'},
	{"prefix", required_argument, NULL, 'D'},
	{"watch", required_argument, NULL, 'W'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static inline void usage(void)
{
	printf("Usage: load --mode MODE [options]\n\n"
	       "  --mode route|pull|puback|progress|report|read|foreign|broken|fleet\n"
	       "  --port N, --unix PATH     the broker (127.0.0.1:1883)\n"
	       "  --clients N, --first N    connections; the first is device number N (1, 1)\n"
	       "  --inflight N              closed loop: messages under way on each connection "
	       "(1)\n"
	       "  --rate R                  open loop: R messages a second over all connections\n"
	       "  --seconds S, --warmup S   (1, 0.3)\n"
	       "  --payload N               bytes of a routed message (250)\n"
	       "  --product P, --prefix D   /P/D0000001/... (bench, d)\n"
	       "  --products N              products P0 to P(N-1), one a device\n"
	       "  --versions N, --stride N  current versions 1.0.0 to 1.0.(N-1); device i has "
	       "i*stride modulo N (1, 1)\n"
	       "  --watch PID               count this process's CPU, and let it come to rest; up "
	       "to 4 times\n\n"
	       "fleet only waits for pushes, and acknowledges them. Latencies are in microseconds, "
	       "CPU too.\n");
}

static inline enum mode mode_of(const char *name)
{
	for (enum mode mode = 0; mode < MODES; mode++) {
		if (strcmp(modes[mode].name, name) == 0)
			return mode;
	}
	die("unknown mode %s", name);
}

static inline unsigned number_of(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (end == text || *end || number > INT32_MAX)
		die("not a number: %s", text);
	return (unsigned)number;
}

static inline void set_option(int option, const char *value)
{
	switch (option) {
	case 'm':
		options.mode = mode_of(value);
		break;
	case 'p':
		options.port = number_of(value);
		break;
	case 'u':
		options.unix_path = value;
		break;
	case 'c':
		options.clients = number_of(value);
		break;
	case 'f':
		options.first = number_of(value);
		break;
	case 'i':
		options.inflight = number_of(value);
		break;
	case 'r':
		options.rate = strtod(value, NULL);
		break;
	case 's':
		options.seconds = strtod(value, NULL);
		break;
	case 'w':
		options.warmup = strtod(value, NULL);
		break;
	case 'l':
		options.payload = number_of(value);
		break;
	case 'P':
		options.product = value;
		break;
	case 'N':
		options.products = number_of(value);
		break;
	case 'V':
		options.versions = number_of(value);
		break;
	case 'S':
		options.stride = number_of(value);
		break;
	case 'D':
		options.prefix = value;
		break;
	case 'W':
		if (options.watched == WATCH_MAX)
			die("more than %u processes to watch", WATCH_MAX);
		options.watch[options.watched++] = (pid_t)number_of(value);
		break;
	case 'h':
		usage();
		exit(0);
	default:
		exit(2);
	}
}

#endif
