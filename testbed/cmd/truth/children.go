package main

import (
	"sync"

	m "gostall/testbed/internal/marker"
)

// childEndpoints hand their work to goroutines which they wait for: those
// inherit the request, at any depth.
func childEndpoints() []*endpoint {
	return []*endpoint{
		{method: "GET", route: "/children/two", serve: twoChildren,
			steps: []step{{m.Getresuid, 1}, {m.Getresgid, 7}, {m.Getgroups, 11}}},
		{method: "GET", route: "/children/fanout", serve: fanout,
			steps: []step{{m.GetgroupsEINVAL, 32}, {m.Getuid, 32}}},
		{method: "GET", route: "/children/deep", serve: deep,
			steps: []step{{m.Capget, 6}, {m.Getresuid, 3}}},
		{method: "GET", route: "/children/silent-parent", serve: silentParent,
			steps: []step{{m.GetresuidEFAULT, 5}}},
		{method: "GET", route: "/children/orphan", serve: orphan,
			steps: []step{{m.Geteuid, 9}}},
		{method: "GET", route: "/children/alternate", serve: alternate,
			steps: []step{{m.Getitimer, 3}, {m.ClockGetres, 7}, {m.Getitimer, 4}}},
	}
}

// twoChildren marks in the handler and in two children at once.
func twoChildren(c *call) {
	var wg sync.WaitGroup
	for i := 1; i <= 2; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			c.mark(i)
		}(i)
	}
	c.mark(0)
	wg.Wait()
	c.answer()
}

// fanout starts as many children as it makes markers.
func fanout(c *call) {
	var wg sync.WaitGroup
	for i := 0; i < c.ep.steps[0].n; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c.once(0)
			c.once(1)
		}()
	}
	wg.Wait()
	c.answer()
}

// deep is a chain of goroutines, each the child of the one before, each marking
// once before and only the last one at the end.
func deep(c *call) {
	done := make(chan struct{})
	var descend func(levels int)
	descend = func(levels int) {
		if levels == 0 {
			c.mark(1)
			close(done)
			return
		}
		c.once(0)
		go descend(levels - 1)
	}
	descend(c.ep.steps[0].n)
	<-done
	c.answer()
}

// silentParent has a goroutine in the middle of the line that makes no syscall
// of its own: a tracer that learns of goroutines from their syscalls never
// meets it.
func silentParent(c *call) {
	done := make(chan struct{})
	go func() {
		inner := make(chan struct{})
		go func() {
			c.mark(0)
			close(inner)
		}()
		<-inner
		close(done)
	}()
	<-done
	c.answer()
}

// orphan is silentParent whose middle goroutine is dead, and its memory perhaps
// another goroutine's, before the last one makes its first syscall.
func orphan(c *call) {
	gone, done := make(chan struct{}), make(chan struct{})
	go func() {
		go func() {
			<-gone
			c.mark(0)
			close(done)
		}()
	}()
	// A new goroutine takes the dead one's memory first of all.
	go func() { close(gone) }()
	<-done
	c.answer()
}

// alternate lets handler and child mark in turn, never both.
func alternate(c *call) {
	done := make(chan struct{})
	c.mark(0)
	go func() {
		c.mark(1)
		close(done)
	}()
	<-done
	c.mark(2)
	c.answer()
}
