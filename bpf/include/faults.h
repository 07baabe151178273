/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Page faults of a request's goroutines in the program's own code: memory that is used
 * for the first time, or again after it was given back. Faults of no request are in the
 * process's total, which the kernel keeps.
 */
#ifndef GOSTALL_FAULTS_H
#define GOSTALL_FAULTS_H

/* The leaf of the request that a goroutine works for; 0: for none. */
static __always_inline __u32 faults_for(__u32 slot, __u64 g)
{
	__u64 key = goroutine_key(slot, g);
	struct gs_goroutine *gs = bpf_map_lookup_elem(&goroutines, &key);
	struct gs_conn *c;

	if (!gs || (gs->kind != GS_G_OWNER && gs->kind != GS_G_CHILD))
		return 0;
	key = gs->conn;
	c = conn_get(key);
	if (!c || !c->active || c->leaf < GS_FIRST_NODE || c->leaf == GS_PENDING)
		return 0;
	if (gs->kind == GS_G_OWNER ? c->g != g : c->begin_ns != gs->request)
		return 0;
	return c->leaf;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(on_fault, unsigned long address, struct pt_regs *regs, unsigned long error_code)
{
	struct gs_thread *t;
	struct gs_target *tg;
	__u64 g, m = 0, one = 1, *n;
	__u32 slot, leaf;

	t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
	if (!t || !settings.counting)
		return 0;
	slot = t->slot;
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg || tg->state != GS_SLOT_GO)
		return 0;
	g = REG_G(regs);
	/* On the system stack: for the goroutine that called it. */
	if (g && g == t->g0 && (!t->m || !peek(&g, t->m + tg->off_curg)))
		return 0;
	leaf = g ? faults_for(slot, g) : 0;
	if (!leaf)
		return 0;
	n = bpf_map_lookup_elem(&faults, &leaf);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&faults, &leaf, &one, BPF_NOEXIST);
	return 0;
}

#endif
