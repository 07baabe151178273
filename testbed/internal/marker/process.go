package marker

import (
	"os"
	"syscall"
	"unsafe"
)

// noPID is above the kernel's largest pid (2^22).
const noPID = 0x3ffffff0

// Buffers that the kernel fills. All calls share them: nobody reads them, and
// they live outside the heap, so the garbage collector has no part in this.
var (
	scratch [4096]byte
	capHead = struct{ version, pid uint32 }{version: 0x20080522}
)

func ptr(offset int) uintptr { return uintptr(unsafe.Pointer(&scratch[offset])) }

// Markers about processes and users.
var (
	Getpriority        = kind("getpriority", "ok", slow(syscall.SYS_GETPRIORITY, 0, 0, 0))
	GetpriorityEINVAL  = kind("getpriority", "EINVAL", slow(syscall.SYS_GETPRIORITY, 9, 0, 0))
	Getpgid            = kind("getpgid", "ok", quick(syscall.SYS_GETPGID, 0, 0, 0))
	GetpgidESRCH       = kind("getpgid", "ESRCH", slow(syscall.SYS_GETPGID, noPID, 0, 0))
	Getsid             = kind("getsid", "ok", slow(syscall.SYS_GETSID, 0, 0, 0))
	GetsidESRCH        = kind("getsid", "ESRCH", quick(syscall.SYS_GETSID, noPID, 0, 0))
	Getppid            = kind("getppid", "ok", quick(syscall.SYS_GETPPID, 0, 0, 0))
	Getuid             = kind("getuid", "ok", func() syscall.Errno { os.Getuid(); return 0 })
	Geteuid            = kind("geteuid", "ok", func() syscall.Errno { os.Geteuid(); return 0 })
	Getgid             = kind("getgid", "ok", func() syscall.Errno { os.Getgid(); return 0 })
	Getegid            = kind("getegid", "ok", quick(syscall.SYS_GETEGID, 0, 0, 0))
	Getresuid          = kind("getresuid", "ok", quick(syscall.SYS_GETRESUID, ptr(0), ptr(8), ptr(16)))
	GetresuidEFAULT    = kind("getresuid", "EFAULT", slow(syscall.SYS_GETRESUID, 1, 1, 1))
	Getresgid          = kind("getresgid", "ok", slow(syscall.SYS_GETRESGID, ptr(24), ptr(32), ptr(40)))
	Getgroups          = kind("getgroups", "ok", slow(syscall.SYS_GETGROUPS, 0, 0, 0))
	GetgroupsEINVAL    = kind("getgroups", "EINVAL", quick(syscall.SYS_GETGROUPS, ^uintptr(0), 0, 0))
	Capget             = kind("capget", "ok", slow(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&capHead)), ptr(64), 0))
	Getrusage          = kind("getrusage", "ok", library(func() error { var u syscall.Rusage; return syscall.Getrusage(0, &u) }))
	GetrusageEINVAL    = kind("getrusage", "EINVAL", slow(syscall.SYS_GETRUSAGE, 99, ptr(128), 0))
	Times              = kind("times", "ok", quick(syscall.SYS_TIMES, ptr(512), 0, 0))
	Sysinfo            = kind("sysinfo", "ok", library(func() error { var s syscall.Sysinfo_t; return syscall.Sysinfo(&s) }))
	Umask              = kind("umask", "ok", slow(syscall.SYS_UMASK, 0o022, 0, 0))
	Getitimer          = kind("getitimer", "ok", slow(syscall.SYS_GETITIMER, 0, ptr(640), 0))
	ClockGetres        = kind("clock_getres", "ok", quick(syscall.SYS_CLOCK_GETRES, 1, ptr(704), 0))
	SchedGetscheduler  = kind("sched_getscheduler", "ok", quick(syscall.SYS_SCHED_GETSCHEDULER, 0, 0, 0))
	SchedGetschedESRCH = kind("sched_getscheduler", "ESRCH", slow(syscall.SYS_SCHED_GETSCHEDULER, noPID, 0, 0))
	SchedGetparam      = kind("sched_getparam", "ok", slow(syscall.SYS_SCHED_GETPARAM, 0, ptr(768), 0))
	SchedPriorityMax   = kind("sched_get_priority_max", "ok", quick(syscall.SYS_SCHED_GET_PRIORITY_MAX, 0, 0, 0))
	SchedPriorityMin   = kind("sched_get_priority_min", "EINVAL", slow(syscall.SYS_SCHED_GET_PRIORITY_MIN, 77, 0, 0))
	SchedRRInterval    = kind("sched_rr_get_interval", "ok", slow(syscall.SYS_SCHED_RR_GET_INTERVAL, 0, ptr(832), 0))
	IoprioGet          = kind("ioprio_get", "ok", slow(syscall.SYS_IOPRIO_GET, 1, 0, 0))
	Personality        = kind("personality", "ok", quick(syscall.SYS_PERSONALITY, 0xffffffff, 0, 0))
	GetRobustList      = kind("get_robust_list", "ok", slow(syscall.SYS_GET_ROBUST_LIST, 0, ptr(896), ptr(904)))
	KillESRCH          = kind("kill", "ESRCH", slow(syscall.SYS_KILL, noPID, 0, 0))
	Wait4ECHILD        = kind("wait4", "ECHILD", slow(syscall.SYS_WAIT4, noPID, 0, syscall.WNOHANG))
)
