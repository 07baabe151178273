/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Requests that the wire does not show: TLS, HTTP/2, connections that are no sockets.
 * They begin where net/http calls a handler and end where it has its answer; what lies
 * between is found as ever, by goroutine. The uprobes stand at instructions the kernel
 * emulates, and are attached only while such connections are met (session: handlers).
 */
#ifndef GOSTALL_HANDLERS_H
#define GOSTALL_HANDLERS_H

/* Beyond this a connection's last read is not what brought the request. */
#define READ_TO_HANDLER_NS 1000000000ULL
/* So many handlers of requests the wire showed anyway: is there need to go on? */
#define HANDLERS_IDLE 512
#define URI_MAX 2048

/* Who runs at a uprobe, into scratch.call; 0: nobody we can tell. */
static __always_inline struct scratch *hook_enter(struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct gs_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct scratch *s = scratch_get();
	struct gs_target *tg;
	__u32 slot;

	if (!t || !s)
		return 0;
	slot = t->slot;
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg || tg->state != GS_SLOT_GO)
		return 0;
	s->call.slot = slot;
	s->call.now = bpf_ktime_get_ns();
	s->call.begin = s->call.now;
	s->call.reg_g = s->call.g = REG_G(regs);
	s->call.tp = THREAD_POINTER(task);
	s->call.goid = 0;
	if (!user_u64(&s->call.goid, s->call.g + tg->off_goid) || !s->call.goid)
		return 0;
	return s;
}

/* The stack check's branch is taken: the function begins again, and we with it. */
static __always_inline int hook_again(struct pt_regs *regs, __u64 cookie)
{
	return (cookie & GS_HOOK_JBE) && STACK_GROWS(regs);
}

/* The same at a function's entry, whose probe may stand on its stack check. */
static __always_inline struct scratch *hook_call(struct pt_regs *regs)
{
	return hook_again(regs, bpf_get_attach_cookie(regs)) ? 0 : hook_enter(regs);
}

/* The request that the goroutine in call.g serves: its connection, real or not. */
static __always_inline struct gs_conn *hook_conn(struct scratch *s, __u64 *key)
{
	struct gs_goroutine *gs;
	__u64 gkey = goroutine_key(s->call.slot, s->call.g);

	gs = bpf_map_lookup_elem(&goroutines, &gkey);
	if (!gs || gs->goid != s->call.goid || gs->kind != GS_G_OWNER)
		return 0;
	*key = gs->conn;
	return conn_get(gs->conn);
}

/* The living request that the goroutine in call.g works for, its own or its parent's. */
static __always_inline struct gs_conn *hook_request(struct scratch *s, __u64 *key)
{
	__u64 gkey = goroutine_key(s->call.slot, s->call.g);
	struct gs_goroutine *gs = bpf_map_lookup_elem(&goroutines, &gkey);
	struct gs_conn *c;

	if (!gs || gs->goid != s->call.goid ||
	    (gs->kind != GS_G_OWNER && gs->kind != GS_G_CHILD))
		return 0;
	*key = gs->conn;
	c = conn_get(gs->conn);
	if (!c || !c->active || (gs->kind == GS_G_CHILD && c->begin_ns != gs->request))
		return 0;
	return c;
}

/* A request without a descriptor has ended: nothing of it stays. */
static __always_inline void stream_end(struct scratch *s, struct gs_conn *c, __u64 key,
				       __u32 aborted)
{
	request_end(c, key, s->call.now, aborted);
	stream_delete(c, key);
	stream_forget(s->call.slot, s->call.goid);
}

/* Writes "METHOD target " into the window as a client would have sent it, and finds its
 * leaf the way it is found on the wire. No method is GET (net/http.Request). */
__noinline __u32 text_leaf(__u64 method, __u64 method_len, __u64 uri, __u64 uri_len)
{
	struct scratch *s = scratch_get();
	__u32 n, at = 3;

	if (!s)
		return GS_OTHER;
	__builtin_memcpy(s->buf, "GET ", 4);
	if (method_len) {
		at = method_len > METHOD_MAX - 1 ? METHOD_MAX - 1 : method_len;
		if (bpf_probe_read_user(s->buf, at & 31, (void *)method))
			goto fault;
	}
	s->buf[at & 31] = ' ';
	at = (at & 31) + 1;
	n = uri_len > URI_MAX ? URI_MAX : uri_len;
	if (!n || bpf_probe_read_user(s->buf + at, n, (void *)uri))
		goto fault;
	at += n;
	s->buf[at & (WINDOW - 1)] = ' ';
	if (line_find(at + 1) != LINE_OK)
		return GS_OTHER;
	return path_leaf();
fault:
	count(GS_CNT_READ_FAULT);
	return GS_OTHER;
}

