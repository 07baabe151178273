package main

import (
	"fmt"
	"io"
	"strings"
)

// print writes what deviates, and the totals.
func (v *ledgerVerdict) print(w io.Writer, all bool) {
	good := 0
	for _, r := range v.Rows {
		if r.Passed {
			good++
			if !all {
				continue
			}
		}
		fmt.Fprintf(w, "%s %s: %d requests, %.1f ms each, worst state %.1f points off, %.1f %% unknown\n",
			r.Method, r.Route, r.Requests, float64(r.WallNS)/float64(r.Requests)/1e6, r.Worst, r.Unknown)
		for _, s := range r.States {
			if s.Points > 0 || all {
				fmt.Fprintf(w, "    %-44s %6.1f %%, truth %.1f to %.1f\n", s.State, percent(s.ReportedNS, r.WallNS),
					percent(s.LowNS, r.WallNS), percent(s.HighNS, r.WallNS))
			}
		}
		for _, f := range r.Faults {
			fmt.Fprintln(w, "    fault:", f)
		}
	}
	for _, f := range v.Faults {
		fmt.Fprintln(w, "fault:", f)
	}
	fmt.Fprintf(w, "%d of %d endpoints right, worst state %.1f points off, %.1f %% named\n", good, len(v.Rows), v.Worst, v.NamedPercent)
	if v.Passed {
		fmt.Fprintln(w, "PASS")
		return
	}
	fmt.Fprintln(w, "FAIL:", strings.Join(v.Reasons, "\n      "))
}
