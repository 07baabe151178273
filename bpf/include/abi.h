/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The one definition of everything that crosses between kernel and user space.
 * Included by every BPF file and turned into Rust types by build.rs; nothing here
 * is ever mirrored by hand. It does not say what the records mean to a reader of a
 * report: that is crates/model.
 */
#ifndef GOSTALL_ABI_H
#define GOSTALL_ABI_H

/* Processes watched at once (each exec of a followed child takes a new slot). */
#define GS_MAX_SLOTS 4096
/* The first: processes between a fork that is followed and their exec. Until then a child
 * is a copy of its parent, with the same addresses and descriptors, and nobody's business. */
#define GS_LIMBO 0
/* Syscall numbers above this are charged to number 1021; Linux 6.18 ends at 470. */
#define GS_MAX_NR 512
#define GS_NR_REQUEST 1023 /* pseudo number: a request's latency; result = status */
#define GS_NR_UNKNOWN 1021
#define GS_NR_READ 1018 /* reads and writes told apart, with --what-if; result = GS_MOVED_* */
#define GS_NR_WRITE 1019
#define GS_MOVED_FULL 1 /* the read filled its buffer */
#define GS_MOVED_ELSEWHERE 2 /* not on the client's connection */
#define GS_MOVED_BYTES 4 /* bytes, not ns */
#define GS_NR_HANDSHAKE 1008 /* pseudo numbers: plus enum gs_handshake_step */

/* Result field of GS_NR_REQUEST. */
#define GS_STATUS_GRPC 1000  /* plus grpc-status */
#define GS_STATUS_UNSEEN 1    /* answered, by whoever took the connection over, unseen */
#define GS_REQ_ABORTED 0x400  /* ended without a complete response */
#define GS_REQ_UNROUTED 0x800 /* the router's own 404 or 405 was seen */

/* Who a syscall is charged to: 0..31 are fixed, the rest are path nodes. */
enum gs_leaf {
	GS_OTHER = 0,
	GS_SCHEDULER = 1,
	GS_NETPOLL = 2,
	GS_GC = 3,
	GS_SYSMON = 4,
	GS_RUNTIME = 5,
	GS_CGO = 6,
	GS_CONNECTION = 7,
	GS_BACKGROUND = 8,
	GS_UNKNOWN = 9,
	/* In role_pcs only: net/http's background reader, a child of its request. */
	GS_READER = 31,
	GS_FIRST_NODE = 32,
	/* In memory only: the request line has begun to arrive, its path is not known. */
	GS_PENDING = 0xfffff,
};

/* A histogram chunk's key: leaf:20 nr:10 result:12 octave:6 cpu:12, from high to low. */
#define GS_KEY_CPU_BITS 12
#define GS_KEY_OCT_BITS 6
#define GS_KEY_RES_BITS 12
#define GS_KEY_NR_BITS 10

/* One octave of one series on one CPU: 32 equal sub-buckets, so no value is further
 * than 1/32 of itself from its bucket's edge. */
struct gs_chunk {
	__u64 sum_ns;
	__u64 max_ns;
	__u32 counts[32];
};

/* A chunk that is used often has a place of its own on its CPU and is found without
 * hashing. Which place follows from its key; the first to come keeps it. */
#define GS_HOT_BITS 9
#define GS_HOT 512
#define GS_HOT_USED_BIT 63 /* above every bit of a key */
struct gs_hot {
	__u64 key; /* 0: free; else with that bit set */
	struct gs_chunk chunk;
	__u64 pad[5];
};
_Static_assert(sizeof(struct gs_hot) == 192, "whole cache lines");

