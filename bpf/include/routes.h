/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Templates of routes: a router is called with the *http.Request on which it will leave
 * the pattern it matched; that is read when the answer begins. The uprobe is attached
 * for moments only, when paths are met whose template is not known.
 */
#ifndef GOSTALL_ROUTES_H
#define GOSTALL_ROUTES_H

/* So many calls of routers that taught nothing: all is learned, or nothing is to be. */
#define ROUTES_IDLE 512

static __always_inline void routes_useless(__u32 slot)
{
	if (++routes_idle == ROUTES_IDLE)
		tell(GS_E_ROUTES_IDLE, slot);
}

/* The pattern on a *http.Request, its text and length. */
static __always_inline int pattern_of(struct gs_target *tg, __u64 request, __u64 text[2])
{
	__u64 pat = 0;

	if (tg->http.req_pattern >= 0)
		return !bpf_probe_read_user(text, 16, (void *)(request + tg->http.req_pattern));
	if (tg->http.req_pat < 0 || tg->http.pattern_str < 0 ||
	    !user_u64(&pat, request + tg->http.req_pat))
		return 0;
	text[0] = text[1] = 0;
	return !pat || !bpf_probe_read_user(text, 16, (void *)(pat + tg->http.pattern_str));
}

/* A handler is called with the request it was chosen for. Patterns live as long as their
 * router does, requests do not. */
__noinline int route_matched(struct gs_conn *c)
{
	struct scratch *s = scratch_get();
	__u64 text[2] = {};
	struct gs_target *tg;

	if (!s || !c)
		return 0;
	tg = target_of(s);
	if (tg && pattern_of(tg, c->routed, text) && text[1]) {
		c->pattern = text[0];
		c->pattern_len = text[1];
	}
	return 0;
}

/* Takes a pattern's text, unless it is too long; its length. */
static __always_inline __u32 route_text(__u8 *to, __u64 from, __u64 len)
{
	__u32 n = len;

	/* Keeps the bound check and the length in one register. */
	asm volatile("" : "+r"(n));
	if (len > GS_ROUTE_TEXT || n == 0 || n > GS_ROUTE_TEXT)
		return 0;
	return bpf_probe_read_user(to, n, (void *)from) ? 0 : n;
}

/* The last string in a router's own context that begins with a slash: its template. Which
 * field that is differs from release to release; a wrong one does not fit the path. */
#define CONTEXT_WORDS 32
struct context_look {
	__u64 object;
	__u64 from;
	__u64 len;
};

static long context_word(__u32 i, void *ctx)
{
	struct context_look *l = ctx;
	__u64 text[2] = {};
	__u8 first = 0;

	if (bpf_probe_read_user(text, 16, (void *)(l->object + i * 8)))
		return 1;
	if (!text[1] || text[1] > GS_ROUTE_TEXT || text[0] < 4096)
		return 0;
	if (!bpf_probe_read_user(&first, 1, (void *)text[0]) && first == '/') {
		l->from = text[0];
		l->len = text[1];
	}
	return 0;
}

static __always_inline __u32 context_text(__u8 *to, __u64 object, __u32 words)
{
	struct context_look l = { .object = object };

	bpf_loop(words, context_word, &l, 0);
	return l.from ? route_text(to, l.from, l.len) : 0;
}

/* fiber: the last string with a slash of a Route, up to and with its Path (v2.0 to v2.52);
 * behind that is the slice of its parameters. */
#define FIBER_WORDS 18

/* gorilla/mux: a route's expression for the path begins with its template. The offset is
 * that of all releases since 1.7. */
#define GORILLA_ROUTE_PATH 80
static __always_inline __u32 gorilla_text(__u8 *to, __u64 route)
{
	__u64 p = 0, text[2] = {};

	if (!user_u64(&p, route + GORILLA_ROUTE_PATH) ||
	    bpf_probe_read_user(text, 16, (void *)p))
		return 0;
	return route_text(to, text[0], text[1]);
}

static struct gs_route no_route = { .none = 1, .protos = GS_PROTO_HTTP1 };
static struct gs_route refused_route = { .refused = 1, .protos = GS_PROTO_HTTP1 };

/* The router matched a request of this leaf to nothing. */
static __always_inline void route_none(__u32 leaf, struct gs_route *known)
{
	if (!known)
		bpf_map_update_elem(&routes, &leaf, &no_route, BPF_NOEXIST);
	else if (!known->none)
		known->none = 1;
}

