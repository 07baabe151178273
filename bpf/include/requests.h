/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Requests, from the bytes that cross a server's connections. A request begins with
 * its first byte read and ends with its last byte written, or with its handler or its
 * connection where that is later. No probe in the target: everything is seen at
 * sys_exit of read, write and their kin, keyed by (process, fd).
 */
#ifndef GOSTALL_REQUESTS_H
#define GOSTALL_REQUESTS_H

/* A read that took longer did not find its bytes waiting: a blocking socket. */
#define NONBLOCKING_NS 1000000
/* Beyond this, time between the last byte and the next read was the handler's. */
#define HANDLER_TAIL_NS 500000

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

__noinline int request_end(struct gs_conn *c, __u64 key, __u64 end, __u32 aborted)
{
	__u32 res;

	if (!c)
		return 0;
	res = c->status & 0x3ff;

	if (c->leaf == GS_PENDING) {
		/* It never was a request: no path, no handler. */
		stash_flush(key, c, GS_CONNECTION);
		count(GS_CNT_MALFORMED);
	} else if (c->leaf != GS_CONNECTION) {
		if (aborted)
			res |= GS_REQ_ABORTED;
		if (c->unrouted)
			res |= GS_REQ_UNROUTED;
		if (settings.counting) {
			count(GS_CNT_REQUESTS);
			record(c->leaf, GS_NR_REQUEST, res, end - c->begin_ns);
		}
	}
	c->active = 0;
	c->phase = GS_P_START;
	c->resp = GS_R_NONE;
	if (c->served < 255)
		c->served++;
	return 0;
}

/* When a request ended that is answered and followed by something else at `next`. */
static __always_inline __u64 answered_end(struct gs_conn *c, __u64 next)
{
	if (c->late && next > c->write_ns + HANDLER_TAIL_NS)
		return next;
	return c->write_ns;
}

static __always_inline void request_begin(struct gs_conn *c, __u64 first_byte)
{
	c->begin_ns = first_byte;
	c->write_ns = first_byte;
	c->body_left = 0;
	c->resp_left = 0;
	c->trace_hi = c->trace_lo = c->span = 0;
	c->leaf = GS_PENDING;
	c->status = 0;
	c->active = 1;
	c->phase = GS_P_LINE;
	c->resp = GS_R_NONE;
	c->method = 0;
	c->unrouted = 0;
	c->chunked = 0;
	c->has_length = 0;
	c->hlen = 0;
	c->late = 0;
	c->skip = settings.sample_n > 1 && bpf_get_prandom_u32() % settings.sample_n != 0;
}

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
	c->kind = GS_K_HTTP1;
	c->phase = GS_P_LINE_REST;
	if (c->stashed) {
		stash_flush(key, c, c->leaf);
		stash_drop(key, c);
	}
	return s->target.off;
}

