package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/paths"
)

// truth is small but has all that matters: two endpoints that share a marker, a
// route whose pattern has another name, aborts, unmatched ones, background.
func testTruth() *doc.Truth {
	return &doc.Truth{
		Endpoints: []doc.Endpoint{
			{Method: "GET", Route: "/a", Requests: 100, Statuses: map[string]uint64{"200": 100},
				Markers: []doc.Call{{Name: "getpgid", Result: "ok", Count: 3000}, {Name: "fsync", Result: "EBADF", Count: 700}}},
			{Method: "GET", Route: "/b/{id}", Pattern: "/b/{thing}", Requests: 100, Statuses: map[string]uint64{"200": 60, "500": 40},
				Markers: []doc.Call{{Name: "getpgid", Result: "ok", Count: 5000}, {Name: "umask", Result: "ok", Count: 1100}}},
			{Method: "POST", Route: "/c", Requests: 10, Aborted: 10, Statuses: map[string]uint64{},
				Markers: []doc.Call{{Name: "openat", Result: "ELOOP", Count: 30}}},
			{Method: "GET", Route: doc.Unmatched, Requests: 5, Statuses: map[string]uint64{"404": 5}},
		},
		Background: []doc.Call{{Name: "getpgid", Result: "ok", Count: 400}, {Name: "times", Result: "ok", Count: 200}},
		HandedOver: []doc.HandedOver{{Method: "GET", Route: "/a", Call: doc.Call{Name: "times", Result: "ok", Count: 200}}},
	}
}

// perfect is the report that a truth deserves, with the noise that a real one has.
func perfect(t *doc.Truth) *doc.Report {
	r := &doc.Report{Schema: "gostall.report/1"}
	for _, e := range t.Endpoints {
		errors := e.Aborted
		for s, n := range e.Statuses {
			if s >= "500" {
				errors += n
			}
		}
		re := doc.ReportEndpoint{Method: e.Method, Route: e.Route, Requests: e.Requests, Errors: errors, Statuses: map[string]uint64{}}
		for s, n := range e.Statuses {
			re.Statuses[s] = n
		}
		re.Syscalls = append(append(re.Syscalls, e.Markers...),
			doc.Call{Name: "read", Result: "ok", Count: 77}, doc.Call{Name: "openat", Result: "ok", Count: 9})
		r.Endpoints = append(r.Endpoints, re)
	}
	r.Runtime = []doc.ReportRole{
		{Role: "background", Syscalls: append([]doc.Call{}, t.Background...)},
		{Role: "scheduler", Syscalls: []doc.Call{{Name: "futex", Result: "ok", Count: 1234}}},
	}
	return r
}

func verdictOf(t *testing.T, truth *doc.Truth, r *doc.Report, b bars) *verdict {
	t.Helper()
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	v := judge(truth, r, raw, b)
	v.decide(b)
	return v
}

var usual = bars{minRight: 99, maxWrong: 0.5}

func TestPerfect(t *testing.T) {
	truth := testTruth()
	v := verdictOf(t, truth, perfect(truth), usual)
	if !v.Passed || v.Right != v.Calls || v.Wrong != 0 || v.Missed != 0 {
		t.Fatalf("not perfect: %+v", v)
	}
}

