/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What cannot be decided on yet: bytes of a partial request line or of pipelined
 * requests, and the calls made while the endpoint is unknown. On demand, bounded.
 */
#ifndef GOSTALL_STASH_H
#define GOSTALL_STASH_H

static struct gs_stash zero_stash;

static __always_inline struct gs_stash *stash_get(__u64 key, struct gs_conn *c)
{
	struct gs_stash *st = bpf_map_lookup_elem(&stashes, &key);

	if (st)
		return st;
	if (bpf_map_update_elem(&stashes, &key, &zero_stash, BPF_NOEXIST)) {
		count(GS_CNT_STASH_FULL);
		return 0;
	}
	c->stashed = 1;
	return bpf_map_lookup_elem(&stashes, &key);
}

static __always_inline void stash_drop(__u64 key, struct gs_conn *c)
{
	if (c->stashed) {
		bpf_map_delete_elem(&stashes, &key);
		c->stashed = 0;
	}
}

/* Calls made while the endpoint was unknown. */
struct flush {
	struct gs_stash *st;
	__u32 leaf;
	__u32 skip;
};

static long flush_step(__u32 i, void *ctx)
{
	struct flush *f = ctx;
	struct gs_call *call;

	if (i >= GS_STASH_CALLS || i >= f->st->ncalls)
		return 1;
	call = &f->st->calls[i];
	charge(f->leaf, call->nr, call->res, call->ns, f->skip);
	return 0;
}

static __always_inline int stash_flush(__u64 key, struct gs_conn *c, __u32 leaf)
{
	struct flush f = { .leaf = leaf, .skip = c->skip };

	f.st = bpf_map_lookup_elem(&stashes, &key);
	if (!f.st)
		return 0;
	bpf_loop(GS_STASH_CALLS, flush_step, &f, 0);
	f.st->ncalls = 0;
	return 0;
}

/* Keeps bytes that belong to what comes after the request in flight. */
__noinline int stash_bytes(struct gs_conn *c, __u64 key, __u32 off, __u32 len)
{
	struct scratch *s = scratch_get();
	struct gs_stash *st;
	__u32 n = len - off, at;

	if (!s || !c || off >= len)
		return 0;
	if (!c->stashed && c->nfirst + n <= sizeof(c->first)) {
		for (__u32 i = 0; i < sizeof(c->first); i++) {
			if (i >= n)
				break;
			c->first[(c->nfirst + i) & 7] = s->buf[(off + i) & (WINDOW - 1)];
		}
		c->nfirst += n;
		return 0;
	}
	st = stash_get(key, c);
	if (!st)
		return 0;
	if (c->nfirst) {
		__builtin_memcpy(st->data, c->first, sizeof(c->first));
		st->len = c->nfirst & 15;
		c->nfirst = 0;
	}
	at = st->len;
	if (at >= GS_STASH_HALF) {
		count(GS_CNT_STASH_FULL);
		return 0;
	}
	if (n >= GS_STASH_HALF)
		n = GS_STASH_HALF - 1;
	at &= GS_STASH_HALF - 1;
	n &= GS_STASH_HALF - 1;
	off &= WINDOW - 1;
	/* A copy between map values, by the helper that copies from kernel memory. */
	bpf_probe_read_kernel(st->data + at, n, s->buf + off);
	st->len = at + n;
	return n;
}

/* Puts kept bytes at the window's beginning; returns how many. */
__noinline __u32 stash_restore(struct gs_conn *c, __u64 key)
{
	struct scratch *s = scratch_get();
	struct gs_stash *st;
	__u32 n;

	if (!s || !c)
		return 0;
	n = c->nfirst;
	if (n) {
		__builtin_memcpy(s->buf, c->first, sizeof(c->first));
		c->nfirst = 0;
		return n <= 8 ? n : 8;
	}
	if (!c->stashed)
		return 0;
	st = bpf_map_lookup_elem(&stashes, &key);
	if (!st)
		return 0;
	n = st->len & (GS_STASH_BYTES - 1);
	bpf_probe_read_kernel(s->buf, n, st->data);
	st->len = 0;
	return n;
}

#endif
