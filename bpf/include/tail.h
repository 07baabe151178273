/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is raised to user space call by call: snapshots of the tail (slow, or failed
 * with an errno of interest) and the lines of `gostall trace`. All of it is off the
 * hot path; what does not fit the ring or the rate is counted.
 */
#ifndef GOSTALL_TAIL_H
#define GOSTALL_TAIL_H

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define PATH_PARTS 20
#define PATH_PART_MAX 64

struct path_walk {
	struct gs_event *e;
	struct dentry *d;
	struct dentry *root_d;
	struct vfsmount *root_m;
	struct vfsmount *m;
	__u32 base;
	__u32 len;
	__u32 bare; /* no path, a name only */
};

/* One component from the file towards the root of the target's own file system. */
static long path_part(__u32 i, void *ctx)
{
	struct path_walk *w = ctx;
	struct dentry *d = w->d, *parent;
	struct vfsmount *m = w->m;
	struct mount *mnt = (void *)m - bpf_core_field_offset(struct mount, mnt);
	const unsigned char *name;
	__u32 at = w->base + w->len;
	long n;

	if (w->d == w->root_d && w->m == w->root_m)
		return 1;
	if (w->d == BPF_CORE_READ(m, mnt_root) && !w->bare) {
		struct mount *up = BPF_CORE_READ(mnt, mnt_parent);

		if (up == mnt)
			return 1;
		w->d = BPF_CORE_READ(mnt, mnt_mountpoint);
		w->m = (struct vfsmount *)((void *)up + bpf_core_field_offset(struct mount, mnt));
		return 0;
	}
	parent = BPF_CORE_READ(d, d_parent);
	if (parent == w->d)
		return 1;
	if (w->len > GS_PATH_MAX - PATH_PART_MAX || at > GS_EVENT_DATA - PATH_PART_MAX)
		return 1;
	name = BPF_CORE_READ(d, d_name.name);
	n = bpf_probe_read_kernel_str(w->e->data + at, PATH_PART_MAX, name);
	if (n <= 0)
		return 1;
	w->len += n;
	w->d = parent;
	return parent == d;
}

static __always_inline __u32 event_path(struct gs_event *e, struct file *file, __u32 base,
					__u32 bare)
{
	struct path_walk w = { .e = e, .base = base, .bare = bare };
	struct task_struct *task = bpf_get_current_task_btf();

	w.d = BPF_CORE_READ(file, f_path.dentry);
	w.m = BPF_CORE_READ(file, f_path.mnt);
	w.root_d = BPF_CORE_READ(task, fs, root.dentry);
	w.root_m = BPF_CORE_READ(task, fs, root.mnt);
	bpf_loop(PATH_PARTS, path_part, &w, 0);
	return w.len;
}

static __always_inline int event_socket(struct gs_event *e, struct file *file)
{
	struct socket *sock = BPF_CORE_READ(file, private_data);
	struct sock *sk = sock ? BPF_CORE_READ(sock, sk) : 0;

	e->fd_kind = GS_FD_SOCKET;
	if (!sk)
		return 0;
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	e->sock_state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (e->family == AF_INET) {
		e->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
		e->rport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
		BPF_CORE_READ_INTO((__u32 *)e->laddr, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)e->raddr, sk, __sk_common.skc_daddr);
	} else if (e->family == AF_INET6) {
		e->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
		e->rport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
		BPF_CORE_READ_INTO((struct in6_addr *)e->laddr, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)e->raddr, sk, __sk_common.skc_v6_daddr);
	}
	return 0;
}

static __always_inline int class_has_fd(__u32 class)
{
	return class != GS_C_NONE && class != GS_C_SIGRETURN && class != GS_C_PATH0 &&
	       class != GS_C_PATH1 && class != GS_C_CLOSE && class != GS_C_CLOSE_RANGE;
}

/* What the call's descriptor leads to. The path goes to data[] behind the stack. */
__noinline int event_fd(__u32 class)
{
	struct scratch *s = scratch_get();
	struct gs_event *e;
	struct file *file;
	__u32 mode;

	if (!s)
		return 0;
	e = &s->event;
	e->fd = class == GS_C_EPOLL_CTL ? s->call.arg2 : s->call.arg0;
	file = file_of(bpf_get_current_task_btf(), e->fd);
	if (!file)
		return 0;
	mode = BPF_CORE_READ(file, f_inode, i_mode) & MODE_FMT;
	if (mode == MODE_SOCK)
		return event_socket(e, file);
	e->fd_kind = mode == 0010000 ? GS_FD_PIPE : mode ? GS_FD_FILE : GS_FD_ANON;
	e->path_len = event_path(e, file, e->stack_len, e->fd_kind == GS_FD_ANON);
	return 0;
}

