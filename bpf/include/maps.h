/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every map, with its bound and what happens when it is full. Nothing here grows
 * beyond its max_entries; every refusal is counted (gs_counter).
 */
#ifndef GOSTALL_MAPS_H
#define GOSTALL_MAPS_H

/* Written by user space while we run; one cache line is hot. */
struct gs_config settings = {};
/* What each syscall number is (GS_NRF_*), and whose a call of the bare runtime is. */
__u8 nr_flags[GS_MAX_NR] = {};
__u8 nr_role[GS_MAX_NR] = {};
__u8 nr_blocks[GS_MAX_NR] = {}; /* enum gs_blocks */
/* A call is a tail snapshot from this many ns on; adapted by user space. */
__u64 tail_ns[GS_MAX_NR] = {};
/* Whether slow requests are kept whole: the slowest so many of each leaf, all from so many ns on. Set
 * before the load; where they are not the verifier drops the code. */
const volatile __u32 keeps_timelines = 0;
const volatile __u32 slowest_kept = 0;
const volatile __u64 slow_ns = 0;
/* --exact. What it takes is not in the programs without it. */
const volatile __u32 exact_on = 0;
/* Next free ids. */
__u32 next_node = GS_FIRST_NODE;
__u32 next_slot = 0;
__u32 lineage_wanted = 0;
__u32 unmarked = 0; /* marks that found no memory */
/* Births since one mattered; handlers since one was needed, routed requests since one
 * taught anything. */
__u32 births_idle = 0;
__u32 handlers_idle = 0;
__u32 routes_idle = 0;
/* User space has been told, and has not answered yet. */
__u32 handlers_wanted = 0;
/* Frames since a large one, and whether they are watched or about to be. */
__u32 frames_idle = 0;
__u32 frames_wanted = 0;
__u32 streams_kept = 0; /* entries of streams that have ended */
__u32 routes_wanted = 0;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct gs_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GS_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct gs_target);
} targets SEC(".maps");

/* Executables known before they run: (device << 32 | inode) -> slot to copy from. */
struct exe_key {
	__u64 dev;
	__u64 ino;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GS_MAX_SLOTS);
	__type(key, struct exe_key);
	__type(value, __u32);
} known_exes SEC(".maps");

/* Goroutine start functions of the runtime: exe_id << 48 | link-time pc -> leaf. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, __u32);
} role_pcs SEC(".maps");

/* CPU << GS_HOT_BITS | place, as many as there are CPUs. Never full: who finds his place taken goes to
 * `hist`. No per-CPU array, whose elements lie across lines behind a pointer each. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, GS_HOT);
	__type(key, __u32);
	__type(value, struct gs_hot);
} hot SEC(".maps");

/* Full: the call goes to `spill` under (other). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 393216);
	__type(key, __u64);
	__type(value, struct gs_chunk);
} hist SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct gs_chunk);
} spill SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GS_MAX_NR);
	__type(key, __u32);
	__type(value, struct gs_nrstat);
} nrstats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gs_counters);
} counters SEC(".maps");

/* Full: the path goes to (other). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, struct gs_node_key);
	__type(value, struct gs_node);
} nodes SEC(".maps");

/* Direct-mapped, per CPU: path hash -> leaf. Never full, only forgetful. */
#define PATH_CACHE 1024
struct path_slot {
	__u64 hash;
	__u64 leaf;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PATH_CACHE);
	__type(key, __u32);
	__type(value, struct path_slot);
} path_cache SEC(".maps");

/* Connections of the first few processes with low descriptors, which is nearly all:
 * found without hashing. Mappable, for then values begin at a page and so on lines. */
#define CONN_SLOTS 8
#define CONN_FDS 8192
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CONN_SLOTS * CONN_FDS);
	__type(key, __u32);
	__type(value, struct gs_conn);
} near_conns SEC(".maps");

/* The highest descriptor of each process in it: who looks for what is in flight need not look further.
 * And what else he wants to know at a glance. */
struct near_high {
	__u32 fd[CONN_SLOTS];
	__u32 throttled[CONN_SLOTS]; /* threads that their cgroup keeps off all processors now */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct near_high);
} near_highs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, GS_FAR_PLACES);
	__type(key, __u32);
	__type(value, __u64);
} far_places SEC(".maps");

