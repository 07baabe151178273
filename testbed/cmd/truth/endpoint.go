package main

import (
	"time"

	"gostall/testbed/internal/account"
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

	markers *account.Tally
	given   *account.Tally // the handed-over part of the background
	counts  account.Counts // requests, statuses, aborted, latency
}

// template is the path that the router gets.
func (e *endpoint) template() string {
	if e.pattern != "" {
		return e.pattern
	}
	return e.route
}

// prepare makes the counters; before it an endpoint is only a declaration.
func (e *endpoint) prepare() { e.markers, e.given = account.NewTally(), account.NewTally() }

func (e *endpoint) reset() {
	e.markers.Reset()
	e.given.Reset()
	e.counts.Reset()
}

// done counts one request. status 0 means that no status line left the server.
func (e *endpoint) done(status int, aborted bool, took time.Duration) {
	if status == 0 {
		status = account.NoStatus
	}
	e.counts.Done(status, aborted, took)
}

// document is the endpoint as the truth file shows it; ok is false for an
// endpoint that nobody asked for.
func (e *endpoint) document() (d doc.Endpoint, ok bool) {
	d = e.counts.Document()
	d.Method, d.Route, d.Pattern = e.method, e.route, e.pattern
	d.Markers = e.markers.Calls()
	d.PerRequest = promise(e.steps)
	d.AfterRequest = promise(append(append([]step{}, e.after...), e.handed...))
	return d, d.Requests > 0
}

// promise adds up the steps by name and result.
func promise(steps []step) []doc.Call {
	out := make([]account.Step, 0, len(steps))
	for _, s := range steps {
		out = append(out, account.Step{Kind: s.kind, N: s.n})
	}
	return account.Promise(out)
}
