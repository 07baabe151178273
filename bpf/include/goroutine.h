/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whose call is it: from the saved register to a goroutine, from a goroutine to the
 * request it works for or to its role. A goroutine pointer is checked against the
 * thread-local slot when it is new and by its goid ever after (g structures are
 * reused); what cannot be told is left without a request rather than guessed.
 */
#ifndef GOSTALL_GOROUTINE_H
#define GOSTALL_GOROUTINE_H

#define NO_LEAF 0xffffffffU

static __always_inline __u64 goroutine_key(__u32 slot, __u64 g)
{
	return (__u64)slot << 48 | (g & 0xffffffffffffULL);
}

static __always_inline int user_u64(__u64 *to, __u64 from)
{
	if (bpf_probe_read_user(to, 8, (void *)from) == 0)
		return 1;
	count(GS_CNT_READ_FAULT);
	return 0;
}

/* Is this thread, which runs no goroutine, the one that runs sysmon? */
static __noinline int sysmon_check(void *ctx, struct scratch *s, struct gs_thread *t,
				   struct gs_target *tg)
{
	long n = bpf_get_stack(ctx, s->stack, sizeof(s->stack), BPF_F_USER_STACK);
	__u32 i;

	for (i = 0; i < 16; i++) {
		__u64 pc;

		if ((long)(i * 8) >= n)
			break;
		pc = s->stack[i] - tg->bias;
		if (pc >= tg->sysmon_lo && pc < tg->sysmon_hi)
			t->sysmon = 1;
	}
	/* A thread's first calls come before its start function. */
	if (t->sysmon == 0 && ++t->tries >= 16)
		t->sysmon = 2;
	return 0;
}

/* What a goroutine's own start function says of it. */
static __always_inline __u32 role_of(struct gs_target *tg, __u64 startpc)
{
	__u64 key = (__u64)tg->exe_id << 48 | ((startpc - tg->bias) & 0xffffffffffffULL);
	__u32 *leaf = bpf_map_lookup_elem(&role_pcs, &key);

	return leaf ? *leaf : 0;
}

/* The role of a goroutine by its pointer; NO_LEAF: it cannot be read. */
static __always_inline __u32 role_of_g(struct gs_target *tg, __u64 g)
{
	__u64 startpc = 0;

	if (tg->off_startpc < 0 || !user_u64(&startpc, g + tg->off_startpc))
		return NO_LEAF;
	return role_of(tg, startpc);
}

static __always_inline __u64 goid_key(__u32 slot, __u64 goid)
{
	return (__u64)slot << 48 ^ goid;
}

static __always_inline void goid_remember(__u32 slot, __u64 goid, __u64 g)
{
	__u64 key = goid_key(slot, goid);

	bpf_map_update_elem(&goids, &key, &g, BPF_ANY);
}

/* A goroutine is somebody else now, in memory that most likely served before: in place then.
 * Whoever looks meanwhile finds nobody. */
static __always_inline void goroutine_set(__u32 slot, __u64 g, struct gs_goroutine *fresh)
{
	__u64 key = goroutine_key(slot, g);
	struct gs_goroutine *gs = bpf_map_lookup_elem(&goroutines, &key);

	if (!gs) {
		if (bpf_map_update_elem(&goroutines, &key, fresh, BPF_ANY))
			count(GS_CNT_GOROUTINES_FULL);
		return;
	}
	gs->goid = 0;
	barrier();
	gs->parent = fresh->parent;
	gs->conn = fresh->conn;
	gs->request = fresh->request;
	gs->kind = fresh->kind;
	gs->leaf = fresh->leaf;
	barrier();
	gs->goid = fresh->goid;
}

static __always_inline struct stream_goid *stream_goid(__u64 goid)
{
	__u32 at = goid & (STREAM_GOIDS - 1);

	return bpf_map_lookup_elem(&stream_goids, &at);
}

static __always_inline void stream_remember(__u32 slot, __u64 goid, __u64 g)
{
	struct stream_goid *e = stream_goid(goid);

	if (e && (!e->key || (e->g & STREAM_ENDED))) {
		e->key = goid_key(slot, goid);
		e->g = g;
	} else {
		goid_remember(slot, goid, g);
	}
}

static __always_inline void stream_forget(__u32 slot, __u64 goid)
{
	struct stream_goid *e = stream_goid(goid);

	if (e && e->key == goid_key(slot, goid))
		e->g |= STREAM_ENDED;
}

/* A goroutine by its id; 0: not one that we know of. */
static __always_inline __u64 goid_find(__u32 slot, __u64 goid)
{
	struct stream_goid *e = stream_goid(goid);
	__u64 key = goid_key(slot, goid), *g;

	if (e && e->key == key)
		return e->g & ~STREAM_ENDED;
	g = bpf_map_lookup_elem(&goids, &key);
	return g ? *g : 0;
}

