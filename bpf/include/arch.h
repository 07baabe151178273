/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where each architecture keeps what the probes read: the goroutine register, the
 * syscall's arguments as they stand at both ends of a call, the thread pointer.
 */
#ifndef GOSTALL_ARCH_H
#define GOSTALL_ARCH_H

#if defined(__TARGET_ARCH_x86)
/* Go's ABIInternal keeps g in R14 (src/cmd/compile/abi-internal.md). */
#define REG_G(r) ((r)->r14)
#define REG_SP(r) ((r)->sp)
#define REG_BX(r) ((r)->bx)
/* Whether an interrupt came while user code ran (perf's copy of the registers). */
#define USER_MODE(r) ((*(volatile const __u64 *)&(r)->cs & 3) == 3)
#define ARG0(r) ((r)->di)
#define ARG1(r) ((r)->si)
#define ARG2(r) ((r)->dx)
#define ARG3(r) ((r)->r10)
#define ARG4(r) ((r)->r8)
#define ARG5(r) ((r)->r9)
#define THREAD_POINTER(t) ((t)->thread.fsbase)
/* The integer arguments of a Go function (ABIInternal). */
#define GO_ARG0(r) ((r)->ax)
#define GO_ARG1(r) ((r)->bx)
#define GO_ARG2(r) ((r)->cx)
#define GO_ARG3(r) ((r)->di)
#define GO_ARG4(r) ((r)->si)
#define GO_ARG6(r) ((r)->r9)
/* A register by its number in an instruction; one at a time, for the context may not be read at
 * a computed offset. */
#define NTH_REG(r, n, number, name, value)                                                         \
	if ((n) == (number)) {                                                                      \
		value = (r)->name;                                                                  \
		asm volatile("" : "+r"(value));                                                     \
	}
static __always_inline __u64 numbered_register(struct pt_regs *r, __u32 n)
{
	__u64 value = 0;

	NTH_REG(r, n, 2, dx, value);
	NTH_REG(r, n, 6, si, value);
	NTH_REG(r, n, 7, di, value);
	NTH_REG(r, n, 8, r8, value);
	NTH_REG(r, n, 9, r9, value);
	NTH_REG(r, n, 10, r10, value);
	NTH_REG(r, n, 11, r11, value);
	return value;
}
/* Whether the branch of a stack check will be taken (jbe: CF or ZF). */
#define STACK_GROWS(r) ((r)->flags & 0x41)
#elif defined(__TARGET_ARCH_arm64)
#define REG_G(r) ((r)->regs[28])
#define REG_SP(r) ((r)->sp)
/* Of what an interrupt interrupted: exception level 0. */
#define USER_MODE(r) (((r)->pstate & 0xf) == 0)
/* x0 holds the result on the way out; the kernel keeps the argument in orig_x0. */
#define ARG0(r) ((r)->orig_x0)
#define ARG1(r) ((r)->regs[1])
#define ARG2(r) ((r)->regs[2])
#define ARG3(r) ((r)->regs[3])
#define ARG4(r) ((r)->regs[4])
#define ARG5(r) ((r)->regs[5])
#define THREAD_POINTER(t) ((t)->thread.uw.tp_value)
#define GO_ARG0(r) ((r)->regs[0])
#define GO_ARG1(r) ((r)->regs[1])
#define GO_ARG2(r) ((r)->regs[2])
#define GO_ARG3(r) ((r)->regs[3])
#define GO_ARG4(r) ((r)->regs[4])
#define GO_ARG6(r) ((r)->regs[6])
static __always_inline __u64 numbered_register(struct pt_regs *r, __u32 n)
{
	return 0; /* no site asks for one */
}
/* b.ls: C clear or Z set. */
#define STACK_GROWS(r) (!((r)->pstate & 0x20000000) || ((r)->pstate & 0x40000000))
#else
#error "no register map for this architecture"
#endif

#endif