func TestMutations(t *testing.T) {
	for name, c := range map[string]struct {
		mutate        func(*doc.Report)
		wrong, missed uint64
		reason        string
	}{
		"moved": {func(r *doc.Report) {
			r.Endpoints[0].Syscalls[0].Count -= 500
			r.Endpoints[1].Syscalls[0].Count += 500
		}, 500, 0, "wrong"},
		"moved a little": {func(r *doc.Report) {
			r.Endpoints[0].Syscalls[0].Count -= 5
			r.Endpoints[1].Syscalls[0].Count += 5
		}, 5, 0, ""},
		"lost to the background": {func(r *doc.Report) {
			r.Endpoints[0].Syscalls[0].Count -= 500
			r.Runtime[0].Syscalls[0].Count += 500
		}, 0, 500, "right"},
		"taken from the background": {func(r *doc.Report) {
			r.Runtime[0].Syscalls[0].Count -= 400
			r.Endpoints[0].Syscalls[0].Count += 400
		}, 400, 0, "wrong"},
		"made up": {func(r *doc.Report) {
			r.Endpoints[3].Syscalls = append(r.Endpoints[3].Syscalls, doc.Call{Name: "umask", Result: "ok", Count: 300})
		},
			300, 0, "wrong"},
		"wrong errno":      {func(r *doc.Report) { r.Endpoints[0].Syscalls[1].Result = "ENOENT" }, 700, 0, "wrong"},
		"wrong name":       {func(r *doc.Report) { r.Endpoints[0].Syscalls[1].Name = "fdatasync" }, 0, 700, "right"},
		"endpoint missing": {func(r *doc.Report) { r.Endpoints = r.Endpoints[1:] }, 0, 3700, "request"},
		"endpoint invented": {func(r *doc.Report) {
			r.Endpoints = append(r.Endpoints, doc.ReportEndpoint{Method: "GET", Route: "/z", Requests: 1})
		}, 0, 0, "fault"},
		"endpoint twice": {func(r *doc.Report) {
			e := r.Endpoints[1]
			e.Route, e.Requests, e.Errors, e.Syscalls, e.Statuses = "/b/{thing...}", 40, 40, nil, map[string]uint64{"500": 40}
			r.Endpoints[1].Requests, r.Endpoints[1].Errors = 60, 0
			delete(r.Endpoints[1].Statuses, "500")
			r.Endpoints = append(r.Endpoints, e)
		}, 0, 0, "request"},
		"under two names": {func(r *doc.Report) {
			e := r.Endpoints[1]
			e.Route, e.Requests, e.Errors, e.Syscalls, e.Statuses = "/b/{thing}", 40, 40, nil, map[string]uint64{"500": 40}
			r.Endpoints[1].Requests, r.Endpoints[1].Errors = 60, 0
			delete(r.Endpoints[1].Statuses, "500")
			r.Endpoints = append(r.Endpoints, e)
		}, 0, 0, "fault"},
		"one request less": {func(r *doc.Report) { r.Endpoints[0].Requests-- }, 0, 0, "request"},
		"status":           {func(r *doc.Report) { r.Endpoints[1].Statuses["500"] = 41 }, 0, 0, "status"},
		"errors":           {func(r *doc.Report) { r.Endpoints[2].Errors = 0 }, 0, 0, "error"},
		"no route":         {func(r *doc.Report) { r.Endpoints[3].Route = "" }, 0, 0, "fault"},
		"secret":           {func(r *doc.Report) { r.Endpoints[0].Syscalls[0].Name += paths.Secret }, 0, 3000, "fault"},
		"nothing":          {func(r *doc.Report) { *r = doc.Report{} }, 0, 10430, "right"},
	} {
		t.Run(name, func(t *testing.T) {
			truth := testTruth()
			r := perfect(truth)
			c.mutate(r)
			v := verdictOf(t, truth, r, usual)
			if v.Wrong != c.wrong || v.Missed != c.missed {
				t.Errorf("wrong %d, missed %d; want %d, %d", v.Wrong, v.Missed, c.wrong, c.missed)
			}
			if v.Passed != (c.reason == "") || !strings.Contains(fmt.Sprint(v.Reasons), c.reason) {
				t.Errorf("passed %v for %q; want %q", v.Passed, v.Reasons, c.reason)
			}
			v.print(io.Discard, true)
		})
	}
}

func TestNames(t *testing.T) {
	truth := testTruth()
	r := perfect(truth)
	r.Endpoints[1].Route = "/b/{thing}"
	if v := verdictOf(t, truth, r, usual); !v.Passed {
		t.Errorf("the pattern's name does not pass: %q", v.Reasons)
	}
	r.Endpoints[1].Route = "/b/{number}"
	if v := verdictOf(t, truth, r, usual); !v.Passed {
		t.Errorf("another placeholder does not pass: %q", v.Reasons)
	}
	exact := usual
	exact.exactLabels = true
	if v := verdictOf(t, truth, r, exact); v.Passed {
		t.Error("another placeholder passes -exact-labels")
	}
}

func TestHandover(t *testing.T) {
	truth := testTruth()
	r := perfect(truth)
	r.Runtime[0].Syscalls = r.Runtime[0].Syscalls[:1]
	r.Endpoints[0].Syscalls = append(r.Endpoints[0].Syscalls, doc.Call{Name: "times", Result: "ok", Count: 200})
	if v := verdictOf(t, truth, r, usual); v.Wrong != 200 {
		t.Errorf("wrong %d, want 200", v.Wrong)
	}
	seen := usual
	seen.handover = true
	if v := verdictOf(t, truth, r, seen); v.Wrong != 0 || v.Right != v.Calls {
		t.Errorf("a hand-over that was seen counts as wrong: %+v", v)
	}
}
