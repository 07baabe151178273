package main

import (
	"sync"
	"time"
)

// nested waits for a child that waits for something itself: in state, mostly.
func nested(state string, wait func(*call)) func(*call) {
	return func(c *call) {
		var wg sync.WaitGroup
		childs := *c
		childs.meter = newMeter()
		start := time.Now()
		wg.Add(1)
		go func() {
			defer wg.Done()
			wait(&childs)
		}()
		wg.Wait()
		// The child's own work at either end is short, but it is a wait all the same.
		c.add("lock", time.Since(start))
		c.child(state, childs.states[state])
	}
}
