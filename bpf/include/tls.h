/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * HTTP/1 over TLS without net/http: its text is seen in crypto/tls, where what was
 * decrypted is copied to who reads it, and where what is to be encrypted is handed over.
 * From there on it is parsed as on a plain connection. When the bytes came and went is
 * seen at the system calls.
 */
#ifndef GOSTALL_TLS_H
#define GOSTALL_TLS_H

/* tls.Conn begins with the net.Conn below it (type, data) and isClient. */
#define TLS_CONN_BELOW 8
#define TLS_CONN_IS_CLIENT 16
/* A net.TCPConn is a pointer to a netFD, which begins with a lock and the descriptor. */
#define NETFD_SYSFD 16
#define FD_LIMIT (1 << 20)

/* Is it a server's side? What cannot be read is nobody's. */
static __always_inline int tls_of_server(__u64 tls)
{
	__u8 client = 1;

	return tls && !bpf_probe_read_user(&client, 1, (void *)(tls + TLS_CONN_IS_CLIENT)) &&
	       !client;
}

/* A connection that is older than our watch: whose descriptor it is. */
__noinline int tls_discover(__u64 tls)
{
	struct scratch *s = scratch_get();
	__u64 below = 0, netfd = 0, fd = 0, key;
	struct gs_conn *c;

	if (!s || !user_u64(&below, tls + TLS_CONN_BELOW) || !user_u64(&netfd, below) ||
	    !user_u64(&fd, netfd + NETFD_SYSFD) || fd >= FD_LIMIT || !is_socket(fd))
		return 0;
	key = conn_key(s->call.slot, fd);
	if (conn_get(key) || !conn_new(key, GS_K_TLS))
		return 0;
	count(GS_CNT_TLS);
	c = conn_get(key);
	if (c && owner_set(key))
		c->g = s->call.reg_g;
	return 1;
}

/* The connection of which the goroutine in call.g reads or writes text. */
static __always_inline struct gs_conn *tls_conn(struct scratch *s, __u64 tls, __u64 *key)
{
	struct gs_target *tg = target_of(s);
	struct gs_conn *c;

	/* net/http's handlers tell more (handlers.h). */
	if (!tg || !tls_of_server(tls) || role_of_g(tg, s->call.g) == GS_CONNECTION)
		return 0;
	c = hook_conn(s, key);
	if (!c && tls_discover(tls))
		c = hook_conn(s, key);
	return c && (c->kind == GS_K_TLS || c->kind == GS_K_TLS_TEXT) ? c : 0;
}

static __always_inline void tls_text(struct scratch *s, __u64 buf, __u64 len)
{
	s->call.arg1 = buf;
	s->call.ret = len;
	/* One byte is no background reader's here. */
	s->call.arg2 = len + 1;
}

/* (*tls.Conn).Read copies (to, from, n). */
SEC("uprobe.multi")
int on_tls_read(struct pt_regs *regs)
{
	__u32 number = bpf_get_attach_cookie(regs) >> GS_HOOK_REG_SHIFT & 15;
	__u64 tls = numbered_register(regs, number), from = GO_ARG1(regs), n = GO_ARG2(regs), key = 0;
	struct scratch *s = hook_enter(regs);
	struct gs_conn *c;

	if (!s || !n)
		return 0;
	c = tls_conn(s, tls, &key);
	if (!c)
		return 0;
	handlers_idle = 0;
	if (c->kind == GS_K_TLS) {
		c->kind = GS_K_TLS_TEXT;
		c->phase = GS_P_START;
	}
	if (!c->active)
		count(GS_CNT_HANDLED);
	tls_text(s, from, n);
	/* It came with the last read of the descriptor. */
	if (c->last_ns)
		s->call.begin = s->call.now = c->last_ns;
	conn_read(c, key, GS_C_READ);
	return 0;
}

/* (*tls.Conn).Write(text). */
SEC("uprobe.multi")
int on_tls_write(struct pt_regs *regs)
{
	__u64 tls = GO_ARG0(regs), from = GO_ARG1(regs), n = GO_ARG2(regs), key = 0;
	struct scratch *s = hook_call(regs);
	struct gs_conn *c;

	if (!s || !n)
		return 0;
	c = tls_conn(s, tls, &key);
	if (!c || c->kind != GS_K_TLS_TEXT)
		return 0;
	tls_text(s, from, n);
	s->call.arg2 = n;
	conn_write(c, key, GS_C_WRITE);
	return 0;
}

#endif
