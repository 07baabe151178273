/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Routers at work: each is called with something on which it will leave the template it
 * matched. A new router is one program here, one kind in crates/probes/src/hooks.rs and
 * one name in crates/session/src/hooks.rs; routes.h reads what they leave.
 */
#ifndef GOSTALL_ROUTERS_H
#define GOSTALL_ROUTERS_H

/* A router is called: it will say on this *http.Request what it matched. */
SEC("uprobe.multi")
int on_router(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), key = 0;
	struct scratch *s;
	struct gs_conn *c;

	s = hook_call(regs);
	if (!s)
		return 0;
	routes_useless(s->call.slot);
	c = hook_request(s, &key);
	if (!c)
		return 0;
	/* A handler behind a router: the pattern is there already. */
	if (cookie & GS_HOOK_MATCHED) {
		if (!c->routed)
			c->routed_object = GS_ROUTED_HANDLER;
		c->more = 1;
		if (c->routed_object == GS_ROUTED_REQUEST || c->routed_object == GS_ROUTED_HANDLER) {
			c->routed = GO_ARG3(regs);
			route_matched(c);
		}
		return 0;
	}
	c->routed = GO_ARG3(regs);
	c->more = 1;
	c->routed_object = GS_ROUTED_REQUEST;
	c->pattern = 0;
	return 0;
}

static __always_inline int router_left(struct pt_regs *regs, __u64 object, __u8 kind)
{
	struct scratch *s = hook_call(regs);
	struct gs_conn *c;
	__u64 key = 0;

	if (!s)
		return 0;
	routes_useless(s->call.slot);
	c = hook_conn(s, &key);
	if (c && c->active) {
		c->routed = object;
		c->more = 1;
		c->routed_object = kind;
		c->pattern = 0;
	}
	return 0;
}

/* gin: (*Engine).handleHTTPRequest(*Context) */
SEC("uprobe.multi")
int on_gin(struct pt_regs *regs)
{
	return router_left(regs, GO_ARG1(regs), GS_ROUTED_CONTEXT);
}

/* echo: (*Router).Find(method, path, Context) */
SEC("uprobe.multi")
int on_echo(struct pt_regs *regs)
{
	return router_left(regs, GO_ARG6(regs), GS_ROUTED_CONTEXT);
}

/* gorilla/mux: (*Router).ServeHTTP */
SEC("uprobe.multi")
int on_gorilla_begin(struct pt_regs *regs)
{
	return router_left(regs, 1, GS_ROUTED_NOWHERE);
}

/* gorilla/mux: requestWithRoute(request, *Route), and with variables since. */
SEC("uprobe.multi")
int on_gorilla(struct pt_regs *regs)
{
	__u64 route = GO_ARG1(regs);

	/* No route: its own 404 or 405 comes. */
	return route ? router_left(regs, route, GS_ROUTED_GORILLA) : 0;
}

/* fiber: (*App).next calls (*Route).match, of one route after the other until one fits. */
SEC("uprobe.multi")
int on_fiber(struct pt_regs *regs)
{
	return router_left(regs, GO_ARG0(regs), GS_ROUTED_FIBER);
}

/* ... and has its answer. */
SEC("uprobe.multi")
int on_fiber_matched(struct pt_regs *regs)
{
	return GO_ARG0(regs) & 0xff ? 0 : router_left(regs, 1, GS_ROUTED_NOWHERE);
}

/* httprouter: at the call of (*node).getValue(path). */
SEC("uprobe.multi")
int on_httprouter_begin(struct pt_regs *regs)
{
	__u64 key = 0, path = GO_ARG1(regs), len = GO_ARG2(regs);
	struct scratch *s = hook_enter(regs);
	struct gs_conn *c;

	if (!s)
		return 0;
	routes_useless(s->call.slot);
	c = hook_conn(s, &key);
	if (!c || !c->active)
		return 0;
	c->routed = 1;
	c->more = 1;
	c->routed_object = GS_ROUTED_NOWHERE;
	c->pattern = path;
	c->pattern_len = len;
	return 0;
}

/* ... and where it has returned (handle, Params, bool). */
SEC("uprobe.multi")
int on_httprouter(struct pt_regs *regs)
{
	__u64 handle = GO_ARG0(regs), params = GO_ARG1(regs), n = GO_ARG2(regs), key = 0, path;
	struct scratch *s = hook_enter(regs);
	struct gs_conn *c;

	if (!s)
		return 0;
	c = hook_conn(s, &key);
	if (!c || !c->active || c->routed_object != GS_ROUTED_NOWHERE || !c->pattern)
		return 0;
	path = c->pattern;
	c->pattern = 0;
	if (!handle)
		return 0;
	c->routed = 0;
	if (params_text(path, c->pattern_len, params, n))
		route_known(c->leaf);
	return 0;
}

#endif
