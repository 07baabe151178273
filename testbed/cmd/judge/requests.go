package main

import (
	"fmt"
	"sort"
	"strconv"

	"gostall/testbed/internal/doc"
)

// compareRequests compares the requests, statuses and errors of each endpoint.
func (v *verdict) compareRequests(t *doc.Truth, r *doc.Report, names *labels) {
	rows := map[key]*row{}
	for i := range v.Rows {
		rows[key{v.Rows[i].Method, v.Rows[i].Route}] = &v.Rows[i]
	}
	got := map[key]*doc.ReportEndpoint{}
	shown := map[key]string{}
	for i := range r.Endpoints {
		e := &r.Endpoints[i]
		if e.Route == "" {
			v.fault("the report has an endpoint without a route")
		}
		k := names.find(e.Method, e.Route)
		if first, twice := shown[k]; twice {
			v.fault("%s stands twice: as %s and as %s", k, first, e.Route)
			merge(got[k], e)
			continue
		}
		shown[k] = e.Route
		copied := *e
		copied.Statuses = map[string]uint64{}
		for s, n := range e.Statuses {
			copied.Statuses[s] = n
		}
		got[k] = &copied
	}
	for _, e := range t.Endpoints {
		k := key{e.Method, e.Route}
		have := got[k]
		if have == nil {
			have = &doc.ReportEndpoint{}
		}
		delete(got, k)
		v.compareEndpoint(&e, have, rows[k])
	}
	// What the truth does not know has no requests to have.
	for k, e := range got {
		if e.Requests > 0 {
			v.RequestsExact = false
			v.fault("%s has %d requests, and is no endpoint", k, e.Requests)
		}
	}
	sort.Strings(v.Faults)
}

func (v *verdict) compareEndpoint(e *doc.Endpoint, have *doc.ReportEndpoint, r *row) {
	deviate := func(exact *bool, format string, a ...interface{}) {
		*exact = false
		r.Deviations = append(r.Deviations, fmt.Sprintf(format, a...))
	}
	if have.Requests != e.Requests {
		deviate(&v.RequestsExact, "requests %d, not %d", have.Requests, e.Requests)
	}
	all := map[string]bool{}
	for s := range e.Statuses {
		all[s] = true
	}
	for s := range have.Statuses {
		// A report may have a place for those that ended without a status.
		if n, err := strconv.Atoi(s); err == nil && (n > 0 || e.Protocol == "grpc") {
			all[s] = true
		}
	}
	var statuses []string
	for s := range all {
		statuses = append(statuses, s)
	}
	sort.Strings(statuses)
	var errors uint64
	for _, s := range statuses {
		if have.Statuses[s] != e.Statuses[s] {
			deviate(&v.StatusesExact, "status %s %d, not %d", s, have.Statuses[s], e.Statuses[s])
		}
		if doc.IsError(e.Protocol, s) {
			errors += e.Statuses[s]
		}
	}
	// No endpoint of the testbed both aborts and answers 5xx.
	errors += e.Aborted
	if have.Errors != errors {
		deviate(&v.ErrorsExact, "errors %d, not %d", have.Errors, errors)
	}
}

func merge(into, e *doc.ReportEndpoint) {
	into.Requests += e.Requests
	into.Errors += e.Errors
	for s, n := range e.Statuses {
		into.Statuses[s] += n
	}
}

// soundness compares the truth with what the driver counted for itself: a truth
// that differs judges nobody.
func (v *verdict) soundness(t *doc.Truth, d *doc.Drive) {
	for _, f := range doc.Compare(t, d) {
		v.fault("truth and driver differ: %s", f)
	}
	for _, n := range t.Notes {
		v.fault("the truth has a reservation: %s", n)
	}
	for _, f := range d.Failures {
		v.fault("the driver met a failure: %s", f)
	}
}

// decide sets Passed and the reasons against it.
func (v *verdict) decide(b bars) {
	because := func(bad bool, format string, a ...interface{}) {
		if bad {
			v.Reasons = append(v.Reasons, fmt.Sprintf(format, a...))
		}
	}
	because(v.Calls == 0, "the truth has no marker calls")
	because(v.RightPercent < b.minRight, "right %.3f %%, below %g %%", v.RightPercent, b.minRight)
	because(v.WrongPercent > b.maxWrong, "wrong %.3f %%, above %g %%", v.WrongPercent, b.maxWrong)
	because(!v.RequestsExact && !b.ignore["requests"], "request counts are not exact")
	because(!v.StatusesExact && !b.ignore["statuses"], "statuses are not exact")
	because(!v.ErrorsExact && !b.ignore["errors"], "error counts are not exact")
	because(len(v.Faults) > 0, "%d faults", len(v.Faults))
	v.Passed = len(v.Reasons) == 0
}
