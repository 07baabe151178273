package main

import (
	"io"
	"strings"
	"testing"

	"gostall/testbed/internal/doc"
)

const ms = 1_000_000

// waitsTruth is small but has all that matters: a single state, time shared by
// several, sets within each other, time left open, children.
func waitsTruth() *doc.Waits {
	return &doc.Waits{Endpoints: []doc.WaitsEndpoint{
		{Method: "GET", Route: "/sleep", Requests: 10, WallNS: 200 * ms, HandlerNS: 199 * ms,
			States: map[string]uint64{"timer": 190 * ms},
			Either: []doc.Either{{States: []string{"runq_go", "runq_os", "timer"}, NS: 8 * ms}}},
		{Method: "GET", Route: "/cpu", Requests: 10, WallNS: 400 * ms, HandlerNS: 398 * ms,
			States: map[string]uint64{"cpu_user": 200 * ms, "runq_os": 50 * ms},
			Either: []doc.Either{
				{States: []string{"runq_go", "runq_os"}, NS: 100 * ms},
				{States: []string{"cpu_kernel", "runq_go", "runq_os"}, NS: 40 * ms}}},
		{Method: "GET", Route: "/nested", Requests: 10, WallNS: 200 * ms, HandlerNS: 199 * ms,
			States: map[string]uint64{"lock": 198 * ms}, Deep: map[string]uint64{"net_upstream_read": 190 * ms}},
	}}
}

// rightReport is one of the reports that waitsTruth deserves.
func rightReport() *doc.Report {
	row := func(route string, total uint64, ledger map[string]uint64) doc.ReportEndpoint {
		return doc.ReportEndpoint{Method: "GET", Route: route, Requests: 10, Latency: doc.ReportLatency{TotalNS: total}, Ledger: ledger}
	}
	r := &doc.Report{Endpoints: []doc.ReportEndpoint{
		row("/sleep", 202*ms, map[string]uint64{"timer": 193 * ms, "runq_os": 4 * ms, "cpu_kernel": 3 * ms, "cpu_user": 2 * ms}),
		row("/cpu", 401*ms, map[string]uint64{"cpu_user": 205 * ms, "runq_os": 120 * ms, "runq_go": 40 * ms, "cpu_kernel": 30 * ms, "unknown": 6 * ms}),
		row("/nested", 201*ms, map[string]uint64{"lock": 199 * ms, "cpu_user": 2 * ms}),
	}}
	r.Endpoints[2].LedgerDeep = map[string]uint64{"net_upstream_read": 192 * ms, "lock": 7 * ms, "cpu_user": 2 * ms}
	return r
}

