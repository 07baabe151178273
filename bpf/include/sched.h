/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Watched threads on and off their processors: in a call, what of its duration was
 * waiting and for what; between calls, for how long a request was kept from computing.
 */
#ifndef GOSTALL_SCHED_H
#define GOSTALL_SCHED_H

/* A thread has become, or is no longer, one that its cgroup keeps from running. */
static __always_inline void throttle_note(struct gs_thread *t, int more)
{
	__u32 zero = 0, slot = t->slot;
	struct near_high *high = bpf_map_lookup_elem(&near_highs, &zero);

	if (high && slot < CONN_SLOTS) {
		__sync_fetch_and_add(&high->throttled[slot], more);
		if (exact_on)
			exact_throttled(slot, high->throttled[slot]);
	}
}

/* The goroutine that a thread computes for, if it is one that serves a request itself. */
static __always_inline __u64 computing(struct gs_thread *t, struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct gs_goroutine *gs;
	__u64 g = REG_G(regs), key = goroutine_key(t->slot, g);

	gs = bpf_map_lookup_elem(&goroutines, &key);
	return gs && gs->kind == GS_G_OWNER ? g : 0;
}

/* Time between calls in which a goroutine's thread had no processor. */
static __always_inline void kept_off(struct gs_thread *t, __u32 state, __u64 out, __u64 ns)
{
	__u64 key = goroutine_key(t->slot, t->out_g);
	struct gs_goroutine *gs = bpf_map_lookup_elem(&goroutines, &key);
	struct gs_conn *c;
	struct gs_wall *w;

	if (!gs || gs->kind != GS_G_OWNER)
		return;
	key = gs->conn;
	c = conn_get(key);
	if (!c || !c->active || c->g != t->out_g || c->begin_ns > out)
		return;
	w = wall_of(c, key);
	if (w)
		wall_add(w, state, ns);
	if (keeps_timelines)
		timeline_stretch(c, key, state == GS_W_RUNQ_USER ? GS_M_RUNQ :
					 state == GS_W_THROTTLED_USER ? GS_M_THROTTLED : GS_M_FAULT,
				 out, ns);
}

static __always_inline void back_on(struct gs_thread *t, __u64 now)
{
	__u64 out = t->out_ns, off, woken;

	t->out_ns = 0;
	if (!out)
		return;
	/* What was noted is taken back, whatever the clock says. */
	if (t->out_how == GS_OUT_THROTTLED || t->woken_throttled)
		throttle_note(t, -1);
	if (now <= out)
		return;
	off = now - out;
	if (t->enter_ns) {
		if (t->out_how == GS_OUT_RUNNABLE) {
			t->runq_ns += off;
		} else if (t->out_how == GS_OUT_THROTTLED) {
			t->throttled_ns += off;
		} else {
			woken = t->wake_ns > out && t->wake_ns < now ? t->wake_ns : now;
			t->blocked_ns += woken - out;
			if (t->woken_throttled)
				t->throttled_ns += now - woken;
			else
				t->runq_ns += now - woken;
		}
		return;
	}
	if (t->out_g)
		kept_off(t, t->out_how == GS_OUT_RUNNABLE  ? GS_W_RUNQ_USER :
			    t->out_how == GS_OUT_THROTTLED ? GS_W_THROTTLED_USER :
							     GS_W_FAULT, out, off);
}

/* Is it kept off by its cgroup (or one above), which has used up its time? Linux 6.18 marks tasks;
 * before, whole run queues. */
static __always_inline int throttled(struct task_struct *task)
{
	if (bpf_core_field_exists(task->throttled))
		return BPF_CORE_READ(task, throttled);
	if (bpf_core_field_exists(((struct cfs_rq *)0)->throttle_count))
		return BPF_CORE_READ(task, se.cfs_rq, throttle_count) > 0;
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct gs_thread *t = bpf_task_storage_get(&threads, prev, 0, 0);
	__u64 now = 0;

	if (t) {
		now = bpf_ktime_get_ns();
		t->out_ns = now;
		t->wake_ns = 0;
		if (!preempt && prev_state)
			t->out_how = GS_OUT_BLOCKED;
		else
			t->out_how = throttled(prev) ? GS_OUT_THROTTLED : GS_OUT_RUNNABLE;
		t->out_g = t->enter_ns ? 0 : computing(t, prev);
		t->woken_throttled = 0;
		if (t->out_how == GS_OUT_THROTTLED)
			throttle_note(t, 1);
	}
	t = bpf_task_storage_get(&threads, next, 0, 0);
	if (t)
		back_on(t, now ? now : bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct gs_thread *t = bpf_task_storage_get(&threads, task, 0, 0);

	if (t && t->out_ns && !t->wake_ns) {
		t->wake_ns = bpf_ktime_get_ns();
		t->woken_throttled = throttled(task);
		if (t->woken_throttled)
			throttle_note(t, 1);
	}
	return 0;
}

#endif
