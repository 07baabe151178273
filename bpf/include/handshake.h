/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The steps of a server's TLS handshake, by the calls that move its bytes: the client's
 * hello is read, an answer is written, the client's end of it is read, and up to TLS 1.2
 * the server's is written. Each step goes to a histogram when the handshake is done.
 */
#ifndef GOSTALL_HANDSHAKE_H
#define GOSTALL_HANDSHAKE_H

#define TLS_CHANGE_CIPHER 0x14
#define TLS_ALERT 0x15
#define TLS_HANDSHAKE 0x16
/* An alert of TLS 1.3, behind the record that changes ciphers for old middleboxes' sake. */
#define TLS_ALERT_MAX (24 + 6)
/* The random value of a ServerHello that asks for another hello (RFC 8446, 4.1.3), and where it is. */
#define RETRY_AT 11
#define RETRY_RANDOM 0x11619ae574ad21cfULL

static __always_inline void handshake_forget(struct gs_conn *c, __u64 key)
{
	c->handshake = GS_H_NONE;
	bpf_map_delete_elem(&handshakes, &key);
}

/* A connection's first bytes are a hello. It is timed if we saw it being accepted. */
__noinline int handshake_begin(struct gs_conn *c, __u64 key)
{
	struct scratch *s = scratch_get();
	struct gs_handshake fresh = {};

	if (!s || !c || !c->last_ns || c->last_ns > s->call.now)
		return 0;
	fresh.accept_ns = c->last_ns;
	fresh.hello_ns = s->call.now;
	if (bpf_map_update_elem(&handshakes, &key, &fresh, BPF_ANY)) {
		count(GS_CNT_CONNS_FULL);
		return 0;
	}
	c->handshake = GS_H_HELLO;
	return 0;
}

static __always_inline void step(__u32 which, __u64 from, __u64 to)
{
	record(GS_CONNECTION, GS_NR_HANDSHAKE + which, 0, to > from ? to - from : 0);
}

/* It is over: done at `done`, or broken off. */
__noinline int handshake_end(struct gs_conn *c, __u64 key, __u64 done)
{
	struct gs_handshake *h = bpf_map_lookup_elem(&handshakes, &key);

	if (!c)
		return 0;
	if (h && settings.counting) {
		if (!done) {
			step(GS_HS_FAILED, h->accept_ns, h->last_ns ? h->last_ns : h->hello_ns);
		} else {
			step(GS_HS_HELLO, h->accept_ns, h->hello_ns);
			step(GS_HS_ANSWER, h->hello_ns, h->answer_ns);
			step(GS_HS_FINISHED, h->answer_ns, h->finished_ns);
			if (done > h->finished_ns)
				step(GS_HS_DONE, h->finished_ns, done);
			step(GS_HS_TOTAL, h->accept_ns, done);
		}
	}
	handshake_forget(c, key);
	return 0;
}

/* Its connection is closed. */
static __always_inline void handshake_closed(struct gs_conn *c, __u64 key)
{
	struct gs_handshake *h;

	if (!c->handshake)
		return;
	h = bpf_map_lookup_elem(&handshakes, &key);
	handshake_end(c, key, h && c->handshake == GS_H_FINISHED ? h->finished_ns : 0);
}

/* What a call that moved bytes is to the handshake. */
__noinline int handshake_step(struct gs_conn *c, __u64 key, __u32 class)
{
	struct scratch *s = scratch_get();
	struct gs_handshake *h;
	__u64 random = 0, now;
	__u8 type = 0;

	if (!s || !c || s->call.ret <= 0)
		return 0;
	h = bpf_map_lookup_elem(&handshakes, &key);
	if (!h) {
		c->handshake = GS_H_NONE;
		return 0;
	}
	now = s->call.now;
	if (class <= GS_C_RECVMSG) {
		switch (c->handshake) {
		case GS_H_HELLO:
			/* A large hello, or another one after it was asked for. */
			h->hello_ns = now;
			return 0;
		case GS_H_ANSWER:
			if (s->call.ret <= TLS_ALERT_MAX) {
				h->last_ns = now;
				return handshake_end(c, key, 0);
			}
			c->handshake = GS_H_FINISHED;
			h->finished_ns = h->last_ns = now;
			return 0;
		case GS_H_FINISHED:
			/* A request, or up to TLS 1.2 the rest of the client's end. */
			h->last_ns = now;
			return 0;
		}
		return 0;
	}
	if (class != GS_C_WRITE || bpf_probe_read_user(&type, 1, (void *)s->call.arg1))
		return handshake_end(c, key, 0);
	switch (c->handshake) {
	case GS_H_HELLO:
		if (type == TLS_ALERT) {
			h->last_ns = now;
			return handshake_end(c, key, 0);
		}
		/* Behind a request for another hello, in a write of its own. */
		if (type == TLS_CHANGE_CIPHER)
			return 0;
		if (type == TLS_HANDSHAKE &&
		    !bpf_probe_read_user(&random, 8, (void *)s->call.arg1 + RETRY_AT) &&
		    random == RETRY_RANDOM)
			return 0;
		c->handshake = GS_H_ANSWER;
		h->answer_ns = now;
		return 0;
	case GS_H_ANSWER:
		h->answer_ns = now;
		return 0;
	case GS_H_FINISHED:
		/* The server's own end, or a ticket before it. */
		if (type == TLS_CHANGE_CIPHER || type == TLS_HANDSHAKE) {
			h->finished_ns = h->last_ns;
			return handshake_end(c, key, now);
		}
		return handshake_end(c, key, h->finished_ns);
	}
	return 0;
}

#endif
