/* The fast way of the XDP program, as one would write it in C: the same decisions, the same counters, the same table,
 * the same record. What it is not sure of it passes, uncounted. Only to be measured against. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define inline_always inline __attribute__((always_inline))
#define uint(name, value) int(*name)[value]
#define be16(number) __builtin_bswap16(number)
#define be32(number) __builtin_bswap32(number)

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

enum { XDP_PASS = 2, MAP_ARRAY = 2, MAP_RINGBUF = 27, F_MMAPABLE = 1 << 10, NO_WAKEUP = 1 };
enum { CLASS_ISAKMP, CLASS_ESP, CLASS_OTHER = 5, CLASSES, MISSES = 18 };
enum { TCP = 6, UDP = 17, ESP = 50, AH = 51, ICMPV6 = 58 };
enum { UNTAGGED = 14, TAGGED = 18, SHORTEST_FRAME = 68, FIRST_SPI = 256, BUCKETS = 2048 };
enum { EXACT = 16, SHARED = 8, SLOTS = 4 };

struct slot {
	u64 key, packets, octets;
	u32 first, last;
};

struct part {
	u64 packets[CLASSES], octets[CLASSES], misses[MISSES];
	u64 first_fragments, lost_messages, lost_hints;
	u64 overflow_packets, overflow_octets, reserved_packets, reserved_octets;
	u64 at_ns;
	u32 jiffies, messages;
	u64 spare;
	struct slot buckets[BUCKETS][2];
} __attribute__((aligned(64)));

struct record {
	u8 version, kind, flags, vlan_depth;
	u32 interface;
	u64 at_ns;
	u32 source[4], destination[4];
	u16 source_port, destination_port, vlan_tci[2];
	u32 frame_octets;
	u16 datagram_octets, snapshot_octets;
	u64 header[4]; /* the SPI in the last four octets */
	u64 fingerprint[2];
	u8 fingerprint_octets, reserved[3];
	u32 site, sequence, spare;
};

/* Reads at any place, as the hardware does. */
struct any16 { u16 value; } __attribute__((packed));
struct any32 { u32 value; } __attribute__((packed));
struct any64 { u64 value; } __attribute__((packed));
#define read8(at) (*(u8 *)(at))
#define read16(at) (((struct any16 *)(at))->value)
#define read32(at) (((struct any32 *)(at))->value)
#define read64(at) (((struct any64 *)(at))->value)

static void *(*const lookup)(void *map, const void *key) = (void *)1;
static u32 (*const this_cpu)(void) = (void *)8;
static u64 (*const boot_ns)(void) = (void *)125;
static u64 (*const jiffies64)(void) = (void *)118;
static void *(*const reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*const submit)(void *data, u64 flags) = (void *)132;

struct {
	uint(type, MAP_ARRAY);
	uint(max_entries, 1);
	uint(map_flags, F_MMAPABLE);
	u32 *key;
	struct part *value;
} PARTS SEC(".maps");

struct {
	uint(type, MAP_RINGBUF);
	uint(max_entries, 1 << 20);
} RING SEC(".maps");

const volatile u16 isakmp_ports[SLOTS] = {848};
const volatile u16 nat_t_ports[SLOTS] = {4500};

static inline_always int is_listed(const volatile u16 *ports, u16 source, u16 destination)
{
	for (int slot = 0; slot < SLOTS; slot++) {
		u16 port = ports[slot];
		if (!port)
			break;
		if (port == source || port == destination)
			return 1;
	}
	return 0;
}

static inline_always int count(struct part *part, int class, u64 octets)
{
	part->packets[class]++;
	part->octets[class] += octets;
	return XDP_PASS;
}

static inline_always int count_esp(struct part *part, u32 spi, u64 frame, u64 octets)
{
	u64 key = spi;
	struct slot *bucket = part->buckets[(key * 0x9e3779b97f4a7c15ULL >> 40) & (BUCKETS - 1)], *slot;

	if (spi < FIRST_SPI) {
		part->reserved_packets++;
		part->reserved_octets += octets;
		return count(part, CLASS_ESP, frame);
	}
	if (bucket[0].key == key)
		slot = &bucket[0];
	else if (bucket[1].key == key)
		slot = &bucket[1];
	else if (!bucket[0].key || !bucket[1].key) {
		slot = bucket[0].key ? &bucket[1] : &bucket[0];
		slot->first = jiffies64();
		slot->key = key;
	} else {
		part->overflow_packets++;
		part->overflow_octets += octets;
		return count(part, CLASS_ESP, frame);
	}
	slot->packets++;
	slot->octets += octets;
	slot->last = jiffies64();
	return count(part, CLASS_ESP, frame);
}

static inline_always u64 now(struct part *part)
{
	u32 jiffies = jiffies64();
	u32 before = part->jiffies == jiffies ? part->messages : 0;

	part->jiffies = jiffies;
	part->messages = before + 1;
	if (before < EXACT || before % SHARED == 0)
		part->at_ns = boot_ns();
	return part->at_ns;
}

