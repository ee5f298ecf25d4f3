/* What it takes to read a map of counters by SPI with the kernel's own call for many entries at once: prints
 * nanoseconds of CPU time of one entry. Only to be measured against. */

#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 4096, TURNS = 15 };

struct count {
	unsigned long long packets, octets, last;
};

static int ask(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static double cpu_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static int by_value(const void *one, const void *other)
{
	double left = *(const double *)one, right = *(const double *)other;

	return (left > right) - (left < right);
}

/* Reads all entries, and says how many they were. */
static unsigned read_all(int map, unsigned *keys, struct count *values, double *sum)
{
	unsigned batch = 0, entries = 0;

	for (int turn = 0;; turn++) {
		union bpf_attr attr = {
			.batch = {
				.map_fd = map,
				.in_batch = turn ? (unsigned long)&batch : 0,
				.out_batch = (unsigned long)&batch,
				.keys = (unsigned long)keys,
				.values = (unsigned long)values,
				.count = BATCH,
			},
		};
		int ended = ask(BPF_MAP_LOOKUP_BATCH, &attr);

		for (unsigned entry = 0; entry < attr.batch.count; entry++)
			*sum += values[entry].packets;
		entries += attr.batch.count;
		if (ended)
			return entries;
	}
}

int main(int argc, char **argv)
{
	unsigned spis = argc > 1 ? atoi(argv[1]) : 1, cpus = sysconf(_SC_NPROCESSORS_CONF);
	union bpf_attr map_attr = {
		.map_type = BPF_MAP_TYPE_PERCPU_HASH,
		.key_size = 4,
		.value_size = sizeof(struct count),
		.max_entries = spis,
	};
	int map = ask(BPF_MAP_CREATE, &map_attr);
	unsigned *keys = calloc(BATCH, sizeof(*keys));
	struct count *values = calloc((size_t)BATCH * cpus, sizeof(*values));
	double took[TURNS], sum = 0;

	for (unsigned spi = 0; spi < spis; spi++) {
		unsigned key = 0x5a000000 + spi;
		union bpf_attr attr = {
			.map_fd = map, .key = (unsigned long)&key, .value = (unsigned long)values,
		};

		values[0].packets = 1;
		if (ask(BPF_MAP_UPDATE_ELEM, &attr))
			return 1;
	}
	for (int turn = 0; turn < TURNS; turn++) {
		double before = cpu_time();

		if (read_all(map, keys, values, &sum) != spis)
			return 1;
		took[turn] = (cpu_time() - before) / spis;
	}
	qsort(took, TURNS, sizeof(*took), by_value);
	printf("%.2f\n", took[TURNS / 2]);
	return sum < spis;
}
