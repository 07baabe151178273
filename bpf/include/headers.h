/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The W3C traceparent of a request that the wire does not show (TLS, HTTP/2): it stands in
 * the header map of the *http.Request its handler was called with, or in the metadata that
 * gRPC's transport has put into its stream's context. That is looked at when
 * a call of the request is raised to user space and never else, once a request. What is
 * found is what it should be to the letter, or nothing.
 */
#ifndef GOSTALL_HEADERS_H
#define GOSTALL_HEADERS_H

#define TRACEPARENT_NAME 11
#define TRACEPARENT_TEXT 55
/* Entries looked at. More than 128 headers nobody sends, and net/http's map is sized by them. */
#define HEADER_SLOTS 128
#define SLOTS 8

/* Go's maps of string to []string: eight keys (16 bytes) and values (24) in a group. */
struct header_look {
	__u64 group;	/* the one looked at */
	__u64 row;	/* the one in the array that it is, or hangs on */
	__u64 found;	/* where the value is */
	__u32 left;	/* groups in the array from `row` on */
	__u32 slot;
	__u32 size;	/* of a group */
	__u32 key_step;
	__u32 value;	/* where in a group the first value is */
	__u32 value_step;
	__u32 overflow; /* ... and the pointer to an overflow bucket; 0: there are none */
};

static __always_inline int is_traceparent(__u64 text)
{
	__u64 name[2] = {};

	/* Its first letter is large in HTTP's headers and small in gRPC's metadata. */
	return !bpf_probe_read_user(name, TRACEPARENT_NAME, (void *)text) &&
	       (name[0] | 0x20) == W8('t', 'r', 'a', 'c', 'e', 'p', 'a', 'r') &&
	       name[1] == W8('e', 'n', 't', 0, 0, 0, 0, 0);
}

static long header_slot(__u32 i, void *ctx)
{
	struct header_look *l = ctx;
	__u64 key[2] = {}, more = 0;

	if (l->slot == SLOTS) {
		if (l->overflow && !user_u64(&more, l->group + l->overflow))
			return 1;
		if (more) {
			l->group = more;
		} else {
			if (l->left <= 1)
				return 1;
			l->left--;
			l->row += l->size;
			l->group = l->row;
		}
		l->slot = 0;
	}
	/* Behind eight control bytes. A key that was deleted is cleared, for it has a pointer. */
	if (bpf_probe_read_user(key, 16, (void *)(l->group + 8 + l->slot * l->key_step)))
		return 1;
	if (key[1] == TRACEPARENT_NAME && is_traceparent(key[0])) {
		l->found = l->group + l->value + l->slot * l->value_step;
		return 1;
	}
	l->slot++;
	return 0;
}

static __always_inline __u64 groups_find(struct header_look *l, __u64 first, __u32 count)
{
	l->group = l->row = first;
	l->left = count;
	l->slot = 0;
	l->found = 0;
	if (first && count)
		bpf_loop(HEADER_SLOTS, header_slot, l, 0);
	return l->found;
}

/* runtime/map.go, up to Go 1.23: hmap {count, flags, B, noverflow, hash0, buckets,
 * oldbuckets}; bmap {tophash [8]uint8, keys, values, overflow}. */
#define HMAP_SAME_SIZE 8 /* it grows into as many buckets as it had */
static __always_inline __u64 buckets_find(struct header_look *l, __u64 map)
{
	__u64 at[2] = {}; /* buckets, oldbuckets */
	__u8 flags[2] = {}; /* flags, B */

	l->size = 336;
	l->key_step = 16;
	l->value = 136;
	l->value_step = 24;
	l->overflow = 328;
	if (bpf_probe_read_user(flags, 2, (void *)(map + 8)) || flags[1] > 4 ||
	    bpf_probe_read_user(at, 16, (void *)(map + 16)))
		return 0;
	if (groups_find(l, at[0], 1U << (flags[1] & 7)) || !at[1])
		return l->found;
	/* It grows: some entries are where they were. */
	if (!(flags[0] & HMAP_SAME_SIZE))
		flags[1]--;
	return groups_find(l, at[1], 1U << (flags[1] & 7));
}

/* internal/runtime/maps, since Go 1.24: Map {used, seed, dirPtr, dirLen}. With no directory
 * dirPtr is the only group; else there is, up to 1,024 slots, one table {..., index, groups
 * {data, lengthMask}}. Of a group {ctrl, slots} the slots are pairs, or with the experiment
 * mapsplitgroup, Go's default from some release on, keys and then values. */
