package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"gostall/testbed/internal/doc"
)

// want is what one endpoint must have.
type want struct {
	method, name string
	requests     uint64
	statuses     map[string]uint64
	any          bool
}

// canonical forgets the names of placeholders.
func canonical(route string) string {
	segments := strings.Split(route, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "...}") {
			segments[i] = "{...}"
		} else if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// compare prints one line per deviation and a last line with the sums, and tells
// whether the report is exact.
func compare(plan []item, file string) bool {
	var report doc.Report
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ask:", err)
		os.Exit(2)
	}
	wants := map[string]*want{} // by method and any of its names
	var order []*want
	for _, it := range plan {
		w := wants[it.method+" "+canonical(it.routes[0])]
		if w == nil {
			w = &want{method: it.method, name: it.routes[0], statuses: map[string]uint64{}}
			order = append(order, w)
		}
		for _, r := range it.routes {
			wants[it.method+" "+canonical(r)] = w
		}
		w.any = w.any || it.any
		w.requests += uint64(it.count)
		w.statuses[strconv.Itoa(it.status)] += uint64(it.count)
	}
	got := map[*want]*doc.ReportEndpoint{}
	var deviations []string
	var sum, all, wrong uint64
	for i := range report.Endpoints {
		e := &report.Endpoints[i]
		w := wants[e.Method+" "+canonical(e.Route)]
		if w == nil {
			if e.Requests > 0 {
				deviations = append(deviations, fmt.Sprintf("%s %s: %d requests, not in the plan", e.Method, e.Route, e.Requests))
			}
			continue
		}
		if got[w] != nil {
			deviations = append(deviations, fmt.Sprintf("%s %s stands twice, also as %s", e.Method, e.Route, got[w].Route))
			continue
		}
		got[w] = e
	}
	for _, w := range order {
		all += w.requests
		e := got[w]
		if e == nil {
			e = &doc.ReportEndpoint{}
		}
		if w.any {
			continue
		}
		sum += min(e.Requests, w.requests)
		if e.Requests != w.requests {
			wrong++
			deviations = append(deviations, fmt.Sprintf("%s %s: %d requests, not %d", w.method, w.name, e.Requests, w.requests))
			continue
		}
		for s, n := range w.statuses {
			if e.Statuses[s] != n {
				wrong++
				deviations = append(deviations, fmt.Sprintf("%s %s: status %s %d times, not %d", w.method, w.name, s, e.Statuses[s], n))
			}
		}
	}
	sort.Strings(deviations)
	for _, d := range deviations {
		fmt.Println("  " + d)
	}
	fmt.Printf("%d of %d requests, %d of %d endpoints exact\n", sum, all, uint64(len(order))-min(wrong, uint64(len(order))), len(order))
	return len(deviations) == 0
}

func min(a, b uint64) uint64 {
	if a < b {
		return a
	}
	return b
}
