/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Births of goroutines, for targets where g.parentGoid is not enough: a parent that
 * makes no call of its own, a child that outlives its request. One uprobe, at the
 * `call runtime.runqput` inside newproc (an instruction the kernel emulates), attached
 * only while somebody needs it.
 */
#ifndef GOSTALL_LINEAGE_H
#define GOSTALL_LINEAGE_H

/* So many births of no consequence: user space is asked to look whether to go on. */
#define BIRTHS_IDLE 512

static __always_inline void birth_idle(__u32 slot)
{
	if (++births_idle == BIRTHS_IDLE)
		tell(GS_E_BIRTHS_IDLE, slot);
}

SEC("uprobe.multi")
int on_newproc(struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct gs_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct gs_goroutine fresh = {}, *p;
	struct gs_target *tg;
	struct gs_conn *c;
	__u64 newg = GO_ARG1(regs), m = 0, curg = 0, goid = 0, startpc = 0, key;
	__u32 slot;

	if (!t)
		return 0;
	slot = t->slot;
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg || tg->state != GS_SLOT_GO)
		return 0;
	count(GS_CNT_LINEAGE_SPAWNS);
	/* newproc runs on the system stack: g is g0, the parent is m.curg. */
	if (!user_u64(&m, REG_G(regs) + tg->off_g_m) || !user_u64(&curg, m + tg->off_curg) || !curg)
		return 0;
	key = goroutine_key(slot, curg);
	p = bpf_map_lookup_elem(&goroutines, &key);
	if (!p || (p->kind != GS_G_OWNER && p->kind != GS_G_CHILD)) {
		birth_idle(slot);
		return 0;
	}
	if (!user_u64(&goid, curg + tg->off_goid) || goid != p->goid)
		return 0;
	c = conn_get(p->conn);
	if (!c || !c->active || (p->kind == GS_G_CHILD && c->begin_ns != p->request))
		return 0;
	/* Neither net/http's reader nor what the collector starts from within a request is
	 * a child that matters. */
	if (!user_u64(&startpc, newg + tg->off_startpc) || role_of(tg, startpc)) {
		birth_idle(slot);
		return 0;
	}
	if (!user_u64(&fresh.goid, newg + tg->off_goid))
		return 0;
	fresh.parent = p->goid;
	fresh.kind = GS_G_CHILD;
	fresh.conn = p->conn;
	fresh.request = c->begin_ns;
	key = goroutine_key(slot, newg);
	if (bpf_map_update_elem(&goroutines, &key, &fresh, BPF_ANY))
		count(GS_CNT_GOROUTINES_FULL);
	births_idle = 0;
	count(GS_CNT_LINEAGE_USED);
	return 0;
}

#endif