/* Not HTTP/1: leave this connection alone until it is closed. */
static __always_inline void conn_opaque(struct gs_conn *c, __u64 key, __u8 first)
{
	if (c->kind != GS_K_HTTP2) {
		c->kind = first == 0x16 && !c->served ? GS_K_TLS : GS_K_OPAQUE;
		if (c->kind == GS_K_TLS)
			count(GS_CNT_TLS);
	}
	if (c->active)
		request_end(c, key, 0, 0);
	c->active = 0;
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
		request_begin(c, c->nfirst || c->stashed ? c->next_ns :
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

/* The router's own answers, by their first eight bytes. Go's ServeMux, chi, gorilla:
 * "404 page not found", "Method Not Allowed"; gin: "404 page", "405 method";
 * echo: {"message":"Not Found"}; fiber: "Cannot GET ". */
static __always_inline int router_answer(__u32 status, __u64 w, __u64 length)
{
	if (length > 64)
		return 0;
	if (status == 404)
		return w == W8('4', '0', '4', ' ', 'p', 'a', 'g', 'e') ||
		       (w == W8('{', '"', 'm', 'e', 's', 's', 'a', 'g') && length == 24) ||
		       w << 8 == W8(0, 'C', 'a', 'n', 'n', 'o', 't', ' ');
	return length == 0 || w == W8('M', 'e', 't', 'h', 'o', 'd', ' ', 'N') ||
	       w == W8('4', '0', '5', ' ', 'm', 'e', 't', 'h') ||
	       w == W8('{', '"', 'm', 'e', 's', 's', 'a', 'g');
}

static long response_loop(__u32 i, void *ctx)
{
	struct scratch *s = scratch_get();

	return !s || response_step(&s->response, s->buf);
}

/* Scans the beginning of a response in the window [0, len) into the scratch. */
__noinline int response_scan(__u32 len)
{
	struct scratch *s = scratch_get();

	if (!s || !http1_response(&s->response, s->buf, len))
		return 0;
	bpf_loop(RESPONSE_STEPS, response_loop, 0, 0);
	return 1;
}

static __always_inline void response_begin(struct scratch *s, struct gs_conn *c)
{
	struct response *r = &s->response;
	struct wire *w = &s->wire;
	__u64 body;
	__u32 n = w->len > 1024 ? 1024 : w->len;

	if (w->want < n)
		n = w->want & 1023;
	if (bpf_probe_read_user(s->buf, n, (void *)w->buf)) {
		count(GS_CNT_READ_FAULT);
		return;
	}
	if (!response_scan(n)) {
		/* Somebody took the connection over and speaks for himself. */
		c->kind = GS_K_RAW;
		return;
	}
	if (r->status < 200 && r->status != 101)
		return; /* 100-continue, early hints: the answer is to come */
	c->status = r->status;
	c->resp = GS_R_CLOSE;
	if (r->status == 101 || (c->method == GS_METHOD_CONNECT && r->status < 300)) {
		c->kind = GS_K_RAW;
		return;
	}
	body = r->head_end ? w->len - r->head_end : 0;
	if (c->method == GS_METHOD_HEAD || r->status == 204 || r->status == 304) {
		c->resp = GS_R_COMPLETE;
	} else if (r->chunked) {
		c->resp = GS_R_CHUNKED;
	} else if (r->has_length) {
		c->resp = GS_R_LENGTH;
		c->resp_left = r->length > body ? r->length - body : 0;
		if (r->length <= body)
			c->resp = GS_R_COMPLETE;
		/* More than the server buffers: parts may have left before the end. */
		c->late = r->length > 2048 || c->resp_left;
	}
	/* A head that never ended, or the router's own words (a HEAD shows their length
	 * only): nobody's endpoint. */
	if (c->phase < GS_P_BODY && r->status >= 400)
		c->unrouted = 1;
	if (r->status == 404 && c->method == GS_METHOD_HEAD)
		c->unrouted |= r->has_length && r->length == sizeof("404 page not found\n") - 1;
	else if ((r->status == 404 || r->status == 405) && r->head_end)
		c->unrouted |= router_answer(r->status, load8(s->buf, r->head_end),
					     r->has_length ? r->length : body);
}

/* The terminating chunk closes a chunked response. */
static __always_inline int ends_chunked(struct wire *w)
{
	__u8 end[5] = {};

	if (w->len < 5 || w->len > w->want ||
	    bpf_probe_read_user(end, 5, (void *)(w->buf + w->len - 5)))
		return 0;
	return end[0] == '0' && end[1] == '\r' && end[2] == '\n' && end[3] == '\r' && end[4] == '\n';
}

__noinline __u32 conn_write(struct gs_conn *c, __u64 key, __u32 class)
{
	struct scratch *s = scratch_get();
	__u32 leaf, n;

	if (!s || !c || !c->active)
		return GS_CONNECTION;
	leaf = c->leaf;
	if (s->call.ret <= 0)
		return leaf;
	c->write_ns = s->call.now;
	if (!wire_of(s, class == GS_C_SENDFILE || class == GS_C_SPLICE ? GS_C_WRITE : class))
		return leaf;
	if (c->resp == GS_R_NONE) {
		response_begin(s, c);
	} else if (c->resp == GS_R_LENGTH) {
		c->resp_left -= s->wire.len < c->resp_left ? s->wire.len : c->resp_left;
		if (!c->resp_left)
			c->resp = GS_R_COMPLETE;
	}
	if (class == GS_C_SENDFILE || class == GS_C_SPLICE)
		c->late = 1;
	else if (c->resp == GS_R_CHUNKED && ends_chunked(&s->wire))
		c->resp = GS_R_COMPLETE;
	if (c->resp == GS_R_COMPLETE && c->phase == GS_P_DONE && (c->nfirst || c->stashed) &&
	    c->kind == GS_K_HTTP1) {
		/* Answered, and bytes of the next request are here: it has begun. */
		s->call.skip = c->skip;
		request_end(c, key, c->write_ns, 0);
		n = stash_restore(c, key);
		if (n) {
			request_begin(c, c->next_ns);
			request_feed(c, key, n, 0);
		}
	}
	return leaf;
}

/* The connection's end, or the end of its writing side, at `now`. */
__noinline int conn_finish(struct gs_conn *c, __u64 key, __u64 now)
{
	__u32 whole, aborted;
	__u64 end;

	if (!c || !c->active)
		return 0;
	if (c->kind == GS_K_RAW) {
		request_end(c, key, now, 0);
		return 0;
	}
	whole = c->resp == GS_R_COMPLETE || c->resp == GS_R_CLOSE;
	aborted = !whole;
	/* The head never ended, and nobody answered: there was no request. */
	if (c->resp == GS_R_NONE && c->phase < GS_P_BODY && c->leaf != GS_PENDING)
		c->leaf = GS_CONNECTION;
	end = aborted || c->resp == GS_R_CLOSE ? now : answered_end(c, now);
	request_end(c, key, end, aborted);
	return 0;
}

/* shutdown(SHUT_WR) after a whole response: net/http does so before it lingers. */
static __always_inline void conn_shutdown(struct gs_conn *c, __u64 key, __u64 now)
{
	if (c->active && c->kind == GS_K_HTTP1 && c->resp >= GS_R_CLOSE)
		conn_finish(c, key, now);
}

__noinline int conn_forget(__u64 key, __u64 now)
{
	struct gs_conn *c = conn_get(key);

	if (!c)
		return 0;
	conn_finish(c, key, now);
	stash_drop(key, c);
	conn_delete(key);
	return 1;
}

__noinline int conn_new(__u64 key, __u32 kind)
{
	struct gs_conn fresh = {}, *c = conn_near(key);

	fresh.kind = kind;
	if (c) {
		*c = fresh;
		return 1;
	}
	if (bpf_map_update_elem(&conns, &key, &fresh, BPF_ANY)) {
		count(GS_CNT_CONNS_FULL);
		return 0;
	}
	return 1;
}

/* The kernel's file behind a descriptor of the current task. */
static __always_inline struct file *file_of(struct task_struct *task, __u32 fd)
{
	struct files_struct *files = task->files;
	struct file **array, *file = 0;

	if (!files || fd >= BPF_CORE_READ(files, fdt, max_fds))
		return 0;
	array = BPF_CORE_READ(files, fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), array + fd);
	return file;
}

#define MODE_FMT 0170000
#define MODE_SOCK 0140000

static __always_inline int is_socket(__u32 fd)
{
	struct file *file = file_of(bpf_get_current_task_btf(), fd);

	return file && (BPF_CORE_READ(file, f_inode, i_mode) & MODE_FMT) == MODE_SOCK;
}

/* A read on a descriptor we know nothing of: does a request begin here? Connections
 * that are older than our watch are found this way. */
__noinline int conn_discover(__u64 key, __u32 class)
{
	struct scratch *s = scratch_get();
	__u32 i, n;
	__u64 w = 0;

	if (!s || s->call.ret <= 0 || !wire_of(s, class))
		return 0;
	n = s->wire.len > 8 ? 8 : s->wire.len;
	if (bpf_probe_read_user(&w, n, (void *)s->wire.buf))
		return 0;
	/* One byte taken by a background reader, or a method and a space. */
	if (n == 1 && s->wire.want == 1) {
		if ((w & 0xff) < 'A' || (w & 0xff) > 'Z')
			return 0;
	} else {
		for (i = 0; i < 8; i++) {
			__u8 ch = w >> (8 * i);

			if (i >= n)
				return 0;
			if (ch == ' ' && i >= 3)
				break;
			if (ch < 'A' || ch > 'Z')
				return 0;
		}
	}
	return is_socket(s->call.arg0) && conn_new(key, GS_K_NEW);
}

/* A call on a descriptor that may be a server's connection: its leaf, or NO_LEAF when
 * the goroutine alone decides. */
static __always_inline __u32 leaf_by_conn(struct scratch *s, __u32 class)
{
	__u64 fd = s->call.arg0, key;
	struct gs_conn *c;
	__u32 leaf;

	if (class == GS_C_SPLICE || class == GS_C_EPOLL_CTL)
		fd = s->call.arg2;
	key = conn_key(s->call.slot, fd);
	c = conn_get(key);
	if (!c) {
		if (class > GS_C_RECVMSG || !conn_discover(key, class))
			return NO_LEAF;
		c = conn_get(key);
		if (!c)
			return NO_LEAF;
	}
	if (c->kind >= GS_K_CLIENT && c->kind <= GS_K_HTTP2)
		return NO_LEAF;
	if (class == GS_C_EPOLL_CTL)
		return GS_CONNECTION;
	if (class == GS_C_CONNOPT && !c->active)
		return GS_CONNECTION;
	s->call.conn_key = key;
	s->call.skip = c->skip && c->active;
	if (class == GS_C_CONNOPT || c->kind == GS_K_RAW) {
		if (c->kind == GS_K_RAW && class >= GS_C_WRITE && class <= GS_C_SPLICE &&
		    s->call.ret > 0)
			c->write_ns = s->call.now;
		return c->active ? c->leaf : GS_CONNECTION;
	}
	if (class <= GS_C_RECVMSG)
		leaf = conn_read(c, key, class);
	else
		leaf = conn_write(c, key, class);
	if (leaf >= GS_FIRST_NODE && class <= GS_C_RECVMSG)
		s->call.skip = c->skip;
	return leaf;
}

#endif
