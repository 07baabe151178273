/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Bytes that a server writes: the response's status, whether it is whole, whether it
 * was the router's own.
 */
#ifndef GOSTALL_OUTGOING_H
#define GOSTALL_OUTGOING_H

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
__noinline int response_scan(__u32 len, __u32 whole)
{
	struct scratch *s = scratch_get();

	if (!s || !http1_response(&s->response, s->buf, len, whole))
		return 0;
	bpf_loop(RESPONSE_STEPS, response_loop, 0, 0);
	return 1;
}

static __always_inline void response_begin(struct scratch *s, struct gs_conn *c, __u64 key)
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
	if (!response_scan(n, n == w->len)) {
		/* Somebody took the connection over and speaks for himself. */
		c->kind = GS_K_RAW;
		return;
	}
	if (r->status < 200 && r->status != 101)
		return; /* 100-continue, early hints: the answer is to come */
	c->status = r->status;
	c->resp = GS_R_CLOSE;
	if (c->more && c->routed)
		route_learn(c, key);
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
		response_begin(s, c, key);
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
	    (c->kind == GS_K_HTTP1 || c->kind == GS_K_TLS_TEXT)) {
		/* Answered, and bytes of the next request are here: it has begun. */
		s->call.skip = c->skip;
		if (keeps_timelines) {
			s->call.conn_key = key;
			timeline_last(class);
		}
		request_end(c, key, c->write_ns, 0);
		n = stash_restore(c, key);
		if (n) {
			request_begin(c, key, c->next_ns);
			request_feed(c, key, n, 0);
		}
	}
	return leaf;
}

#endif
