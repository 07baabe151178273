/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * HTTP/1.0 and 1.1 as they lie on the wire: where a request line, a head and a body
 * end, resumable at any byte. Pure: it works on a buffer and a gs_conn, calls no
 * helper, and is built a second time for user space, where it is fuzzed and tested.
 * It knows nothing of goroutines, endpoints or time.
 *
 * Whole words are searched at once where it pays (header lines, paths); what is
 * split over reads is taken byte by byte. Each parser is a step function that its
 * caller repeats until it returns true; its state lives in memory the verifier does
 * not track (scratch.h), so that loops over it are walked once.
 *
 * Requests stand here, responses in response1.h.
 */
#ifndef GOSTALL_HTTP1_H
#define GOSTALL_HTTP1_H

/* The bytes of a message that are looked at in one go; loads may run over its end. */
#define WINDOW 4096
#define WINDOW_PAD 72

#define ONES 0x0101010101010101ULL
#define HIGHS 0x8080808080808080ULL
#define LOWER 0x2020202020202020ULL

/* Eight bytes as the little-endian word they make. */
#define W8(a, b, c, d, e, f, g, h)                                                          \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/* Where a message parser stands in the window. Windows have WINDOW + WINDOW_PAD bytes;
 * what lies beyond len is garbage. */
struct feed {
	__u32 off;
	__u32 len;
	__u64 more; /* bytes of the same read beyond the window */
};

static __always_inline __u64 load8(const __u8 *buf, __u32 off)
{
	__u64 w;

	__builtin_memcpy(&w, buf + (off & (WINDOW - 1)), 8);
	return w;
}

/* Marks the lowest byte of w equal to ch; bits above that one are not to be trusted. */
static __always_inline __u64 find_byte(__u64 w, __u8 ch)
{
	__u64 x = w ^ (ONES * ch);

	return (x - ONES) & ~x & HIGHS;
}

/* The same for bytes below n (n <= 128). */
static __always_inline __u64 find_below(__u64 w, __u8 n)
{
	return (w - ONES * n) & ~w & HIGHS;
}

/* Index of the lowest marked byte. */
static __always_inline __u32 first_mark(__u64 z)
{
	__u32 k = 0;

	z &= -z;
	if (!(z & 0xffffffffULL)) {
		k = 4;
		z >>= 32;
	}
	if (!(z & 0xffffULL)) {
		k += 2;
		z >>= 16;
	}
	return k + !(z & 0xffULL);
}

/* Moves past the line's end if it lies in the next 64 bytes; tells if it did. */
static __always_inline int skip_line(struct feed *f, const __u8 *buf)
{
	__u32 i;

	for (i = 0; i < 8; i++) {
		__u64 z = find_byte(load8(buf, f->off), '\n');

		if (z) {
			f->off += first_mark(z) + 1;
			return f->off <= f->len;
		}
		f->off += 8;
		if (f->off >= f->len)
			return 0;
	}
	return 0;
}

enum { HK_NONE = 0, HK_LENGTH = 1, HK_CODING = 2, HK_TRACE = 3 };

static __always_inline void head_end(struct gs_conn *c)
{
	if (c->chunked) {
		c->phase = GS_P_CHUNK_SIZE;
		c->body_left = 0;
		c->hlen = 0;
	} else if (c->has_length && c->body_left) {
		c->phase = GS_P_BODY;
	} else {
		c->phase = GS_P_DONE;
	}
}

static __always_inline int is_lower_word(struct gs_conn *c, __u32 at, __u64 want)
{
	__u64 w;

	__builtin_memcpy(&w, c->hname + at, 8);
	return w == want;
}

