/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * --exact: what the goroutine of a request does between two calls, measured. The runtime changes a goroutine's
 * status in one function, runtime.casgstatus(gp, old, new), and calls it directly: the uprobes stand at those call
 * instructions, which the kernel emulates and where the registers hold the arguments. Summed by request, and by leaf
 * when that ends. A request that began before its process was measured is not.
 */
#ifndef GOSTALL_EXACT_H
#define GOSTALL_EXACT_H

/* A goroutine's statuses (runtime2.go); the bit that a scan sets is masked off. */
#define G_RUNNABLE 1
#define G_RUNNING 2
#define G_WAITING 4
#define G_PREEMPTED 9
#define G_STATUS 0xfff

/* Frames of a stack that are looked at. */
#define EXACT_FRAMES 32

static __always_inline struct gs_exact_slot *exact_slot(__u32 slot)
{
	return bpf_map_lookup_elem(&exact_slots, &slot);
}

static __always_inline void exact_add(struct gs_exact *x, __u32 state, __u64 ns)
{
	_Static_assert(GS_X_STATES == 16, "a mask bounds the index");
	asm volatile("" : "+r"(state));
	state &= GS_X_STATES - 1;
	x->ns[state] += ns;
}

static __always_inline __u64 total_of(__u64 since, __u64 ns, __u64 now)
{
	return since && now > since ? ns + (now - since) : ns;
}

/* So many threads of a process are kept from running by their cgroup now. */
static __always_inline void exact_throttled(__u32 slot, __u32 threads)
{
	struct gs_exact_slot *s = exact_slot(slot);

	if (!s)
		return;
	if ((__s32)threads > 0) {
		if (!s->throttled_since)
			s->throttled_since = bpf_ktime_get_ns();
	} else if (s->throttled_since) {
		s->throttled_ns = total_of(s->throttled_since, s->throttled_ns, bpf_ktime_get_ns());
		s->throttled_since = 0;
	}
}

static struct gs_exact zero_exact;
static struct gs_exact_sums zero_exact_sums;

/* A request's account, new where it has none yet. */
static __always_inline struct gs_exact *exact_of(struct gs_conn *c, __u64 key)
{
	struct gs_exact *x = bpf_map_lookup_elem(&exacts, &key);

	if (!x) {
		bpf_map_update_elem(&exacts, &key, &zero_exact, BPF_NOEXIST);
		x = bpf_map_lookup_elem(&exacts, &key);
		if (!x) {
			count(GS_CNT_EXACT_FULL);
			return 0;
		}
	}
	if (x->begin_ns != c->begin_ns) {
		__builtin_memset(x, 0, sizeof(*x));
		x->begin_ns = c->begin_ns;
	}
	return x;
}

/* The request ends after so long: what was measured goes to its leaf. */
__noinline int exact_end(struct gs_conn *c, __u64 key, __u64 took)
{
	struct gs_exact_sums *sums;
	struct gs_exact_slot *s;
	struct gs_exact *x;
	__u32 i, at;

	if (!c)
		return 0;
	s = exact_slot(key_slot(key));
	at = c->leaf << GS_KEY_CPU_BITS | bpf_get_smp_processor_id();
	sums = bpf_map_lookup_elem(&exact_ledgers, &at);
	if (!sums) {
		bpf_map_update_elem(&exact_ledgers, &at, &zero_exact_sums, BPF_NOEXIST);
		sums = bpf_map_lookup_elem(&exact_ledgers, &at);
		if (!sums)
			return 0;
	}
	x = exact_of(c, key);
	if (!x || !s || !s->since_ns || c->begin_ns < s->since_ns)
		return 0;
	sums->ns[GS_X_TOTAL] += took;
	for (i = 0; i < GS_X_TOTAL; i++) {
		__u64 ns = x->ns[i] < took ? x->ns[i] : took;

		took -= ns;
		sums->ns[i] += ns;
	}
	return 0;
}

/* What a function stands for; GS_X_STATES: nothing, or there is none at this address. */
static __always_inline __u32 exact_function(struct gs_exact_exe *e, __u64 pc)
{
	__u32 at = 0, half, next;

	/* The last that begins before it; places not used begin after everything. */
#pragma unroll
	for (half = GS_X_FUNCTIONS / 2; half; half /= 2) {
		next = at + half;
		asm volatile("" : "+r"(next));
		next &= GS_X_FUNCTIONS - 1;
		if (e->begins[next] < pc)
			at = next;
	}
	asm volatile("" : "+r"(at));
	at &= GS_X_FUNCTIONS - 1;
	return at && pc <= e->ends[at] ? e->states[at] : GS_X_STATES;
}

/* A stack on its way out. */
struct exact_walk {
	struct gs_exact_exe *exe;
	__u64 bias;
	__u64 frame;
	__u32 state;
};

