/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Reads and writes of requests told apart, for --what-if: on the client's connection or
 * elsewhere, how many bytes, and whether a read filled its buffer. Not part of the
 * programs unless it was asked for when they were loaded.
 */
#ifndef GOSTALL_MOVED_H
#define GOSTALL_MOVED_H

const volatile __u8 what_if = 0;

__noinline int moved(__u32 class, __u64 ns)
{
	struct scratch *s = scratch_get();
	__u32 nr, res;
	struct call *k;

	if (!s)
		return 0;
	k = &s->call;
	if (k->ret <= 0 || k->skip || k->leaf < GS_FIRST_NODE || k->leaf == GS_PENDING ||
	    !settings.counting)
		return 0;
	/* A stream's key is no descriptor's. */
	res = k->conn_key && !(k->conn_key >> 63) && (__u32)k->conn_key == (__u32)k->arg0 ?
		      0 :
		      GS_MOVED_ELSEWHERE;
	if (class == GS_C_READ) {
		nr = GS_NR_READ;
		/* net/http's background reader wants one byte and no more. */
		if ((__u64)k->ret == k->arg2 && k->arg2 > 1)
			res |= GS_MOVED_FULL;
	} else if (class == GS_C_WRITE) {
		nr = GS_NR_WRITE;
	} else {
		return 0;
	}
	record(k->leaf, nr, res, ns);
	/* A distribution of bytes has the same shape. */
	record(k->leaf, nr, res | GS_MOVED_BYTES, k->ret);
	return 0;
}

#endif
