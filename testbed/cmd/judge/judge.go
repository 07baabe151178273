package main

import (
	"bytes"
	"fmt"
	"sort"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/paths"
)

// verdict is the outcome, and what judge prints as JSON.
type verdict struct {
	Schema string `json:"schema"`
	Passed bool   `json:"passed"`
	// Calls is the number of marker calls that were truly made; the three parts
	// below are in relation to it.
	Calls        uint64  `json:"calls"`
	Right        uint64  `json:"right"`
	Wrong        uint64  `json:"wrong"`
	Missed       uint64  `json:"missed"`
	RightPercent float64 `json:"right_percent"`
	WrongPercent float64 `json:"wrong_percent"`
	MissPercent  float64 `json:"missed_percent"`

	RequestsExact bool  `json:"requests_exact"`
	StatusesExact bool  `json:"statuses_exact"`
	ErrorsExact   bool  `json:"errors_exact"`
	Rows          []row `json:"endpoints"`
	// Faults are failures of another kind: an endpoint that stands twice, a
	// secret in the report, a truth that is not sound.
	Faults  []string `json:"faults"`
	Reasons []string `json:"reasons"` // why it did not pass
}

// row is one endpoint's account, or the background's.
type row struct {
	Method     string   `json:"method,omitempty"`
	Route      string   `json:"route"`
	Calls      uint64   `json:"calls"`
	Right      uint64   `json:"right"`
	Wrong      uint64   `json:"wrong"` // charged here, made elsewhere
	Missed     uint64   `json:"missed"`
	Deviations []string `json:"deviations"`
}

// background is the row for what belongs to no endpoint.
var background = key{"", "(background)"}

// call is a marker's identity.
type call struct{ name, result string }

func (c call) String() string { return c.name + "=" + c.result }

type ledger map[key]map[call]uint64

func (l ledger) add(k key, c doc.Call) {
	if l[k] == nil {
		l[k] = map[call]uint64{}
	}
	l[k][call{c.Name, c.Result}] += c.Count
}

// judge compares the two. Of a truth of t calls and a report of r calls under
// one endpoint, name and result, min(t, r) are right; r - t are wrong; t - r are
// missed, unless they turn up as wrong somewhere else. What a report charges to
// the background is never wrong: if it was an endpoint's, it is missed there.
func judge(t *doc.Truth, r *doc.Report, raw []byte, b bars) *verdict {
	v := &verdict{
		Schema: doc.JudgeSchema, Faults: []string{}, Reasons: []string{},
		RequestsExact: true, StatusesExact: true, ErrorsExact: true,
	}
	names := newLabels(t, b.exactLabels)
	truth, report := ledger{}, ledger{}
	markers, markerNames := map[call]bool{}, map[string]bool{}
	learn := func(calls []doc.Call) {
		for _, c := range calls {
			markers[call{c.Name, c.Result}] = true
			markerNames[c.Name] = true
		}
	}
	for _, e := range t.Endpoints {
		truth[key{e.Method, e.Route}] = map[call]uint64{}
		for _, c := range e.Markers {
			truth.add(key{e.Method, e.Route}, c)
		}
		learn(e.Markers)
		learn(e.PerRequest)
	}
	for _, c := range t.Background {
		truth.add(background, c)
	}
	learn(t.Background)

	// A marker under a result that nobody's has is a wrong result, except for
	// those names which the server also uses in earnest.
	judged := func(c doc.Call) bool {
		return markers[call{c.Name, c.Result}] || markerNames[c.Name] && !inEarnest[c.Name]
	}
	for _, e := range r.Endpoints {
		k := names.find(e.Method, e.Route)
		for _, c := range e.Syscalls {
			if judged(c) {
				report.add(k, c)
			}
		}
	}
	for _, role := range r.Runtime {
		for _, c := range role.Syscalls {
			if judged(c) {
				report.add(background, c)
			}
		}
	}
	if b.handover {
		moveHandedOver(t, truth, report)
	}
	v.compareCalls(truth, report)
	v.compareRequests(t, r, names)
	if bytes.Contains(raw, []byte(paths.Secret)) {
		v.fault("the report holds a secret of the driver's (%s...)", paths.Secret)
	}
	return v
}

// inEarnest are names that are markers with one result, while net/http, the
// runtime or the server's end use them with others.
var inEarnest = map[string]bool{"openat": true, "getsockname": true, "pread64": true, "getdents64": true}

// moveHandedOver moves those calls of a worker's into the endpoint's truth that
// the report charges there beyond the endpoint's own.
func moveHandedOver(t *doc.Truth, truth, report ledger) {
	for _, h := range t.HandedOver {
		k, c := key{h.Method, h.Route}, call{h.Name, h.Result}
		if report[k][c] <= truth[k][c] {
			continue
		}
		n := report[k][c] - truth[k][c]
		if n > h.Count {
			n = h.Count
		}
		truth.add(k, doc.Call{Name: c.name, Result: c.result, Count: n})
		truth[background][c] -= n
	}
}

func (v *verdict) compareCalls(truth, report ledger) {
	seen := map[key]bool{}
	var keys []key
	for _, l := range []ledger{truth, report} {
		for k := range l {
			if !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	sort.Slice(keys, func(i, j int) bool {
		if keys[i].route != keys[j].route {
			return keys[i].route < keys[j].route
		}
		return keys[i].method < keys[j].method
	})
	for _, k := range keys {
		row := compareRow(k, truth[k], report[k])
		v.Calls += row.Calls
		v.Right += row.Right
		v.Wrong += row.Wrong
		v.Rows = append(v.Rows, row)
	}
	// Every call is right, wrong or missed. A wrong one was also absent where it
	// belongs; calls that nobody made can make the sum larger than the truth.
	if v.Right+v.Wrong < v.Calls {
		v.Missed = v.Calls - v.Right - v.Wrong
	}
	if v.Calls > 0 {
		v.RightPercent = 100 * float64(v.Right) / float64(v.Calls)
		v.WrongPercent = 100 * float64(v.Wrong) / float64(v.Calls)
		v.MissPercent = 100 * float64(v.Missed) / float64(v.Calls)
	}
}

func compareRow(k key, truth, report map[call]uint64) row {
	r := row{Method: k.method, Route: k.route, Deviations: []string{}}
	all := map[call]bool{}
	for c := range truth {
		all[c] = true
	}
	for c := range report {
		all[c] = true
	}
	for c := range all {
		t, got := truth[c], report[c]
		r.Calls += t
		switch {
		case got == t:
			r.Right += t
			continue
		case got < t:
			r.Right += got
			r.Missed += t - got
		default:
			r.Right += t
			if k != background {
				r.Wrong += got - t
			}
		}
		r.Deviations = append(r.Deviations, fmt.Sprintf("%s %d, not %d", c, got, t))
	}
	sort.Strings(r.Deviations)
	return r
}

func (v *verdict) fault(format string, a ...interface{}) {
	v.Faults = append(v.Faults, fmt.Sprintf(format, a...))
}