/* The leaf of a *http.Request. */
static __always_inline __u32 request_leaf(struct scratch *s, __u64 request)
{
	__u64 method[2] = {}, uri[2] = {};
	struct gs_target *tg = target_of(s);

	if (!tg || tg->http.req_method < 0 || tg->http.req_uri < 0 ||
	    bpf_probe_read_user(method, 16, (void *)(request + tg->http.req_method)) ||
	    bpf_probe_read_user(uri, 16, (void *)(request + tg->http.req_uri)))
		return GS_OTHER;
	return text_leaf(method[0], method[1], uri[0], uri[1]);
}

/* Says what a leaf's requests came by, besides plain HTTP/1. */
static __always_inline void leaf_proto(__u32 leaf, __u8 proto)
{
	struct gs_route *r, fresh = {};

	if (leaf < GS_FIRST_NODE || leaf == GS_PENDING)
		return;
	r = bpf_map_lookup_elem(&routes, &leaf);
	if (r) {
		if (!(r->protos & proto))
			r->protos |= proto;
		return;
	}
	fresh.protos = proto;
	bpf_map_update_elem(&routes, &leaf, &fresh, BPF_NOEXIST);
}

/* The connection behind a goroutine that a connection's own has started. */
__noinline __u64 parents_conn(__u64 parent)
{
	struct scratch *s = scratch_get();
	struct gs_goroutine *p;
	__u64 key, g;

	if (!s || !parent)
		return 0;
	g = goid_find(s->call.slot, parent);
	if (!g)
		return 0;
	key = goroutine_key(s->call.slot, g);
	p = bpf_map_lookup_elem(&goroutines, &key);
	return p && p->goid == parent && p->kind == GS_G_OWNER ? p->conn : 0;
}

/* A request that has no connection of its own, for the goroutine in call.g. */
__noinline int stream_begin(__u32 leaf, __u64 writer, __u64 request)
{
	struct scratch *s = scratch_get();
	struct gs_goroutine *fresh;
	struct gs_target *tg;
	struct gs_conn *c;
	__u64 key, real, begin;

	if (!s)
		return 0;
	tg = target_of(s);
	if (!tg)
		return 0;
	fresh = &s->fresh;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->goid = s->call.goid;
	goid_note(tg, fresh->goid);
	if (tg->off_parent >= 0 && !user_u64(&fresh->parent, s->call.g + tg->off_parent))
		fresh->parent = 0;
	begin = s->call.now;
	real = parents_conn(fresh->parent);
	c = real ? conn_get(real) : 0;
	if (c && c->last_ns && c->last_ns + READ_TO_HANDLER_NS > begin)
		begin = c->last_ns;
	key = stream_key(s->call.slot, s->call.g);
	if (!conn_new(key, GS_K_STREAM))
		return 0;
	c = conn_get(key);
	if (!c)
		return 0;
	request_begin(c, key, begin);
	c->phase = GS_P_DONE;
	c->leaf = leaf;
	c->g = s->call.g;
	c->writer = writer;
	c->request = request;
	c->more = 1;
	fresh->kind = GS_G_OWNER;
	fresh->conn = key;
	stream_remember(s->call.slot, fresh->goid, s->call.g);
	goroutine_set(s->call.slot, s->call.g, fresh);
	return 1;
}

static __always_inline void handlers_useless(__u32 slot)
{
	if (++handlers_idle == HANDLERS_IDLE)
		tell(GS_E_HANDLERS_IDLE, slot);
}

/* Plain HTTP/1 on a connection that somebody else has read first (cmux): the wire has it,
 * under another goroutine. */
static __always_inline int plain_http1(struct scratch *s, __u64 request)
{
	struct gs_target *tg = target_of(s);
	__u64 tls = 0;

	return tg && tg->http.req_tls >= 0 && role_of_g(tg, s->call.g) == GS_CONNECTION &&
	       user_u64(&tls, request + tg->http.req_tls) && !tls;
}

/* net/http calls the server's handler: HTTP/1 on the connection's goroutine, HTTP/2 on
 * one of the stream's own. */
