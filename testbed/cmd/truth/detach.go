package main

import (
	"sync"
	"time"

	m "gostall/testbed/internal/marker"
)

// detachEndpoints leave goroutines behind. What those do while the request
// lives is the request's; what they do afterwards is nobody's, even though
// their parent, the connection's goroutine, is serving the next request by then.
func detachEndpoints() []*endpoint {
	return []*endpoint{
		{method: "GET", route: "/detach/after", serve: detachAfter,
			steps: []step{{m.FlockEBADF, 3}, {m.DupEBADF, 1}}, after: []step{{m.FlockEBADF, 5}, {m.TeeEBADF, 2}}},
		{method: "GET", route: "/detach/late", serve: detachLate,
			steps: []step{{m.DupEBADF, 3}}, after: []step{{m.DupEBADF, 7}}},
		{method: "GET", route: "/detach/hold", serve: hold,
			steps: []step{{m.TeeEBADF, 5}, {m.SyncFileRangeEBADF, 2}}},
		{method: "GET", route: "/detach/close", serve: detachClose,
			steps: []step{{m.FallocateEBADF, 2}}, after: []step{{m.FallocateEBADF, 3}}},
	}
}

// detachAfter leaves a goroutine that marks during the request and after it,
// and starts a child of its own when the request is long gone.
func detachAfter(c *call) {
	during := make(chan struct{})
	c.detach(func() {
		c.mark(0)
		close(during)
		c.outlive()
		c.afterwards(0)
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			c.afterwards(1)
		}()
		wg.Wait()
	})
	<-during
	c.mark(1)
	c.answer()
}

// detachLate leaves a goroutine that makes no syscall before the driver has sent
// the connection's next request, /detach/hold.
func detachLate(c *call) {
	c.marks()
	c.detach(func() {
		time.Sleep(30 * time.Millisecond)
		c.outlive()
		if c.turn.overtaken() {
			c.lateOverlaps.Add(1)
		}
		c.afterwards(0)
	})
	c.answer()
}

// hold is long enough for the goroutine of /detach/late to mark in the middle.
func hold(c *call) {
	c.mark(0)
	time.Sleep(80 * time.Millisecond)
	c.mark(1)
	c.answer()
}

// detachClose outlives not only the request but its connection.
func detachClose(c *call) {
	c.marks()
	c.w.Header().Set("Connection", "close")
	c.detach(func() {
		c.outlive()
		c.afterwards(0)
	})
	c.answer()
}
