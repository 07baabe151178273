/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A request's life: it begins with its first byte read and ends with its last byte
 * written, or with its handler or its connection where that is later.
 */
#ifndef GOSTALL_REQUESTS_H
#define GOSTALL_REQUESTS_H

/* A read that took longer did not find its bytes waiting: a blocking socket. */
#define NONBLOCKING_NS 1000000
/* Beyond this, time between the last byte and the next read was the handler's. */
#define HANDLER_TAIL_NS 500000

__noinline int request_end(struct gs_conn *c, __u64 key, __u64 end, __u32 aborted)
{
	__u32 res;

	if (!c)
		return 0;
	res = c->status & 0x3ff;
	if (aborted)
		res |= GS_REQ_ABORTED;
	if (c->unrouted)
		res |= GS_REQ_UNROUTED;
	if (keeps_timelines)
		timeline_end(c, key, end, res, settings.counting && c->leaf != GS_PENDING &&
						       c->leaf != GS_CONNECTION);

	if (c->leaf == GS_PENDING) {
		/* It never was a request: no path, no handler. */
		stash_flush(key, c, GS_CONNECTION);
		count(GS_CNT_MALFORMED);
	} else if (c->leaf != GS_CONNECTION) {
		if (settings.counting) {
			count(GS_CNT_REQUESTS);
			record(c->leaf, GS_NR_REQUEST, res, end - c->begin_ns);
			wall_end(c, key, end - c->begin_ns);
			if (exact_on)
				exact_end(c, key, end - c->begin_ns);
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

static __always_inline void request_begin(struct gs_conn *c, __u64 key, __u64 first_byte)
{
	c->begin_ns = first_byte;
	c->write_ns = first_byte;
	c->body_left = 0;
	c->resp_left = 0;
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
	c->hijacked = 0;
	c->grpc = 0;
	if (c->more) {
		c->trace_hi = c->trace_lo = c->span = 0;
		c->routed_object = 0;
		c->writer = c->routed = c->pattern = c->request = 0;
		c->more = 0;
	}
	c->skip = settings.sample_n > 1 && bpf_get_prandom_u32() % settings.sample_n != 0;
	if (keeps_timelines)
		timeline_begin(c, key);
}

#endif