static __always_inline __u64 swiss_find(struct header_look *l, __u64 map)
{
	__u64 at[2] = {}, table[2] = {};

	if (bpf_probe_read_user(at, 16, (void *)(map + 16)) || at[1] > 1)
		return 0;
	table[0] = at[0];
	if (at[1] && (!user_u64(&at[0], at[0]) ||
		      bpf_probe_read_user(table, 16, (void *)(at[0] + 16)) || table[1] > 127))
		return 0;
	l->size = 328;
	l->overflow = 0;
	l->key_step = 40;
	l->value = 24;
	l->value_step = 40;
	if (groups_find(l, table[0], table[1] + 1))
		return l->found;
	l->key_step = 16;
	l->value = 136;
	l->value_step = 24;
	return groups_find(l, table[0], table[1] + 1);
}

static __always_inline __u64 map_find(struct header_look *l, __u8 maps, __u64 map)
{
	return maps == GS_MAPS_SWISS ? swiss_find(l, map) : buckets_find(l, map);
}

/* A context is a pointer to what begins with its parent (type, data); one with a value goes
 * on with key and value, and a map that is a value is the pointer to it. */
#define CONTEXT_DEPTH 8
#define CONTEXT_VALUE 5
/* Before the method in a gRPC stream, in words: the context, and up to 1.7x more. */
#define GRPC_CONTEXTS 10
struct metadata_look {
	struct header_look l;
	__u64 word; /* of the stream, beyond the one looked at */
	__u64 context;
	__u64 value;
	__u8 maps;
};

static long metadata_context(__u32 i, void *ctx)
{
	struct metadata_look *m = ctx;
	__u64 words[CONTEXT_VALUE + 1] = {};

	if (m->context < 4096 || bpf_probe_read_user(words, sizeof(words), (void *)m->context))
		return 1;
	if (words[CONTEXT_VALUE] >= 4096)
		m->value = map_find(&m->l, m->maps, words[CONTEXT_VALUE]);
	m->context = words[1];
	return m->value != 0;
}

static long metadata_word(__u32 i, void *ctx)
{
	struct metadata_look *m = ctx;

	m->word -= 8;
	if (!user_u64(&m->context, m->word))
		return 1;
	bpf_loop(CONTEXT_DEPTH, metadata_context, m, 0);
	return m->value != 0;
}

/* The same in the metadata of a gRPC stream (its method's place). */
static __always_inline __u64 metadata_find(__u64 method, __u8 maps)
{
	struct metadata_look m = { .word = method, .maps = maps };

	bpf_loop(GRPC_CONTEXTS, metadata_word, &m, 0);
	return m.value;
}

struct traceparent {
	__u64 hi, lo, span;
	__u32 bad;
};

/* "00-" 32 hex "-" 16 hex "-" 2 hex, in the window. */
static long traceparent_char(__u32 i, void *ctx)
{
	struct scratch *s = scratch_get();
	struct traceparent *t = ctx;
	int d;

	if (!s)
		return 1;
	d = hex_digit(s->buf[i & 63]);
	if (i == 2 || i == 35 || i == 52)
		t->bad |= s->buf[i & 63] != '-';
	else if (d < 0)
		t->bad = 1;
	else if (i >= 3 && i < 19)
		t->hi = t->hi << 4 | (d & 15);
	else if (i >= 19 && i < 35)
		t->lo = t->lo << 4 | (d & 15);
	else if (i >= 36 && i < 52)
		t->span = t->span << 4 | (d & 15);
	return 0;
}

/* Puts the trace identity of a connection's request, if it has one, on the connection. */
__noinline int trace_learn(struct gs_conn *c, __u64 key)
{
	struct scratch *s = scratch_get();
	struct header_look l = {};
	struct traceparent t = {};
	__u64 map = 0, value = 0, values[2] = {}, text[2] = {};
	__u32 slot = key_slot(key);
	struct gs_target *tg;

	if (!c || !s)
		return 0;
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg || !tg->http.maps)
		return 0;
	if (c->grpc == GS_GRPC_OWN)
		value = metadata_find(c->request, tg->http.maps);
	else if (tg->http.req_header >= 0 &&
		 user_u64(&map, c->request + tg->http.req_header) && map)
		value = map_find(&l, tg->http.maps, map);
	c->request = 0;
	if (!value || bpf_probe_read_user(values, 16, (void *)value) || !values[1] ||
	    bpf_probe_read_user(text, 16, (void *)values[0]) || text[1] < TRACEPARENT_TEXT ||
	    bpf_probe_read_user(s->buf, TRACEPARENT_TEXT, (void *)text[0]))
		return 0;
	bpf_loop(TRACEPARENT_TEXT, traceparent_char, &t, 0);
	if (t.bad)
		return 0;
	c->trace_hi = t.hi;
	c->trace_lo = t.lo;
	c->span = t.span;
	return 1;
}

#endif