/* What a syscall number is to the wire parser. Low 5 bits of nr_flags. */
enum gs_class {
	GS_C_NONE = 0,
	GS_C_READ,	 /* (fd, buf, len) */
	GS_C_READV,	 /* (fd, iov, n) */
	GS_C_RECVMSG,	 /* (fd, msghdr) */
	GS_C_WRITE,	 /* (fd, buf, len) */
	GS_C_WRITEV,	 /* (fd, iov, n) */
	GS_C_SENDMSG,	 /* (fd, msghdr) */
	GS_C_SENDFILE,	 /* (out, in, ...) */
	GS_C_SPLICE,	 /* (in, off, out, ...) */
	GS_C_ACCEPT,	 /* returns a new fd */
	GS_C_CONNECT,	 /* (fd, ...) */
	GS_C_CLOSE,	 /* (fd) */
	GS_C_DUP2,	 /* (old, new): closes new */
	GS_C_CLOSE_RANGE, /* (first, last) */
	GS_C_SHUTDOWN,	 /* (fd, how) */
	GS_C_CONNOPT,	 /* (fd, ...): set/getsockopt, getsockname, getpeername */
	GS_C_EPOLL_CTL,	 /* (epfd, op, fd) */
	GS_C_EPOLL_WAIT,
	GS_C_SIGRETURN,
	GS_C_PATH0,	 /* argument 0 is a path */
	GS_C_PATH1,	 /* argument 1 is a path, argument 0 a directory fd */
	GS_C_FD0,	 /* argument 0 is a fd, nothing else of note */
};
#define GS_NRF_CLASS 0x1f
#define GS_NRF_COUNT 0x20 /* recorded in histograms (--syscalls) */
#define GS_NRF_TRACE 0x40 /* raised as a live event (trace -e) */
#define GS_NRF_WAITS 0x80 /* waits by design (futex, epoll): never a slow-call snapshot on its own */

/* Offsets of what the probes at handlers read; -1: not known, or no such field. */
struct gs_http {
	__s32 req_method;
	__s32 req_uri;
	__s32 req_pattern;
	__s32 req_pat;
	__s32 pattern_str;
	__s32 resp_status;
	__s32 grpc_method; /* found at the first call; -1: not yet */
	__s32 req_tls;
	__s32 req_header;
	__s32 maps; /* GS_MAPS_* */
};
/* How Go's maps lie in memory; 0: not known. */
#define GS_MAPS_BUCKETS 1 /* up to Go 1.23 */
#define GS_MAPS_SWISS 2

/* Cookies of the probes at handlers. */
#define GS_HOOK_JBE 1	  /* on a stack check's branch: nothing when it is taken */
#define GS_HOOK_MATCHED 2	  /* the router is done with the request */
#define GS_HOOK_GRPC 4	  /* the stream is of gRPC's own transport */
#define GS_HOOK_ARG_SHIFT 4 /* which argument the *http.Request is */
#define GS_HOOK_REG_SHIFT 4 /* on_tls_read: the register (its number in an instruction) with the *tls.Conn */
#define GS_HOOK_STATUS_SHIFT 8 /* on_http2_left: where the status is */

/* A target process: what its executable says of itself. Filled by user space. */
enum gs_slot_state {
	GS_SLOT_FREE = 0,
	GS_SLOT_PENDING = 1, /* an exec was seen, its executable is being read */
	GS_SLOT_THREADS = 2, /* no usable goroutine offsets: threads only */
	GS_SLOT_GO = 3,
	GS_SLOT_IGNORED = 4, /* not a Go program, or no longer wanted */
};
struct gs_target {
	__u32 state;
	__u32 tgid;
	__u32 exe_id;	    /* key into role_pcs */
	__u32 follow;	    /* children are targets too */
	__s32 off_goid;
	__s32 off_parent;   /* -1: this Go has no g.parentGoid */
	__s32 off_g_m;
	__s32 off_startpc;
	__s32 off_curg;
	__s32 tls_known;
	__u32 shared_owner; /* a goroutine serves several connections in turn */
	__u32 cgo;
	__s64 tls_off;	    /* g's slot relative to the thread pointer */
	__u64 bias;	    /* run-time address minus link-time address */
	__u64 text_vaddr;   /* link-time address of the first executable segment */
	__u64 sysmon_lo;    /* link-time range of runtime.sysmon */
	__u64 sysmon_hi;
	__u64 born_goid;    /* goroutines above this were made while we watched */
	__u64 max_goid;	    /* the highest met so far */
	__u64 pending_calls; /* calls that returned while the executable was being read */
	__u64 exec_ns;
	struct gs_http http;
};