static __always_inline __u8 header_kind(struct gs_conn *c)
{
	if (c->hlen == 14 && is_lower_word(c, 0, W8('c', 'o', 'n', 't', 'e', 'n', 't', '-')) &&
	    is_lower_word(c, 6, W8('t', '-', 'l', 'e', 'n', 'g', 't', 'h')))
		return HK_LENGTH;
	if (c->hlen == 17 && is_lower_word(c, 0, W8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r')) &&
	    is_lower_word(c, 8, W8('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n')) && c->hname[16] == 'g')
		return HK_CODING;
	if (c->hlen == 11 && is_lower_word(c, 0, W8('t', 'r', 'a', 'c', 'e', 'p', 'a', 'r')) &&
	    is_lower_word(c, 3, W8('c', 'e', 'p', 'a', 'r', 'e', 'n', 't')))
		return HK_TRACE;
	return HK_NONE;
}

static __always_inline int hex_digit(__u8 ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 0x20;
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	return -1;
}

/* One character of a header's value. */
static __always_inline void header_value(struct gs_conn *c, __u8 ch)
{
	int d;

	switch (c->hkind) {
	case HK_LENGTH:
		if (ch >= '0' && ch <= '9') {
			if (c->body_left < (1ULL << 56))
				c->body_left = c->body_left * 10 + (ch - '0');
			c->has_length = 1;
		}
		break;
	case HK_CODING:
		/* Every transfer coding a server accepts ends in chunked. */
		c->chunked = 1;
		break;
	case HK_TRACE:
		/* "00-" 32 hex "-" 16 hex "-" 2 hex; hval counts the characters. */
		if (ch == ' ' && c->hval == 0)
			break;
		d = hex_digit(ch);
		if (c->hval >= 3 && c->hval < 19)
			c->trace_hi = c->trace_hi << 4 | (d & 15);
		else if (c->hval >= 19 && c->hval < 35)
			c->trace_lo = c->trace_lo << 4 | (d & 15);
		else if (c->hval >= 36 && c->hval < 52)
			c->span = c->span << 4 | (d & 15);
		/* Not a traceparent after all: no identity rather than a wrong one. */
		if (c->hval < 52) {
			int dash = c->hval == 2 || c->hval == 35;

			if (dash ? ch != '-' : d < 0) {
				c->trace_hi = c->trace_lo = c->span = 0;
				c->hkind = HK_NONE;
			}
		}
		c->hval++;
		break;
	}
}

static __always_inline void header_value_end(struct gs_conn *c)
{
	if (c->hkind == HK_TRACE && c->hval < 52)
		c->trace_hi = c->trace_lo = c->span = 0;
}

/* Names worth reading letter by letter, by their first eight. */
static __always_inline int header_wanted(__u64 w)
{
	w |= LOWER;
	return w == W8('c', 'o', 'n', 't', 'e', 'n', 't', '-') ||
	       w == W8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r') ||
	       w == W8('t', 'r', 'a', 'c', 'e', 'p', 'a', 'r');
}

static __always_inline void body_skip(struct gs_conn *c, struct feed *f)
{
	__u64 here = f->len - f->off, take = c->body_left;

	if (take > here + f->more)
		take = here + f->more;
	c->body_left -= take;
	if (take <= here) {
		f->off += take;
	} else {
		f->more -= take - here;
		f->off = f->len;
	}
}

/* One step over the message after its request line; true at its end or the data's. */
static __always_inline long http1_step(struct gs_conn *c, struct feed *f, const __u8 *buf)
{
	__u8 ch;
	int d;

	if (f->off >= f->len)
		return 1;
	ch = buf[f->off & (WINDOW - 1)];
	switch (c->phase) {
	case GS_P_LINE_REST:
	case GS_P_HDR_SKIP:
		if (skip_line(f, buf)) {
			c->phase = GS_P_HDR;
			c->hlen = 0;
		}
		return 0;
	case GS_P_HDR:
		if (c->hlen == 0 && ch != '\r' && ch != '\n' && f->off + 8 <= f->len &&
		    !header_wanted(load8(buf, f->off))) {
			/* Of no interest: past its end at once, if it is not long. */
			if (!skip_line(f, buf))
				c->phase = GS_P_HDR_SKIP;
			return 0;
		}
		if (c->hlen == 0 && (load8(buf, f->off) & 0xffff) == ('\r' | '\n' << 8) &&
		    f->off + 2 <= f->len) {
			f->off += 2;
			head_end(c);
			return c->phase == GS_P_DONE;
		}
		f->off++;
		if (ch == '\n') {
			if (c->hlen == 0)
				head_end(c);
			c->hlen = 0;
		} else if (ch == ':') {
			c->hkind = header_kind(c);
			c->phase = c->hkind ? GS_P_HDR_VALUE : GS_P_HDR_SKIP;
			c->hval = 0;
			if (c->hkind == HK_LENGTH)
				c->body_left = 0;
			if (c->hkind == HK_TRACE) {
				c->trace_hi = c->trace_lo = c->span = 0;
				c->more = 1;
			}
		} else if (ch == '\r' && c->hlen == 0) {
			/* an empty line's first half */
		} else {
			__u32 n = c->hlen;

			/* Keeps the bound check and the index in one register. */
			asm volatile("" : "+r"(n));
			if (n < 20)
				c->hname[n] = ch | 0x20;
			if (c->hlen < 255)
				c->hlen++;
		}
		return 0;
	case GS_P_HDR_VALUE:
		f->off++;
		if (ch == '\n') {
			header_value_end(c);
			c->phase = GS_P_HDR;
			c->hlen = 0;
		} else if (ch != '\r') {
			header_value(c, ch);
		}
		return 0;
	case GS_P_BODY:
		body_skip(c, f);
		if (!c->body_left)
			c->phase = GS_P_DONE;
		return 0;
	case GS_P_CHUNK_SIZE:
		d = hex_digit(ch);
		if (d >= 0) {
			f->off++;
			c->hlen = 1;
			if (c->body_left < (1ULL << 56))
				c->body_left = c->body_left << 4 | d;
			return 0;
		}
		c->phase = GS_P_CHUNK_EXT;
		return 0;
	case GS_P_CHUNK_EXT:
		if (skip_line(f, buf)) {
			c->phase = c->body_left ? GS_P_CHUNK_DATA : GS_P_TRAILER;
			c->hlen = 0;
		}
		return 0;
	case GS_P_CHUNK_DATA:
		body_skip(c, f);
		if (!c->body_left)
			c->phase = GS_P_CHUNK_END;
		return 0;
	case GS_P_CHUNK_END:
		if (skip_line(f, buf)) {
			c->phase = GS_P_CHUNK_SIZE;
			c->body_left = 0;
			c->hlen = 0;
		}
		return 0;
	case GS_P_TRAILER:
		if (ch == '\n') {
			f->off++;
			c->phase = GS_P_DONE;
		} else if (ch == '\r') {
			f->off++;
		} else {
			c->phase = GS_P_TRAILER_LINE;
		}
		return 0;
	case GS_P_TRAILER_LINE:
		if (skip_line(f, buf))
			c->phase = GS_P_TRAILER;
		return 0;
	}
	return 1;
}

/* A request line, as far as its target. */
struct target {
	__u64 method;	/* first eight letters */
	__u64 hash;	/* of method and path */
	__u32 line;	/* offsets into the window: where the line begins, */
	__u32 off;	/* where the parser stands, */
	__u32 len;
	__u32 path;	/* the path, */
	__u32 path_end; /* its end; 0: not found yet */
	__u32 cut;	/* it was longer than TARGET_MAX */
};

/* What follows the target of nearly every request: 1 when the line ends right there. */
#define VERSION_LEN 11
static __always_inline int http1_version(const __u8 *buf, __u32 off)
{
	return load8(buf, off) == W8(' ', 'H', 'T', 'T', 'P', '/', '1', '.') &&
	       buf[(off + 8) & (WINDOW - 1)] >= '0' && buf[(off + 9) & (WINDOW - 1)] == '\r' &&
	       buf[(off + 10) & (WINDOW - 1)] == '\n';
}
enum { LINE_MORE = 0, LINE_OK = 1, LINE_BAD = -1 };
#define METHOD_MAX 20
/* Longer targets are cut here; their last segment counts as a placeholder. */
#define TARGET_MAX 1024
#define TARGET_STEPS (TARGET_MAX / 8)

#define HASH_K 0x9e3779b97f4a7c15ULL

static __always_inline __u64 mix(__u64 h, __u64 w)
{
	h = (h ^ w) * HASH_K;
	return h ^ (h >> 29);
}

/* Old clients send an empty line after a POST; then comes the method. `seed` keeps
 * hashes from being guessed. */
static __always_inline int http1_method(struct target *t, const __u8 *buf, __u64 seed)
{
	__u64 method = 0;
	__u32 i;

	for (i = 0; i < 4; i++) {
		__u8 ch = buf[t->off & (WINDOW - 1)];

		if (t->off < t->len && (ch == '\r' || ch == '\n'))
			t->off++;
	}
	t->line = t->off;
	t->cut = t->path_end = 0;
	for (i = 0; i < METHOD_MAX; i++) {
		__u8 ch = buf[t->off & (WINDOW - 1)];

		if (t->off >= t->len)
			return LINE_MORE;
		t->off++;
		if (ch == ' ' && i) {
			if (t->off >= t->len)
				return LINE_MORE;
			t->method = method;
			t->hash = mix(seed, method);
			t->path = t->off;
			return LINE_OK;
		}
		/* Methods in use are upper-case words, some with a dash. */
		if (!((ch >= 'A' && ch <= 'Z') || (i && (ch == '-' || ch == '_'))))
			return LINE_BAD;
		if (i < 8)
			method |= (__u64)ch << (8 * i);
	}
	return LINE_BAD;
}

/* Looks for the path's end, eight bytes a step, TARGET_STEPS steps at most. */
static __always_inline long target_step(struct target *t, const __u8 *buf)
{
	__u64 w, z;
	__u32 k;

	if (t->off >= t->len)
		return 1;
	w = load8(buf, t->off);
	/* A path ends at a space, a control character, '?' or '#'. */
	z = find_below(w, 0x21) | find_byte(w, '?') | find_byte(w, '#');
	if (!z) {
		t->hash = mix(t->hash, w);
		t->off += 8;
		/* The rest of the word is garbage, not a part of the path. */
		if (t->off > t->len)
			t->off = t->len;
		return 0;
	}
	k = first_mark(z);
	if (t->off + k >= t->len) {
		t->off = t->len;
		return 1;
	}
	t->off += k;
	t->path_end = t->off;
	if (k)
		t->hash = mix(t->hash, w & ((1ULL << (8 * k)) - 1));
	return 1;
}

/* After the steps: is the path whole? An over-long one is cut. */
static __always_inline int http1_target(struct target *t)
{
	if (t->path_end)
		return LINE_OK;
	if (t->off < t->path + TARGET_MAX)
		return LINE_MORE;
	t->path_end = t->path + TARGET_MAX;
	t->off = t->path_end;
	t->cut = 1;
	return LINE_OK;
}

#endif