func TestLedger(t *testing.T) {
	move := func(row int, from, to string, ns uint64) func(*doc.Waits, *doc.Report) {
		return func(_ *doc.Waits, r *doc.Report) {
			r.Endpoints[row].Ledger[from] -= ns
			r.Endpoints[row].Ledger[to] += ns
		}
	}
	for name, c := range map[string]struct {
		mutate func(*doc.Waits, *doc.Report)
		reason string // empty: passes
	}{
		"right":               {func(*doc.Waits, *doc.Report) {}, ""},
		"a little off":        {move(0, "timer", "channel", 7*ms), ""},
		"sleep as a channel":  {move(0, "timer", "channel", 190*ms), "channel"},
		"off by 7 points":     {move(0, "timer", "gc", 18*ms), "timer"},
		"the other of two":    {move(1, "runq_os", "runq_go", 60*ms), ""},
		"below the sure part": {move(1, "runq_os", "runq_go", 100*ms), "runq_os"},
		"none of the set":     {move(1, "runq_go", "cpu_user", 35*ms), "cpu_user"},
		"an early end": {func(_ *doc.Waits, r *doc.Report) {
			r.Endpoints[0].Latency.TotalNS -= 3 * ms
			r.Endpoints[0].Ledger["cpu_kernel"] -= 3 * ms
		}, ""},
		"wholly unknown":  {move(0, "timer", "unknown", 15*ms), "unknown"},
		"no such state":   {move(0, "timer", "naps", 1*ms), "no state"},
		"too much in all": {func(_ *doc.Waits, r *doc.Report) { r.Endpoints[0].Ledger["timer"]++ }, "sums to"},
		"no ledger":       {func(_ *doc.Waits, r *doc.Report) { r.Endpoints[0].Ledger = nil }, "sums to"},
		"a short total": {func(_ *doc.Waits, r *doc.Report) {
			r.Endpoints[0].Latency.TotalNS -= 8 * ms
			r.Endpoints[0].Ledger["timer"] -= 8 * ms
		}, "total_ns"},
		"a request less":   {func(_ *doc.Waits, r *doc.Report) { r.Endpoints[0].Requests-- }, "requests 9"},
		"a missing one":    {func(_ *doc.Waits, r *doc.Report) { r.Endpoints = r.Endpoints[1:] }, "not in the report"},
		"one too many":     {func(_ *doc.Waits, r *doc.Report) { r.Endpoints[0].Route = "/slept" }, "faults"},
		"one twice":        {func(_ *doc.Waits, r *doc.Report) { r.Endpoints = append(r.Endpoints, r.Endpoints[0]) }, "faults"},
		"a weak truth":     {func(t *doc.Waits, _ *doc.Report) { t.Endpoints[2].States["lock"] = 150 * ms }, "open"},
		"a doubtful truth": {func(t *doc.Waits, _ *doc.Report) { t.Notes = append(t.Notes, "hm") }, "faults"},
		"the wrong child": {func(_ *doc.Waits, r *doc.Report) {
			r.Endpoints[2].LedgerDeep["net_upstream_read"] -= 50 * ms
			r.Endpoints[2].LedgerDeep["timer"] += 50 * ms
		}, "deep"},
		"nothing":  {func(_ *doc.Waits, r *doc.Report) { *r = doc.Report{} }, "not in the report"},
		"no truth": {func(t *doc.Waits, r *doc.Report) { *t, *r = doc.Waits{}, doc.Report{} }, "no requests"},
	} {
		t.Run(name, func(t *testing.T) {
			truth, report := waitsTruth(), rightReport()
			c.mutate(truth, report)
			v := judgeLedger(truth, report, nil, ledgerBars{points: 5, unknown: 5, deep: true})
			if got := strings.Join(v.Reasons, "; "); v.Passed != (c.reason == "") || !strings.Contains(got, c.reason) {
				t.Errorf("passed %v for %q; want %q", v.Passed, got, c.reason)
			}
			v.print(io.Discard, true)
		})
	}
}

func TestLedgerSoundness(t *testing.T) {
	truth := waitsTruth()
	drive := &doc.Drive{}
	for _, e := range truth.Endpoints {
		// Once alone, once with others.
		drive.Requests = append(drive.Requests, doc.Sent{Method: "GET", Route: e.Route, Status: 200, Count: 4},
			doc.Sent{Method: "GET", Route: e.Route, Status: 200, Count: 6})
	}
	for _, c := range []struct {
		mutate func(*doc.Report)
		reason string
	}{
		{func(*doc.Report) {}, ""},
		{func(*doc.Report) { drive.Scenario = []doc.ScenarioResult{{Name: "/sleep", WaitedNS: 203 * ms}} }, ""},
		{func(r *doc.Report) {
			r.Endpoints[0].Latency.TotalNS += 4 * ms
			r.Endpoints[0].Ledger["timer"] += 4 * ms
		}, "client's"},
		{func(*doc.Report) { drive.Requests[0].Count = 5 }, "1 faults"},
	} {
		report := rightReport()
		c.mutate(report)
		v := judgeLedger(truth, report, drive, ledgerBars{points: 5, unknown: 5})
		if got := strings.Join(v.Reasons, "; "); v.Passed != (c.reason == "") || !strings.Contains(got, c.reason) {
			t.Errorf("passed %v for %q; want %q", v.Passed, got, c.reason)
		}
	}
}
