/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Per-CPU work space. The big functions take what they work on from here, which lets
 * them be global: the verifier then walks each once and not once per path to it.
 */
#ifndef GOSTALL_SCRATCH_H
#define GOSTALL_SCRATCH_H

/* Where the way down the path trie stands (paths.h). */
struct walk {
	struct gs_node_key parent_key; /* of the node we stand on */
	__u32 node;
	__u32 flags;
	__u32 off;
	__u32 end;
	__u32 seg; /* where the present segment begins */
	__u32 depth;
	__u64 hash;
	__u32 ndigit, nhex, npunct, nword;
	__u32 prefix; /* slashes before the first segment */
	__u32 cut;
};

/* Work space that does not fit on the 512-byte stack. */
/* One call on its way through sys_exit: what the registers said, who is charged. */
struct call {
	__u64 begin;
	__u64 now;
	__s64 ret;
	__u64 arg0;
	__u64 arg1;
	__u64 arg2;
	__u64 reg_g;	/* the goroutine register */
	__u64 tp;	/* the thread pointer */
	__u64 g;	/* the goroutine charged, 0: none was needed */
	__u64 goid;
	__u64 parent;
	__u64 conn_key; /* the connection whose request is charged */
	__u32 slot;
	__u32 nr;
	__u32 leaf;
	__u32 skip;	/* its request is not sampled */
	__u32 noted;	/* it is in its request's time line already */
};

/* The bytes that a call moved on a connection. */
struct wire {
	__u64 buf;  /* in the target's memory */
	__u64 want; /* bytes asked for */
	__u64 len;  /* bytes moved */
	__u64 at;   /* how far message_more is */
	__u32 off;  /* ... in its last window */
	__u32 n;
};

struct scratch {
	struct call call;
	struct wire wire;
	__u8 buf[WINDOW + WINDOW_PAD];
	/* The parsers' states; see http1.h and paths.h. */
	struct feed feed;
	struct target target;
	struct response response;
	struct walk walk;
	struct gs_node node;
	struct gs_goroutine fresh;
	struct gs_event event;
	__u64 stack[16];
	__u64 tokens;
	__u64 tokens_at;
	__u64 line_tokens;
	__u64 line_tokens_at;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&scratches, &zero);
}

#endif
