package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// pace puts each request's index into due at the request's time. It sleeps by
// the kernel's own clock on a thread of its own: time.Sleep goes through
// epoll_pwait, whose unit is a millisecond, and would add that to every latency.
func pace(start time.Time, rate float64, total int64, due chan<- int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := int64(0); i < total; i++ {
		at := start.Add(time.Duration(float64(i) / rate * 1e9))
		for {
			wait := time.Until(at)
			if wait <= 0 {
				break
			}
			nanosleep(wait)
		}
		due <- i
	}
}

func nanosleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	// EINTR is no error here: the caller looks at the clock again.
	syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}
