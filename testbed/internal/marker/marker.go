// Package marker makes the syscalls that the testbed counts: calls that neither
// Go's runtime nor net/http makes by itself, with a result known beforehand. A
// tool that charges one of them to the wrong endpoint cannot blame noise.
//
// Left out on purpose: whatever the runtime or net/http uses (read, write,
// openat with ok or ENOENT, fstat, lseek, futex, madvise, prctl since Go 1.25's
// names for mappings, pread64 since its look at the cgroup's limit, ...), and calls
// that a signal can interrupt (nanosleep, ppoll, ...): the kernel's exit
// tracepoint shows those as ERESTART_*, user space as EINTR, and the runtime's
// preemption signal comes when it likes.
package marker

import "syscall"

// Kind is one marker: a syscall with the result it is made to have.
type Kind struct {
	Name   string // the kernel's name of the syscall
	Result string // "ok" or the errno's name
	Index  int    // its place in All
	call   func() syscall.Errno
}

// Do makes the call once and tells its result, as "ok" or the errno's name. It
// differs from k.Result only if the kernel does; the truth is what happened.
func (k *Kind) Do() string { return ErrnoName(k.call()) }

// All are the markers in the order of their declaration.
func All() []*Kind { return all }

var all []*Kind

func kind(name, result string, call func() syscall.Errno) *Kind {
	k := &Kind{Name: name, Result: result, Index: len(all), call: call}
	all = append(all, k)
	return k
}

// slow is a call by way of the scheduler (syscall.Syscall), quick one without
// (syscall.RawSyscall): a tracer has to see both.
func slow(nr, a, b, c uintptr) func() syscall.Errno {
	return func() syscall.Errno {
		_, _, e := syscall.Syscall(nr, a, b, c)
		return e
	}
}

func quick(nr, a, b, c uintptr) func() syscall.Errno {
	return func() syscall.Errno {
		_, _, e := syscall.RawSyscall(nr, a, b, c)
		return e
	}
}

// library is a call by way of Go's own wrappers, which return an error.
func library(f func() error) func() syscall.Errno {
	return func() syscall.Errno { return errnoOf(f()) }
}
