/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who computes: a hundred times a second each processor's clock says which watched
 * thread it finds, and for whom that thread works. It costs a look-up a tick and runs
 * in an interrupt, so it uses nothing that a call in progress works with (scratch).
 */
#ifndef GOSTALL_PROFILE_H
#define GOSTALL_PROFILE_H

static __always_inline int peek(__u64 *to, __u64 from)
{
	return bpf_probe_read_user(to, 8, (void *)from) == 0;
}

/* A request's, a connection's, or of no request; 0: that is yet to be told. */
static __always_inline __u64 computes_by_request(__u32 slot, __u64 g, __u64 goid)
{
	__u64 key = goroutine_key(slot, g);
	struct gs_goroutine *gs = bpf_map_lookup_elem(&goroutines, &key);
	struct gs_conn *c;

	if (!gs || gs->goid != goid || (gs->kind != GS_G_OWNER && gs->kind != GS_G_CHILD))
		return 0;
	key = gs->conn;
	c = conn_get(key);
	if (gs->kind == GS_G_OWNER)
		return c && c->active && c->g == g ? GS_FIRST_NODE : GS_CONNECTION;
	return c && c->active && c->begin_ns == gs->request ? GS_FIRST_NODE : 0;
}

/* Whom a thread works for: a role's leaf, GS_FIRST_NODE for a request, or else the
 * link-time address of the function that its goroutine began with. */
static __always_inline __u64 computes_for(struct gs_thread *t, struct gs_target *tg,
					  struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 g = REG_G(regs), goid = 0, m = 0, startpc = 0, who;
	__u32 role;

	if (tg->state != GS_SLOT_GO || tg->off_startpc < 0)
		return GS_UNKNOWN;
	/* In C code and the vDSO the register is anything. */
	if (tg->tls_known && !peek(&g, THREAD_POINTER(task) + tg->tls_off))
		g = 0;
	if (!g)
		return tg->cgo ? GS_CGO : GS_RUNTIME;
	if (!peek(&goid, g + tg->off_goid))
		return GS_UNKNOWN;
	if (!goid) {
		/* The system stack: for the goroutine that called it, or for none. */
		if (!peek(&m, g + tg->off_g_m) || !peek(&g, m + tg->off_curg))
			return GS_UNKNOWN;
		if (!g) {
			if (t->sysmon == 1)
				return GS_SYSMON;
			return t->enter_ns ? nr_role[t->nr & (GS_MAX_NR - 1)] : GS_SCHEDULER;
		}
		if (!peek(&goid, g + tg->off_goid) || !goid)
			return GS_UNKNOWN;
	}
	who = computes_by_request(t->slot, g, goid);
	if (who)
		return who;
	if (!peek(&startpc, g + tg->off_startpc) || !startpc)
		return GS_UNKNOWN;
	role = role_of(tg, startpc);
	if (role == GS_READER || role == GS_CONNECTION)
		return GS_CONNECTION;
	return (startpc - tg->bias) & 0xffffffffffffULL;
}

SEC("perf_event")
int on_cpu_clock(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct gs_cpu_key key = {};
	struct gs_target *tg;
	struct gs_thread *t;
	__u64 one = 1, *n;
	__u32 slot;

	t = bpf_task_storage_get(&threads, task, 0, 0);
	if (!t || !settings.counting)
		return 0;
	slot = t->slot;
	tg = bpf_map_lookup_elem(&targets, &slot);
	if (!tg || tg->state < GS_SLOT_THREADS || tg->state == GS_SLOT_IGNORED)
		return 0;
	key.who = computes_for(t, tg, task);
	key.slot = slot;
	key.kernel = !USER_MODE(&ctx->regs);
	n = bpf_map_lookup_elem(&cpu_ticks, &key);
	if (!n && bpf_map_update_elem(&cpu_ticks, &key, &one, BPF_NOEXIST)) {
		/* Taken meanwhile, or full: then all who come late are one. */
		n = bpf_map_lookup_elem(&cpu_ticks, &key);
		key.who = GS_OTHER;
		if (!n)
			n = bpf_map_lookup_elem(&cpu_ticks, &key);
	}
	if (n)
		__sync_fetch_and_add(n, 1);
	return 0;
}

#endif
