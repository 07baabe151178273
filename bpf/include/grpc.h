/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Calls of gRPC: they begin where the server hands a stream to its method and end where
 * that method's status is given to the transport, be it gRPC's own or net/http's.
 */
#ifndef GOSTALL_GRPC_H
#define GOSTALL_GRPC_H

/* Where in a stream its method's name is looked for, in words. */
#define GRPC_WORDS 32
#define GRPC_METHOD_MAX 512
#define GRPC_CODES 17

/* Is this text, in the window, "/package.Service/Method"? The window keeps a beginning. */
#define GRPC_LOOK 64
struct grpc_text {
	__u32 len;
	__u32 slashes;
	__u32 bad;
};

static long grpc_char(__u32 i, void *ctx)
{
	struct scratch *s = scratch_get();
	struct grpc_text *t = ctx;
	__u8 ch, low;

	if (!s || i >= t->len)
		return 1;
	ch = s->buf[i & (GRPC_LOOK - 1)];
	low = ch | 0x20;
	if (ch == '/')
		t->slashes++;
	else if (!((low >= 'a' && low <= 'z') || (ch >= '0' && ch <= '9') || ch == '.' ||
		   ch == '_' || ch == '-'))
		t->bad = 1;
	return t->bad != 0;
}

static __always_inline int is_grpc_method(const __u8 *text, __u32 len)
{
	struct grpc_text t = { .len = len };

	bpf_loop(GRPC_LOOK, grpc_char, &t, 0);
	return !t.bad && text[0] == '/' && (t.slashes == 2 || (t.slashes == 1 && len > GRPC_LOOK));
}

/* Finds the one string in a stream that looks like a method. Which field it is has changed
 * often; that no other looks like it has not. */
static long grpc_look(__u32 i, void *ctx)
{
	struct scratch *s = scratch_get();
	__u64 *from = ctx, text[2] = {};
	__u32 n;

	if (!s || bpf_probe_read_user(text, 16, (void *)(*from + i * 8)))
		return 1;
	if (text[1] < 3 || text[1] > GRPC_METHOD_MAX || text[0] < 4096)
		return 0;
	n = text[1] > GRPC_LOOK ? GRPC_LOOK : text[1];
	if (bpf_probe_read_user(s->buf, n, (void *)text[0]) || !is_grpc_method(s->buf, text[1]))
		return 0;
	*from = i * 8;
	return 1;
}

/* Its offset; GRPC_INNER: in the struct that the stream's first word points to. */
#define GRPC_INNER 0x10000
__noinline int grpc_method_find(__u64 stream)
{
	__u64 at = stream;

	bpf_loop(GRPC_WORDS, grpc_look, &at, 0);
	if (at < GRPC_WORDS * 8)
		return at;
	if (!user_u64(&at, stream))
		return -1;
	bpf_loop(GRPC_WORDS, grpc_look, &at, 0);
	return at < GRPC_WORDS * 8 ? at | GRPC_INNER : -1;
}

/* The leaf of a stream: POST and its method. */
static __always_inline __u32 grpc_leaf(struct scratch *s, struct gs_target *tg, __u64 stream)
{
	__u64 text[2] = {};
	__u32 n, at;

	if (tg->http.grpc_method < 0)
		tg->http.grpc_method = grpc_method_find(stream);
	if (tg->http.grpc_method < 0)
		return GS_OTHER;
	at = tg->http.grpc_method;
	if ((at & GRPC_INNER) && !user_u64(&stream, stream))
		return GS_OTHER;
	if (bpf_probe_read_user(text, 16, (void *)(stream + (at & 0xffff))))
		return GS_OTHER;
	n = text[1] > GRPC_METHOD_MAX ? GRPC_METHOD_MAX : text[1];
	__builtin_memcpy(s->buf, "POST ", 5);
	if (!n || bpf_probe_read_user(s->buf + 5, n, (void *)text[0]))
		return GS_OTHER;
	n += 5;
	s->buf[n & (WINDOW - 1)] = ' ';
	return line_find(n + 1) == LINE_OK ? path_leaf() : GS_OTHER;
}

/* The request the goroutine in call.g works for, and whether it is the one that serves it. */
static __always_inline struct gs_conn *grpc_conn(struct scratch *s, __u64 *key, __u32 *owner)
{
	__u64 gkey = goroutine_key(s->call.slot, s->call.g);
	struct gs_goroutine *gs = bpf_map_lookup_elem(&goroutines, &gkey);
	struct gs_conn *c;

	if (!gs || gs->goid != s->call.goid ||
	    (gs->kind != GS_G_OWNER && gs->kind != GS_G_CHILD))
		return 0;
	*owner = gs->kind == GS_G_OWNER;
	*key = gs->conn;
	c = conn_get(gs->conn);
	if (!c || c->kind != GS_K_STREAM || !c->active)
		return 0;
	return *owner || c->begin_ns == gs->request ? c : 0;
}

/* (*Server).handleStream(transport, stream) */
SEC("uprobe.multi")
int on_grpc_stream(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), key = 0, stream = GO_ARG3(regs);
	struct gs_target *tg;
	struct scratch *s;
	struct gs_conn *c;
	__u32 leaf, owner = 0;

	if (hook_again(regs, cookie))
		return 0;
	s = hook_enter(regs);
	if (!s)
		return 0;
	tg = target_of(s);
	if (!tg)
		return 0;
	handlers_idle = 0;
	/* First sight of a goroutine that net/http's handler started? */
	goroutine_leaf();
	c = grpc_conn(s, &key, &owner);
	if (c && !c->grpc) {
		c->grpc = GS_GRPC_WITHIN;
		leaf_proto(c->leaf, GS_PROTO_GRPC);
		return 0;
	}
	if (c)
		return 0;
	count(GS_CNT_HANDLED);
	leaf = grpc_leaf(s, tg, stream);
	leaf_proto(leaf, GS_PROTO_GRPC);
	stream_begin(leaf, 0);
	key = stream_key(s->call.slot, s->call.g);
	c = conn_get(key);
	if (c)
		c->grpc = GS_GRPC_OWN;
	return 0;
}

/* writeStatus(stream, status) of either transport. */
SEC("uprobe.multi")
int on_grpc_status(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), key = 0, proto = 0, status = GO_ARG2(regs);
	__u32 owner = 0, code = 0;
	struct gs_target *tg;
	struct scratch *s;
	struct gs_conn *c;

	if (hook_again(regs, cookie))
		return 0;
	s = hook_enter(regs);
	if (!s)
		return 0;
	tg = target_of(s);
	c = grpc_conn(s, &key, &owner);
	if (!tg || !c || !c->grpc)
		return 0;
	/* No status is OK. */
	if (status && user_u64(&proto, status) && proto) {
		if (tg->http.grpc_code < 0 ||
		    bpf_probe_read_user(&code, 4, (void *)(proto + tg->http.grpc_code)))
			code = GRPC_CODES;
	}
	c->status = code < GRPC_CODES ? GS_STATUS_GRPC + code : GS_STATUS_UNSEEN;
	if (c->grpc == GS_GRPC_OWN) {
		request_end(c, key, s->call.now, 0);
		conn_delete(key);
	}
	return 0;
}

#endif
