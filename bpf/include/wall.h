/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where the time of a request's own goroutine goes, as far as calls show it: what it
 * spends in the kernel, what it waits for in a call, and between a call that would have
 * blocked and the next on the same descriptor. Summed by request, and by leaf when the
 * request ends. What it does between other calls is not seen here.
 */
#ifndef GOSTALL_WALL_H
#define GOSTALL_WALL_H

static __always_inline struct gs_wall *wall_get(__u64 key)
{
	__u32 at = near_index(key);

	return at != NOT_NEAR ? bpf_map_lookup_elem(&near_walls, &at) :
				bpf_map_lookup_elem(&walls, &key);
}

static __always_inline void wall_add(struct gs_wall *w, __u32 state, __u64 ns)
{
	_Static_assert(GS_W_STATES == 16, "a mask bounds the index");
	/* The compiler knows that it is; the verifier wants to see it. */
	asm volatile("" : "+r"(state));
	state &= GS_W_STATES - 1;
	if (ns) {
		w->ns[state] += ns;
		w->used |= 1 << state;
	}
}

static struct gs_wall zero_wall;

/* Nearly always one state is all there is. */
static __always_inline void wall_clear(struct gs_wall *w)
{
	__u32 i;

	w->wait_since = 0;
	for (i = 0; i < GS_W_CHILDREN; i++)
		w->child_g[i] = 0;
	if (w->used > 1)
		for (i = 1; i < GS_W_STATES; i++)
			w->ns[i] = 0;
	w->ns[0] = 0;
	w->used = 0;
}

/* A request's wall, new where it has none yet. */
static __always_inline struct gs_wall *wall_of(struct gs_conn *c, __u64 key)
{
	struct gs_wall *w = wall_get(key);

	if (!w) {
		bpf_map_update_elem(&walls, &key, &zero_wall, BPF_NOEXIST);
		w = bpf_map_lookup_elem(&walls, &key);
		if (!w)
			return 0;
	}
	if (w->begin_ns != c->begin_ns) {
		wall_clear(w);
		w->begin_ns = c->begin_ns;
	}
	return w;
}

static struct gs_ledger zero_ledger;

/* The request ends after so long: what is known of it goes to its leaf. */
__noinline int wall_end(struct gs_conn *c, __u64 key, __u64 took)
{
	struct gs_wall *w = wall_get(key);
	struct gs_ledger *l;
	__u32 i, at;

	if (!c || !w || w->begin_ns != c->begin_ns || !w->used)
		return 0;
	at = c->leaf << GS_KEY_CPU_BITS | bpf_get_smp_processor_id();
	l = bpf_map_lookup_elem(&ledgers, &at);
	if (!l) {
		bpf_map_update_elem(&ledgers, &at, &zero_ledger, BPF_NOEXIST);
		l = bpf_map_lookup_elem(&ledgers, &at);
		if (!l)
			return 0;
	}
	/* The parts are never more than the whole: a call may reach beyond its request's end. */
	for (i = 0; i < (w->used > 1 ? GS_W_STATES : 1); i++) {
		__u64 ns;

		if (!(w->used & 1 << i))
			continue;
		ns = w->ns[i] < took ? w->ns[i] : took;
		took -= ns;
		l->ns[i] += ns;
	}
	return 0;
}

#define MODE_FIFO 0010000
#define MODE_BLK 0060000
#define MODE_REG 0100000
#define DNS_PORT 53

/* Is it a socket to port 53? */
static __always_inline int is_dns(struct file *file)
{
	struct socket *sock = BPF_CORE_READ(file, private_data);
	__u16 port = sock ? BPF_CORE_READ(sock, sk, __sk_common.skc_dport) : 0;

	return port == bpf_htons(DNS_PORT);
}

/* What a goroutine waits for that cannot read or write a descriptor at once. */
__noinline __u32 wait_state(__u64 own, __u32 fd, __u32 writes)
{
	struct scratch *s = scratch_get();
	struct file *file;
	struct gs_conn *c;
	__u64 key;

	if (!s)
		return GS_W_OTHER;
	key = conn_key(s->call.slot, fd);
	if (key == own)
		return writes ? GS_W_CLIENT_WRITE : GS_W_CLIENT_READ;
	file = file_of(bpf_get_current_task_btf(), fd);
	if (!file)
		return GS_W_OTHER;
	switch (BPF_CORE_READ(file, f_inode, i_mode) & MODE_FMT) {
	case MODE_FIFO:
		return GS_W_PIPE;
	case MODE_REG:
	case MODE_BLK:
		return GS_W_DISK;
	case MODE_SOCK:
		break;
	default:
		return GS_W_OTHER;
	}
	c = conn_get(key);
	if (c && c->kind != GS_K_CLIENT && c->kind != GS_K_OPAQUE)
		return writes ? GS_W_CLIENT_WRITE : GS_W_CLIENT_READ;
	if (is_dns(file))
		return GS_W_DNS;
	return writes ? GS_W_UPSTREAM_WRITE : GS_W_UPSTREAM_READ;
}

static __always_inline int class_writes(__u32 class)
{
	return class >= GS_C_WRITE && class <= GS_C_SPLICE;
}