/* Per-thread state in task storage. */
struct gs_thread {
	__u64 enter_ns; /* 0: not in a call we saw begin */
	__u64 g0;	/* this thread's scheduling goroutine, once seen */
	__u64 m;
	__u32 nr;
	__u32 slot;
	__u32 sysmon; /* 0 not known, 1 yes, 2 no */
	__u32 tries;
	__u64 restart_ns; /* a call interrupted by a signal, to be made again */
	__u64 restart_sp;
	__u32 restart_nr;
	__u32 closed_server; /* the call in flight closes a server's connection */
	__u64 out_ns;	  /* when it left its processor; 0: it is on one */
	__u64 out_g;	  /* the goroutine that it left in the midst of */
	__u64 wake_ns;	  /* when it was woken */
	__u64 blocked_ns; /* of the call in flight: waiting for what it asked for, */
	__u64 runq_ns;	  /* for a processor, */
	__u64 throttled_ns; /* for its cgroup's time */
	__u32 out_how;	  /* GS_OUT_* */
	__u32 woken_throttled; /* ... into a cgroup that has used up its time */
};
enum gs_out {
	GS_OUT_BLOCKED = 0,
	GS_OUT_RUNNABLE = 1,
	GS_OUT_THROTTLED = 2,
};

/* A goroutine that made a call outside of its connection's fast path. */
enum gs_gkind {
	GS_G_BACKGROUND = 0,
	GS_G_OWNER = 1, /* serves a connection */
	GS_G_CHILD = 2, /* descends from one, inside one request */
	GS_G_ROLE = 3,	/* a goroutine of the runtime: leaf says which */
};
struct gs_goroutine {
	__u64 goid;
	__u64 parent;
	__u64 conn;    /* connection key */
	__u64 request; /* identity of the request: gs_conn.begin_ns */
	__u32 kind;
	__u32 leaf;
};

/* A file descriptor that carries, or may carry, HTTP. */
enum gs_conn_kind {
	GS_K_NONE = 0,	  /* an empty place in the table */
	GS_K_NEW = 1,	  /* accepted, no byte seen */
	GS_K_HTTP1 = 2,
	GS_K_CLIENT = 3,  /* we connected: outbound */
	GS_K_OPAQUE = 4,  /* not HTTP */
	GS_K_TLS = 5,
	GS_K_HTTP2 = 6,
	GS_K_TLS_TEXT = 7, /* HTTP/1 over TLS whose text is seen in crypto/tls (tls.h) */
	GS_K_RAW = 8,	  /* hijacked or upgraded: belongs to its request until closed */
	GS_K_STREAM = 9,  /* no descriptor: one request known by its handler (stream_key) */
};
enum gs_phase {
	GS_P_START = 0, /* between requests */
	GS_P_LINE,	/* part of a request line has arrived */
	GS_P_LINE_REST, /* path known, skipping to the line's end */
	GS_P_HDR,	/* at the beginning of, or inside, a header's name */
	GS_P_HDR_SKIP,	/* in a header of no interest */
	GS_P_HDR_VALUE,
	GS_P_BODY,	/* body_left bytes to come */
	GS_P_CHUNK_SIZE,
	GS_P_CHUNK_EXT,
	GS_P_CHUNK_DATA,
	GS_P_CHUNK_END,
	GS_P_TRAILER,
	GS_P_TRAILER_LINE,
	GS_P_DONE,	/* the whole message has been read */
};
enum gs_resp {
	GS_R_NONE = 0,	/* no byte of the response yet */
	GS_R_LENGTH,	/* resp_left bytes to come */
	GS_R_CHUNKED,
	GS_R_CLOSE,	/* ends with the connection */
	GS_R_COMPLETE,
};
#define GS_METHOD_HEAD 1
#define GS_METHOD_CONNECT 2

/* A stream that is a gRPC call: on gRPC's own transport, or within net/http's handler. */
#define GS_GRPC_OWN 1
#define GS_GRPC_WITHIN 2

/* What a router was called with, or leaves. */
#define GS_ROUTED_REQUEST 0
#define GS_ROUTED_CONTEXT 1 /* its own context, with the template somewhere in it */
#define GS_ROUTED_GORILLA 2 /* gorilla's *Route */
#define GS_ROUTED_HANDLER 3 /* a request at a handler: a router may have been there or not */
#define GS_ROUTED_FIBER 5 /* fiber's *Route, the last one tried */
#define GS_ROUTED_NOWHERE 4 /* a router was called and has not chosen yet */

