package main

import (
	"context"
	"sync"
	"time"
)

func sleep(c *call) { c.sleep(c.ms) }

func (c *call) sleep(d time.Duration) {
	start := time.Now()
	time.Sleep(d)
	c.until("timer", start, start.Add(d))
}

// after receives from a timer's channel alone.
func after(c *call) {
	start := time.Now()
	<-time.After(c.ms)
	c.until("timer", start, start.Add(c.ms))
}

// deadline waits for a context that nothing but its deadline can end. From
// outside that is a channel, unless one knows who closes it.
func deadline(c *call) {
	start := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), start.Add(c.ms))
	defer cancel()
	<-ctx.Done()
	c.oneOf(c.ms, "timer", "channel")
	c.oneOf(time.Since(start)-c.ms, "timer", "channel", "runq_go", "runq_os")
}

// held lets somebody elsewhere take something, and keep it for d; it returns when
// it is taken. release runs at the end, and gives back what take took.
func (c *call) held(d time.Duration, take, release func()) *time.Time {
	taken, released := make(chan struct{}), new(time.Time)
	c.elsewhere(func() {
		take()
		close(taken)
		time.Sleep(d)
		*released = time.Now()
		release()
	})
	c.ready(taken)
	return released
}

// ready waits until a helper has begun, a few microseconds.
func (c *call) ready(begun chan struct{}) {
	start := time.Now()
	<-begun
	c.oneOf(time.Since(start), "channel", "runq_go", "runq_os")
}

func mutex(c *call) { c.mutex(c.ms) }

func (c *call) mutex(d time.Duration) {
	var mu sync.Mutex
	released := c.held(d, mu.Lock, mu.Unlock)
	start := time.Now()
	mu.Lock()
	c.until("lock", start, *released)
	mu.Unlock()
}

// rwMutex waits as a reader for a writer, then as a writer for a reader.
func rwMutex(c *call) {
	var mu sync.RWMutex
	released := c.held(c.ms/2, mu.Lock, mu.Unlock)
	start := time.Now()
	mu.RLock()
	c.until("lock", start, *released)
	mu.RUnlock()

	released = c.held(c.ms/2, mu.RLock, mu.RUnlock)
	start = time.Now()
	mu.Lock()
	c.until("lock", start, *released)
	mu.Unlock()
}

// waitGroup waits for three children that sleep.
func waitGroup(c *call) {
	var wg sync.WaitGroup
	var last time.Time
	start := time.Now()
	for i := 1; i <= 3; i++ {
		d := c.ms * time.Duration(i) / 3
		longest := i == 3
		wg.Add(1)
		go func() {
			defer wg.Done()
			time.Sleep(d)
			if longest {
				last = time.Now()
			}
		}()
	}
	wg.Wait()
	c.until("lock", start, last)
	c.child("timer", c.ms)
}

func cond(c *call) {
	var mu sync.Mutex
	changed := sync.NewCond(&mu)
	done := false
	released := c.held(c.ms, func() {}, func() {
		mu.Lock()
		done = true
		changed.Signal()
		mu.Unlock()
	})
	start := time.Now()
	mu.Lock()
	for !done {
		changed.Wait()
	}
	mu.Unlock()
	c.until("lock", start, *released)
}

func channel(c *call) { c.channel(c.ms) }

func (c *call) channel(d time.Duration) {
	ch := make(chan time.Time)
	start := time.Now()
	c.elsewhere(func() {
		time.Sleep(d)
		ch <- time.Now()
	})
	c.until("channel", start, <-ch)
}

// selectTwo waits for two channels, of which one is never fed.
func selectTwo(c *call) {
	ch, never := make(chan time.Time), make(chan time.Time)
	start := time.Now()
	c.elsewhere(func() {
		time.Sleep(c.ms)
		ch <- time.Now()
	})
	select {
	case t := <-ch:
		c.until("channel", start, t)
	case <-never:
	}
}

// children collects the results of two children from a channel, as one does for
// lack of an errgroup.
func children(c *call) {
	results := make(chan time.Time)
	start := time.Now()
	for i := 1; i <= 2; i++ {
		d := c.ms * time.Duration(i) / 2
		go func() {
			time.Sleep(d)
			results <- time.Now()
		}()
	}
	c.until("channel", start, <-results)
	start = time.Now()
	c.until("channel", start, <-results)
	c.child("timer", c.ms)
}
