/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How the streams of HTTP/2 end: with their last frame, in a panic, or because the client
 * has reset them or left, of which the connection's goroutine knows first. gRPC's own
 * transport asks here for the last (grpc.h).
 */
#ifndef GOSTALL_STREAMS_H
#define GOSTALL_STREAMS_H

/* How far the response had come on a stream that its client left. */
#define LEFT_UNSENT 1
#define LEFT_SENT 2 /* its header, with the status */
#define LEFT_COMPLETE 3
/* streamState: open, half closed (local), half closed (remote). */
#define H2_CLOSED_LOCAL 2

/* A stream of HTTP/2's server has its state in a word, followed by resetQueued,
 * gotTrailerHeader, wroteHeaders and padding. The state is the 12th word from Go 1.20 to
 * 1.26, the 13th before and since: what is there otherwise (counts of bytes, a pointer,
 * flags) does not look like it. */
static __always_inline __u64 stream_left_at(__u64 stream)
{
	__u64 word[3] = {};

	if (bpf_probe_read_user(word, 24, (void *)(stream + 96)))
		return LEFT_UNSENT;
	if (word[0] - 1 > 2 || word[1] & ~0x010101ULL) {
		if (word[1] - 1 > 2 || word[2] & ~0x010101ULL)
			return LEFT_UNSENT;
		word[0] = word[1];
		word[1] = word[2];
	}
	/* The client need not have sent all of its body. */
	if (word[0] == H2_CLOSED_LOCAL)
		return LEFT_COMPLETE;
	return word[1] >> 16 ? LEFT_SENT : LEFT_UNSENT;
}

/* closeStream(stream, ...) is called because its client has reset it, or has left. */
SEC("uprobe.multi")
int on_stream_closed(struct pt_regs *regs)
{
	__u64 stream = GO_ARG1(regs), key;
	__u32 grpc = bpf_get_attach_cookie(regs) & GS_HOOK_GRPC;
	struct scratch *s = hook_enter(regs);
	struct gs_broken b = {};

	if (!s || !stream)
		return 0;
	b.at_ns = s->call.now;
	b.left = grpc ? LEFT_UNSENT : stream_left_at(stream);
	if (b.left == LEFT_COMPLETE)
		return 0;
	key = goroutine_key(s->call.slot, stream);
	bpf_map_update_elem(&broken, &key, &b, BPF_ANY);
	return 0;
}

/* Whether and how the stream of a connection's request was: LEFT_*, or 0. Streams' memory is
 * used anew, so it must have been since the request began. */
static __always_inline __u32 stream_left(struct scratch *s, struct gs_conn *c, __u64 stream)
{
	__u64 key = goroutine_key(s->call.slot, stream);
	struct gs_broken *b = bpf_map_lookup_elem(&broken, &key);
	__u32 left;

	if (!b)
		return 0;
	left = b->at_ns < c->begin_ns ? 0 : b->left;
	bpf_map_delete_elem(&broken, &key);
	return left;
}

/* In HTTP/2's handlerDone, where the stream's state is given back: its last frame has
 * been written. */
SEC("uprobe.multi")
int on_http2_done(struct pt_regs *regs)
{
	struct scratch *s;
	struct gs_conn *c;
	__u64 key = 0, stream = 0;
	__u32 left, aborted;

	s = hook_enter(regs);
	if (!s)
		return 0;
	c = hook_conn(s, &key);
	if (!c || c->kind != GS_K_STREAM || !c->active)
		return 0;
	/* golang.org/x/net/http2 and the copy in net/http differ: the cookie is the offset. */
	if (c->grpc != GS_GRPC_WITHIN)
		c->status = status_at(GO_ARG2(regs), bpf_get_attach_cookie(regs));
	left = user_u64(&stream, GO_ARG2(regs)) ? stream_left(s, c, stream) : 0;
	/* A gRPC call that was given no status has been left by its client, too. */
	aborted = left || (c->grpc == GS_GRPC_WITHIN && !c->status);
	if (left == LEFT_UNSENT || (left && c->grpc))
		c->status = 0;
	if (c->routed)
		route_learn(c, key);
	stream_end(s, c, key, aborted);
	return 0;
}