/* Fills scratch.event from the call, but for its variable parts. */
static __always_inline void event_head(struct scratch *s, struct pt_regs *regs, __u32 flags)
{
	struct gs_event *e = &s->event;
	struct task_struct *task = bpf_get_current_task_btf();
	struct call *k = &s->call;
	struct gs_conn *c;
	__u64 key;

	__builtin_memset(e, 0, offsetof(struct gs_event, data));
	e->kind = GS_E_CALL;
	e->start_ns = k->begin;
	e->dur_ns = k->now - k->begin;
	e->ret = k->ret;
	e->args[0] = k->arg0;
	e->args[1] = k->arg1;
	e->args[2] = k->arg2;
	e->args[3] = ARG3(regs);
	e->args[4] = ARG4(regs);
	e->args[5] = ARG5(regs);
	e->slot = k->slot;
	e->tgid = task->tgid;
	e->tid = task->pid;
	e->nr = k->nr;
	e->leaf = k->leaf;
	e->fd = -1;
	e->flags = flags;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	if (k->leaf >= GS_FIRST_NODE && k->conn_key) {
		key = k->conn_key;
		c = conn_get(key);
		/* Once answered, the response keeps its request only until its goroutine has
		 * written the last of it; a child's call may come later. */
		if (c && c->request && c->active &&
		    (c->resp != GS_R_COMPLETE || !k->goid || k->g == c->g))
			trace_learn(c, key);
		if (c && (c->trace_hi | c->trace_lo)) {
			e->trace_hi = c->trace_hi;
			e->trace_lo = c->trace_lo;
			e->span = c->span;
			e->flags |= GS_EF_TRACEPARENT;
		}
	}
}

static __noinline int emit(void *ctx, struct pt_regs *regs, struct gs_thread *t, __u32 class,
			   __u32 flags)
{
	struct scratch *s = scratch_get();
	struct gs_target *tg;
	struct gs_event *e;
	__u64 path;
	__u32 size;
	long n;

	if (!s)
		return 0;
	tg = target_of(s);
	if (!tg)
		return 0;
	e = &s->event;
	event_head(s, regs, flags);
	/* The connection's fast path never asked who runs. */
	if (!s->call.goid && tg->state == GS_SLOT_GO && s->call.leaf >= GS_CONNECTION)
		goroutine_find(s, t, tg);
	e->goid = s->call.goid;
	e->parent = s->call.parent;
	if (!e->parent && e->goid && tg->off_parent >= 0)
		bpf_probe_read_user(&e->parent, 8, (void *)(s->call.g + tg->off_parent));
	if ((flags & GS_EF_TAIL) || settings.trace_stacks) {
		n = bpf_get_stack(ctx, e->data, GS_STACK_MAX * 8, BPF_F_USER_STACK);
		if (n > 0) {
			e->stack_len = n;
			e->flags |= GS_EF_STACK;
		}
	}
	if (class_has_fd(class))
		event_fd(class);
	size = e->stack_len + e->path_len;
	if (class == GS_C_PATH0 || class == GS_C_PATH1) {
		path = class == GS_C_PATH0 ? e->args[0] : e->args[1];
		if (size <= GS_EVENT_DATA - GS_PATH_MAX) {
			n = bpf_probe_read_user_str(e->data + size, GS_PATH_MAX, (void *)path);
			if (n > 0)
				e->arg_len = n;
		}
	}
	size += e->arg_len + offsetof(struct gs_event, data);
	if (size > sizeof(*e))
		size = sizeof(*e);
	if (bpf_ringbuf_output(&events, e, size, BPF_RB_NO_WAKEUP))
		count(GS_CNT_RING_FULL);
	return 0;
}

/* At most tail_per_sec snapshots a second and CPU. */
static __always_inline int tail_allowed(__u64 now)
{
	struct scratch *s = scratch_get();

	if (!s)
		return 0;
	if (now - s->tokens_at > 1000000000ULL) {
		s->tokens_at = now;
		s->tokens = settings.tail_per_sec;
	}
	if (!s->tokens) {
		count(GS_CNT_TAIL_LIMITED);
		return 0;
	}
	s->tokens--;
	return 1;
}

static __always_inline int errno_in(const __u64 *set, __u32 res)
{
	return res && res < GS_ERRNO_WORDS * 64 &&
	       (set[(res >> 6) & (GS_ERRNO_WORDS - 1)] >> (res & 63) & 1);
}

/* Decides what this call raises. */
static __always_inline __u32 wanted(struct scratch *s, __u32 nf, __u32 res, __u64 ns)
{
	__u32 flags = 0, leaf = s->call.leaf;

	if (settings.tail && leaf >= GS_CONNECTION) {
		int slow = ns >= tail_ns[s->call.nr & (GS_MAX_NR - 1)] &&
			   (leaf >= GS_FIRST_NODE || !(nf & GS_NRF_WAITS));

		if ((slow || errno_in(settings.tail_errno, res)) && tail_allowed(s->call.now))
			flags |= GS_EF_TAIL;
	}
	if (settings.trace && (nf & GS_NRF_TRACE) && ns >= settings.trace_min_ns &&
	    (!settings.trace_any_errno || errno_in(settings.trace_errno, res)))
		flags |= GS_EF_TRACE;
	return flags;
}

#endif