static long exact_frame(__u32 i, void *ctx)
{
	struct exact_walk *w = ctx;
	__u64 words[2];

	if (bpf_probe_read_user(words, sizeof(words), (void *)w->frame))
		return 1;
	w->state = exact_function(w->exe, words[1] - w->bias);
	if (w->state != GS_X_STATES || words[0] <= w->frame)
		return 1;
	w->frame = words[0];
	return 0;
}

/* What the innermost function that stands for something, on the stack of a goroutine that does not run, stands for. */
static __noinline __u32 exact_stack(struct gs_exact_exe *e, __u64 g, __u64 bias)
{
	struct exact_walk w = { .exe = e, .bias = bias, .state = GS_X_STATES };

	if (e->off_bp && user_u64(&w.frame, g + e->off_bp) && w.frame)
		bpf_loop(EXACT_FRAMES, exact_frame, &w, 0);
	return w.state;
}

/* Is who is to be preempted in the collector's functions? Where a stack check has done it, the function has no frame
 * yet, and its return address lies where the stack pointer points. */
static __noinline int exact_collects(struct gs_exact_exe *e, __u64 g, __u64 bias)
{
	__u64 sp = 0, pc = 0;

	if (user_u64(&sp, g + e->off_sp) && sp && !bpf_probe_read_user(&pc, 8, (void *)sp) &&
	    exact_function(e, pc - bias) == GS_X_GC)
		return 1;
	return exact_stack(e, g, bias) == GS_X_GC;
}

/* abi.Type.Hash of time.Time: up to Go 1.23, of 1.24, since. */
#define TIME_HASH_19 0x8cac3de9
#define TIME_HASH_24 0x72934877
#define TIME_HASH_25 0x7353c2e9
#define TIME_SIZE 24
#define KIND_STRUCT 25

/* Does a goroutine that waits for a channel wait for a timer's? (waits.rs, TimerChannel) */
static __noinline int exact_timer(struct gs_exact_exe *e, __u64 g)
{
	__u64 sudog, word, channel, type[3];
	__u32 hash;

	if (!e->off_waiting || !user_u64(&sudog, g + e->off_waiting) || !sudog ||
	    bpf_probe_read_user(&word, 8, (void *)sudog) || word != g ||
	    bpf_probe_read_user(&channel, 8, (void *)(sudog + e->sudog_c)) ||
	    bpf_probe_read_user(&word, 8, (void *)(channel + 8)) || word != 1 ||
	    bpf_probe_read_user(&word, 8, (void *)(channel + e->hchan_elemtype)) ||
	    bpf_probe_read_user(type, sizeof(type), (void *)word))
		return 0;
	hash = type[2];
	return type[0] == TIME_SIZE && (type[2] >> 56 & 31) == KIND_STRUCT &&
	       (hash == TIME_HASH_19 || hash == TIME_HASH_24 || hash == TIME_HASH_25);
}

/* What a goroutine that is about to park waits for; one that is preempted, or yields: for a P, or for the collector. */
static __noinline __u32 exact_waits(__u64 g, __u32 slot, __u32 parks)
{
	struct gs_target *tg = bpf_map_lookup_elem(&targets, &slot);
	struct gs_exact_exe *e;
	__u8 reason = 0, how;
	__u32 stand;

	if (!tg)
		return GS_X_UNKNOWN;
	e = bpf_map_lookup_elem(&exact_exes, &tg->exe_id);
	if (!e)
		return GS_X_UNKNOWN;
	if (!parks)
		return exact_collects(e, g, tg->bias) ? GS_X_GC : GS_X_RUNQ_GO;
	if (bpf_probe_read_user(&reason, 1, (void *)(g + e->off_reason)))
		return GS_X_UNKNOWN;
	how = e->reasons[reason & (GS_X_REASONS - 1)];
	if ((how & GS_X_RECEIVES) && exact_timer(e, g))
		return GS_X_TIMER;
	stand = how & GS_X_STACK ? exact_stack(e, g, tg->bias) : GS_X_STATES;
	return stand == GS_X_STATES ? how & (GS_X_STATES - 1) : stand;
}

/* Ready since x->since: for a P, or kept from it by a world that stood still, or by its cgroup. */
static __always_inline void exact_was_ready(struct gs_exact *x, struct gs_exact_slot *s, __u64 now)
{
	__u64 left = now - x->since, part;

	if (x->state == GS_X_GC) {
		exact_add(x, GS_X_GC, left);
		return;
	}
	part = total_of(s->stopped_since, s->stopped_ns, now) - x->stopped_at;
	part = part < left ? part : left;
	exact_add(x, GS_X_GC, part);
	left -= part;
	part = total_of(s->throttled_since, s->throttled_ns, now) - x->throttled_at;
	part = part < left ? part : left;
	exact_add(x, GS_X_THROTTLED, part);
	exact_add(x, GS_X_RUNQ_GO, left - part);
}