SEC("uprobe.multi")
int on_handler(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), request, writer, first, key = 0, now, rws = 0;
	struct scratch *s;
	struct gs_conn *c;
	__u32 leaf;

	s = hook_call(regs);
	if (!s)
		return 0;
	c = hook_conn(s, &key);
	/* The answer was given, and the next request had been read already. */
	if (c && c->kind == GS_K_TLS && c->active && c->resp == GS_R_COMPLETE)
		request_end(c, key, c->write_ns, 0);
	/* Plain HTTP/1 is the wire's; a handler within a handler is the same request. */
	if (c && (c->kind == GS_K_HTTP1 || c->kind == GS_K_RAW || c->active ||
		  (c->kind == GS_K_HTTP2 && c->g == s->call.g))) {
		handlers_useless(s->call.slot);
		return 0;
	}
	first = GO_ARG1(regs);
	writer = GO_ARG2(regs);
	request = GO_ARG3(regs);
	/* Loaded one by one: the context may not be read at a computed offset. */
	asm volatile("" : "+r"(first), "+r"(writer), "+r"(request));
	if ((cookie >> GS_HOOK_ARG_SHIFT) == 2) {
		request = writer;
		writer = first;
	}
	if (!c && plain_http1(s, request)) {
		handlers_useless(s->call.slot);
		return 0;
	}
	handlers_idle = 0;
	count(GS_CNT_HANDLED);
	leaf = request_leaf(s, request);
	if (c && c->kind == GS_K_TLS) {
		now = s->call.now;
		request_begin(c, key, c->served && c->next_ns ? c->next_ns : c->last_ns ? c->last_ns : now);
		c->next_ns = 0;
		c->phase = GS_P_DONE;
		c->leaf = leaf;
		c->writer = writer;
		c->request = request;
		c->more = 1;
		return 0;
	}
	leaf_proto(leaf, GS_PROTO_HTTP2);
	/* The ResponseWriter of HTTP/2 is a pointer to its state, until it is done. */
	if (!user_u64(&rws, writer))
		rws = 0;
	stream_begin(leaf, rws, request);
	return 0;
}

static __always_inline __u32 status_at(__u64 from, __s32 offset)
{
	__u64 status = 0;

	if (offset < 0 || !user_u64(&status, from + offset) || status > 999)
		return 0;
	/* A handler that says nothing says 200. */
	return status ? status : 200;
}

/* (*response).finishRequest: the handler of an HTTP/1 request has returned; what it left
 * in the buffers is written next. */
SEC("uprobe.multi")
int on_http1_finish(struct pt_regs *regs)
{
	__u64 key = 0;
	struct gs_target *tg;
	struct scratch *s;
	struct gs_conn *c;

	s = hook_call(regs);
	if (!s)
		return 0;
	c = hook_conn(s, &key);
	tg = target_of(s);
	if (!c || !tg || !c->active)
		return 0;
	if (c->kind != GS_K_TLS && c->kind != GS_K_STREAM)
		return 0;
	c->status = status_at(GO_ARG0(regs), tg->http.resp_status);
	c->resp = GS_R_COMPLETE;
	if (c->routed)
		route_learn(c, key);
	c->next_ns = 0;
	if (c->kind == GS_K_STREAM)
		stream_end(s, c, key, 0);
	return 0;
}

/* http.Error(w, text, code): the router's own 404 and 405, as on the wire. */
SEC("uprobe.multi")
int on_http_error(struct pt_regs *regs)
{
	__u64 key = 0, w = 0;
	__u32 code = GO_ARG4(regs);
	struct scratch *s;
	struct gs_conn *c;

	if (code != 404 && code != 405)
		return 0;
	s = hook_call(regs);
	if (!s)
		return 0;
	c = hook_conn(s, &key);
	if (!c || !c->active || (c->kind != GS_K_TLS && c->kind != GS_K_STREAM))
		return 0;
	if (GO_ARG3(regs) >= 8 && user_u64(&w, GO_ARG2(regs)))
		c->unrouted = router_answer(code, w, GO_ARG3(regs));
	return 0;
}

/* A handler takes a TLS connection over: it is its request's until it is closed. */
SEC("uprobe.multi")
int on_hijack(struct pt_regs *regs)
{
	struct scratch *s = hook_enter(regs);
	struct gs_conn *c;
	__u64 key = 0;

	if (!s)
		return 0;
	c = hook_conn(s, &key);
	if (c && c->active && c->kind == GS_K_TLS)
		c->hijacked = 1;
	return 0;
}

#endif
