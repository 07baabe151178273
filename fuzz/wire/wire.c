/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel side's HTTP/1 parsers (bpf/include/http1.h, response1.h) in user space: a
 * stream is fed in pieces, and what the parser finds in it is handed back as a list.
 * Windows are filled as incoming.h fills them, less its bounds on kept bytes. Says
 * nothing of what is right: that is wire.rs and reference.rs.
 */
#include <linux/types.h>
#include <string.h>

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

#include "abi.h"
#include "http1.h"
#include "response1.h"

/* As in message_take (incoming.h): beyond it the verifier's loop ends. */
#define MESSAGE_STEPS (WINDOW + 1024)

/* More than any load reaches over the end; further back lies what was there before. */
#define GARBAGE 128

enum { FOUND_LINE = 1, FOUND_END = 2, FOUND_BAD = 3, FOUND_REST = 4 };

/* One thing found; offsets count from the stream's beginning. Mirrored in wire.rs. */
struct found {
	__u64 kind;
	__u64 at; /* LINE, BAD: where the request line begins; END: behind its last byte */
	__u64 method;
	__u64 path, path_end;
	__u64 hash;
	__u64 cut;
	__u64 chunked, has_length;
	__u64 trace_hi, trace_lo, span;
	__u64 left; /* REST: bytes to come of the body or chunk */
};

static __u8 window[WINDOW + WINDOW_PAD];

struct wire {
	/* Objects of their own, so that an access beyond one is seen. */
	struct gs_conn *c;
	__u8 *buf;
	struct found *found;
	__u32 max, count;
	__u64 pos; /* of the next byte to be fed */
	__u32 kept; /* bytes of an incomplete request line, still in buf */
	__u8 bad;
	__u8 garbage; /* what windows are filled up with */
	const char *broken; /* a promise that did not hold */
};

static void begin(struct wire *w)
{
	struct gs_conn *c = w->c;

	/* What request_begin sets; hname keeps what the last request left. */
	c->body_left = 0;
	c->trace_hi = c->trace_lo = c->span = 0;
	c->chunked = c->has_length = c->hlen = 0;
	c->phase = GS_P_LINE;
}

static void put(struct wire *w, const struct found *f)
{
	if (w->count == w->max)
		w->broken = "more messages than bytes";
	else
		w->found[w->count++] = *f;
}

/* line_find and line_take of incoming.h. */
static int line(struct wire *w, __u32 len, __u64 base)
{
	struct target t = { .len = len };
	struct found f = { .kind = FOUND_LINE };
	int i, r = http1_method(&t, w->buf, 0x5eed);

	if (r == LINE_OK) {
		for (i = 0; i < TARGET_STEPS && !target_step(&t, w->buf); i++)
			;
		r = http1_target(&t);
	}
	if (r == LINE_MORE)
		return 0;
	if (r == LINE_BAD) {
		f.kind = FOUND_BAD;
		f.at = base;
		put(w, &f);
		w->bad = 1;
		return 0;
	}
	if (t.off > len || t.path_end > len || t.path > t.path_end)
		w->broken = "a request line longer than the bytes it was found in";
	f.at = base + t.line;
	f.method = t.method;
	f.path = base + t.path;
	f.path_end = base + t.path_end;
	f.hash = t.hash;
	f.cut = t.cut;
	put(w, &f);
	w->c->phase = GS_P_LINE_REST;
	if (t.off + VERSION_LEN <= len && http1_version(w->buf, t.off)) {
		t.off += VERSION_LEN;
		w->c->phase = GS_P_HDR;
	}
	return t.off;
}

static __u32 message(struct wire *w, struct feed *f)
{
	__u32 len = f->len;
	__u64 more = f->more;
	int i;

	for (i = 0; i < MESSAGE_STEPS && !http1_step(w->c, f, w->buf); i++)
		;
	if (w->c->phase != GS_P_DONE && f->off < len)
		w->broken = "the steps did not suffice for a window";
	if (f->more > more || (f->more < more && f->off < len))
		w->broken = "bytes behind the window were taken before its end";
	return f->off > len ? len : f->off;
}

