package main

import (
	"strconv"
	"sync"
	"time"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/marker"
)

// step is a marker and how often a request makes it.
type step struct {
	kind *marker.Kind
	n    int
}

// endpoint is one method and route, what its handler does, and its counts.
type endpoint struct {
	method  string
	route   string // what a report must show, by the paths alone
	pattern string // the router's template, where it differs
	steps   []step // made while the request lives
	after   []step // made by goroutines after the request has ended
	handed  []step // made by a worker of no request, for this one, while it lives
	serve   func(*call)
	// upstream endpoints live on the second server, which only we ourselves call.
	upstream bool

	markers *tally
	given   *tally // the handed-over part of the background
	mu      sync.Mutex
	seen    doc.Endpoint // requests, statuses, aborted, latency
}

// template is the path that the router gets.
func (e *endpoint) template() string {
	if e.pattern != "" {
		return e.pattern
	}
	return e.route
}

// prepare makes the counters; before it an endpoint is only a declaration.
func (e *endpoint) prepare() {
	e.markers, e.given = newTally(), newTally()
	e.reset()
}

func (e *endpoint) reset() {
	e.markers.reset()
	e.given.reset()
	e.mu.Lock()
	e.seen = doc.Endpoint{Statuses: map[string]uint64{}}
	e.mu.Unlock()
}

// done counts one request. status 0 means that no status line left the server.
func (e *endpoint) done(status int, aborted bool, took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen.Requests++
	if status != 0 {
		e.seen.Statuses[strconv.Itoa(status)]++
	}
	if aborted {
		e.seen.Aborted++
	}
	ns := uint64(took)
	e.seen.Latency.Count++
	e.seen.Latency.Sum += ns
	if ns > e.seen.Latency.Max {
		e.seen.Latency.Max = ns
	}
}

// document is the endpoint as the truth file shows it; ok is false for an
// endpoint that nobody asked for.
func (e *endpoint) document() (d doc.Endpoint, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d = e.seen
	d.Statuses = make(map[string]uint64, len(e.seen.Statuses))
	for s, n := range e.seen.Statuses {
		d.Statuses[s] = n
	}
	d.Method, d.Route, d.Pattern = e.method, e.route, e.pattern
	d.Markers = e.markers.calls()
	d.PerRequest = promise(e.steps)
	d.AfterRequest = promise(append(append([]step{}, e.after...), e.handed...))
	return d, d.Requests > 0
}

// promise adds up the steps by name and result.
func promise(steps []step) []doc.Call {
	sum := newTally()
	for _, s := range steps {
		sum.usual[s.kind.Index].Add(uint64(s.n))
	}
	return sum.calls()
}
