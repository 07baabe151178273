package main

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"

	m "gostall/testbed/internal/marker"
)

// gcEndpoints make the garbage collector run in the middle of a request, with
// the syscalls that it and the scavenger make on the request's goroutine.
func gcEndpoints() []*endpoint {
	return []*endpoint{
		{method: "GET", route: "/gc/alloc", serve: alloc, steps: []step{{m.SchedPriorityMax, 4}, {m.Times, 2}}},
		{method: "GET", route: "/gc/run", serve: collect, steps: []step{{m.SchedPriorityMax, 2}, {m.Times, 5}}},
		{method: "GET", route: "/gc/free", serve: free, steps: []step{{m.SchedPriorityMin, 3}, {m.Umask, 2}}},
		{method: "GET", route: "/gc/stack", serve: growStack, steps: []step{{m.SchedPriorityMin, 40}}},
	}
}

var kept atomic.Value // what alloc made last; without it the compiler would make nothing

func alloc(c *call) {
	for i := 0; i < c.ep.steps[0].n; i++ {
		c.once(0)
		var pieces [][]byte
		for j := 0; j < 64; j++ {
			pieces = append(pieces, make([]byte, 16<<10))
		}
		kept.Store(pieces)
	}
	c.mark(1)
	c.answer()
}

func collect(c *call) {
	c.mark(0)
	runtime.GC()
	c.mark(1)
	c.answer()
}

func free(c *call) {
	c.mark(0)
	debug.FreeOSMemory()
	c.mark(1)
	c.answer()
}

// growStack marks ever deeper down, so that its stack moves between markers.
func growStack(c *call) {
	var dive func(n int) byte
	dive = func(n int) byte {
		if n == 0 {
			return 0
		}
		var frame [1024]byte
		c.once(0)
		frame[n] = dive(n - 1)
		return frame[n]
	}
	done := make(chan struct{})
	go func() { // a fresh goroutine: its stack is small
		dive(c.ep.steps[0].n)
		close(done)
	}()
	<-done
	c.answer()
}