/* Feeds n bytes. */
static void feed(struct wire *w, const __u8 *data, __u64 n)
{
	while (n && !w->bad && !w->broken) {
		__u32 had = w->c->phase == GS_P_LINE ? w->kept : 0;
		__u32 room = WINDOW - had, take = n < room ? n : room, off = 0;
		__u64 base = w->pos - had, used;
		struct feed f = { .len = had + take, .more = n - take };

		memcpy(w->buf + had, data, take);
		memset(w->buf + f.len, w->garbage,
		       room - take + WINDOW_PAD < GARBAGE ? room - take + WINDOW_PAD : GARBAGE);
		if (w->c->phase == GS_P_LINE) {
			off = line(w, f.len, base);
			if (w->bad)
				return;
			if (!off) {
				if (f.len == WINDOW)
					w->broken = "a whole window is not enough for a request line";
				w->kept = f.len;
				w->pos += take;
				data += take;
				n -= take;
				continue;
			}
			w->kept = 0;
		}
		f.off = off > f.len ? f.len : off;
		off = message(w, &f);
		/* Behind the window's end, `more` tells how far it went. */
		used = off - had + (n - take - f.more);
		if (off < f.len && w->c->phase != GS_P_DONE)
			w->broken = "neither at the window's end nor at the message's";
		w->pos += used;
		data += used;
		n -= used;
		if (w->c->phase == GS_P_DONE) {
			struct found e = {
				.kind = FOUND_END,
				.at = w->pos,
				.chunked = w->c->chunked,
				.has_length = w->c->has_length,
				.trace_hi = w->c->trace_hi,
				.trace_lo = w->c->trace_lo,
				.span = w->c->span,
			};

			put(w, &e);
			begin(w);
		}
	}
}

/*
 * The stream in pieces of the lengths given, over and over (none: in one piece).
 * Returns how much was found, at most `max`; *broken names a promise that did not hold.
 */
__u32 gostall_wire_requests(const __u8 *data, __u64 n, const __u32 *pieces, __u32 npieces,
			    __u8 garbage, struct found *found, __u32 max, const char **broken)
{
	static struct gs_conn conn;
	struct wire w = { .c = &conn, .buf = window, .found = found, .max = max, .garbage = garbage };
	struct found rest = { .kind = FOUND_REST };
	__u64 at = 0;
	__u32 i = 0;

	memset(&conn, 0, sizeof(conn));
	memset(window, garbage, sizeof(window));
	begin(&w);
	while (at < n) {
		__u64 len = npieces ? pieces[i++ % npieces] : n;

		if (!len || len > n - at)
			len = n - at;
		feed(&w, data + at, len);
		at += len;
	}
	if (w.c->phase == GS_P_BODY || w.c->phase == GS_P_CHUNK_DATA)
		rest.left = w.c->body_left;
	put(&w, &rest);
	*broken = w.broken;
	return w.count;
}

/* Mirrored in wire.rs. */
struct answer {
	__u64 status; /* 0: no response */
	__u64 head_end;
	__u64 chunked, has_length, length;
};

/* response_scan of outgoing.h, on at most 1024 bytes as response_begin gives it. */
void gostall_wire_response(const __u8 *data, __u32 n, __u32 whole, __u8 garbage,
			   struct answer *out, const char **broken)
{
	struct response r = {};
	int i;

	*broken = 0;
	memset(out, 0, sizeof(*out));
	memset(window, garbage, sizeof(window));
	memcpy(window, data, n);
	if (http1_response(&r, window, n, whole)) {
		for (i = 0; i < RESPONSE_STEPS && !response_step(&r, window); i++)
			;
		if (r.head_end > n)
			*broken = "a head that ends behind the bytes it was found in";
		out->status = r.status;
		out->head_end = r.head_end;
		out->chunked = r.chunked;
		out->has_length = r.has_length;
		out->length = r.length;
	}
}