/* Three cache lines: the first is all that most requests touch. */
struct gs_conn {
	__u64 g;	  /* the goroutine that reads its requests */
	__u64 begin_ns;	  /* first byte of the request; identifies it */
	__u64 write_ns;	  /* end of the last write */
	__u64 body_left;
	__u64 resp_left;
	__u32 leaf;
	__u16 status;
	__u8 kind;
	__u8 active;	  /* a request is in flight (its first byte was read) */
	__u8 phase;
	__u8 resp;
	__u8 method;
	__u8 unrouted;
	__u8 chunked;
	__u8 has_length;
	__u8 hkind;
	__u8 hlen;
	__u8 late;	  /* the response may have ended before its handler */
	__u8 nfirst;	  /* early bytes of the next request kept in first[] */
	__u8 stashed;	  /* an entry in `stashes` exists */
	__u8 skip;	  /* this request is not sampled */
	__u8 served;	  /* requests ended on this connection, saturating */
	__u8 hijacked;	  /* by a handler of a TLS connection */
	__u8 grpc;	  /* GS_GRPC_* */
	__u8 more;	  /* there is something of this request in what follows */

	__u64 next_ns;	  /* when the first early byte of the next request came */
	__u64 hval;
	__u64 trace_hi, trace_lo, span;
	__u64 last_ns;	  /* TLS and HTTP/2: when the last read that brought bytes began */
	__u8 first[8];
	__u64 writer;	  /* the handler's ResponseWriter, in the target's memory */

	__u64 routed;	  /* the *http.Request a router has, there */
	__u64 pattern;	  /* the text it left on it, there, and how long that is */
	__u64 pattern_len;
	__u8 hname[22];
	__u8 routed_object; /* GS_ROUTED_*: what `routed` is */
	__u8 handshake;	  /* GS_H_*: TLS, how far it is */
	__u8 pad[8];
	__u64 request;	  /* the *http.Request its handler was called with, there; 0 once read */
};
_Static_assert(sizeof(struct gs_conn) == 192, "whole cache lines");

/* A TLS handshake under way: what has been seen last, ... */
enum gs_handshake_state {
	GS_H_NONE = 0, /* over, or not timed */
	GS_H_HELLO,    /* the client's hello, or a part of it */
	GS_H_ANSWER,   /* the server's answer */
	GS_H_FINISHED, /* the client's end */
};
/* ... when, ... */
struct gs_handshake {
	__u64 accept_ns;
	__u64 hello_ns;	   /* the last byte of the hello */
	__u64 answer_ns;   /* the last byte of the answer */
	__u64 finished_ns; /* the first bytes of the client's end */
	__u64 last_ns;	   /* the last read since */
};
/* ... and its steps when it is done. */
enum gs_handshake_step {
	GS_HS_HELLO = 0, /* accepted, to the hello read */
	GS_HS_ANSWER,	 /* to the answer written */
	GS_HS_FINISHED,	 /* to the client's end read */
	GS_HS_DONE,	 /* to the server's end written (up to TLS 1.2) */
	GS_HS_TOTAL,
	GS_HS_FAILED,	 /* accepted, to the last that was seen of one that was broken off */
};

/* What the kernel sees exactly of the time of a request's own goroutine. What lies between is user
 * space's to name (crates/session/src/sampler.rs). */
