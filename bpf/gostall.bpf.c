// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The syscall pair: every call of a target, charged to its endpoint and counted.
 * Only the flow stands here; each concern has its header.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "abi.h"
#include "arch.h"
#include "maps.h"
#include "http1.h"
#include "response1.h"
#include "hist.h"
#include "scratch.h"
#include "goroutine.h"
#include "routes.h"
#include "paths.h"
#include "stash.h"
#include "files.h"
#include "wall.h"
#include "timeline.h"
#include "exact.h"
#include "requests.h"
#include "handshake.h"
#include "incoming.h"
#include "outgoing.h"
#include "conns.h"
#include "headers.h"
#include "tail.h"
#include "moments.h"
#include "threads.h"
#include "lineage.h"
#include "handlers.h"
#include "streams.h"
#include "params.h"
#include "routers.h"
#include "grpc.h"
#include "tls.h"
#include "sched.h"
#include "profile.h"
#include "faults.h"
#include "moved.h"

/* Kernel-internal: the call is made again, or looks like EINTR to its caller. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516
#define EINTR 4

/* The request line is not complete: keep the call until its endpoint is known. */
__noinline int charge_later(__u32 nr, __u32 res, __u64 ns)
{
	struct scratch *s = scratch_get();
	struct gs_stash *st;
	struct gs_conn *c;
	__u64 key;
	__u32 at;

	if (!s)
		return 0;
	key = s->call.conn_key;
	c = conn_get(key);
	if (c && c->leaf == GS_PENDING) {
		st = stash_get(key, c);
		at = st ? st->ncalls : GS_STASH_CALLS;
		if (st && at < GS_STASH_CALLS) {
			struct gs_call *call = &st->calls[at];

			call->nr = nr;
			call->res = res;
			call->ns = ns > 0xffffffff ? 0xffffffff : ns;
			st->ncalls = at + 1;
			return 0;
		}
	}
	return charge(GS_CONNECTION, nr, res, ns, 0);
}

/* Descriptors of one close_range looked at; beyond it they are found closed when reused. */
#define CLOSE_RANGE_MAX 65536
struct close_range {
	__u64 now;
	__u32 slot;
	__u32 first;
	__u32 last;
};

static long close_one(__u32 i, void *ctx)
{
	struct close_range *r = ctx;

	if (r->first + i > r->last || r->first + i < r->first)
		return 1;
	conn_forget(conn_key(r->slot, r->first + i), r->now);
	return 0;
}

/* Connections that come and go. Returns the leaf; NO_LEAF: the goroutine's;
 * GS_CONNECTION_ELSE: the goroutine's, but `connection` for one of no request. */
__noinline __u32 leaf_of_lifecycle(__u32 class)
{
	struct scratch *s = scratch_get();
	struct gs_conn *c;
	__u64 key;

	if (!s)
		return NO_LEAF;
	key = conn_key(s->call.slot, s->call.arg0);
	switch (class) {
	case GS_C_ACCEPT:
		if (s->call.ret >= 0) {
			key = conn_key(s->call.slot, s->call.ret);
			conn_forget(key, s->call.begin);
			conn_new(key, GS_K_NEW);
			c = conn_get(key);
			if (c)
				c->last_ns = s->call.now;
		}
		return CONNECTION_ELSE;
	case GS_C_CONNECT:
		if (is_socket(s->call.arg0)) {
			conn_forget(key, s->call.begin);
			conn_new(key, GS_K_CLIENT);
		}
		return NO_LEAF;
	case GS_C_SHUTDOWN:
		c = conn_get(key);
		if (!c || c->kind == GS_K_CLIENT)
			return NO_LEAF;
		if (s->call.arg1 >= 1)
			conn_shutdown(c, key, s->call.begin);
		return c->active ? NO_LEAF : GS_CONNECTION;
	}
	return NO_LEAF;
}

/* Descriptors about to be closed. This is done when the call begins: by the time it
 * returns, another thread may have accepted a connection under the same number. */
