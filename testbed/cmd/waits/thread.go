package main

import (
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gostall/testbed/internal/waits"
)

// thread measures the calling thread, to which the goroutine is locked
// meanwhile, by the kernel's own figures.
type thread struct {
	schedstat int // open file
	start     time.Time
	first     sample
	last      sample
	// queued is time on the run queue after the kernel took the CPU away; vague is
	// the same around a wait for a P, which the goroutine may be said to wait for;
	// throttled is what the cgroup's counters say of the gaps.
	queued, vague, throttled time.Duration
	quota                    *quota // nil without one
	throttledSoFar           time.Duration
	slept                    time.Duration // see blocked
	mark                     time.Time     // until when gaps have been looked for
}

type sample struct {
	cpu, delay time.Duration
	waits      int64 // voluntary switches
}

// measure locks the goroutine to its thread and begins to measure; stop ends both.
func measure(q *quota) *thread {
	runtime.LockOSThread()
	t := &thread{quota: q}
	// No os.File: that would try the poller, and may have to wait for it.
	fd, err := syscall.Open("/proc/thread-self/schedstat", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	t.schedstat = fd
	if q != nil {
		t.throttledSoFar = q.throttled()
	}
	t.start = time.Now()
	t.first = t.sample()
	t.last, t.mark = t.first, t.start
	return t
}

func (t *thread) sample() sample {
	var buf [96]byte
	n, _ := syscall.Pread(t.schedstat, buf[:], 0)
	var delay int64
	if f := strings.Fields(string(buf[:n])); len(f) == 3 {
		delay, _ = strconv.ParseInt(f[1], 10, 64)
	}
	var usage syscall.Rusage
	const self = 1 // RUSAGE_THREAD, which package syscall does not name
	syscall.Getrusage(self, &usage)
	return sample{time.Duration(waits.ThreadCPU()), time.Duration(delay), int64(usage.Nvcsw)}
}

// gap looks at why the thread did not run since then, and gives the time at which
// it has seen it.
func (t *thread) gap(since time.Time) time.Time {
	var now sample
	var total time.Duration
	seen := since
	// The way out of a syscall is where the kernel likes to take the CPU away: what
	// happened during the look itself needs another one.
	for first := true; first || time.Since(seen) > time.Millisecond; first = false {
		seen = time.Now()
		now = t.sample()
		if t.quota != nil {
			total = t.quota.throttled()
		}
	}
	length := time.Since(since)
	delay := now.delay - t.last.delay
	if t.quota != nil {
		shut := total - t.throttledSoFar
		t.throttledSoFar = total
		// The counter sums over the processors: another one's time is not ours.
		if shut > length {
			shut = length
		}
		t.throttled += shut
		// Whether the kernel counts it as time on the run queue depends on its release.
		if delay > length-shut {
			delay = length - shut
		}
	}
	if now.waits == t.last.waits {
		t.queued += delay
	} else {
		t.vague += delay
	}
	t.last = now
	return time.Now()
}

// spend calls step, which takes at most a tenth of longest, until the thread
// has spent d on a CPU.
func (t *thread) spend(d, longest time.Duration, step func()) {
	var on time.Duration
	last := t.mark
	for on < d {
		step()
		now := time.Now()
		if took := now.Sub(last); took < longest {
			on += took
		} else {
			now = t.gap(last)
		}
		last = now
	}
	t.mark = last
}

// burn spends d of user CPU.
func (t *thread) burn(d time.Duration) {
	t.spend(d, 40*time.Microsecond, func() {
		x := sink
		for i := uint32(0); i < 1000; i++ {
			x = x*1664525 + i
		}
		// Never true, which the compiler cannot know: a store would be shared by all.
		if x == 1 && sink == 2 {
			sink = x
		}
	})
}

var sink uint32 = 1

// stop ends the measurement of time that was spent on the CPU in the given state.
func (t *thread) stop(m *meter, state string) {
	t.gap(t.mark)
	wall := time.Since(t.start)
	cpu := t.last.cpu - t.first.cpu
	t.release()
	m.add(state, cpu)
	m.add("runq_os", t.queued)
	m.add("throttled", t.throttled)
	m.oneOf(t.vague, "runq_go", "runq_os")
	rest := wall - cpu - t.queued - t.throttled - t.vague
	switch {
	case t.quota != nil:
		m.oneOf(rest, "runq_go", "runq_os", "throttled")
	case t.last.waits == t.first.waits:
		// A hypervisor's or an interrupt's.
		m.oneOf(rest, "runq_os", state)
	default:
		// The thread has no waits of its own but for the Go scheduler: it slept while
		// there was no P for its goroutine, which was runnable.
		m.add("runq_go", rest)
	}
}

// blocked counts a syscall that f makes: what of it was neither on a CPU nor on
// the run queue was blocked.
func (t *thread) blocked(m *meter, state string, f func()) {
	before, start := t.sample(), time.Now()
	f()
	took, after := time.Since(start), t.sample()
	d := took - (after.cpu - before.cpu) - (after.delay - before.delay)
	m.add(state, d)
	t.slept += d
}

// stopBlocked ends a measurement whose only waits were blocked ones.
func (t *thread) stopBlocked(m *meter) {
	now := t.sample()
	cpu, delay := now.cpu-t.first.cpu, now.delay-t.first.delay
	t.release()
	m.oneOf(cpu, "cpu_kernel", "cpu_user")
	m.oneOf(delay, "runq_go", "runq_os")
	if rest := time.Since(t.start) - t.slept - cpu - delay; rest > 0 {
		m.oneOf(rest, "runq_go", "runq_os", "cpu_kernel")
	}
}

func (t *thread) release() {
	syscall.Close(t.schedstat)
	runtime.UnlockOSThread()
}
