package main

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

func cpuUser(c *call) { c.burn(c.ms) }

// burn spends d of user CPU, and notes what else the thread met meanwhile.
func (c *call) burn(d time.Duration) {
	t := measure(c.quota)
	t.burn(d)
	t.stop(c.meter, "cpu_user")
}

// cpuKernel reads zeros, which the kernel writes by the CPU.
func cpuKernel(c *call) {
	buf := c.files.buffer()
	defer c.files.put(buf)
	t := measure(c.quota)
	t.spend(c.ms, 400*time.Microsecond, func() { syscall.Read(c.files.zero, buf) })
	t.stop(c.meter, "cpu_kernel")
}

// cpuQuota is cpuUser under -quota: by then the cgroup is throttled.
func cpuQuota(c *call) {
	if c.quota == nil {
		c.note("/cpu/quota needs -quota")
	}
	c.burn(c.ms / 2)
}

// cpuHogged gives its P away while others want it: GOMAXPROCS is 1.
func cpuHogged(c *call) {
	if runtime.GOMAXPROCS(0) != 1 {
		c.note("/cpu/hogged needs -procs 1")
	}
	for i := 0; i < 3; i++ {
		c.elsewhere(func() {
			for end := time.Now().Add(c.ms / 3); time.Now().Before(end); {
			}
		})
	}
	start := time.Now()
	runtime.Gosched()
	// By the process's only P: whatever happened meanwhile, we waited for that.
	c.add("runq_go", time.Since(start))
}

// crowd is a busy process on one CPU, which sleeps (SIGSTOP) while nobody needs it.
type crowd struct {
	cpu     int
	allowed cpuSet
	pid     int
	mu      sync.Mutex
	users   int
}

func newCrowd() (*crowd, error) {
	n := &crowd{allowed: affinity()}
	n.cpu = n.allowed.last()
	cmd, err := own("-burn", strconv.Itoa(n.cpu))
	if err != nil {
		return nil, err
	}
	// A stopped process sees no end of its input; this reaches it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	n.pid = cmd.Process.Pid
	return n, syscall.Kill(n.pid, syscall.SIGSTOP)
}

func (n *crowd) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.users++; n.users == 1 {
		syscall.Kill(n.pid, syscall.SIGCONT)
	}
}

func (n *crowd) rest() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.users--; n.users == 0 {
		syscall.Kill(n.pid, syscall.SIGSTOP)
	}
}

// cpuNeighbour competes with another process for one CPU.
func cpuNeighbour(c *call) {
	c.crowd.wake()
	defer c.crowd.rest()
	// The way to that CPU is a wait for it, too, but one that a thread does not see.
	start := time.Now()
	runtime.LockOSThread()
	setAffinity(only(c.crowd.cpu))
	c.oneOf(time.Since(start), "cpu_kernel", "runq_os", "runq_go", "syscall_other")
	c.burn(c.ms / 2)
	start = time.Now()
	setAffinity(c.crowd.allowed)
	runtime.UnlockOSThread()
	c.oneOf(time.Since(start), "cpu_kernel", "runq_os", "runq_go", "syscall_other")
}

// burnForever is the neighbour.
func burnForever(cpu int) error {
	setAffinity(only(cpu)) // of the main thread, to which this goroutine is locked
	fmt.Println("burning")
	for {
		sink = sink*1664525 + 1013904223
	}
}

// cpuSet is the kernel's cpu_set_t.
type cpuSet [128]byte

func only(cpu int) (s cpuSet) {
	s[cpu/8] = 1 << (cpu % 8)
	return s
}

func (s *cpuSet) last() int {
	for i := len(s)*8 - 1; i > 0; i-- {
		if s[i/8]&(1<<(i%8)) != 0 {
			return i
		}
	}
	return 0
}

func affinity() (s cpuSet) {
	syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(s), uintptr(unsafe.Pointer(&s)))
	return s
}

func setAffinity(s cpuSet) {
	syscall.Syscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(s), uintptr(unsafe.Pointer(&s)))
}
