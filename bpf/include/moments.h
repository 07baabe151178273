/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a request's time line is made of: each call made on its behalf, by its own goroutine
 * or a child, with what its descriptor leads to. Children run on other CPUs at the same
 * time: a place is taken first and filled then, and says last whose it is.
 */
#ifndef GOSTALL_MOMENTS_H
#define GOSTALL_MOMENTS_H

/* Later than this a request that the wire does not show is worth a look at its headers. */
#define TRACE_AFTER_NS 1000000

static __always_inline struct gs_fd_seen *seen_next(struct gs_timeline *l, __u32 *at)
{
	__u32 i = l->nfds;

	if (i >= GS_TL_FDS)
		return 0;
	i = __sync_fetch_and_add(&l->nfds, 1);
	if (i >= GS_TL_FDS)
		return 0;
	asm volatile("" : "+r"(i));
	if (i >= GS_TL_FDS)
		return 0;
	*at = i + 1;
	return &l->fds[i];
}

/* What the call's descriptor leads to; 1 + its index. */
__noinline __u32 seen_fd(struct gs_timeline *l, __u32 fd, __u32 class)
{
	struct scratch *s = scratch_get();
	struct gs_fd_seen *f;
	struct gs_event *e;
	struct file *file;
	__u32 i, last, at = 0, n, mode;
	__u64 ino;

	if (!l || !s)
		return 0;
	file = file_of(bpf_get_current_task_btf(), fd);
	if (!file)
		return 0;
	ino = BPF_CORE_READ(file, f_inode, i_ino);
	/* The last first: a socket has its peer only once it is connected. */
	last = l->nfds < GS_TL_FDS ? l->nfds : GS_TL_FDS;
	for (i = 0; i < GS_TL_FDS && i < last && class != GS_C_CONNECT; i++) {
		at = last - 1 - i;
		asm volatile("" : "+r"(at));
		if (at >= GS_TL_FDS)
			break;
		f = &l->fds[at];
		if (f->fd == (__s32)fd && f->ino == ino && !f->gone)
			return at + 1;
	}
	at = 0;
	f = seen_next(l, &at);
	if (!f)
		return 0;
	e = &s->event;
	e->fd_kind = GS_FD_NONE;
	e->sock_state = 0;
	e->family = e->lport = e->rport = 0;
	e->path_len = e->stack_len = 0;
	__builtin_memset(e->laddr, 0, sizeof(e->laddr));
	__builtin_memset(e->raddr, 0, sizeof(e->raddr));
	mode = BPF_CORE_READ(file, f_inode, i_mode) & MODE_FMT;
	if (mode == MODE_SOCK) {
		event_socket(e, file);
	} else {
		e->fd_kind = mode == MODE_FIFO ? GS_FD_PIPE : mode ? GS_FD_FILE : GS_FD_ANON;
		e->path_len = event_path(e, file, 0, e->fd_kind == GS_FD_ANON);
	}
	f->kind = e->fd_kind;
	f->sock_state = e->sock_state;
	f->family = e->family;
	f->lport = e->lport;
	f->rport = e->rport;
	__builtin_memcpy(f->laddr, e->laddr, sizeof(f->laddr));
	__builtin_memcpy(f->raddr, e->raddr, sizeof(f->raddr));
	n = e->path_len;
	f->cut = n > GS_TL_PATH;
	if (n > GS_TL_PATH)
		n = GS_TL_PATH;
	asm volatile("" : "+r"(n));
	if (n > GS_TL_PATH)
		n = GS_TL_PATH;
	bpf_probe_read_kernel(f->path, n, e->data);
	f->path_len = n;
	f->ino = ino;
	f->fd = fd;
	barrier();
	f->gone = 0;
	return at;
}

/* A descriptor that has been closed: what it led to, which its number no longer does. */
__noinline __u32 seen_closed(struct gs_timeline *l, __u32 fd)
{
	__u32 i, found = 0;

	if (!l)
		return 0;
	for (i = 0; i < GS_TL_FDS && i < l->nfds; i++)
		if (l->fds[i].fd == (__s32)fd && !l->fds[i].gone) {
			l->fds[i].gone = 1;
			found = i + 1;
		}
	return found;
}

