/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From a request's method and path to a leaf of the path trie. Segments that are
 * certainly ids become a placeholder at once; all others are kept as they are until
 * a node has too many of them. What diversity means for an endpoint's name is decided
 * by user space (crates/model), which may join leaves but never has to split one.
 */
#ifndef GOSTALL_PATHS_H
#define GOSTALL_PATHS_H

/* Literal children of one node, by how many nodes there are in all: generous while
 * there is room, so that floods of distinct paths cannot fill the table. */
#define NODE_ROOMY 16384
#define NODE_TIGHT 24576
#define MAX_CHILDREN_ROOMY 128
#define MAX_CHILDREN_TIGHT 24
#define MAX_CHILDREN_FULL 4
#define MAX_DEPTH 24
#define OPAQUE_LEN 55

const volatile __u64 hash_seed = 0;

static __always_inline int certain_id(struct walk *w, __u32 len)
{
	if (len > OPAQUE_LEN || w->cut)
		return 1;
	if (!w->ndigit)
		return len >= 32 && w->nhex == len;
	/* 42, 2024-01-15, 12:30 */
	if (w->ndigit + w->npunct == len)
		return 1;
	/* 6ba7b810-9dad-11d1-80b4-00c04fd430c8 and longer or shorter hex */
	if (len == 36 && w->npunct == 4 && w->nhex == 32)
		return 1;
	if (len >= 16 && w->nhex == len)
		return 1;
	/* ULID, KSUID, base62 keys, slugs with a date */
	return len >= 20 && w->ndigit >= 4 && w->nhex + w->npunct + w->nword == len;
}

static __always_inline int node_enter(struct walk *w, struct gs_node *n, __u32 kind, __u64 hash)
{
	w->parent_key.parent = n->parent;
	w->parent_key.kind = kind;
	w->parent_key.hash = hash;
	w->node = n->id;
	w->flags = n->flags;
	return 0;
}

struct text_copy {
	__u32 len;
};

static long copy_step(__u32 i, void *ctx)
{
	struct text_copy *t = ctx;
	struct scratch *s = scratch_get();

	if (!s || i >= t->len || i >= GS_SEG_TEXT)
		return 1;
	s->node.text[i] = s->buf[(s->walk.seg + i) & (WINDOW - 1)];
	return 0;
}

/* Makes the child; 0 when the table is full. Text comes from the window at w->seg. */
__noinline int node_make(__u32 kind, __u64 hash, __u32 len)
{
	struct scratch *s = scratch_get();
	struct gs_node_key key = {}, parent;
	struct text_copy copy = {};
	struct gs_node *n;

	if (!s)
		return 0;
	key.parent = s->walk.node;
	key.kind = kind;
	key.hash = hash;
	__builtin_memset(&s->node, 0, sizeof(s->node));
	s->node.parent = key.parent;
	s->node.kind = kind;
	s->node.id = __sync_fetch_and_add(&next_node, 1);
	if (kind == GS_N_LITERAL || kind == GS_N_METHOD) {
		copy.len = s->node.len = len > GS_SEG_TEXT ? GS_SEG_TEXT : len;
		bpf_loop(GS_SEG_TEXT, copy_step, &copy, 0);
	}
	if (bpf_map_update_elem(&nodes, &key, &s->node, BPF_NOEXIST) == 0 && kind == GS_N_LITERAL) {
		parent = s->walk.parent_key;
		n = bpf_map_lookup_elem(&nodes, &parent);
		if (n)
			__sync_fetch_and_add(&n->nliteral, 1);
	}
	n = bpf_map_lookup_elem(&nodes, &key);
	if (!n) {
		count(GS_CNT_NODES_FULL);
		return 0;
	}
	node_enter(&s->walk, n, kind, hash);
	return 1;
}

static __always_inline int node_child(struct walk *w, __u32 kind, __u64 hash)
{
	struct gs_node_key key = { .parent = w->node, .kind = kind, .hash = hash };
	struct gs_node *n = bpf_map_lookup_elem(&nodes, &key);

	if (!n)
		return 0;
	node_enter(w, n, kind, hash);
	return 1;
}