static __noinline int closing(struct pt_regs *regs, struct gs_thread *t, __u32 class)
{
	struct close_range range;
	struct gs_conn *c;
	__u64 key = conn_key(t->slot, ARG0(regs));

	switch (class) {
	case GS_C_CLOSE:
		c = conn_get(key);
		t->closed_server = c && c->kind != GS_K_CLIENT;
		if (c)
			conn_forget(key, t->enter_ns);
		return 0;
	case GS_C_DUP2:
		/* dup2(fd, fd) closes nothing. */
		if (ARG0(regs) != ARG1(regs))
			conn_forget(conn_key(t->slot, ARG1(regs)), t->enter_ns);
		return 0;
	case GS_C_CLOSE_RANGE:
		range.slot = t->slot;
		range.now = t->enter_ns;
		range.first = ARG0(regs);
		range.last = ARG1(regs);
		bpf_loop(CLOSE_RANGE_MAX, close_one, &range, 0);
		return 0;
	}
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long nr)
{
	struct gs_thread *t;
	__u32 class;

	t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
	if (!t)
		return 0;
	t->nr = nr;
	/* A call the kernel restarts after a signal is one call to its caller. */
	if (t->restart_ns) {
		t->enter_ns = t->restart_ns;
		t->restart_ns = 0;
		if (t->restart_nr == (__u32)nr && t->restart_sp == REG_SP(regs))
			return 0;
	}
	t->enter_ns = bpf_ktime_get_ns();
	class = nr_flags[nr & (GS_MAX_NR - 1)] & GS_NRF_CLASS;
	if (class >= GS_C_CLOSE && class <= GS_C_CLOSE_RANGE)
		closing(regs, t, class);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 nr, nf, class, res, at, leaf = NO_LEAF, raise;
	struct gs_thread *t;
	struct gs_target *tg;
	struct scratch *s;
	struct call *k;
	__u64 ns, begin;

	t = bpf_task_storage_get(&threads, task, 0, 0);
	if (!t)
		return 0;
	at = t->slot;
	tg = bpf_map_lookup_elem(&targets, &at);
	s = scratch_get();
	if (!tg || !s)
		return 0;
	begin = t->enter_ns;
	t->enter_ns = 0;
	if (tg->state < GS_SLOT_THREADS || tg->state == GS_SLOT_IGNORED) {
		tg->pending_calls++;
		return 0;
	}
	if (!begin) {
		count(GS_CNT_NO_START);
		return 0;
	}
	k = &s->call;
	k->now = bpf_ktime_get_ns();
	k->begin = begin;
	ns = k->now - begin;
	nr = t->nr;
	res = ret < 0 && ret >= -4095 ? -ret : 0;
	if (res >= ERESTARTSYS && res <= ERESTART_RESTARTBLOCK) {
		if (res <= ERESTARTNOINTR) {
			t->restart_ns = begin;
			t->restart_nr = nr;
			t->restart_sp = REG_SP(regs);
			return 0;
		}
		res = EINTR;
	}
	nf = nr_flags[nr & (GS_MAX_NR - 1)];
	if (nr >= GS_MAX_NR) {
		nr = GS_NR_UNKNOWN;
		nf &= ~GS_NRF_CLASS;
	}
	class = nf & GS_NRF_CLASS;

	k->ret = ret;
	k->arg0 = ARG0(regs);
	k->arg1 = ARG1(regs);
	k->arg2 = ARG2(regs);
	k->reg_g = REG_G(regs);
	k->tp = THREAD_POINTER(task);
	k->g = k->goid = k->parent = k->conn_key = 0;
	k->slot = at;
	k->nr = nr;
	k->skip = 0;

	if (class == GS_C_SIGRETURN)
		leaf = GS_RUNTIME; /* the registers are the interrupted code's */
	else if (class == GS_C_CLOSE)
		leaf = t->closed_server ? GS_CONNECTION : NO_LEAF;
	else if (class >= GS_C_ACCEPT && class <= GS_C_SHUTDOWN)
		leaf = leaf_of_lifecycle(class);
	else if (class != GS_C_NONE && class <= GS_C_EPOLL_CTL)
		leaf = leaf_by_conn(s, class);
	if (leaf >= CONNECTION_ELSE) {
		raise = leaf;
		leaf = leaf_by_goroutine(ctx, s, t, tg);
		if (raise == CONNECTION_ELSE && leaf == GS_BACKGROUND)
			leaf = GS_CONNECTION;
	}

	if (settings.counting)
		count(GS_CNT_SEEN);
	if (leaf == GS_PENDING) {
		charge_later(nr, res, ns);
		leaf = GS_CONNECTION;
	} else {
		charge(leaf, nr, res, ns, k->skip);
	}
	k->leaf = leaf;
	if (what_if)
		moved(class, ns);
	if (k->conn_key) {
		wall_call(t, class, res);
		if (keeps_timelines)
			timeline_call(t, class, res);
	}
	/* A quarter of the calls, by the clock's last bits, tells the distribution. */
	if (leaf >= GS_CONNECTION && (k->now & 3) == 0) {
		struct gs_nrstat *st;

		at = nr & (GS_MAX_NR - 1);
		st = bpf_map_lookup_elem(&nrstats, &at);
		if (st) {
			__u32 e = log2_u64(ns | 2);

			st->counts[(e * 2 + (ns >> (e - 1) & 1)) & 63]++;
		}
	}
	if (t->blocked_ns | t->runq_ns | t->throttled_ns)
		t->blocked_ns = t->runq_ns = t->throttled_ns = 0;
	raise = wanted(s, nf, res, ns);
	if (raise)
		emit(ctx, regs, t, class, raise);
	return 0;
}
