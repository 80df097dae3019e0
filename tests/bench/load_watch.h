/* CPU of the watched processes, and when they are quiet: what messages caused is done by then, also
 * the writing of the catalog, which follows the acknowledgement. */
#ifndef FW_BENCH_LOAD_WATCH_H
#define FW_BENCH_LOAD_WATCH_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_options.h"

#define QUIET_NS 100000000   /* how often the watched processes are looked at */
#define QUIET_CPU_NS 4000000 /* less than that in between is quiet */
#define QUIET_ROUNDS 600u

struct cpu {
	int64_t main_ns, all_ns;
};

/* CPU of the watched processes, by thread: the first thread is the broker's own. */
static inline struct cpu cpu_of(pid_t pid)
{
	struct cpu cpu = {0, 0};
	struct dirent *entry;
	char path[300];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	folder = opendir(path);
	if (!folder)
		die("process %d is gone", (int)pid);
	while ((entry = readdir(folder))) {
		long long ns = 0;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fscanf(file, "%lld", &ns) == 1) {
			cpu.all_ns += ns;
			if (atoi(entry->d_name) == (int)pid)
				cpu.main_ns = ns;
		}
		fclose(file);
	}
	closedir(folder);
	return cpu;
}

static inline void read_cpu(struct cpu *cpu)
{
	for (unsigned i = 0; i < options.watched; i++)
		cpu[i] = cpu_of(options.watch[i]);
}

static inline void wait_until_quiet(struct cpu *cpu)
{
	read_cpu(cpu);
	for (unsigned round = 0; options.watched && round < QUIET_ROUNDS; round++) {
		struct cpu before[WATCH_MAX];
		int64_t used = 0;

		memcpy(before, cpu, sizeof(before));
		sleep_ns(QUIET_NS);
		read_cpu(cpu);
		for (unsigned i = 0; i < options.watched; i++)
			used += cpu[i].all_ns - before[i].all_ns;
		if (used < QUIET_CPU_NS)
			return;
	}
}

#endif
