package main

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"gostall/testbed/internal/doc"
)

// ledgerBars are what a ledger must reach, in per cent of an endpoint's wall time.
type ledgerBars struct {
	points  float64 // how far a state may be off
	unknown float64 // how much may have no name
	deep    bool    // judge ledger_deep, too
}

// mostOpen is how much of an endpoint's wall time the truth may leave open; a
// truth that says less judges nobody.
const mostOpen = 15

// ledgerVerdict is the outcome, and what judge -ledger prints as JSON.
type ledgerVerdict struct {
	Schema string `json:"schema"`
	Passed bool   `json:"passed"`
	// Worst is the largest deviation of all, in points of an endpoint's wall time.
	Worst        float64     `json:"worst_points"`
	NamedPercent float64     `json:"named_percent"`
	Rows         []ledgerRow `json:"endpoints"`
	Faults       []string    `json:"faults"`
	Reasons      []string    `json:"reasons"` // why it did not pass
}

// ledgerRow is one endpoint's account.
type ledgerRow struct {
	Method   string  `json:"method"`
	Route    string  `json:"route"`
	Requests uint64  `json:"requests"`
	WallNS   uint64  `json:"wall_ns"`
	TotalNS  uint64  `json:"total_ns"` // the report's
	Passed   bool    `json:"passed"`
	Worst    float64 `json:"worst_points"`
	Unknown  float64 `json:"unknown_percent"`
	// States are those that the truth or the report has.
	States []ledgerState `json:"states"`
	Faults []string      `json:"faults"`
}

// ledgerState holds a state, or a set of them, against what the truth allows.
type ledgerState struct {
	State      string  `json:"state"`
	ReportedNS uint64  `json:"reported_ns"`
	LowNS      uint64  `json:"low_ns"`
	HighNS     uint64  `json:"high_ns"`
	Points     float64 `json:"points"` // beyond low or high; 0 between them
}

// judgeLedger compares the two. A state's time is at least what the truth says
// for certain, and at most that and whatever the truth leaves to it: time that
// several states share, and time that it does not account for. Beyond that the
// bars allow so many points of the endpoint's wall time.
// d may be nil.
func judgeLedger(t *doc.Waits, r *doc.Report, d *doc.Drive, b ledgerBars) *ledgerVerdict {
	v := &ledgerVerdict{Schema: doc.JudgeSchema, Rows: []ledgerRow{}, Faults: []string{}, Reasons: []string{}}
	waited := map[string]uint64{}
	if d != nil {
		v.soundness(t, d)
		for _, s := range d.Scenario {
			waited[s.Name] += s.WaitedNS
		}
	}
	reported := map[key]*doc.ReportEndpoint{}
	for i := range r.Endpoints {
		e := &r.Endpoints[i]
		if reported[key{e.Method, e.Route}] != nil {
			v.Faults = append(v.Faults, fmt.Sprintf("%s %s stands twice", e.Method, e.Route))
		}
		reported[key{e.Method, e.Route}] = e
	}
	for _, n := range t.Notes {
		v.Faults = append(v.Faults, "the truth has a reservation: "+n)
	}
	var total, unknown uint64
	for i := range t.Endpoints {
		e := &t.Endpoints[i]
		k := key{e.Method, e.Route}
		row := judgeRow(e, reported[k], waited[e.Route], b)
		delete(reported, k)
		v.Worst = math.Max(v.Worst, row.Worst)
		if !row.Passed {
			v.Reasons = append(v.Reasons, fmt.Sprintf("%s: %s", k, strings.Join(row.Faults, "; ")))
		}
		total += row.TotalNS
		unknown += uint64(row.Unknown / 100 * float64(row.TotalNS))
		v.Rows = append(v.Rows, row)
	}
	for k, e := range reported {
		if e.Requests > 0 {
			v.Faults = append(v.Faults, fmt.Sprintf("%s has %d requests, and is no endpoint", k, e.Requests))
		}
	}
	if total > 0 {
		v.NamedPercent = 100 - percent(unknown, total)
	}
	if len(t.Endpoints) == 0 {
		v.Reasons = append(v.Reasons, "the truth has no requests")
	}
	sort.Strings(v.Faults)
	if len(v.Faults) > 0 {
		v.Reasons = append(v.Reasons, fmt.Sprintf("%d faults", len(v.Faults)))
	}
	v.Passed = len(v.Reasons) == 0
	return v
}

// soundness compares the truth with what the driver counted for itself.
func (v *ledgerVerdict) soundness(t *doc.Waits, d *doc.Drive) {
	sent := map[key]uint64{}
	for _, s := range d.Requests {
		sent[key{s.Method, s.Route}] += s.Count
	}
	for _, e := range t.Endpoints {
		k := key{e.Method, e.Route}
		if sent[k] != e.Requests {
			v.Faults = append(v.Faults, fmt.Sprintf("truth and driver differ: %s: %d requests, %d sent", k, e.Requests, sent[k]))
		}
		delete(sent, k)
	}
	for k, n := range sent {
		v.Faults = append(v.Faults, fmt.Sprintf("truth and driver differ: %s: no requests, %d sent", k, n))
	}
	for _, f := range d.Failures {
		v.Faults = append(v.Faults, "the driver met a failure: "+f)
	}
}

func percent(part, whole uint64) float64 { return 100 * float64(part) / float64(whole) }