enum gs_wall_state {
	GS_W_CPU_KERNEL = 0,
	GS_W_RUNQ,	     /* in a call: woken, and no processor to run on */
	GS_W_THROTTLED,	     /* in a call: kept off all processors by its cgroup */
	GS_W_RUNQ_USER,	     /* between calls: taken off its processor */
	GS_W_THROTTLED_USER,
	GS_W_FAULT,	     /* between calls: blocked, on a page that has to be read */
	GS_W_DISK,
	GS_W_PIPE,
	GS_W_LOCK,
	GS_W_OTHER,
	GS_W_CLIENT_READ,
	GS_W_CLIENT_WRITE,
	GS_W_UPSTREAM_CONNECT,
	GS_W_UPSTREAM_READ,
	GS_W_UPSTREAM_WRITE,
	GS_W_DNS,
	GS_W_STATES,
};
#define GS_W_CHILDREN 3
/* A request's time so far. */
struct gs_wall {
	__u64 begin_ns;	  /* gs_conn.begin_ns: whose it is */
	__u64 wait_since; /* a call would have blocked: when it said so; 0: none did */
	__u32 wait_fd;
	__u16 wait_state;
	__u16 used;	  /* states that are not 0 */
	__u64 ns[GS_W_STATES];
	__u64 child_g[GS_W_CHILDREN]; /* children that made calls, the latest few */
	__u32 child_goid[GS_W_CHILDREN]; /* the lower half, to know them again */
	__u8 child_state[GS_W_CHILDREN]; /* what each waits for since its last call, or GS_W_STATES */
	__u8 child_next;
};
_Static_assert(sizeof(struct gs_wall) == 192, "whole cache lines");
/* The same, summed by leaf and CPU over requests that ended. */
struct gs_ledger {
	__u64 ns[GS_W_STATES];
};

/* A tick of a processor's clock that found a watched thread: for whom it worked (a role's leaf,
 * GS_FIRST_NODE for any request, or a goroutine's first function), and whether in the kernel. */
struct gs_cpu_key {
	__u64 who;
	__u32 slot;
	__u32 kernel;
};
#define GS_CPU_TICKS 4096
/* --exact: what a request's own goroutine does between calls, from the runtime's own changes of its status
 * (exact.h). In the order of user space's `Measured`. */
enum gs_exact_state {
	GS_X_RUNQ_GO = 0, /* ready, and not running yet */
	GS_X_THROTTLED,	  /* the same, while its cgroup keeps threads of its process from running */
	GS_X_LOCK,
	GS_X_CHANNEL,
	GS_X_TIMER,
	GS_X_GC,
	GS_X_CLIENT_READ, /* by a library's helper goroutine, as are those that follow */
	GS_X_CLIENT_WRITE,
	GS_X_UPSTREAM_CONNECT,
	GS_X_UPSTREAM_READ,
	GS_X_UPSTREAM_WRITE,
	GS_X_DNS,
	GS_X_UNKNOWN,
	GS_X_TOTAL,	 /* of requests that were measured: all of it */
	GS_X_IO,	 /* for a descriptor: gs_wall has that */
	GS_X_STATES = 16,
};
/* In gs_exact_exe.reasons, beside the state. */
#define GS_X_STACK 0x10	   /* a function on the stack may say better */
#define GS_X_RECEIVES 0x20 /* a timer's channel may be meant */
struct gs_exact {
	__u64 begin_ns; /* gs_conn.begin_ns: whose it is */
	__u64 since;	/* when it ceased to run, or was made ready; 0: it runs */
	__u64 ran;	/* when it began to run */
	__u64 stopped_at;   /* gs_exact_slot's totals when it was made ready */
	__u64 throttled_at;
	__u32 state;
	__u32 ready;
	__u64 ns[GS_X_STATES];
};
/* The same, summed by leaf and CPU over requests that ended. */
struct gs_exact_sums {
	__u64 ns[GS_X_STATES];
};
/* What concerns all goroutines of a process. */
struct gs_exact_slot {
	__u64 since_ns; /* its changes of status are seen since then; 0: they are not */
	__u64 stopped_since; /* the world stands still */
	__u64 stopped_ns;
	__u64 throttled_since;
	__u64 throttled_ns;
};
/* What an executable says of how its goroutines wait. */
#define GS_X_REASONS 64
#define GS_X_FUNCTIONS 64
struct gs_exact_exe {
	__u32 off_reason;
	__u32 off_sp;
	__u32 off_bp;	    /* 0: not known */
	__u32 off_waiting;  /* 0: timers' channels cannot be told */
	__u32 sudog_c;
	__u32 hchan_elemtype;
	__u8 reasons[GS_X_REASONS]; /* by number */
	/* Functions that stand for something, link-time, by their beginnings; the first is nothing. */
	__u64 begins[GS_X_FUNCTIONS];
	__u64 ends[GS_X_FUNCTIONS];
	__u8 states[GS_X_FUNCTIONS];
};
/* Cookies of the probes at changes of status. */
#define GS_X_PARKS 1 /* the goroutine says why; elsewhere it is the collector */
#define GS_X_STARTS 2 /* the world is started, not stopped; beside GS_HOOK_JBE */

