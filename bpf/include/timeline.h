/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Requests kept whole: a place for each that is in flight, taken when it begins; when it
 * ends it is raised if it was slow, and the place is free again. What goes into it is
 * moments.h's part. None of it is there unless it was asked for.
 */
#ifndef GOSTALL_TIMELINE_H
#define GOSTALL_TIMELINE_H

/* Raised a second and CPU: more nobody reads, and each may be 23 kB. */
#define TIMELINES_PER_SECOND 1000

static __always_inline __u64 timeline_id(__u64 key, __u64 begin)
{
	return (key * HASH_K ^ begin) | 1;
}

static __always_inline struct gs_timeline *timeline_at(__u64 key, __u32 probe)
{
	__u32 at = (key * HASH_K >> 40) + probe;

	at &= GS_TIMELINES - 1;
	return bpf_map_lookup_elem(&timelines, &at);
}

/* The place of a request in flight; none: it is not kept. */
static __always_inline struct gs_timeline *timeline_find(__u64 key, __u64 begin)
{
	__u64 id = timeline_id(key, begin);
	struct gs_timeline *l;
	__u32 i;

	for (i = 0; i < GS_TL_PROBES; i++) {
		l = timeline_at(key, i);
		if (l && l->id == id)
			return l;
	}
	return 0;
}

static __always_inline void timeline_take(struct gs_timeline *l, __u64 key, __u64 begin)
{
	__u32 i;

	/* Nobody finds a descriptor of the request that was here before. */
	for (i = 0; i < GS_TL_FDS && i < l->nfds; i++)
		l->fds[i].gone = 1;
	l->nmoments = 0;
	l->nfds = 0;
	l->client = 0;
	l->begin_ns = begin;
	barrier();
	l->key = key;
}

/* A request has begun: it takes a free place, or that of one which has ended unseen. */
__noinline int timeline_begin(struct gs_conn *c, __u64 key)
{
	struct gs_timeline *l;
	struct gs_conn *other;
	__u64 id, old;
	__u32 i;

	if (!c || c->skip)
		return 0;
	id = timeline_id(key, c->begin_ns);
	for (i = 0; i < GS_TL_PROBES; i++) {
		l = timeline_at(key, i);
		if (l && !l->id && !__sync_val_compare_and_swap(&l->id, 0, id)) {
			timeline_take(l, key, c->begin_ns);
			return 1;
		}
	}
	for (i = 0; i < GS_TL_PROBES; i++) {
		l = timeline_at(key, i);
		if (!l)
			continue;
		old = l->id;
		/* Somebody is taking it right now. */
		if (timeline_id(l->key, l->begin_ns) != old)
			continue;
		other = conn_get(l->key);
		if (other && other->active && other->begin_ns == l->begin_ns)
			continue;
		if (__sync_val_compare_and_swap(&l->id, old, id) == old) {
			timeline_take(l, key, c->begin_ns);
			return 1;
		}
	}
	count(GS_CNT_TIMELINES_FULL);
	return 0;
}

static struct gs_bar zero_bar;

struct bar_look {
	struct gs_bar *bar;
	__u64 least;
	__u32 at;
};

static long bar_step(__u32 i, void *ctx)
{
	struct bar_look *l = ctx;

	if (i >= GS_SLOWEST_MAX || i >= slowest_kept)
		return 1;
	if (l->bar->top[i] < l->least) {
		l->least = l->bar->top[i];
		l->at = i;
	}
	return 0;
}

/* Is a request that took so long among the slowest of its leaf so far? It is from now on. Two CPUs
 * may overwrite each other's: then the bar is too low, and one too many is raised. */
static __always_inline int bar_pass(__u32 leaf, __u64 took)
{
	struct bar_look l = { .least = ~0ULL };
	__u32 at;

	l.bar = bpf_map_lookup_elem(&bars, &leaf);
	if (!l.bar) {
		bpf_map_update_elem(&bars, &leaf, &zero_bar, BPF_NOEXIST);
		l.bar = bpf_map_lookup_elem(&bars, &leaf);
		if (!l.bar) {
			count(GS_CNT_TIMELINES_FULL);
			return 0;
		}
	}
	if (took <= l.bar->least)
		return 0;
	bpf_loop(GS_SLOWEST_MAX, bar_step, &l, 0);
	at = l.at;
	if (at >= GS_SLOWEST_MAX)
		return 0;
	l.bar->top[at] = took;
	l.least = ~0ULL;
	bpf_loop(GS_SLOWEST_MAX, bar_step, &l, 0);
	l.bar->least = l.least;
	return 1;
}