func judgeRow(e *doc.WaitsEndpoint, r *doc.ReportEndpoint, waited uint64, b ledgerBars) ledgerRow {
	row := ledgerRow{Method: e.Method, Route: e.Route, Requests: e.Requests, WallNS: e.WallNS, Faults: []string{}}
	fault := func(format string, a ...interface{}) { row.Faults = append(row.Faults, fmt.Sprintf(format, a...)) }
	open := e.WallNS - e.Known()
	if p := percent(open, e.WallNS); p > mostOpen {
		fault("the truth leaves %.1f %% of the wall time open", p)
	}
	switch {
	case r == nil:
		fault("it is not in the report")
		return row
	case r.Requests != e.Requests:
		fault("requests %d, not %d", r.Requests, e.Requests)
	}
	row.TotalNS = r.Latency.TotalNS
	// A request begins before its head has been read whole, and ends with its
	// answer's last byte: some microseconds before a handler that flushes itself
	// ends, and as the client has waited for it, but for the way out of the last
	// write. 1 % in either direction is no fault.
	most := e.WallNS
	if waited > most {
		most = waited
	}
	switch {
	case row.TotalNS < e.HandlerNS-e.HandlerNS/100:
		fault("latency.total_ns %d, less than the handlers' %d", row.TotalNS, e.HandlerNS)
	case waited > 0 && row.TotalNS > most+most/100:
		fault("latency.total_ns %d, more than the client's %d", row.TotalNS, waited)
	case row.TotalNS > e.WallNS:
		open += row.TotalNS - e.WallNS
	}
	row.account("ledger", e, r.Ledger, open, b.points, fault)
	row.Unknown = 100
	if row.TotalNS > 0 && len(r.Ledger) > 0 {
		row.Unknown = percent(r.Ledger["unknown"], row.TotalNS)
	}
	if row.Unknown > b.unknown {
		fault("%.1f %% unknown", row.Unknown)
	}
	if b.deep && len(e.Deep) > 0 {
		checkSum("ledger_deep", r.LedgerDeep, row.TotalNS, fault)
		for _, s := range sorted(e.Deep) {
			row.bound("deep "+s, r.LedgerDeep[s], e.Deep[s], e.WallNS, b.points, fault)
		}
	}
	row.Passed = len(row.Faults) == 0
	return row
}

// account holds one endpoint's ledger against its truth.
func (row *ledgerRow) account(name string, e *doc.WaitsEndpoint, ledger map[string]uint64, open uint64, points float64,
	fault func(string, ...interface{})) {
	checkSum(name, ledger, row.TotalNS, fault)
	known := map[string]uint64{}
	for _, s := range doc.LedgerStates {
		known[s] = 0
	}
	for s := range ledger {
		if _, ok := known[s]; !ok {
			fault("there is no state %q", s)
		}
	}
	for s, ns := range e.States {
		known[s] += ns
	}
	for _, s := range sorted(known) {
		high := known[s] + open
		for _, x := range e.Either {
			if contains(x.States, s) {
				high += x.NS
			}
		}
		// Time without a name has a bar of its own.
		if s != "unknown" && (known[s] > 0 || ledger[s] > 0) {
			row.bound(s, ledger[s], known[s], high, points, fault)
		}
	}
	// What is in one of several states must be somewhere among them, but for the
	// end that a report need not see.
	var unseen uint64
	if row.TotalNS < e.WallNS {
		unseen = e.WallNS - row.TotalNS
	}
	for _, x := range e.Either {
		var got, low uint64
		high := open
		for _, s := range x.States {
			got += ledger[s]
			low += known[s]
			high += known[s]
		}
		for _, y := range e.Either {
			if within(y.States, x.States) {
				low += y.NS
			}
			if overlap(y.States, x.States) {
				high += y.NS
			}
		}
		if low > unseen {
			low -= unseen
		} else {
			low = 0
		}
		row.bound(strings.Join(x.States, "|"), got, low, high, points, fault)
	}
}

// bound holds one figure against its bounds.
func (row *ledgerRow) bound(name string, got, low, high uint64, points float64, fault func(string, ...interface{})) {
	var off uint64
	switch {
	case got < low:
		off = low - got
	case got > high:
		off = got - high
	}
	s := ledgerState{State: name, ReportedNS: got, LowNS: low, HighNS: high, Points: percent(off, row.WallNS)}
	row.States = append(row.States, s)
	row.Worst = math.Max(row.Worst, s.Points)
	if s.Points > points {
		fault("%s %.1f %%, not %.1f to %.1f", name, percent(got, row.WallNS), percent(low, row.WallNS), percent(high, row.WallNS))
	}
}

func checkSum(name string, ledger map[string]uint64, total uint64, fault func(string, ...interface{})) {
	var sum uint64
	for _, ns := range ledger {
		sum += ns
	}
	if sum != total {
		fault("%s sums to %d, not to latency.total_ns, %d", name, sum, total)
	}
}

func sorted(m map[string]uint64) []string {
	var out []string
	for s := range m {
		out = append(out, s)
	}
	sort.Strings(out)
	return out
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func within(part, whole []string) bool {
	for _, s := range part {
		if !contains(whole, s) {
			return false
		}
	}
	return true
}

func overlap(a, b []string) bool {
	for _, s := range a {
		if contains(b, s) {
			return true
		}
	}
	return false
}