/* The others: slot << 32 | fd. Full: the connection's requests are not seen; counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, __u64);
	__type(value, struct gs_conn);
} conns SEC(".maps");

/* The time of requests on connections in `near_conns`, under the same index; and of others. Full:
 * what they did is not told apart. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CONN_SLOTS * CONN_FDS);
	__type(key, __u32);
	__type(value, struct gs_wall);
} near_walls SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct gs_wall);
} walls SEC(".maps");

/* leaf << 12 | CPU: one writer each. Full: that endpoint's time is not told apart. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct gs_ledger);
} ledgers SEC(".maps");

/* Requests in flight that may turn out slow; with one entry where none are kept. Full: the request
 * is not kept; counted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GS_TIMELINES);
	__type(key, __u32);
	__type(value, struct gs_timeline);
} timelines SEC(".maps");

/* leaf -> the longest of its requests. Full: the slowest of further leaves are not kept; counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, GS_BARS);
	__type(key, __u32);
	__type(value, struct gs_bar);
} bars SEC(".maps");

/* Full: ticks of those who come late go to GS_OTHER where that was there in time, else to nobody.
 * Preallocated, for it is written from an interrupt. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GS_CPU_TICKS);
	__type(key, struct gs_cpu_key);
	__type(value, __u64);
} cpu_ticks SEC(".maps");

/* leaf -> page faults. Full: those of further endpoints are in the process's total only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, __u64);
} faults SEC(".maps");

/* TLS handshakes under way. Full: counted as a connection that is not followed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct gs_handshake);
} handshakes SEC(".maps");

/* --exact; else these have room for one. Full: that request's time between calls counts as not measured. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct gs_exact);
} exacts SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct gs_exact_sums);
} exact_ledgers SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GS_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct gs_exact_slot);
} exact_slots SEC(".maps");
/* By exe_id. Full: that executable's waits are unknown. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct gs_exact_exe);
} exact_exes SEC(".maps");

/* Full: partial request lines and pipelined requests are lost to (other); counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct gs_stash);
} stashes SEC(".maps");

/* leaf -> what it is besides. Full: the leaf's cluster stands. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct gs_route);
} routes SEC(".maps");

/* slot << 48 | g. The runtime never frees a g, so this is bounded by the peak. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, __u64);
	__type(value, struct gs_goroutine);
} goroutines SEC(".maps");

/* slot << 48 ^ goid -> g, for goroutines that may have children in a request. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} goids SEC(".maps");

/* The same of streams' goroutines, of which there is a new one with each request: a place by the
 * goid's lower bits, free again when the stream has ended; else it goes to `goids`. An
 * eviction there costs more than all else of a stream. */
#define STREAM_GOIDS 16384
#define STREAM_ENDED (1ULL << 63) /* in g, an address of user space */
struct stream_goid {
	__u64 key;
	__u64 g;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STREAM_GOIDS);
	__type(key, __u32);
	__type(value, struct stream_goid);
} stream_goids SEC(".maps");

/* slot << 48 ^ a stream of HTTP/2 or gRPC, there: broken off by its client, whose handler
 * is yet to find out. Full: the oldest goes, and its request ends as if nothing had been. */
struct gs_broken {
	__u64 at_ns;
	__u64 left; /* LEFT_* */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct gs_broken);
} broken SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024);
} events SEC(".maps");

static __always_inline void count(__u32 what)
{
	__u32 zero = 0;
	struct gs_counters *all = bpf_map_lookup_elem(&counters, &zero);

	if (all && what < GS_CNT_MAX)
		all->n[what] += 1;
}

static __always_inline __u64 conn_key(__u32 slot, __u64 fd)
{
	return (__u64)slot << 32 | (__u32)fd;
}

/* A request without a descriptor of its own: HTTP/2's streams, and whatever else a
 * handler is the first to tell us of. */
static __always_inline __u64 stream_key(__u32 slot, __u64 g)
{
	return 1ULL << 63 | (__u64)slot << 48 | (g & 0xffffffffffffULL);
}

static __always_inline __u32 key_slot(__u64 key)
{
	return (key >> 63 ? key >> 48 : key >> 32) & (GS_MAX_SLOTS - 1);
}

#define NOT_NEAR 0xffffffffU
static __always_inline __u32 near_index(__u64 key)
{
	__u32 slot = key >> 32, fd = key;

	return slot < CONN_SLOTS && fd < CONN_FDS ? slot * CONN_FDS + fd : NOT_NEAR;
}

static __always_inline struct gs_conn *conn_near(__u64 key)
{
	__u32 at = near_index(key);

	return at != NOT_NEAR ? bpf_map_lookup_elem(&near_conns, &at) : 0;
}

static __always_inline __u64 *far_place(__u64 key)
{
	__u32 at = key * 0x9e3779b97f4a7c15ULL >> 55;

	_Static_assert(GS_FAR_PLACES == 1 << 9, "as many places as the hash has values");
	return bpf_map_lookup_elem(&far_places, &at);
}

static __always_inline void near_note(__u64 key)
{
	__u32 zero = 0, slot = key >> 32, fd = key;
	struct near_high *high = bpf_map_lookup_elem(&near_highs, &zero);

	if (high && slot < CONN_SLOTS && high->fd[slot] < fd)
		high->fd[slot] = fd;
}

static __always_inline struct gs_conn *conn_get(__u64 key)
{
	struct gs_conn *c = conn_near(key);

	if (!c)
		c = bpf_map_lookup_elem(&conns, &key);
	return c && c->kind ? c : 0;
}

static __always_inline void conn_delete(__u64 key)
{
	struct gs_conn *c = conn_near(key);

	if (exact_on)
		bpf_map_delete_elem(&exacts, &key);
	if (c) {
		c->kind = GS_K_NONE;
	} else {
		__u64 *place = far_place(key);

		if (place && *place == key)
			*place = 0;
		bpf_map_delete_elem(&conns, &key);
		bpf_map_delete_elem(&walls, &key);
	}
}

/* A stream has ended. Its goroutine's memory will serve others, so its entry is left for them,
 * up to a number: making one anew and freeing it would be a quarter of a stream's cost. */
#define STREAMS_KEPT 16384
static __always_inline void stream_delete(struct gs_conn *c, __u64 key)
{
	__u64 *place;

	if (streams_kept >= STREAMS_KEPT) {
		conn_delete(key);
		return;
	}
	place = far_place(key);
	if (place && *place == key)
		*place = 0;
	c->kind = GS_K_NONE;
	__sync_fetch_and_add(&streams_kept, 1);
}

#endif
