/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which threads are watched: marked in task storage, so that everybody else's calls
 * leave after one look-up. New threads inherit the mark; processes only where the
 * target says so; an exec is told to user space, which reads the new executable.
 */
#ifndef GOSTALL_THREADS_H
#define GOSTALL_THREADS_H

/* Programs get memory from a small store that the kernel fills up a moment later: a mark may find it
 * empty. */
static __always_inline int mark(struct task_struct *task, __u32 slot)
{
	struct gs_thread fresh = { .slot = slot };

	if (bpf_task_storage_get(&threads, task, &fresh, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 1;
	unmarked++;
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(on_newtask, struct task_struct *task, __u64 clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct gs_thread *t = bpf_task_storage_get(&threads, parent, 0, 0);
	struct gs_target *tg;
	__u32 slot;

	if (!t)
		return 0;
	slot = t->slot;
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg)
		return 0;
	if (!(clone_flags & 0x00010000 /* CLONE_THREAD */)) {
		if (!tg->follow)
			return 0;
		slot = GS_LIMBO;
	}
	if (!mark(task, slot)) {
		count(GS_CNT_LATE_THREADS);
		tell(GS_E_UNMARKED, slot);
	}
	return 0;
}

static __always_inline void slot_copy(struct gs_target *to, struct gs_target *from, struct mm_struct *mm)
{
	to->exe_id = from->exe_id;
	to->off_goid = from->off_goid;
	to->off_parent = from->off_parent;
	to->off_g_m = from->off_g_m;
	to->off_startpc = from->off_startpc;
	to->off_curg = from->off_curg;
	to->tls_known = from->tls_known;
	to->cgo = from->cgo;
	to->shared_owner = 0;
	to->tls_off = from->tls_off;
	to->http = from->http;
	to->text_vaddr = from->text_vaddr;
	to->sysmon_lo = from->sysmon_lo;
	to->sysmon_hi = from->sysmon_hi;
	/* start_code is the run-time address of the first executable segment. */
	to->bias = BPF_CORE_READ(mm, start_code) - from->text_vaddr;
	to->born_goid = 0;
	to->max_goid = 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct gs_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct gs_target *tg, *old, *known = 0;
	struct exe_key key = {};
	struct gs_event *e;
	__u32 slot, *from;

	if (!t)
		return 0;
	old = bpf_map_lookup_elem(&targets, &t->slot);
	slot = __sync_fetch_and_add(&next_slot, 1);
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg || !old) {
		/* No slot left: this one is no longer watched. */
		bpf_task_storage_delete(&threads, task);
		return 0;
	}
	key.dev = BPF_CORE_READ(bprm, file, f_inode, i_sb, s_dev);
	key.ino = BPF_CORE_READ(bprm, file, f_inode, i_ino);
	from = bpf_map_lookup_elem(&known_exes, &key);
	if (from)
		known = bpf_map_lookup_elem(&targets, from);
	tg->follow = old->follow;
	tg->tgid = task->tgid;
	tg->exec_ns = bpf_ktime_get_ns();
	if (known && known->state >= GS_SLOT_THREADS) {
		slot_copy(tg, known, task->mm);
		tg->state = known->state;
	} else {
		tg->state = GS_SLOT_PENDING;
	}
	t->slot = slot;
	t->g0 = t->m = 0;
	t->sysmon = t->tries = 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(GS_CNT_RING_FULL);
		return 0;
	}
	e->kind = GS_E_EXEC;
	e->slot = slot;
	e->tgid = task->tgid;
	e->flags = known != 0;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* Marks the threads that exist when we attach: all whose leader is marked. */
SEC("iter/task")
int mark_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct gs_thread *t;

	if (!task)
		return 0;
	leader = task->group_leader;
	if (!leader || leader == task)
		return 0;
	t = bpf_task_storage_get(&threads, leader, 0, 0);
	if (t && !bpf_task_storage_get(&threads, task, 0, 0))
		mark(task, t->slot);
	return 0;
}

#endif
