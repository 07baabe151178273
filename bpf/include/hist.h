/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Log-linear histograms. One lookup a call: the key holds the octave and the CPU, so
 * chunks exist only where values fall and have one writer: the kernel runs the
 * sys_enter and sys_exit programs with preemption off, and nothing else writes here,
 * so plain additions are exact. The first few hundred chunks, which a busy server's
 * calls nearly all fall into, are found in an array; the others in a hash map.
 */
#ifndef GOSTALL_HIST_H
#define GOSTALL_HIST_H

static struct gs_chunk zero_chunk;

static __always_inline __u32 log2_u64(__u64 v)
{
	__u32 r = 0;

	if (v >> 32) {
		v >>= 32;
		r += 32;
	}
	if (v >> 16) {
		v >>= 16;
		r += 16;
	}
	if (v >> 8) {
		v >>= 8;
		r += 8;
	}
	if (v >> 4) {
		v >>= 4;
		r += 4;
	}
	if (v >> 2) {
		v >>= 2;
		r += 2;
	}
	return r + (v >> 1);
}

static __always_inline __u64 chunk_key(__u64 leaf, __u64 nr, __u64 res, __u64 octave, __u64 cpu)
{
	__u64 k = leaf;

	k = k << GS_KEY_NR_BITS | nr;
	k = k << GS_KEY_RES_BITS | res;
	k = k << GS_KEY_OCT_BITS | octave;
	return k << GS_KEY_CPU_BITS | cpu;
}

#define KEY_BELOW_LEAF (GS_KEY_NR_BITS + GS_KEY_RES_BITS + GS_KEY_OCT_BITS + GS_KEY_CPU_BITS)

static __always_inline struct gs_chunk *chunk_new(__u64 key)
{
	struct gs_chunk *ch;

	bpf_map_update_elem(&hist, &key, &zero_chunk, BPF_NOEXIST);
	ch = bpf_map_lookup_elem(&hist, &key);
	if (ch)
		return ch;
	/* Full: same call, endpoint (other). */
	count(GS_CNT_SPILLED);
	key &= (1ULL << KEY_BELOW_LEAF) - 1;
	ch = bpf_map_lookup_elem(&spill, &key);
	if (ch)
		return ch;
	bpf_map_update_elem(&spill, &key, &zero_chunk, BPF_NOEXIST);
	ch = bpf_map_lookup_elem(&spill, &key);
	if (!ch)
		count(GS_CNT_LOST);
	return ch;
}

/* Global, so that the verifier walks it once and not once per caller. */
__noinline int record(__u32 leaf, __u32 nr, __u32 res, __u64 ns)
{
	__u32 octave = 0, sub = ns & 31, cpu = bpf_get_smp_processor_id();
	struct gs_chunk *ch;
	struct gs_hot *place;
	__u32 at;
	__u64 key;

	if (ns >= 32) {
		__u32 e = log2_u64(ns);

		octave = e - 4;
		sub = (ns >> (e - 5)) & 31;
	}
	key = chunk_key(leaf, nr, res, octave, cpu);
	at = cpu << GS_HOT_BITS | key * HASH_K >> (64 - GS_HOT_BITS);
	_Static_assert(GS_HOT == 1 << GS_HOT_BITS, "as many places as the hash has values");
	place = bpf_map_lookup_elem(&hot, &at);
	if (!place)
		return 0;
	if (!place->key)
		place->key = key | 1ULL << GS_HOT_USED_BIT;
	if (place->key == (key | 1ULL << GS_HOT_USED_BIT)) {
		ch = &place->chunk;
	} else {
		ch = bpf_map_lookup_elem(&hist, &key);
		if (!ch) {
			ch = chunk_new(key);
			if (!ch)
				return 0;
		}
	}
	ch->sum_ns += ns;
	if (ns > ch->max_ns)
		ch->max_ns = ns;
	ch->counts[sub & 31] += 1;
	return 0;
}

/* Counts one call, unless the user asked for less. */
static __always_inline int charge(__u32 leaf, __u32 nr, __u32 res, __u64 ns, __u32 skip)
{
	if (!settings.counting)
		return 0;
	if (skip || ns < settings.slower_ns || !(nr_flags[nr & (GS_MAX_NR - 1)] & GS_NRF_COUNT)) {
		count(GS_CNT_FILTERED);
		return 0;
	}
	record(leaf, nr, res, ns);
	return 0;
}

#endif