struct placeholder_look {
	const __u8 *text;
	__u32 found;
};

static long placeholder_char(__u32 i, void *ctx)
{
	struct placeholder_look *l = ctx;

	if (i >= GS_ROUTE_TEXT)
		return 1;
	l->found = l->text[i] == ':' || l->text[i] == '*';
	return l->found;
}

/* Is it a template and no path? */
static __always_inline int has_placeholder(const __u8 *text)
{
	struct placeholder_look l = { .text = text };

	bpf_loop(GS_ROUTE_TEXT, placeholder_char, &l, 0);
	return l.found;
}

/* The router matched a request of this leaf, and its handler answered 404 or 405. */
static __always_inline void route_refused(__u32 leaf, struct gs_route *known)
{
	if (!known)
		bpf_map_update_elem(&routes, &leaf, &refused_route, BPF_NOEXIST);
	else if (!known->refused)
		known->refused = 1;
}

/* The answer to a request begins: what has the router made of it? Whether the text fits
 * the path is for user space to see. */
__noinline int route_learn(struct gs_conn *c, __u64 key)
{
	struct gs_route *r, fresh = {};
	struct gs_target *tg;
	__u64 text[2] = {};
	__u32 slot = key_slot(key), leaf, at;

	if (!c)
		return 0;
	leaf = c->leaf;
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg || leaf < GS_FIRST_NODE || leaf == GS_PENDING)
		return 0;
	r = bpf_map_lookup_elem(&routes, &leaf);
	if (r && (r->len || r->early_len))
		return 0;
	/* The request may be gone by now; a router further in may have written on it since
	 * the last handler we saw. User space takes the first that fits the path. */
	if (c->routed_object == GS_ROUTED_CONTEXT)
		fresh.len = context_text(fresh.text, c->routed, CONTEXT_WORDS);
	else if (c->routed_object == GS_ROUTED_FIBER)
		fresh.len = context_text(fresh.text, c->routed, FIBER_WORDS);
	else if (c->routed_object == GS_ROUTED_GORILLA)
		fresh.len = gorilla_text(fresh.text, c->routed);
	else if (c->routed_object == GS_ROUTED_NOWHERE)
		;
	else if (pattern_of(tg, c->routed, text))
		fresh.len = route_text(fresh.text, text[0], text[1]);
	else
		text[1] = 1; /* no such field: nothing can be concluded from its absence */
	if (c->pattern)
		fresh.early_len = route_text(fresh.early, c->pattern, c->pattern_len);
	if (!fresh.len && !fresh.early_len) {
		/* The router knew no such path, or not this method. */
		if (!text[1] && (c->status == 404 || c->status == 405) &&
		    (c->routed_object <= GS_ROUTED_CONTEXT ||
		     c->routed_object == GS_ROUTED_NOWHERE)) {
			c->unrouted = 1;
			route_none(leaf, r);
		}
		/* A template that is too long. */
		if (c->routed_object == GS_ROUTED_GORILLA && (c->status == 404 || c->status == 405))
			route_refused(leaf, r);
		return 0;
	}
	/* A mount point that found nothing below, or echo's own path in place of a template:
	 * better learned from a request that was served. */
	at = fresh.len - 1;
	asm volatile("" : "+r"(at));
	if ((c->status == 404 || c->status == 405) &&
	    (c->routed_object == GS_ROUTED_CONTEXT || c->routed_object == GS_ROUTED_GORILLA ||
	     c->routed_object == GS_ROUTED_FIBER ||
	     (at < GS_ROUTE_TEXT && fresh.text[at] == '*'))) {
		/* echo leaves the path itself where it has found nothing. */
		if (c->routed_object != GS_ROUTED_CONTEXT || has_placeholder(fresh.text))
			route_refused(leaf, r);
		return 0;
	}
	fresh.protos = r ? r->protos : GS_PROTO_HTTP1;
	bpf_map_update_elem(&routes, &leaf, &fresh, BPF_ANY);
	routes_idle = 0;
	return 1;
}

/* A path was met for the first time. */
static __always_inline void routes_want(__u32 slot)
{
	if (!routes_wanted)
		routes_wanted = tell(GS_E_PATH, slot);
}

#endif