/* An HTTP/2 handler has panicked: its stream is about to be reset. */
SEC("uprobe.multi")
int on_http2_panic(struct pt_regs *regs)
{
	struct scratch *s = hook_enter(regs);
	struct gs_conn *c;
	__u64 key = 0;
	__s32 offset;
	__u8 sent = 0;

	if (!s)
		return 0;
	c = hook_conn(s, &key);
	if (!c || c->kind != GS_K_STREAM || !c->active)
		return 0;
	/* status is followed by wroteHeader and sentHeader. */
	offset = bpf_get_attach_cookie(regs);
	if (c->writer && offset >= 0 &&
	    !bpf_probe_read_user(&sent, 1, (void *)(c->writer + offset + 9)) && sent)
		c->status = status_at(c->writer, offset);
	stream_end(s, c, key, 1);
	return 0;
}

/* Up to Go 1.21 the state of a stream whose client has left is not given back: its handler's
 * end is where (*responseWriter).handlerDone is called. */
SEC("uprobe.multi")
int on_http2_left(struct pt_regs *regs)
{
	__u64 key = 0, rws = 0, stream = 0, writer = GO_ARG0(regs);
	struct scratch *s = hook_call(regs);
	struct gs_conn *c;
	__s32 offset;
	__u32 left;

	if (!s)
		return 0;
	c = hook_conn(s, &key);
	if (!c || c->kind != GS_K_STREAM || !c->active || !user_u64(&rws, writer) ||
	    !user_u64(&stream, rws))
		return 0;
	left = stream_left(s, c, stream);
	if (!left)
		return 0;
	offset = bpf_get_attach_cookie(regs) >> GS_HOOK_STATUS_SHIFT;
	c->status = left == LEFT_UNSENT || c->grpc ? 0 : status_at(rws, offset);
	if (c->routed)
		route_learn(c, key);
	stream_end(s, c, key, 1);
	return 0;
}

/* A channel's first receiver, before Go 1.23 its last. */
#define HCHAN_RECEIVER 64
/* So many frames since the last large write: what answers there are fit the buffer. */
#define FRAMES_IDLE 512
/* http2stream: sc, id, body, cw; since Go 1.27 reqBody before that. What is no channel has no
 * receiver that serves a stream. */
#define STREAM_CW 24

/* The living stream whose handler waits for a channel. */
static __always_inline struct gs_goroutine *handler_behind(struct scratch *s, __u64 channel)
{
	__u64 sudog = 0, g = 0, key;
	struct gs_goroutine *gs;
	struct gs_conn *c;

	if (!channel || !user_u64(&sudog, channel + HCHAN_RECEIVER) || !sudog ||
	    !user_u64(&g, sudog) || !g)
		return 0;
	key = goroutine_key(s->call.slot, g);
	gs = bpf_map_lookup_elem(&goroutines, &key);
	if (!gs || gs->kind != GS_G_OWNER)
		return 0;
	c = conn_get(gs->conn);
	return c && c->kind == GS_K_STREAM && c->active && c->g == g ? gs : 0;
}

/* HTTP/2 writes a frame that does not fit its buffer on a goroutine of its own:
 * writeFrameAsync({writer, stream, done}, ...). The handler whose frame it is waits for
 * `done` (the last piece of a frame has it) and for the stream's end, and so tells the
 * request; one that does not wait yet leaves it unknown. */
SEC("uprobe.multi")
int on_frame_write(struct pt_regs *regs)
{
	__u64 stream = GO_ARG3(regs), done = GO_ARG4(regs), cw = 0, key;
	struct scratch *s = hook_call(regs);
	struct gs_goroutine *gs, *fresh;
	struct gs_conn *c;

	if (!s)
		return 0;
	if (++frames_idle == FRAMES_IDLE)
		tell(GS_E_FRAMES_IDLE, s->call.slot);
	if (!stream)
		return 0;
	gs = handler_behind(s, done);
	if (!gs && user_u64(&cw, stream + STREAM_CW))
		gs = handler_behind(s, cw);
	if (!gs && user_u64(&cw, stream + STREAM_CW + 8))
		gs = handler_behind(s, cw);
	if (!gs)
		return 0;
	c = conn_get(gs->conn);
	if (!c)
		return 0;
	fresh = &s->fresh;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->goid = s->call.goid;
	fresh->parent = gs->goid;
	fresh->kind = GS_G_CHILD;
	fresh->conn = gs->conn;
	fresh->request = c->begin_ns;
	goroutine_set(s->call.slot, s->call.g, fresh);
	return 0;
}

#endif