/* The call's path argument. */
__noinline __u32 seen_path(struct gs_timeline *l, __u64 path)
{
	struct gs_fd_seen *f;
	__u32 at = 0;
	long n;

	if (!l)
		return 0;
	f = seen_next(l, &at);
	if (!f)
		return 0;
	n = bpf_probe_read_user_str(f->path, GS_TL_PATH, (void *)path);
	f->path_len = n > 0 ? n : 0;
	f->cut = n == GS_TL_PATH;
	f->kind = GS_FD_FILE;
	f->ino = 0;
	f->fd = -1;
	return n > 0 ? at : 0;
}

/* Whose call it is: GS_MF_OWN, or the child's goid. */
static __always_inline __u32 moment_who(struct scratch *s, struct gs_thread *t, struct gs_conn *c,
					__u64 *goid)
{
	struct call *k = &s->call;
	struct gs_target *tg;

	/* Where goroutines cannot be told, nobody's. */
	if (!c->g)
		return 0;
	/* The connection's fast path never asked who runs. */
	if (!k->g && k->reg_g != c->g) {
		tg = target_of(s);
		if (tg && tg->state == GS_SLOT_GO)
			goroutine_find(s, t, tg);
	}
	if ((k->g ? k->g : k->reg_g) == c->g)
		return GS_MF_OWN | (k->g && k->g != k->reg_g ? GS_MF_RUNTIME : 0);
	*goid = k->goid;
	return k->g && k->g != k->reg_g ? GS_MF_RUNTIME : 0;
}

/* What the call waited for, or will have to. */
static __always_inline __u32 moment_wait(struct gs_thread *t, struct call *k, __u32 class, __u32 res,
					 __u32 *flags)
{
	__u32 fd, state = wait_after(k, class, res, &fd);

	if (state != GS_W_STATES) {
		*flags |= GS_MF_AGAIN;
		return state;
	}
	if (t->blocked_ns) {
		*flags |= GS_MF_BLOCKED;
		return blocked_state(k->conn_key, class, k->nr, k->arg0);
	}
	return 0;
}

/* A call on behalf of a request has returned. */
__noinline int timeline_call(struct gs_thread *t, __u32 class, __u32 res)
{
	struct scratch *s = scratch_get();
	struct gs_timeline *l;
	struct gs_moment *m;
	struct gs_conn *c;
	struct call *k;
	__u32 flags, state, seen = 0;
	__u64 goid = 0;
	__s32 fd = -1;

	if (!s || !t)
		return 0;
	k = &s->call;
	if (k->noted) {
		k->noted = 0;
		return 0;
	}
	c = conn_get(k->conn_key);
	if (!c || !c->active)
		return 0;
	l = timeline_find(k->conn_key, c->begin_ns);
	if (!l)
		return 0;
	if (c->request && k->now - c->begin_ns > TRACE_AFTER_NS && c->resp != GS_R_COMPLETE)
		trace_learn(c, k->conn_key);
	m = moment_next(l);
	if (!m)
		return 0;
	flags = moment_who(s, t, c, &goid);
	state = moment_wait(t, k, class, res, &flags);
	if (class == GS_C_CLOSE) {
		fd = k->arg0;
		if (!res)
			seen = seen_closed(l, fd);
	} else if (class == GS_C_PATH0 || class == GS_C_PATH1) {
		seen = seen_path(l, class == GS_C_PATH0 ? k->arg0 : k->arg1);
	} else if (class_has_fd(class)) {
		fd = class == GS_C_EPOLL_CTL ? k->arg2 : k->arg0;
		if (class == GS_C_SPLICE && !is_socket(fd))
			fd = k->arg2;
		/* Its own connection's number is nobody else's before it ends. */
		if (conn_key(k->slot, fd) == k->conn_key) {
			if (!l->client)
				l->client = seen_fd(l, fd, class);
			seen = l->client;
		} else {
			seen = seen_fd(l, fd, class);
		}
	}
	m->begin_ns = k->begin;
	m->dur_ns = k->now - k->begin;
	m->ret = k->ret;
	m->goid = goid;
	m->blocked_ns = t->blocked_ns;
	m->runq_ns = t->runq_ns;
	m->throttled_ns = t->throttled_ns;
	m->fd = fd;
	m->nr = k->nr;
	m->kind = GS_M_CALL;
	m->flags = flags;
	m->state = state;
	m->seen = seen;
	barrier();
	m->request = c->begin_ns;
	return 0;
}

/* The call that returns now is its request's last: it goes in before the request ends. */
__noinline int timeline_last(__u32 class)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct gs_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct scratch *s = scratch_get();

	if (!t || !s)
		return 0;
	timeline_call(t, class, 0);
	s->call.noted = 1;
	return 0;
}

#endif
