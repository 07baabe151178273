/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Templates of routes: a router is called with the *http.Request on which it will leave
 * the pattern it matched; that is read when the answer begins. The uprobe is attached
 * for moments only, when paths are met whose template is not known.
 */
#ifndef GOSTALL_ROUTES_H
#define GOSTALL_ROUTES_H

/* So many routed requests that taught nothing: all is learned. */
#define ROUTES_IDLE 512

static __always_inline void routes_useless(__u32 slot)
{
	if (++routes_idle == ROUTES_IDLE)
		tell(GS_E_ROUTES_IDLE, slot);
}

/* The answer to a request begins: what has the router made of it? */
__noinline int route_learn(struct gs_conn *c, __u64 key)
{
	struct gs_route *r, fresh = {};
	struct gs_target *tg;
	__u64 text[2] = {};
	__u32 slot = key_slot(key), leaf, n;

	if (!c)
		return 0;
	leaf = c->leaf;
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg || leaf < GS_FIRST_NODE || leaf == GS_PENDING)
		return 0;
	r = bpf_map_lookup_elem(&routes, &leaf);
	if (r && r->len) {
		routes_useless(slot);
		return 0;
	}
	if (tg->http.req_pattern >= 0) {
		if (bpf_probe_read_user(text, 16, (void *)(c->routed + tg->http.req_pattern)))
			return 0;
	} else if (tg->http.req_pat >= 0 && tg->http.pattern_str >= 0) {
		__u64 pat = 0;

		if (!user_u64(&pat, c->routed + tg->http.req_pat) ||
		    (pat && bpf_probe_read_user(text, 16, (void *)(pat + tg->http.pattern_str))))
			return 0;
	} else {
		return 0;
	}
	n = text[1] > GS_ROUTE_TEXT ? 0 : text[1];
	if (!text[1]) {
		/* The router knew no such path, or not this method. */
		c->unrouted |= c->status == 404 || c->status == 405;
		return 0;
	}
	if (!n || bpf_probe_read_user(fresh.text, n, (void *)text[0]))
		return 0;
	fresh.len = n;
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
