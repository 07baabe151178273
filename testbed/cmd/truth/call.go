package main

import (
	"io"
	"net/http"
	"time"
)

// call is one request in its handler's hands.
type call struct {
	*server
	ep   *endpoint
	w    http.ResponseWriter
	r    *http.Request
	rec  *recorder
	turn *turn
}

// once makes one marker of step i; for handlers that spread a step out.
func (c *call) once(i int) {
	k := c.ep.steps[i].kind
	c.ep.markers.Add(k, k.Do())
}

// mark makes all markers of step i.
func (c *call) mark(i int) {
	for n := c.ep.steps[i].n; n > 0; n-- {
		c.once(i)
	}
}

// marks makes all markers of all steps.
func (c *call) marks() {
	for i := range c.ep.steps {
		c.mark(i)
	}
}

// afterwards makes the markers of after-step i, on a goroutine that has outlived
// the request: they belong to nobody.
func (c *call) afterwards(i int) {
	s := c.ep.after[i]
	for n := s.n; n > 0; n-- {
		c.background.Add(s.kind, s.kind.Do())
	}
}

// workFor makes the markers of handed-step i, on a goroutine that is no
// descendant of the request.
func (c *call) workFor(i int) {
	s := c.ep.handed[i]
	for n := s.n; n > 0; n-- {
		result := s.kind.Do()
		c.background.Add(s.kind, result)
		c.ep.given.Add(s.kind, result)
	}
}

// detach runs f on a child goroutine which the request does not wait for.
func (c *call) detach(f func()) {
	c.pending.Add(1)
	go func() {
		defer c.pending.Add(-1)
		f()
	}()
}

// outlive returns when the request has certainly ended: net/http has written
// the response and put the connection aside. The grace is for a tracer that
// takes the end of the request from its last write's return, which is earlier.
func (c *call) outlive() {
	<-c.turn.ended
	time.Sleep(2 * time.Millisecond)
}

// answer writes the body by which the driver knows the endpoint.
func (c *call) answer() {
	io.WriteString(c.w, c.body())
}

func (c *call) body() string { return c.ep.method + " " + c.ep.route + "\n" }

// ServeHTTP runs the endpoint for one request and counts it, also when the
// handler panics: it does not recover, so net/http sees the panic itself.
func (b *bound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w}
	c := &call{server: b.server, ep: b.ep, w: rec, r: r, rec: rec, turn: turnOf(r)}
	b.inflight.Add(1)
	start := time.Now()
	returned := false
	defer func() {
		aborted := !returned || rec.failed
		b.ep.done(rec.wireStatus(returned), aborted, time.Since(start))
		b.inflight.Add(-1)
	}()
	b.ep.serve(c)
	returned = true
}

// bound is an endpoint on its server: what the router calls.
type bound struct {
	*server
	ep *endpoint
}