/* Requests in flight that are not in `near_conns`, for whoever looks at some of them: a place follows
 * from the key, the last to come has it. */
#define GS_FAR_PLACES 512

/* What a call that blocks waits for: by its number alone, or by its descriptor. */
enum gs_blocks {
	GS_B_OTHER = 0,
	GS_B_DISK,
	GS_B_LOCK,
	GS_B_FD,
};

/* A request kept whole: what was called on its behalf, one after the other. */
#define GS_TL_MOMENTS 256
#define GS_TL_FDS 24
#define GS_TL_PATH 144
/* Requests in flight that can be kept at once, and where one of them may be: in one of so many places. */
#define GS_TIMELINES 1024
#define GS_TL_PROBES 4
/* The slowest of each leaf: so many at most, of so many leaves. */
#define GS_SLOWEST_MAX 50
#define GS_BARS 8192
enum gs_moment_kind {
	GS_M_CALL = 0,
	GS_M_RUNQ = 1,	    /* between calls: taken off its processor, */
	GS_M_THROTTLED = 2, /* by its cgroup, */
	GS_M_FAULT = 3,	    /* blocked on a page that has to be read */
};
#define GS_MF_OWN 1	/* by the goroutine that serves the request */
#define GS_MF_RUNTIME 2 /* by the runtime, on the goroutine's behalf */
#define GS_MF_AGAIN 4	/* it would have blocked: state says for what */
#define GS_MF_BLOCKED 8 /* it blocked: state says for what */
struct gs_moment {
	__u64 begin_ns;
	__u64 dur_ns;
	__s64 ret;
	__u64 goid;	/* 0: its own goroutine's, or not known */
	__u64 blocked_ns; /* of dur_ns: waiting for what it asked for, */
	__u64 runq_ns;	  /* for a processor, */
	__u64 throttled_ns; /* for its cgroup's time */
	__u32 request;	/* low bits of gs_timeline.begin_ns; written last */
	__s32 fd;	/* -1: none */
	__u16 nr;
	__u8 kind;
	__u8 flags;	/* GS_MF_* */
	__u8 state;	/* enum gs_wall_state */
	__u8 seen;	/* 1 + index of what fd leads to, or of the path; 0: not known */
	__u8 pad[2];
};
/* What a descriptor led to when it was first used, or a call's path argument. */
struct gs_fd_seen {
	__u64 ino;
	__s32 fd;	/* -1: a path argument */
	__u8 kind;	/* enum gs_fd_kind */
	__u8 sock_state;
	__u16 family;
	__u16 lport;
	__u16 rport;
	__u16 path_len;
	__u8 gone;	/* closed since */
	__u8 cut;	/* of its path only the end is here */
	__u8 laddr[16];
	__u8 raddr[16];
	__u8 path[GS_TL_PATH]; /* components from leaf to root, each ends in NUL */
};
#define GS_TF_SLOWEST 1 /* it is among the slowest of its leaf */
#define GS_TF_SLOW 2	/* it is slower than was asked for */
#define GS_TF_TRACEPARENT 4
struct gs_timeline {
	__u32 kind;	/* GS_E_TIMELINE */
	__u32 flags;	/* GS_TF_* */
	__u64 id;	/* whose it is; 0: nobody's */
	__u64 key;	/* the connection */
	__u64 begin_ns;
	__u64 end_ns;
	__u64 g;
	__u64 goid;
	__u64 trace_hi, trace_lo, span;
	__u32 slot;
	__u32 leaf;
	__u32 res;	/* as of GS_NR_REQUEST */
	__u32 nfds;	/* may exceed GS_TL_FDS: those were not noted */
	__u32 nmoments; /* may exceed GS_TL_MOMENTS: those were cut */
	__u32 client;	/* 1 + index of its own connection in fds; 0: not noted yet */
	struct gs_fd_seen fds[GS_TL_FDS];
	struct gs_moment moments[GS_TL_MOMENTS]; /* raised only as far as used */
};
/* The longest requests of a leaf so far. */
struct gs_bar {
	__u64 least; /* what a request must exceed; 0: there is room */
	__u64 top[GS_SLOWEST_MAX];
};

