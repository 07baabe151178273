/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The template of a router that keeps none, put together from a path and its parameters:
 * their values are parts of the path, and where they lie in memory says which.
 */
#ifndef GOSTALL_PARAMS_H
#define GOSTALL_PARAMS_H

#define PARAMS_MAX 16
/* Of the window: a template that is too long, and one more piece of it. */
#define TEMPLATE_MASK 255

struct params {
	__u64 path;
	__u64 len;
	__u64 pos; /* how much of the path is in the template */
	__u64 at;  /* the next {Key, Value} */
	__u32 left;
	__u32 to; /* length of the template in the window */
	__u32 bad;
};

/* Appends text, of at most a template's length. */
static __always_inline void template_add(struct scratch *s, struct params *p, __u64 from, __u64 len)
{
	__u32 n = len;

	asm volatile("" : "+r"(n));
	if (len > GS_ROUTE_TEXT || n > GS_ROUTE_TEXT || p->to > GS_ROUTE_TEXT ||
	    (n && bpf_probe_read_user(s->buf + (p->to & TEMPLATE_MASK), n, (void *)from)))
		p->bad = 1;
	else
		p->to += n;
}

static long param_next(__u32 i, void *ctx)
{
	struct scratch *s = scratch_get();
	__u64 kv[4] = {}, off;
	struct params *p = ctx;
	__u8 first = 0;

	if (!s || p->bad || !p->left)
		return 1;
	if (bpf_probe_read_user(kv, 32, (void *)p->at) || kv[2] < p->path + p->pos) {
		p->bad = 1;
		return 1;
	}
	off = kv[2] - p->path;
	if (off >= p->len || !kv[3] || kv[3] > p->len - off || !kv[1] ||
	    bpf_probe_read_user(&first, 1, (void *)kv[2])) {
		p->bad = 1;
		return 1;
	}
	template_add(s, p, p->path + p->pos, off - p->pos);
	/* A catch-all's value has the slash before it, any other has none. */
	if (first == '/')
		s->buf[p->to++ & TEMPLATE_MASK] = '/';
	s->buf[p->to++ & TEMPLATE_MASK] = first == '/' ? '*' : ':';
	template_add(s, p, kv[0], kv[1]);
	p->pos = off + kv[3];
	p->at += 32;
	p->left--;
	return 0;
}

/* Writes the template into the window, a NUL behind it; its length, 0: it cannot be told. */
__noinline int params_text(__u64 path, __u64 len, __u64 params, __u64 count)
{
	struct scratch *s = scratch_get();
	struct params p = { .path = path, .len = len, .at = params, .left = count };

	if (!s || count > PARAMS_MAX || len > URI_MAX)
		return 0;
	bpf_loop(PARAMS_MAX, param_next, &p, 0);
	if (p.bad || p.pos > len)
		return 0;
	template_add(s, &p, path + p.pos, len - p.pos);
	if (p.bad || p.to > GS_ROUTE_TEXT)
		return 0;
	s->buf[p.to & TEMPLATE_MASK] = 0;
	return p.to;
}

/* The template in the window is that of a leaf. */
__noinline int route_known(__u32 leaf)
{
	struct scratch *s = scratch_get();
	struct gs_route *r, fresh = {};
	long n;

	if (!s || leaf < GS_FIRST_NODE || leaf == GS_PENDING)
		return 0;
	r = bpf_map_lookup_elem(&routes, &leaf);
	if (r && r->len)
		return 0;
	n = bpf_probe_read_kernel_str(fresh.text, sizeof(fresh.text), s->buf);
	if (n <= 1 || n > GS_ROUTE_TEXT)
		return 0;
	fresh.len = n - 1;
	fresh.protos = r ? r->protos : GS_PROTO_HTTP1;
	bpf_map_update_elem(&routes, &leaf, &fresh, BPF_ANY);
	routes_idle = 0;
	return 1;
}

#endif
