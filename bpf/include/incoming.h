/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Bytes that a server reads: request lines, heads and bodies, whole or in any pieces,
 * several requests in one read or one request in many.
 */
#ifndef GOSTALL_INCOMING_H
#define GOSTALL_INCOMING_H

static long target_loop(__u32 i, void *ctx)
{
	struct scratch *s = scratch_get();

	return !s || target_step(&s->target, s->buf);
}

/* Looks for a request line at the beginning of the window. */
__noinline int line_find(__u32 len)
{
	struct scratch *s = scratch_get();
	int r;

	if (!s)
		return LINE_BAD;
	s->target.off = 0;
	s->target.len = len;
	r = http1_method(&s->target, s->buf, hash_seed);
	if (r != LINE_OK)
		return r;
	bpf_loop(TARGET_STEPS, target_loop, 0, 0);
	return http1_target(&s->target);
}

/* Takes the request line in the window [0, len). Returns how far it goes, 0 when it is
 * not complete, -1 when it is none. */
static __always_inline int line_take(struct gs_conn *c, __u64 key, struct scratch *s, __u32 len)
{
	int r = line_find(len);
	__u64 method;

	if (r == LINE_BAD)
		return -1;
	if (r == LINE_MORE)
		return 0;
	method = s->target.method;
	if (method == W8('P', 'R', 'I', 0, 0, 0, 0, 0)) {
		c->kind = GS_K_HTTP2;
		count(GS_CNT_HTTP2);
		return -1;
	}
	if (method == W8('H', 'E', 'A', 'D', 0, 0, 0, 0))
		c->method = GS_METHOD_HEAD;
	else if (method == W8('C', 'O', 'N', 'N', 'E', 'C', 'T', 0))
		c->method = GS_METHOD_CONNECT;
	c->leaf = path_leaf();
	if (c->kind != GS_K_TLS_TEXT)
		c->kind = GS_K_HTTP1;
	c->phase = GS_P_LINE_REST;
	if (s->target.off + VERSION_LEN <= len && http1_version(s->buf, s->target.off)) {
		s->target.off += VERSION_LEN;
		c->phase = GS_P_HDR;
	}
	if (c->stashed) {
		stash_flush(key, c, c->leaf);
		stash_drop(key, c);
	}
	return s->target.off;
}

/* Not HTTP/1: leave this connection alone until it is closed. */
static __always_inline void conn_opaque(struct gs_conn *c, __u64 key, __u8 first)
{
	if (c->kind != GS_K_HTTP2 && first == 0x16 && !c->served) {
		c->kind = GS_K_TLS;
		count(GS_CNT_TLS);
		handshake_begin(c, key);
	}
	if (c->kind == GS_K_HTTP2 || c->kind == GS_K_TLS) {
		stash_flush(key, c, GS_CONNECTION);
		c->last_ns = c->begin_ns;
		c->next_ns = 0;
		handlers_want(key_slot(key));
	} else {
		c->kind = GS_K_OPAQUE;
		if (c->active)
			request_end(c, key, 0, 0);
	}
	stash_drop(key, c);
	c->active = 0;
}

struct message_ctx {
	struct gs_conn *c;
};

static long message_loop(__u32 i, void *ctx)
{
	struct message_ctx *m = ctx;
	struct scratch *s = scratch_get();

	return !s || http1_step(m->c, &s->feed, s->buf);
}

/* Parses the window [off, len) and `more` bytes behind it, from where the connection
 * stands. Returns where in the window it stopped; scratch.feed.more says what is left
 * behind it. */
__noinline __u32 message_take(struct gs_conn *c, __u32 off, __u32 len, __u64 more)
{
	struct scratch *s = scratch_get();
	struct message_ctx m = { .c = c };

	if (!s || !c)
		return len;
	s->feed.off = off;
	s->feed.len = len;
	s->feed.more = more;
	bpf_loop(WINDOW + 1024, message_loop, &m, 0);
	return s->feed.off > len ? len : s->feed.off;
}

/* What lies behind a whole message belongs to the next request. */
static __always_inline void pipelined(struct gs_conn *c, __u64 key, __u32 off, __u32 len)
{
	__u32 n;

	if (c->phase != GS_P_DONE || off >= len)
		return;
	if (!c->nfirst && !c->stashed)
		c->next_ns = c->begin_ns;
	n = stash_bytes(c, key, off, len);
	if (n && off + n < len)
		stash_bytes(c, key, off + n, len);
}

/* Begins the next request with what is in the window [0, len) and `more` bytes behind
 * it. Leaves in scratch.feed.more how many of those are not accounted for. */
__noinline int request_feed(struct gs_conn *c, __u64 key, __u32 len, __u64 more)
{
	struct scratch *s = scratch_get();
	int n;

	if (!s || !c)
		return 0;
	s->feed.more = more;
	n = line_take(c, key, s, len);
	if (n < 0) {
		conn_opaque(c, key, s->buf[0]);
		return 0;
	}
	if (n == 0) {
		stash_bytes(c, key, 0, len);
		return 0;
	}
	n = message_take(c, n, len, more);
	pipelined(c, key, n, len);
	return 1;
}

/* Where a call's bytes are: the buffer, or the first of a vector. */
static __always_inline int wire_of(struct scratch *s, __u32 class)
{
	struct wire *w = &s->wire;
	__u64 iov = s->call.arg1;

	w->len = s->call.ret;
	w->buf = iov;
	w->want = s->call.arg2;
	if (class == GS_C_RECVMSG || class == GS_C_SENDMSG) {
		/* struct msghdr: msg_iov at 16 */
		if (!user_u64(&iov, iov + 16))
			return 0;
		class = GS_C_READV;
	}
	if (class == GS_C_READV || class == GS_C_WRITEV) {
		if (!user_u64(&w->buf, iov) || !user_u64(&w->want, iov + 8))
			return 0;
	}
	return 1;
}