static __always_inline void goid_note(struct gs_target *tg, __u64 goid)
{
	if (goid > tg->max_goid)
		tg->max_goid = goid;
}

/* Tells user space at once; 0 when the ring is full. */
static __always_inline int tell(__u32 kind, __u32 slot)
{
	struct gs_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		count(GS_CNT_RING_FULL);
		return 0;
	}
	e->kind = kind;
	e->slot = slot;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 1;
}

static __always_inline void lineage_want(__u32 slot)
{
	if (!lineage_wanted)
		lineage_wanted = tell(GS_E_LINEAGE, slot);
}

/* A connection is met that only handlers can tell of. */
static __always_inline void handlers_want(__u32 slot)
{
	if (!handlers_wanted)
		handlers_wanted = tell(GS_E_SECURE, slot);
}

static __always_inline struct gs_target *target_of(struct scratch *s)
{
	__u32 slot = s->call.slot;

	return bpf_map_lookup_elem(&targets, &slot);
}

/* The request that a child (in scratch.fresh) of its parent works for. */
__noinline int inherit(void)
{
	struct scratch *s = scratch_get();
	struct gs_goroutine *p = 0, *child;
	struct gs_target *tg;
	struct gs_conn *c;
	__u64 g, key;

	if (!s)
		return 0;
	child = &s->fresh;
	tg = target_of(s);
	if (!tg || !child->parent)
		return 0;
	g = goid_find(s->call.slot, child->parent);
	if (g) {
		key = goroutine_key(s->call.slot, g);
		p = bpf_map_lookup_elem(&goroutines, &key);
	}
	if (!p || p->goid != child->parent) {
		/* Parent and child are both younger than our watch, yet the parent
		 * made no call: it may stand between a request and this child. */
		if (child->parent > tg->born_goid && child->goid > tg->born_goid &&
		    child->parent > 1) {
			count(GS_CNT_UNKNOWN_PARENT);
			lineage_want(s->call.slot);
		}
		return 0;
	}
	if (p->kind != GS_G_OWNER && p->kind != GS_G_CHILD)
		return 0;
	key = p->conn;
	c = conn_get(key);
	if (!c || !c->active)
		return 0;
	if (p->kind == GS_G_CHILD && c->begin_ns != p->request)
		return 0;
	/* On a connection that has served before, the child may stem from an earlier
	 * request: only the probe at its birth can tell. The background reader of
	 * net/http never outlives its request. */
	if (p->kind == GS_G_OWNER && c->served && child->leaf != GS_READER)
		lineage_want(s->call.slot);
	child->kind = GS_G_CHILD;
	child->conn = key;
	child->request = c->begin_ns;
	return 1;
}

/* First sight of a goroutine: what it is, by its birth. */
__noinline int goroutine_meet(void)
{
	struct scratch *s = scratch_get();
	__u64 key, startpc = 0, g;
	struct gs_goroutine *fresh;
	struct gs_target *tg;

	if (!s)
		return 0;
	tg = target_of(s);
	if (!tg)
		return 0;
	g = s->call.g;
	fresh = &s->fresh;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->goid = s->call.goid;
	goid_note(tg, fresh->goid);
	if (tg->off_parent >= 0 && !user_u64(&fresh->parent, g + tg->off_parent))
		fresh->parent = 0;
	if (tg->off_startpc >= 0 && !user_u64(&startpc, g + tg->off_startpc))
		startpc = 0;
	fresh->leaf = startpc ? role_of(tg, startpc) : 0;
	/* A connection's goroutine that was there before us, not seen to begin a
	 * request: it may be in the middle of one. */
	if (fresh->leaf == GS_CONNECTION && fresh->goid <= tg->born_goid)
		fresh->leaf = GS_UNKNOWN;
	if (fresh->leaf && fresh->leaf != GS_READER)
		fresh->kind = GS_G_ROLE;
	else if (inherit())
		goid_remember(s->call.slot, fresh->goid, g);
	key = goroutine_key(s->call.slot, g);
	if (bpf_map_update_elem(&goroutines, &key, fresh, BPF_ANY))
		count(GS_CNT_GOROUTINES_FULL);
	return 0;
}

/* Finds the goroutine on whose behalf this call was made: 1 found, 0 the bare
 * runtime, -1 C code without one. Sets call.g and call.goid. */