/* What a call that blocked its thread waited for. */
static __always_inline __u32 blocked_state(__u64 own, __u32 class, __u32 nr, __u32 fd)
{
	switch (nr_blocks[nr & (GS_MAX_NR - 1)]) {
	case GS_B_DISK:
		return GS_W_DISK;
	case GS_B_LOCK:
		return GS_W_LOCK;
	case GS_B_FD:
		return class == GS_C_CONNECT ? GS_W_UPSTREAM_CONNECT :
					       wait_state(own, fd, class_writes(class));
	}
	return GS_W_OTHER;
}

/* A timer set earlier than the poller sleeps wakes it: 8 bytes to an eventfd, before Go 1.21
 * one to a pipe. */
static __always_inline int wakes_poller(struct call *k, __u32 class)
{
	struct file *file;
	__u32 mode;

	if (class != GS_C_WRITE || (k->arg2 != 8 && k->arg2 != 1))
		return 0;
	file = file_of(bpf_get_current_task_btf(), k->arg0);
	if (!file)
		return 0;
	mode = BPF_CORE_READ(file, f_inode, i_mode) & MODE_FMT;
	return k->arg2 == 8 ? !mode : mode == MODE_FIFO;
}

#define EAGAIN 11
#define EINPROGRESS 115

/* What a goroutine waits for that such a call returns to; GS_W_STATES: for nothing. */
static __always_inline __u32 wait_after(struct call *k, __u32 class, __u32 res, __u32 *fd)
{
	*fd = k->arg0;
	if (res == EINPROGRESS && class == GS_C_CONNECT)
		return GS_W_UPSTREAM_CONNECT;
	if (res != EAGAIN || class == GS_C_NONE || class > GS_C_SPLICE)
		return GS_W_STATES;
	if (class == GS_C_SPLICE)
		*fd = k->arg2;
	return wait_state(k->conn_key, *fd, class_writes(class));
}

/* A call of a child goroutine of a request has returned: whoever asks what the request
 * waits for may look at it. */
__noinline int wall_child(struct gs_conn *c, __u32 class, __u32 res)
{
	struct scratch *s = scratch_get();
	struct gs_wall *w;
	struct call *k;
	__u32 i, fd, at = GS_W_CHILDREN;

	if (!s || !c)
		return 0;
	k = &s->call;
	w = k->g && k->goid ? wall_of(c, k->conn_key) : 0;
	if (!w)
		return 0;
	for (i = 0; i < GS_W_CHILDREN; i++)
		if (w->child_g[i] == k->g)
			at = i;
	if (at == GS_W_CHILDREN) {
		at = w->child_next;
		w->child_next = at >= GS_W_CHILDREN - 1 ? 0 : at + 1;
	}
	for (i = 0; i < GS_W_CHILDREN; i++) {
		if (i != at)
			continue;
		w->child_g[i] = k->g;
		w->child_goid[i] = k->goid;
		w->child_state[i] = wait_after(k, class, res, &fd);
	}
	return 0;
}

/* A call of a request's own goroutine has returned. */
__noinline int wall_call(struct gs_thread *t, __u32 class, __u32 res)
{
	struct scratch *s = scratch_get();
	struct gs_wall *w;
	struct gs_conn *c;
	struct call *k;
	__u64 from, cpu, off;
	__u32 state, fd;

	if (!s || !t)
		return 0;
	k = &s->call;
	c = conn_get(k->conn_key);
	if (!c || !c->active)
		return 0;
	/* Where goroutines cannot be told, the connection's own calls are what is known. */
	if (c->g ? c->g != (k->g ? k->g : k->reg_g) : !!k->g)
		return c->g ? wall_child(c, class, res) : 0;
	w = wall_of(c, k->conn_key);
	if (!w)
		return 0;
	if (w->wait_since) {
		/* The runtime makes calls as it parks and goes on. Another descriptor's by the
		 * goroutine itself: it has given up, nobody knows when. */
		int other = class != GS_C_NONE && class != GS_C_EPOLL_CTL &&
			    (!k->g || k->g == k->reg_g) && !wakes_poller(k, class);

		if ((!other || w->wait_fd == (__u32)k->arg0) && k->begin > w->wait_since)
			wall_add(w, w->wait_state, k->begin - w->wait_since);
		w->wait_since = other ? 0 : k->now;
	}
	/* The part of a call before the request's first byte is nobody's. */
	from = k->begin > c->begin_ns ? k->begin : c->begin_ns;
	cpu = k->now > from ? k->now - from : 0;
	if (t->blocked_ns | t->runq_ns | t->throttled_ns) {
		off = t->blocked_ns < cpu ? t->blocked_ns : cpu;
		cpu -= off;
		if (off)
			wall_add(w, blocked_state(k->conn_key, class, k->nr, k->arg0), off);
		off = t->runq_ns < cpu ? t->runq_ns : cpu;
		cpu -= off;
		wall_add(w, GS_W_RUNQ, off);
		off = t->throttled_ns < cpu ? t->throttled_ns : cpu;
		cpu -= off;
		wall_add(w, GS_W_THROTTLED, off);
	}
	wall_add(w, GS_W_CPU_KERNEL, cpu);
	if (!c->g)
		return 0;
	if (res != EAGAIN && res != EINPROGRESS)
		return 0;
	state = wait_after(k, class, res, &fd);
	if (state != GS_W_STATES) {
		w->wait_fd = fd;
		w->wait_state = state;
		w->wait_since = k->now;
	}
	return 0;
}

#endif