/* The segment that ends before `end` is complete: go to its node. 0: nowhere to go. */
__noinline int walk_segment(__u32 end)
{
	struct scratch *s = scratch_get();
	__u32 len, limit, total = next_node;
	struct gs_node_key parent;
	struct gs_node *at;
	struct walk *w;
	int id;

	if (!s)
		return 0;
	w = &s->walk;
	len = end - w->seg;
	if (w->flags & GS_NF_CATCHALL)
		return 1;
	id = certain_id(w, len) || ++w->depth > MAX_DEPTH;
	if ((!id || (w->flags & GS_NF_LITERALS)) && node_child(w, GS_N_LITERAL, w->hash))
		return 1;
	if (!id && !(w->flags & GS_NF_ALL_WILD)) {
		parent = w->parent_key;
		at = bpf_map_lookup_elem(&nodes, &parent);
		limit = total < NODE_ROOMY ? MAX_CHILDREN_ROOMY :
			total < NODE_TIGHT ? MAX_CHILDREN_TIGHT :
					     MAX_CHILDREN_FULL;
		/* A trailing slash is never an id. */
		if (at && (at->nliteral < limit || !len))
			return node_make(GS_N_LITERAL, w->hash, len);
		if (at)
			at->flags |= GS_NF_OVERFLOW;
	}
	return node_child(w, GS_N_WILD, 0) || node_make(GS_N_WILD, 0, 0);
}

static __always_inline void segment_begin(struct walk *w)
{
	w->seg = w->off;
	w->hash = hash_seed;
	w->ndigit = w->nhex = w->npunct = w->nword = 0;
}

static long walk_step(__u32 i, void *ctx)
{
	struct scratch *s = scratch_get();
	struct walk *w;
	__u8 ch;

	if (!s)
		return 1;
	w = &s->walk;
	if (w->off >= w->end) {
		if (!walk_segment(w->end))
			w->node = GS_OTHER;
		return 1;
	}
	ch = s->buf[w->off & (WINDOW - 1)];
	if (w->prefix) {
		/* Up to and including the slash that begins the path. */
		w->off++;
		if (ch == '/' && --w->prefix == 0)
			segment_begin(w);
		return 0;
	}
	if (ch == '/') {
		if (!walk_segment(w->off)) {
			w->node = GS_OTHER;
			return 1;
		}
		w->off++;
		segment_begin(w);
		return 0;
	}
	w->hash = mix(w->hash, ch);
	if (ch >= '0' && ch <= '9') {
		w->ndigit++;
		w->nhex++;
	} else if ((ch >= 'a' && ch <= 'f') || (ch >= 'A' && ch <= 'F')) {
		w->nhex++;
	} else if (ch == '-' || ch == ':' || ch == ',' || ch == '_') {
		w->npunct++;
	} else if ((ch >= 'g' && ch <= 'z') || (ch >= 'G' && ch <= 'Z')) {
		w->nword++;
	}
	w->off++;
	return 0;
}

static __always_inline __u32 path_walk(struct scratch *s)
{
	struct walk *w = &s->walk;
	__u8 ch = s->buf[s->target.path & (WINDOW - 1)];

	__builtin_memset(w, 0, sizeof(*w));
	w->off = s->target.path;
	w->end = s->target.path_end;
	w->cut = s->target.cut;
	/* The method is the first level. */
	w->seg = s->target.line;
	if (!node_child(w, GS_N_METHOD, s->target.method) &&
	    !node_make(GS_N_METHOD, s->target.method, s->target.path - 1 - s->target.line))
		return GS_OTHER;
	/* /path, http://host/path; anything else (*, host:port) is one segment. */
	w->prefix = ch == '/' ? 1 : (ch | 0x20) == 'h' ? 3 : 0;
	segment_begin(w);
	bpf_loop(TARGET_MAX + 8, walk_step, 0, 0);
	return w->node;
}

/* The leaf of the request line in the scratch's window. */
__noinline __u32 path_leaf(void)
{
	struct scratch *s = scratch_get();
	struct path_slot *slot;
	__u32 at, leaf, known;
	__u64 hash;

	if (!s)
		return GS_OTHER;
	hash = s->target.hash;
	at = hash >> 20 & (PATH_CACHE - 1);
	slot = bpf_map_lookup_elem(&path_cache, &at);
	if (slot && slot->hash == hash && slot->leaf)
		return slot->leaf;
	known = next_node;
	leaf = path_walk(s);
	if (next_node != known)
		routes_want(s->call.slot);
	if (slot && leaf != GS_OTHER) {
		slot->leaf = leaf;
		slot->hash = hash;
	}
	return leaf;
}

#endif