/* Bytes that cannot be decided on yet (a partial request line, pipelined requests)
 * and the calls made while the endpoint is unknown. On demand, bounded. */
#define GS_STASH_BYTES 4096
#define GS_STASH_HALF 2048 /* appended below here only, fewer than this at a time */
#define GS_STASH_CALLS 96
struct gs_call {
	__u16 nr;
	__u16 res;
	__u32 ns;
};
struct gs_stash {
	__u32 len;
	__u32 ncalls;
	struct gs_call calls[GS_STASH_CALLS];
	__u8 data[GS_STASH_BYTES];
};

/* The path trie. */
enum gs_node_kind {
	GS_N_METHOD = 0,
	GS_N_LITERAL = 1,
	GS_N_WILD = 2,
	GS_N_CATCHALL = 3,
};
struct gs_node_key {
	__u32 parent;
	__u32 kind;
	__u64 hash;
};
#define GS_SEG_TEXT 56
#define GS_NF_ALL_WILD 1  /* every child is a placeholder */
#define GS_NF_LITERALS 2  /* has literal children that look like ids (--route) */
#define GS_NF_CATCHALL 4  /* the walk ends here */
#define GS_NF_OVERFLOW 8  /* had more children than the bound */
struct gs_node {
	__u32 id;
	__u32 parent;
	__u32 nliteral;
	__u8 kind;
	__u8 flags;
	__u8 len;
	__u8 pad;
	__u8 text[GS_SEG_TEXT];
};

/* What is known of a leaf besides its path. */
#define GS_ROUTE_TEXT 120
#define GS_PROTO_HTTP1 1
#define GS_PROTO_HTTP2 2
#define GS_PROTO_GRPC 4
struct gs_route {
	__u8 protos; /* GS_PROTO_*, together */
	__u8 len;    /* of the router's template; 0: not learned */
	__u8 early_len; /* of the template as it was when the last handler was called */
	__u8 none;   /* the router knew no such path, or not this method */
	__u8 refused; /* it did, and was answered 404 or 405 all the same */
	__u8 pad[3];
	__u8 text[GS_ROUTE_TEXT];
	__u8 early[GS_ROUTE_TEXT];
};

/* Counters, one per thing that can be lost or bounded. */
enum gs_counter {
	GS_CNT_SEEN = 0,	/* calls of targets that returned */
	GS_CNT_RECORDED,
	GS_CNT_FILTERED,	/* left out by --syscalls, --sample, --slower-than */
	GS_CNT_NO_START,	/* in flight when we attached */
	GS_CNT_SPILLED,		/* histogram full: charged to (other) */
	GS_CNT_LOST,		/* not even (other) had room */
	GS_CNT_RING_FULL,
	GS_CNT_TAIL_LIMITED,	/* snapshots beyond the rate limit */
	GS_CNT_GOROUTINES_FULL,
	GS_CNT_CONNS_FULL,
	GS_CNT_STASH_FULL,
	GS_CNT_NODES_FULL,
	GS_CNT_REQUESTS,
	GS_CNT_MALFORMED,	/* a request line that was none */
	GS_CNT_TLS,		/* connections seen */
	GS_CNT_HTTP2,
	GS_CNT_READ_FAULT,	/* the target's memory could not be read */
	GS_CNT_UNKNOWN_PARENT,
	GS_CNT_LATE_THREADS,	/* whose mark found no memory at first */
	GS_CNT_LINEAGE_SPAWNS,	/* hits of the newproc probe */
	GS_CNT_LINEAGE_USED,	/* ... in a request */
	GS_CNT_HANDLED,		/* requests known by their handler */
	GS_CNT_INFLIGHT,	/* requests that began before the attach */
	GS_CNT_TIMELINES_FULL,	/* requests that found no room to be kept whole */
	GS_CNT_TIMELINES_LIMITED, /* slow ones, beyond the rate or the ring */
	GS_CNT_EXACT_HITS,	/* of the probes of --exact */
	GS_CNT_EXACT_FULL,	/* requests that found no place in `exacts` */
	GS_CNT_MAX,
};

