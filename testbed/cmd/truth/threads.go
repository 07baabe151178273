package main

import (
	"runtime"
	"syscall"
	"time"

	m "gostall/testbed/internal/marker"
)

// threadEndpoints make their goroutine change threads, or keep to one, between
// markers.
func threadEndpoints() []*endpoint {
	return []*endpoint{
		{method: "GET", route: "/threads/gosched", serve: gosched, steps: []step{{m.SchedGetscheduler, 20}}},
		{method: "GET", route: "/threads/ping-pong", serve: pingPong,
			steps: []step{{m.SchedPriorityMax, 13}, {m.SchedPriorityMin, 13}}},
		{method: "GET", route: "/threads/blocking", serve: blocking,
			steps: []step{{m.SchedRRInterval, 3}, {m.IoprioGet, 5}}},
		{method: "GET", route: "/threads/poller", serve: poller,
			steps: []step{{m.Personality, 3}, {m.IoprioGet, 7}}},
		{method: "GET", route: "/threads/locked", serve: locked,
			steps: []step{{m.GetRobustList, 3}, {m.SchedGetschedESRCH, 5}}},
		{method: "GET", route: "/threads/locked-exit", serve: lockedExit,
			steps: []step{{m.GetRobustList, 11}}},
		{method: "GET", route: "/threads/timers", serve: timers,
			steps: []step{{m.SchedGetparam, 8}}},
	}
}

func gosched(c *call) {
	for i := 0; i < c.ep.steps[0].n; i++ {
		c.once(0)
		runtime.Gosched()
	}
	c.answer()
}

// pingPong passes the turn between the handler and a child after every marker.
func pingPong(c *call) {
	ping, pong := make(chan struct{}), make(chan struct{})
	n := c.ep.steps[0].n
	go func() {
		for i := 0; i < n; i++ {
			<-ping
			c.once(1)
			pong <- struct{}{}
		}
	}()
	for i := 0; i < n; i++ {
		c.once(0)
		ping <- struct{}{}
		<-pong
	}
	c.answer()
}

// blocking sits in a read for so long that the thread loses its P, and goes on
// wherever there is one free.
func blocking(c *call) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		panic(err)
	}
	c.mark(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(15 * time.Millisecond)
		syscall.Write(p[1], []byte{1})
	}()
	var b [1]byte
	for {
		if _, err := syscall.Read(p[0], b[:]); err != syscall.EINTR {
			break
		}
	}
	<-done
	syscall.Close(p[0])
	syscall.Close(p[1])
	c.mark(1)
	c.answer()
}

// poller parks on the network poller between its markers.
func poller(c *call) {
	c.mark(0)
	if err := c.echo("ping"); err != nil {
		panic(err)
	}
	c.mark(1)
	c.answer()
}

func locked(c *call) {
	runtime.LockOSThread()
	c.mark(0)
	time.Sleep(time.Millisecond)
	runtime.Gosched()
	c.mark(1)
	runtime.UnlockOSThread()
	c.answer()
}

// lockedExit ends a goroutine that is still locked: the runtime kills its thread.
func lockedExit(c *call) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		c.mark(0)
	}()
	<-done
	c.answer()
}

// timers sleeps between markers, so that each may run on another thread.
func timers(c *call) {
	for i := 0; i < c.ep.steps[0].n; i++ {
		c.once(0)
		time.Sleep(200 * time.Microsecond)
	}
	c.answer()
}
