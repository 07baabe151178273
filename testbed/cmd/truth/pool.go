package main

import (
	"sync"
	"time"

	m "gostall/testbed/internal/marker"
)

// pool is a set of workers that live as long as the process and get their jobs
// through a channel: no lineage leads from a request to its worker.
type pool struct {
	jobs  chan func()
	lazy  chan func()
	start sync.Once
}

const workers = 3

func newPool() *pool {
	p := &pool{jobs: make(chan func()), lazy: make(chan func())}
	for i := 0; i < workers; i++ {
		go work(p.jobs)
	}
	return p
}

func work(jobs <-chan func()) {
	for job := range jobs {
		job()
	}
}

func poolEndpoints() []*endpoint {
	return []*endpoint{
		{method: "POST", route: "/pool/wait", serve: poolWait,
			steps: []step{{m.Getdents64ENOTDIR, 2}}, handed: []step{{m.Getdents64ENOTDIR, 5}}},
		{method: "POST", route: "/pool/fire", serve: poolFire,
			steps: []step{{m.IoctlENOTTY, 2}}, after: []step{{m.IoctlENOTTY, 4}}},
		{method: "POST", route: "/pool/lazy", serve: poolLazy,
			steps: []step{{m.InotifyEINVAL, 2}}, after: []step{{m.InotifyEINVAL, 3}}},
		{method: "GET", route: "/pool/after-func", serve: afterFunc,
			steps: []step{{m.TimerfdEINVAL, 2}}, handed: []step{{m.TimerfdEINVAL, 3}}},
	}
}

// poolWait hands a job to a worker and waits for it.
func poolWait(c *call) {
	c.mark(0)
	done := make(chan struct{})
	c.pool.jobs <- func() {
		c.workFor(0)
		close(done)
	}
	<-done
	c.answer()
}

// poolFire hands over a job that is done after the request.
func poolFire(c *call) {
	c.mark(0)
	c.enqueue(c.pool.jobs)
	c.answer()
}

// poolLazy starts its worker in the first request that wants it: the worker is
// that request's child, outlives it, and then works for all the others.
func poolLazy(c *call) {
	c.mark(0)
	c.pool.start.Do(func() {
		go func() {
			c.outlive()
			work(c.pool.lazy)
		}()
	})
	c.enqueue(c.pool.lazy)
	c.answer()
}

// enqueue hands over the request's last markers when it has ended. The waiting
// is done here and not by a worker: those are few, and one that waited for a
// request to end could be what that request waits for.
func (c *call) enqueue(jobs chan<- func()) {
	c.pending.Add(1)
	go func() {
		c.outlive()
		jobs <- func() {
			defer c.pending.Add(-1)
			c.afterwards(0)
		}
	}()
}

// afterFunc waits for a function that the runtime starts on a goroutine of its
// own when a timer fires: its parent is no goroutine.
func afterFunc(c *call) {
	c.mark(0)
	done := make(chan struct{})
	time.AfterFunc(3*time.Millisecond, func() {
		c.workFor(0)
		close(done)
	})
	<-done
	c.answer()
}