static long window_step(__u32 i, void *ctx)
{
	struct message_ctx *m = ctx;
	struct scratch *s = scratch_get();
	struct wire *w;
	__u64 left;
	__u32 n;

	if (!s)
		return 1;
	w = &s->wire;
	if (w->at >= w->len || m->c->phase == GS_P_DONE)
		return 1;
	left = w->len - w->at;
	n = left > WINDOW ? WINDOW : left;
	if (bpf_probe_read_user(s->buf, n, (void *)(w->buf + w->at))) {
		count(GS_CNT_READ_FAULT);
		return 1;
	}
	w->off = message_take(m->c, 0, n, left - n);
	w->n = n;
	w->at = w->len - s->feed.more - (n - w->off);
	return 0;
}

/* More of a message whose line is known: the rest of its head, its body. `from` is
 * where it begins in the bytes of this call. */
__noinline int message_more(struct gs_conn *c, __u64 key, __u64 from)
{
	struct scratch *s = scratch_get();
	struct message_ctx m = { .c = c };
	__u64 len;

	if (!s || !c)
		return 0;
	len = s->wire.len - from;
	if (c->phase == GS_P_BODY && len <= c->body_left) {
		c->body_left -= len;
		if (!c->body_left)
			c->phase = GS_P_DONE;
		return 0;
	}
	s->wire.at = from;
	s->wire.off = s->wire.n = 0;
	bpf_loop(64, window_step, &m, 0);
	pipelined(c, key, s->wire.off, s->wire.n);
	return 0;
}

/* What a read brought, put behind kept bytes; the window's length. */
__noinline __u32 window_fill(struct gs_conn *c, __u64 key)
{
	struct scratch *s = scratch_get();
	__u32 had, n;

	if (!s || !c)
		return 0;
	had = c->nfirst || c->stashed ? stash_restore(c, key) : 0;
	n = s->wire.len > WINDOW ? WINDOW : s->wire.len;
	if (!had) {
		if (bpf_probe_read_user(s->buf, n, (void *)s->wire.buf))
			goto fault;
		return n;
	}
	/* Whoever reads on has used up whole requests: what is left is short. */
	if (had >= WINDOW / 2) {
		count(GS_CNT_STASH_FULL);
		had = WINDOW / 2 - 1;
	}
	if (n > WINDOW / 2)
		n = WINDOW / 2;
	if (bpf_probe_read_user(s->buf + had, n, (void *)s->wire.buf))
		goto fault;
	return had + n;
fault:
	count(GS_CNT_READ_FAULT);
	return 0;
}

/* Bytes read ahead of the request they belong to. */
static __always_inline void keep_early(struct scratch *s, struct gs_conn *c, __u64 key)
{
	__u32 n = s->wire.len > 64 ? 64 : s->wire.len;

	if (!c->nfirst && !c->stashed)
		c->next_ns = s->call.begin;
	if (bpf_probe_read_user(s->buf, n, (void *)s->wire.buf) == 0)
		stash_bytes(c, key, 0, n);
}

__noinline __u32 conn_read(struct gs_conn *c, __u64 key, __u32 class)
{
	struct scratch *s = scratch_get();
	struct gs_target *tg;
	__u32 n, had, owner;
	struct call *k;

	if (!s || !c)
		return GS_CONNECTION;
	k = &s->call;
	if (!wire_of(s, class))
		return c->active ? c->leaf : GS_CONNECTION;
	/* net/http reads ahead one byte at a time while a handler runs. */
	owner = s->wire.want > 1 || !c->g || c->g == k->reg_g;
	if (c->active && c->phase == GS_P_DONE) {
		if (!owner || !c->resp) {
			if (k->ret > 0)
				keep_early(s, c, key);
			return c->leaf;
		}
		/* It asks for the next request: the last one is over. */
		request_end(c, key, answered_end(c, k->begin), 0);
	}
	if (k->ret <= 0)
		return c->active ? c->leaf : GS_CONNECTION;
	if (c->active && c->phase != GS_P_LINE) {
		message_more(c, key, 0);
		return c->leaf;
	}
	if (!c->active) {
		if (!owner) {
			keep_early(s, c, key);
			return GS_CONNECTION;
		}
		request_begin(c, key, c->nfirst || c->stashed ? c->next_ns :
				 k->now - k->begin > NONBLOCKING_NS ? k->now : k->begin);
	}
	tg = target_of(s);
	if (tg && (c->g != k->reg_g || tg->shared_owner) && owner_set(key))
		c->g = k->reg_g;
	had = c->nfirst || c->stashed;
	n = window_fill(c, key);
	if (!n)
		return c->leaf;
	/* With kept bytes in front, less of this read fits the window. */
	request_feed(c, key, n, had ? (s->wire.len > WINDOW / 2 ? s->wire.len - WINDOW / 2 : 0) :
				      (s->wire.len > WINDOW ? s->wire.len - WINDOW : 0));
	if (s->feed.more && c->active && c->phase != GS_P_LINE && c->phase != GS_P_DONE)
		message_more(c, key, s->wire.len - s->feed.more);
	return c->active ? c->leaf : GS_CONNECTION;
}

#endif
