/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Connections: how they come to be known, how they end, and whose a call on one is. No
 * probe in the target: everything is seen at the syscalls, keyed by (process, fd).
 */
#ifndef GOSTALL_CONNS_H
#define GOSTALL_CONNS_H

/* The status a handler has set, where a part of its answer has been written. */
static __always_inline __u32 status_written(struct gs_conn *c, __u64 key)
{
	__u32 slot = key_slot(key);
	struct gs_target *tg = bpf_map_lookup_elem(&targets, &slot);
	__u64 status = 0;

	if (!tg || !c->writer || c->write_ns <= c->begin_ns || tg->http.resp_status < 0 ||
	    !user_u64(&status, c->writer + tg->http.resp_status) || status > 999)
		return 0;
	return status;
}

/* The end of a TLS connection that still serves a request. */
static __always_inline int secure_finish(struct gs_conn *c, __u64 key, __u64 now)
{
	if (!c)
		return 0;
	if (c->resp == GS_R_COMPLETE)
		return request_end(c, key, c->write_ns, 0);
	if (c->hijacked) {
		c->status = GS_STATUS_UNSEEN;
		return request_end(c, key, now, 0);
	}
	c->status = status_written(c, key);
	return request_end(c, key, now, 1);
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
	if (c->kind == GS_K_TLS)
		return secure_finish(c, key, now);
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
	if (c->active && c->resp >= GS_R_CLOSE &&
	    (c->kind == GS_K_HTTP1 || c->kind == GS_K_TLS || c->kind == GS_K_TLS_TEXT))
		conn_finish(c, key, now);
}

__noinline int conn_forget(__u64 key, __u64 now)
{
	struct gs_conn *c = conn_get(key);

	if (!c)
		return 0;
	handshake_closed(c, key);
	conn_finish(c, key, now);
	stash_drop(key, c);
	conn_delete(key);
	return 1;
}

__noinline int conn_new(__u64 key, __u32 kind)
{
	struct gs_conn fresh = {}, *c = conn_near(key);
	__u64 *place;

	fresh.kind = kind;
	if (c) {
		*c = fresh;
		near_note(key);
		return 1;
	}
	c = bpf_map_lookup_elem(&conns, &key);
	if (c) {
		if (c->kind == GS_K_NONE)
			__sync_fetch_and_sub(&streams_kept, 1);
		*c = fresh;
	} else if (bpf_map_update_elem(&conns, &key, &fresh, BPF_ANY)) {
		count(GS_CNT_CONNS_FULL);
		return 0;
	}
	place = far_place(key);
	if (place)
		*place = key;
	return 1;
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
	/* A record of TLS in the midst of a connection. */
	if (n == 8 && (w & 0xffffff) == 0x030317) {
		struct gs_target *tg = target_of(s);

		/* Of a server: an upstream's answers look the same. */
		if (!tg || tg->state != GS_SLOT_GO ||
		    role_of_g(tg, s->call.reg_g) != GS_CONNECTION)
			return 0;
		if (!is_socket(s->call.arg0) || !conn_new(key, GS_K_TLS))
			return 0;
		count(GS_CNT_TLS);
		handlers_want(s->call.slot);
		if (owner_set(key)) {
			struct gs_conn *c = conn_get(key);

			if (c)
				c->g = s->call.reg_g;
		}
		return 1;
	}
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

/* The goroutine's leaf, but `connection` for one of no request. */
#define CONNECTION_ELSE 0xfffffffeU

/* TLS says goodbye: this is no part of an answer. From TLS 1.3 on only its length tells: a
 * head of HTTP does not fit. */
#define TLS13_ALERT_LEN 24
static __always_inline int is_alert(struct scratch *s)
{
	__u8 type = 0;

	if (s->call.ret <= TLS13_ALERT_LEN)
		return 1;
	return s->call.ret < 128 && !bpf_probe_read_user(&type, 1, (void *)s->call.arg1) &&
	       type == 0x15;
}

/* Beyond HTTP/2's buffer: written on a goroutine of its own, for one stream (streams.h). */
#define FRAME_LARGE 4096

/* Is it net/http's background reader, which runs ahead of the handler? */
static __always_inline int is_reader(struct scratch *s)
{
	struct gs_target *tg = target_of(s);
	__u32 role;

	if (!tg || tg->state != GS_SLOT_GO)
		return 1;
	role = role_of_g(tg, s->call.reg_g);
	return role == GS_READER || role == NO_LEAF;
}

/* A call on a connection whose bytes tell nothing: TLS, HTTP/2. Handlers say where a
 * request begins and ends (handlers.h); this keeps the times of what was moved. */
__noinline __u32 leaf_by_secure(struct gs_conn *c, __u64 key, __u32 class)
{
	struct scratch *s = scratch_get();

	if (!s || !c)
		return GS_CONNECTION;
	if (c->handshake)
		handshake_step(c, key, class);
	if (class <= GS_C_RECVMSG) {
		/* It asks for the next request: the last one is over; before an answer it reads
		 * what the handler has left of the body. */
		if (c->active && c->resp == GS_R_COMPLETE && c->g == s->call.reg_g &&
		    c->write_ns > c->begin_ns) {
			request_end(c, key, c->write_ns, 0);
			c->next_ns = 0;
		}
		if (s->call.ret > 0) {
			c->last_ns = s->call.now - s->call.begin > NONBLOCKING_NS ? s->call.now :
										    s->call.begin;
			if (!c->next_ns)
				c->next_ns = c->last_ns;
			/* Who reads it now may start the goroutines of its streams. */
			if (!c->active && c->g != s->call.reg_g && !is_reader(s) && owner_set(key))
				c->g = s->call.reg_g;
		}
	} else if (class <= GS_C_SPLICE && s->call.ret > 0) {
		if (s->call.ret > FRAME_LARGE && c->g != s->call.reg_g) {
			frames_idle = 0;
			if (!frames_wanted)
				frames_wanted = tell(GS_E_FRAMES, s->call.slot);
		}
		if (!is_alert(s))
			c->write_ns = s->call.now;
		else if (c->active && c->resp == GS_R_COMPLETE)
			conn_finish(c, key, s->call.now);
	}
	if (!c->active)
		return CONNECTION_ELSE;
	s->call.conn_key = key;
	s->call.skip = c->skip;
	return c->leaf;
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
	if (c->kind == GS_K_CLIENT || c->kind == GS_K_OPAQUE)
		return NO_LEAF;
	if (class == GS_C_EPOLL_CTL)
		return GS_CONNECTION;
	if (c->kind >= GS_K_TLS && c->kind <= GS_K_TLS_TEXT)
		return leaf_by_secure(c, key, class);
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
