package waits

import (
	"syscall"
	"time"
	"unsafe"
)

// started and base tie Go's monotonic clock, which counts from nowhere, to
// CLOCK_MONOTONIC, which all processes of the machine share.
var (
	started = time.Now()
	base    = clock(clockMonotonic)
)

const (
	clockMonotonic = 1
	clockThreadCPU = 3
)

// Clock is t on CLOCK_MONOTONIC, ns; another process may compare it with its own.
func Clock(t time.Time) int64 { return base + int64(t.Sub(started)) }

// ThreadCPU is the CPU time of the calling thread, ns.
func ThreadCPU() int64 { return clock(clockThreadCPU) }

func clock(id uintptr) int64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}
