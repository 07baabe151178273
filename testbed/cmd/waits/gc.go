package main

import (
	"runtime"
	"time"
)

// node is something for the collector to follow.
type node struct {
	next [4]*node
	_    [32]byte
}

// newHeap is a heap that takes the collector a while.
func newHeap() []*node {
	heap := make([]*node, 300_000)
	for i := range heap {
		heap[i] = &node{}
		for j := range heap[i].next {
			// Far apart, so that every step misses the caches.
			heap[i].next[j] = heap[(i*7919+j*104729)%(i+1)]
		}
	}
	return heap
}

// gcRun runs the collector until the time is over, and waits for it.
func gcRun(c *call) {
	t := measure(c.quota)
	for begin := time.Now(); time.Since(begin) < c.ms; {
		before, start := t.sample(), time.Now()
		runtime.GC()
		took, after := time.Since(start), t.sample()
		cpu, delay := after.cpu-before.cpu, after.delay-before.delay
		c.add("gc", took-cpu-delay)
		// runtime.GC sweeps by itself, which is its CPU and its scheduling.
		c.oneOf(cpu, "gc", "cpu_user", "cpu_kernel")
		c.oneOf(delay, "gc", "runq_go", "runq_os")
	}
	t.release()
}

// gcAlloc allocates until the time is over. How much of it the collector takes
// is not known inside, but nothing else does.
func gcAlloc(c *call) {
	start := time.Now()
	for time.Since(start) < c.ms {
		list := make([]*node, 64)
		for i := range list {
			list[i] = &node{}
			list[i].next[0] = c.heap[i]
		}
		c.kept = list // so that nothing of it is on the stack
	}
	c.oneOf(time.Since(start), "gc", "cpu_user", "cpu_kernel", "runq_go", "runq_os")
}