static __always_inline int timeline_allowed(void)
{
	struct scratch *s = scratch_get();
	__u64 now = bpf_ktime_get_ns();

	if (!s)
		return 0;
	if (now - s->line_tokens_at > 1000000000ULL) {
		s->line_tokens_at = now;
		s->line_tokens = TIMELINES_PER_SECOND;
	}
	if (!s->line_tokens)
		return 0;
	s->line_tokens--;
	return 1;
}

/* The goid of the goroutine that serves it. */
static __always_inline __u64 goid_of(__u32 slot, __u64 g)
{
	__u64 key = goroutine_key(slot, g);
	struct gs_goroutine *gs = g ? bpf_map_lookup_elem(&goroutines, &key) : 0;

	return gs ? gs->goid : 0;
}

/* Hands a request up. */
__noinline int timeline_raise(struct gs_conn *c, __u64 key, __u64 end, __u32 res)
{
	struct gs_timeline *l;
	__u32 n, size;

	if (!c)
		return 0;
	l = timeline_find(key, c->begin_ns);
	if (!l)
		return 0;
	l->kind = GS_E_TIMELINE;
	l->slot = key_slot(key);
	l->leaf = c->leaf;
	l->res = res;
	l->end_ns = end;
	l->g = c->g;
	l->goid = goid_of(l->slot, c->g);
	if (c->trace_hi | c->trace_lo) {
		l->flags |= GS_TF_TRACEPARENT;
		l->trace_hi = c->trace_hi;
		l->trace_lo = c->trace_lo;
		l->span = c->span;
	}
	n = l->nmoments;
	if (n > GS_TL_MOMENTS)
		n = GS_TL_MOMENTS;
	size = offsetof(struct gs_timeline, moments) + n * sizeof(struct gs_moment);
	asm volatile("" : "+r"(size));
	if (size > sizeof(*l))
		size = sizeof(*l);
	if (!timeline_allowed() || bpf_ringbuf_output(&events, l, size, BPF_RB_NO_WAKEUP))
		count(GS_CNT_TIMELINES_LIMITED);
	return 0;
}

/* The request ends; `shown`: it is one that a report counts. */
__noinline int timeline_end(struct gs_conn *c, __u64 key, __u64 end, __u32 res, __u32 shown)
{
	struct gs_timeline *l;
	__u64 took;
	__u32 why = 0;

	if (!c)
		return 0;
	l = timeline_find(key, c->begin_ns);
	if (!l)
		return 0;
	took = end - c->begin_ns;
	if (shown) {
		if (slow_ns && took >= slow_ns)
			why |= GS_TF_SLOW;
		if (slowest_kept && bar_pass(c->leaf, took))
			why |= GS_TF_SLOWEST;
	}
	if (why) {
		l->flags = why;
		timeline_raise(c, key, end, res);
	}
	l->id = 0;
	return 0;
}

/* A place in the time line for one moment more. */
static __always_inline struct gs_moment *moment_next(struct gs_timeline *l)
{
	__u32 at = __sync_fetch_and_add(&l->nmoments, 1);

	/* What is cut is counted by nmoments. */
	if (at >= GS_TL_MOMENTS)
		return 0;
	asm volatile("" : "+r"(at));
	return &l->moments[at & (GS_TL_MOMENTS - 1)];
}

/* Shorter ones are many, and explain nothing. */
#define STRETCH_NS 20000

/* Between calls, its goroutine's thread was kept off its processor. */
__noinline int timeline_stretch(struct gs_conn *c, __u64 key, __u32 kind, __u64 begin, __u64 ns)
{
	struct gs_timeline *l;
	struct gs_moment *m;

	if (!c || ns < STRETCH_NS)
		return 0;
	l = timeline_find(key, c->begin_ns);
	/* What is cut are calls. */
	m = l && l->nmoments < GS_TL_MOMENTS ? moment_next(l) : 0;
	if (!m)
		return 0;
	m->begin_ns = begin;
	m->dur_ns = ns;
	m->ret = 0;
	m->goid = 0;
	m->blocked_ns = m->runq_ns = m->throttled_ns = 0;
	m->fd = -1;
	m->nr = 0;
	m->kind = kind;
	m->flags = GS_MF_OWN;
	m->state = 0;
	m->seen = 0;
	barrier();
	m->request = c->begin_ns;
	return 0;
}

/* moments.h; a request may end within the call that is its last. */
__noinline int timeline_last(__u32 class);

#endif