static __attribute__((noinline)) int message(struct xdp_md *ctx, u32 at)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u32 cpu = this_cpu(), tagged = at == TAGGED;
	struct part *part = lookup(&PARTS, &cpu);
	struct record *record;

	data += tagged ? TAGGED : UNTAGGED;
	if (!part || data + 72 > end)
		return XDP_PASS;
	u16 source = be16(read16(data + 20)), destination = be16(read16(data + 22));
	u16 length = be16(read16(data + 24)), whole = be16(read16(data + 2));
	if (!read32(data + 28) || is_listed(nat_t_ports, source, destination) || read8(data + 45) != 0x10 ||
	    !(read8(data + 47) & 1) || whole != 20 + length || whole < 72)
		return XDP_PASS;
	u64 frame = end - (void *)(long)ctx->data;
	count(part, CLASS_ISAKMP, frame);
	record = reserve(&RING, sizeof(*record), 0);
	if (!record) {
		part->lost_messages++;
		return XDP_PASS;
	}
	record->version = 2;
	record->kind = 1;
	record->flags = 0;
	record->vlan_depth = tagged;
	record->interface = ctx->ingress_ifindex;
	record->at_ns = now(part);
	record->source[0] = record->source[1] = 0;
	record->source[2] = 0xffff0000;
	record->source[3] = read32(data + 12);
	record->destination[0] = record->destination[1] = 0;
	record->destination[2] = 0xffff0000;
	record->destination[3] = read32(data + 16);
	record->source_port = source;
	record->destination_port = destination;
	record->vlan_tci[0] = tagged ? be16(read16(data - 4)) : 0;
	record->vlan_tci[1] = 0;
	record->frame_octets = frame;
	record->datagram_octets = length - 8;
	record->snapshot_octets = 0;
	record->header[0] = read64(data + 28);
	record->header[1] = read64(data + 36);
	record->header[2] = read64(data + 44);
	record->header[3] = read32(data + 52);
	record->fingerprint[0] = read64(data + 56);
	record->fingerprint[1] = read64(data + 64);
	record->fingerprint_octets = 16;
	record->reserved[0] = record->reserved[1] = record->reserved[2] = 0;
	record->site = record->sequence = record->spare = 0;
	submit(record, NO_WAKEUP);
	return XDP_PASS;
}

static inline_always int is_whole(u64 end, u64 octets)
{
	return end == octets || (end < octets && octets <= SHORTEST_FRAME);
}

static inline_always int ipv4(struct xdp_md *ctx, struct part *part, void *data, u32 at, u64 frame)
{
	u32 total = be16(read16(data + at + 2));
	u32 kind = read32(data + at + 6) & 0xff00ff3f; /* neither "don't fragment" nor time to live */
	u8 protocol = kind >> 24;

	if (!is_whole(at + total, frame))
		return XDP_PASS;
	if (kind == TCP << 24)
		return count(part, CLASS_OTHER, frame);
	if (kind == (u32)ESP << 24 && total >= 28)
		return count_esp(part, be32(read32(data + at + 20)), frame, total);
	if (kind == (u32)UDP << 24 && total >= 28) {
		u16 source = be16(read16(data + at + 20)), destination = be16(read16(data + at + 22));
		if (is_listed(isakmp_ports, source, destination) || is_listed(nat_t_ports, source, destination))
			return message(ctx, at);
		return count(part, CLASS_OTHER, frame);
	}
	if (protocol == UDP || protocol == ESP || protocol == AH)
		return XDP_PASS;
	return count(part, CLASS_OTHER, frame);
}

static inline_always int ipv6(struct part *part, void *data, void *end, u32 at, u64 frame)
{
	if (data + at + 48 > end)
		return XDP_PASS;
	u32 payload = be16(read16(data + at + 4));
	if (read8(data + at) >> 4 != 6 || !is_whole(at + 40 + payload, frame))
		return XDP_PASS;
	switch (read8(data + at + 6)) {
	case TCP:
	case ICMPV6:
		return count(part, CLASS_OTHER, frame);
	case ESP:
		if (payload >= 8)
			return count_esp(part, be32(read32(data + at + 40)), frame, 40 + payload);
		return XDP_PASS;
	case UDP:
		if (payload >= 8) {
			u16 source = be16(read16(data + at + 40)), destination = be16(read16(data + at + 42));
			if (!is_listed(isakmp_ports, source, destination) && !is_listed(nat_t_ports, source, destination))
				return count(part, CLASS_OTHER, frame);
		}
	}
	return XDP_PASS;
}

SEC("xdp")
int in_c(struct xdp_md *ctx)
{
	u32 cpu = this_cpu();
	struct part *part = lookup(&PARTS, &cpu);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u64 frame = end - data;

	if (!part || data + UNTAGGED + 28 > end)
		return XDP_PASS;
	u16 ethertype = read16(data + 12);
	if (ethertype == be16(0x0800) && read8(data + UNTAGGED) == 0x45)
		return ipv4(ctx, part, data, UNTAGGED, frame);
	if (ethertype == be16(0x86dd))
		return ipv6(part, data, end, UNTAGGED, frame);
	if (ethertype != be16(0x8100) || data + TAGGED + 28 > end)
		return XDP_PASS;
	ethertype = read16(data + 16);
	if (ethertype == be16(0x0800) && read8(data + TAGGED) == 0x45)
		return ipv4(ctx, part, data, TAGGED, frame);
	if (ethertype == be16(0x86dd))
		return ipv6(part, data, end, TAGGED, frame);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
