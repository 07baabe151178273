/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The beginning of an HTTP/1 response: its status, where its head ends, how long its
 * body is. Pure like http1.h, whose words it uses. Not resumable: it reads what the
 * first write of a response holds, and leaves the body to outgoing.h.
 */
#ifndef GOSTALL_RESPONSE1_H
#define GOSTALL_RESPONSE1_H

/* The beginning of a response. */
struct response {
	__u32 off;
	__u32 len;
	__u32 status;
	__u32 head_end; /* 0: not within the bytes seen */
	__u32 chunked;
	__u32 has_length;
	__u32 whole;	/* [0, len) is all that was written */
	__u32 inside;	/* off lies within a line, not at its beginning */
	__u64 length;
};

#define RESPONSE_STEPS 96
/* "Date: Sun, 06 Nov 1994 08:49:37 GMT" and its line's end (RFC 9110, 5.6.7); the place
 * of " GMT" in it: a date of another form ends elsewhere. */
#define DATE_LINE 37
#define DATE_ZONE 31

static __always_inline int ends_head(const __u8 *buf, __u32 at)
{
	return at >= 4 && (__u32)(load8(buf, at - 4)) == ('\r' | '\n' << 8 | '\r' << 16 | '\n' << 24);
}

/* Past the line's end, or 64 bytes further where that is not in them. */
static __always_inline long response_skip(struct response *r, const __u8 *buf)
{
	__u32 k;

	for (k = 0; k < 8; k++) {
		__u64 z = find_byte(load8(buf, r->off), '\n');

		if (z) {
			r->off += first_mark(z) + 1;
			r->inside = 0;
			return 0;
		}
		r->off += 8;
	}
	r->inside = 1;
	return 0;
}

static __always_inline long response_step(struct response *r, const __u8 *buf)
{
	__u64 w;
	__u32 k;

	if (r->off >= r->len)
		return 1;
	if (r->inside)
		return response_skip(r, buf);
	w = load8(buf, r->off);
	if ((w & 0xffff) == ('\r' | '\n' << 8)) {
		if (r->off + 2 <= r->len)
			r->head_end = r->off + 2;
		return 1;
	}
	if ((w & 0xff) == '\n') {
		r->head_end = r->off + 1;
		return 1;
	}
	w |= LOWER;
	if (w == W8('c', 'o', 'n', 't', 'e', 'n', 't', '-')) {
		__u64 v = load8(buf, r->off + 8) | LOWER;

		if ((v & 0xffffffffffffffULL) == W8('l', 'e', 'n', 'g', 't', 'h', ':', 0)) {
			__u64 n = 0;

			for (k = 15; k < 40; k++) {
				__u8 ch = buf[(r->off + k) & (WINDOW - 1)];

				if (ch >= '0' && ch <= '9')
					n = n * 10 + (ch - '0');
				else if (ch != ' ')
					break;
			}
			if (r->off + k < r->len) {
				r->length = n;
				r->has_length = 1;
				/* Most often all of it is here: then the head ends where the
				 * body must begin, and there is no need to look further. */
				if (r->whole && n < r->len - r->off &&
				    ends_head(buf, r->len - (__u32)n)) {
					r->head_end = r->len - (__u32)n;
					return 1;
				}
			}
		}
	} else if ((w & 0xffffffffffffULL) == W8('d', 'a', 't', 'e', ':', ' ', 0, 0) &&
		   (load8(buf, r->off + DATE_ZONE) & 0xffffffffffffULL) ==
			   W8(' ', 'G', 'M', 'T', '\r', '\n', 0, 0)) {
		/* In every response, and always as long. */
		r->off += DATE_LINE;
		return 0;
	} else if (w == W8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r')) {
		if (r->off + 18 <= r->len &&
		    (load8(buf, r->off + 8) | LOWER) == W8('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n') &&
		    (load8(buf, r->off + 16) & 0xffdf) == ('G' | ':' << 8))
			r->chunked = 1;
	}
	return response_skip(r, buf);
}

/* Sets out on the bytes [0, len); 0: they do not begin a response. */
static __always_inline int http1_response(struct response *r, const __u8 *buf, __u32 len,
					  __u32 whole)
{
	__u64 w = load8(buf, 0);

	/* "HTTP/1.1 200 OK" ends at 17; other reasons are looked through. */
	r->inside = len <= 17 ||
		    (load8(buf, 12) & 0xffffffffffULL) != W8(' ', 'O', 'K', '\r', '\n', 0, 0, 0);
	r->off = r->inside ? 12 : 17;
	r->whole = whole;
	r->len = len;
	r->head_end = r->chunked = r->has_length = 0;
	r->length = 0;
	if (len < 13 || (w & 0xffffffffffffffULL) != W8('H', 'T', 'T', 'P', '/', '1', '.', 0))
		return 0;
	r->status = (buf[9] - '0') * 100 + (buf[10] - '0') * 10 + (buf[11] - '0');
	return r->status >= 100 && r->status <= 999;
}

#endif
