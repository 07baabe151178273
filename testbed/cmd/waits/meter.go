package main

import (
	"sort"
	"strings"
	"sync"
	"time"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/waits"
)

// meter is where the time of one request went. Only its handler's goroutine
// writes it.
type meter struct {
	states map[string]time.Duration
	either map[string]time.Duration // by the states, sorted and joined by '|'
	deep   map[string]time.Duration
}

func newMeter() *meter {
	return &meter{map[string]time.Duration{}, map[string]time.Duration{}, map[string]time.Duration{}}
}

// add counts time that was certainly spent in a state.
func (m *meter) add(state string, d time.Duration) {
	if d > 0 {
		m.states[state] += d
	}
}

// oneOf counts time that was spent in one of the states.
func (m *meter) oneOf(d time.Duration, states ...string) {
	if d > 0 {
		sort.Strings(states)
		m.either[strings.Join(states, "|")] += d
	}
}

// child counts what a child did while the handler waited for it.
func (m *meter) child(state string, d time.Duration) { m.deep[state] += d }

// until counts a wait from start to now that somebody ended at released: before
// that the goroutine was blocked, since then it has been waiting for its turn.
func (m *meter) until(state string, start, released time.Time) {
	now := time.Now()
	if released.Before(start) {
		released = start
	}
	m.add(state, released.Sub(start))
	m.oneOf(now.Sub(released), state, "runq_go", "runq_os")
}

// exchange counts a wait for another process that began at start and ends now.
// That process held it up for so long; the rest is the way there and back.
func (m *meter) exchange(state string, start time.Time, held time.Duration) {
	took := time.Since(start)
	if held > took {
		held = took
	}
	m.add(state, held)
	edge := []string{state, "cpu_user", "cpu_kernel", "runq_go", "runq_os"}
	if strings.HasPrefix(state, "net_upstream") {
		edge = []string{"net_upstream_connect", "net_upstream_read", "net_upstream_write", "cpu_user", "cpu_kernel", "runq_go", "runq_os"}
	}
	m.oneOf(took-held, edge...)
}

// endpoint sums the meters of its requests.
type endpoint struct {
	waits.Endpoint
	serve func(*call)

	mu       sync.Mutex
	requests uint64
	wall     time.Duration
	handler  time.Duration
	sum      *meter
}

func (e *endpoint) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests, e.wall, e.handler, e.sum = 0, 0, 0, newMeter()
}

func (e *endpoint) done(m *meter, wall, handler time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests++
	e.wall += wall
	e.handler += handler
	merge(e.sum.states, m.states)
	merge(e.sum.either, m.either)
	merge(e.sum.deep, m.deep)
}

func merge(into, from map[string]time.Duration) {
	for k, d := range from {
		into[k] += d
	}
}

// document is the endpoint as the truth shows it; ok is false for one that
// nobody asked for.
func (e *endpoint) document() (d doc.WaitsEndpoint, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d = doc.WaitsEndpoint{
		Method: e.Method, Route: e.Route, Group: e.Group, Requests: e.requests, WallNS: uint64(e.wall),
		HandlerNS: uint64(e.handler), States: integers(e.sum.states), Deep: integers(e.sum.deep),
	}
	for k, ns := range e.sum.either {
		d.Either = append(d.Either, doc.Either{States: strings.Split(k, "|"), NS: uint64(ns)})
	}
	sort.Slice(d.Either, func(i, j int) bool { return d.Either[i].NS > d.Either[j].NS })
	return d, e.requests > 0
}

func integers(m map[string]time.Duration) map[string]uint64 {
	out := map[string]uint64{}
	for k, d := range m {
		out[k] = uint64(d)
	}
	return out
}
