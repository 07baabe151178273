/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Connections: how they come to be known, how they end, and whose a call on one is. No
 * probe in the target: everything is seen at the syscalls, keyed by (process, fd).
 */
#ifndef GOSTALL_CONNS_H
#define GOSTALL_CONNS_H

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
	if (c->active && c->kind == GS_K_HTTP1 && c->resp >= GS_R_CLOSE)
		conn_finish(c, key, now);
}

__noinline int conn_forget(__u64 key, __u64 now)
{
	struct gs_conn *c = conn_get(key);

	if (!c)
		return 0;
	conn_finish(c, key, now);
	stash_drop(key, c);
	conn_delete(key);
	return 1;
}

__noinline int conn_new(__u64 key, __u32 kind)
{
	struct gs_conn fresh = {}, *c = conn_near(key);

	fresh.kind = kind;
	if (c) {
		*c = fresh;
		return 1;
	}
	if (bpf_map_update_elem(&conns, &key, &fresh, BPF_ANY)) {
		count(GS_CNT_CONNS_FULL);
		return 0;
	}
	return 1;
}

/* The kernel's file behind a descriptor of the current task. */
static __always_inline struct file *file_of(struct task_struct *task, __u32 fd)
{
	struct files_struct *files = task->files;
	struct file **array, *file = 0;

	if (!files || fd >= BPF_CORE_READ(files, fdt, max_fds))
		return 0;
	array = BPF_CORE_READ(files, fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), array + fd);
	return file;
}

#define MODE_FMT 0170000
#define MODE_SOCK 0140000

static __always_inline int is_socket(__u32 fd)
{
	struct file *file = file_of(bpf_get_current_task_btf(), fd);

	return file && (BPF_CORE_READ(file, f_inode, i_mode) & MODE_FMT) == MODE_SOCK;
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
	if (c->kind >= GS_K_CLIENT && c->kind <= GS_K_HTTP2)
		return NO_LEAF;
	if (class == GS_C_EPOLL_CTL)
		return GS_CONNECTION;
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