/* It waited for a descriptor, from when a call would have blocked to now: that is wall.h's, but without the time it
 * takes to run again. */
static __always_inline int exact_io(struct gs_conn *c, __u64 key, __u64 now)
{
	struct gs_wall *w = wall_get(key);

	if (!w || w->begin_ns != c->begin_ns || !w->wait_since)
		return 0;
	if (now > w->wait_since)
		wall_add(w, w->wait_state, now - w->wait_since);
	w->wait_since = 0;
	return 1;
}

/* The goroutine that serves a connection's request is about to get another status. */
__noinline int exact_step(struct gs_conn *c, __u64 key, __u32 status, __u32 parks)
{
	__u64 now = bpf_ktime_get_ns();
	struct gs_exact_slot *s;
	struct gs_exact *x;
	__u32 collector = 0;

	if (!c)
		return 0;
	s = exact_slot(key_slot(key));
	x = exact_of(c, key);
	if (!s || !x)
		return 0;
	if (x->since && now > x->since) {
		if (x->ready)
			exact_was_ready(x, s, now);
		else if (x->state != GS_X_IO)
			exact_add(x, x->state, now - x->since);
		else if (!exact_io(c, key, now))
			exact_add(x, GS_X_UNKNOWN, now - x->since);
		collector = x->state == GS_X_GC;
	}
	switch (status & G_STATUS) {
	case G_WAITING:
		x->state = parks & GS_X_PARKS ? exact_waits(c->g, key_slot(key), 1) : GS_X_GC;
		/* For a goroutine that itself has only to run. */
		x->ready = x->state == GS_X_RUNQ_GO;
		break;
	case G_RUNNABLE:
	case G_PREEMPTED:
		/* Who waited for the collector and is ready still waits for it: runtime.GC sweeps meanwhile. */
		if (!x->since)
			collector = exact_waits(c->g, key_slot(key), 0) == GS_X_GC;
		x->ready = 1;
		x->state = collector ? GS_X_GC : GS_X_RUNQ_GO;
		break;
	default:
		x->since = 0;
		x->ran = now;
		return 0;
	}
	x->since = now;
	x->stopped_at = total_of(s->stopped_since, s->stopped_ns, now);
	x->throttled_at = total_of(s->throttled_since, s->throttled_ns, now);
	return 0;
}

/* The request that a goroutine serves itself, if it does. */
static __always_inline struct gs_conn *exact_conn(__u32 slot, __u64 g, __u64 *key)
{
	__u64 gkey = goroutine_key(slot, g);
	struct gs_goroutine *gs = bpf_map_lookup_elem(&goroutines, &gkey);
	struct gs_conn *c;

	if (!gs || gs->kind != GS_G_OWNER)
		return 0;
	*key = gs->conn;
	c = conn_get(gs->conn);
	return c && c->active && c->g == g ? c : 0;
}

/* At `call runtime.casgstatus`, or casGToPreemptScan: (gp, old, new). */
SEC("uprobe.multi")
int on_status(struct pt_regs *regs)
{
	struct gs_thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
	struct gs_conn *c;
	__u64 key = 0;

	if (!t)
		return 0;
	count(GS_CNT_EXACT_HITS);
	c = exact_conn(t->slot, GO_ARG0(regs), &key);
	if (c)
		exact_step(c, key, GO_ARG2(regs), bpf_get_attach_cookie(regs));
	return 0;
}

/* The world is about to be stopped, or started. */
SEC("uprobe.multi")
int on_world(struct pt_regs *regs)
{
	struct gs_thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
	__u64 cookie = bpf_get_attach_cookie(regs), now, key = 0, from, m = 0, g = 0;
	struct gs_exact_slot *s;
	struct gs_target *tg;
	struct gs_exact *x;
	struct gs_conn *c;
	__u32 slot;

	if (!t || ((cookie & GS_HOOK_JBE) && STACK_GROWS(regs)))
		return 0;
	slot = t->slot;
	s = exact_slot(slot);
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!s || !tg)
		return 0;
	count(GS_CNT_EXACT_HITS);
	now = bpf_ktime_get_ns();
	if (!(cookie & GS_X_STARTS)) {
		s->stopped_since = now;
		return 0;
	}
	from = s->stopped_since;
	s->stopped_ns = total_of(from, s->stopped_ns, now);
	s->stopped_since = 0;
	/* Whose goroutine did it: its time since then is the collector's, too. */
	if (!from || !user_u64(&m, REG_G(regs) + tg->off_g_m) || !user_u64(&g, m + tg->off_curg))
		return 0;
	c = exact_conn(slot, g, &key);
	if (!c)
		return 0;
	x = exact_of(c, key);
	if (!x || x->since)
		return 0;
	if (from < x->ran)
		from = x->ran;
	if (from < c->begin_ns)
		from = c->begin_ns;
	if (now > from)
		exact_add(x, GS_X_GC, now - from);
	return 0;
}

#endif