/* One record, so that those counted with every call share a line. */
struct gs_counters {
	__u64 n[GS_CNT_MAX];
};

/* Live events. */
enum gs_event_kind {
	GS_E_CALL = 1,	/* a syscall: trace or tail snapshot */
	GS_E_EXEC = 2,	/* a followed process executed a program */
	GS_E_LINEAGE = 3, /* parents are needed: attach the newproc probe */
	GS_E_BIRTHS_IDLE = 4, /* births by the hundred, none of them mattered */
	GS_E_SECURE = 5, /* TLS or HTTP/2 is spoken: probes at handlers are needed */
	GS_E_HANDLERS_IDLE = 6, /* handlers by the hundred, all seen on the wire anyway */
	GS_E_PATH = 7,	/* a path not seen before: its route may be to learn */
	GS_E_ROUTES_IDLE = 8, /* routed requests by the hundred, nothing new in them */
	GS_E_FRAMES = 9, /* HTTP/2 writes much at once: somebody's frames */
	GS_E_UNMARKED = 11, /* a thread was born and could not be marked */
	GS_E_FRAMES_IDLE = 10, /* frames by the hundred, none of them large */
	GS_E_TIMELINE = 11, /* a request kept whole: struct gs_timeline */
};
#define GS_EF_TAIL 1   /* a snapshot: slow, or with an errno of interest */
#define GS_EF_TRACE 2  /* asked for by trace */
#define GS_EF_TRACEPARENT 4
#define GS_EF_STACK 8
enum gs_fd_kind {
	GS_FD_NONE = 0,
	GS_FD_FILE = 1,
	GS_FD_SOCKET = 2,
	GS_FD_PIPE = 3,
	GS_FD_ANON = 4,
};
#define GS_PATH_MAX 256
#define GS_STACK_MAX 64
#define GS_EVENT_DATA (GS_STACK_MAX * 8 + 2 * GS_PATH_MAX)
struct gs_event {
	__u32 kind;
	__u32 flags;
	__u64 start_ns; /* CLOCK_MONOTONIC */
	__u64 dur_ns;
	__s64 ret;
	__u64 args[6];
	__u64 goid;
	__u64 parent;
	__u64 trace_hi, trace_lo, span;
	__u32 slot;
	__u32 tgid;
	__u32 tid;
	__u32 nr;
	__u32 leaf;
	__s32 fd;
	__u8 fd_kind;
	__u8 sock_state;
	__u16 family;
	__u16 lport; /* host order */
	__u16 rport;
	__u8 laddr[16];
	__u8 raddr[16];
	__u32 stack_len; /* bytes; first in data[] */
	__u32 path_len;	 /* then this: components from leaf to root, each ends in NUL */
	__u32 arg_len;	 /* then this: the call's path argument */
	__u32 pad;
	__u8 comm[16];
	__u8 data[GS_EVENT_DATA];
};

/* What may change while attached; written by user space through the mapped .data. */
#define GS_ERRNO_WORDS 8 /* errnos up to 511 */
struct gs_config {
	__u32 counting;	   /* the window is open */
	__u32 sample_n;	   /* 1 in N requests; 0 and 1: all */
	__u64 slower_ns;   /* record only calls at least this slow */
	__u32 trace;	   /* raise events for GS_NRF_TRACE numbers */
	__u32 trace_stacks;
	__u64 trace_min_ns;
	__u32 trace_any_errno; /* 0: all results; 1: only errnos in trace_errno */
	__u32 tail;	   /* raise snapshots */
	__u64 tail_always_ns;
	__u64 tail_errno[GS_ERRNO_WORDS];
	__u64 trace_errno[GS_ERRNO_WORDS];
	__u32 tail_per_sec; /* rate limit */
	__u32 all_events;  /* tests: raise an event for every call, as trace does */
};

/* Per syscall number, per CPU: how slow its calls are (2 buckets per octave). */
struct gs_nrstat {
	__u32 counts[64];
};

#endif