static __noinline int goroutine_find(struct scratch *s, struct gs_thread *t, struct gs_target *tg)
{
	__u64 g = s->call.reg_g, tls = 0, key, goid = 0;

	if (!g || g != t->g0) {
		key = goroutine_key(s->call.slot, g);
		if (!g || !bpf_map_lookup_elem(&goroutines, &key)) {
			/* New here: only what the thread-local slot confirms is a g. */
			if (tg->tls_known) {
				if (!user_u64(&tls, s->call.tp + tg->tls_off))
					return -1;
				if (!tls)
					return -1;
				g = tls;
			}
			if (!g)
				return -1;
		}
		if (!user_u64(&goid, g + tg->off_goid))
			return -1;
		if (goid) {
			s->call.g = g;
			s->call.goid = goid;
			return 1;
		}
		/* A thread's scheduling or signal goroutine. */
		t->g0 = g;
		if (!user_u64(&t->m, g + tg->off_g_m))
			t->m = 0;
	}
	if (!t->m || !user_u64(&g, t->m + tg->off_curg) || !g)
		return 0;
	if (!user_u64(&goid, g + tg->off_goid) || !goid)
		return 0;
	s->call.g = g;
	s->call.goid = goid;
	t->sysmon = 2;
	return 1;
}

/* The request or the role of the goroutine in call.g. */
__noinline __u32 goroutine_leaf(void)
{
	struct scratch *s = scratch_get();
	struct gs_goroutine *gs;
	struct gs_conn *c;
	__u64 key;

	if (!s)
		return GS_UNKNOWN;
	key = goroutine_key(s->call.slot, s->call.g);
	gs = bpf_map_lookup_elem(&goroutines, &key);
	if (!gs || gs->goid != s->call.goid) {
		goroutine_meet();
		gs = bpf_map_lookup_elem(&goroutines, &key);
		if (!gs)
			return GS_BACKGROUND;
	}
	s->call.parent = gs->parent;
	if (gs->kind == GS_G_ROLE)
		return gs->leaf;
	if (gs->kind == GS_G_BACKGROUND)
		return GS_BACKGROUND;
	key = gs->conn;
	c = conn_get(key);
	if (gs->kind == GS_G_OWNER) {
		if (!c || !c->active || c->g != s->call.g)
			return GS_CONNECTION;
	} else if (!c || !c->active || c->begin_ns != gs->request) {
		return GS_BACKGROUND;
	}
	s->call.conn_key = key;
	s->call.skip = c->skip;
	return c->leaf;
}

/* Whose call this is, by its goroutine alone. */
static __always_inline __u32 leaf_by_goroutine(void *ctx, struct scratch *s, struct gs_thread *t,
					       struct gs_target *tg)
{
	int found;

	if (tg->state != GS_SLOT_GO)
		return GS_UNKNOWN;
	found = goroutine_find(s, t, tg);
	if (found > 0)
		return goroutine_leaf();
	/* Without C code it is a new thread whose slot is not set yet. */
	if (found < 0)
		return tg->cgo ? GS_CGO : GS_RUNTIME;
	if (t->sysmon == 0 && tg->sysmon_hi)
		sysmon_check(ctx, s, t, tg);
	if (t->sysmon == 1)
		return GS_SYSMON;
	return nr_role[s->call.nr & (GS_MAX_NR - 1)];
}

/* A goroutine begins to serve requests of a connection. */
__noinline int owner_set(__u64 conn)
{
	struct scratch *s = scratch_get();
	struct gs_goroutine *gs, *fresh;
	struct gs_target *tg;
	__u64 g, tls = 0, key;

	if (!s)
		return 0;
	tg = target_of(s);
	if (!tg || tg->state != GS_SLOT_GO)
		return 0;
	g = s->call.reg_g;
	if (tg->tls_known && (!user_u64(&tls, s->call.tp + tg->tls_off) || tls != g))
		return 0;
	fresh = &s->fresh;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	if (!user_u64(&fresh->goid, g + tg->off_goid) || !fresh->goid)
		return 0;
	goid_note(tg, fresh->goid);
	key = goroutine_key(s->call.slot, g);
	gs = bpf_map_lookup_elem(&goroutines, &key);
	if (gs && gs->goid == fresh->goid && gs->kind == GS_G_OWNER) {
		/* It goes to and fro between connections: look each time. */
		if (gs->conn != conn && conn_get(gs->conn))
			tg->shared_owner = 1;
		gs->conn = conn;
		return 1;
	}
	if (tg->off_parent >= 0 && !user_u64(&fresh->parent, g + tg->off_parent))
		fresh->parent = 0;
	fresh->kind = GS_G_OWNER;
	fresh->conn = conn;
	if (bpf_map_update_elem(&goroutines, &key, fresh, BPF_ANY)) {
		count(GS_CNT_GOROUTINES_FULL);
		return 0;
	}
	goid_remember(s->call.slot, fresh->goid, g);
	return 1;
}

#endif
