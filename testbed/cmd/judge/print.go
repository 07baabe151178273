package main

import (
	"fmt"
	"io"
	"strings"
)

// print writes the table of deviations and the totals.
func (v *verdict) print(w io.Writer, all bool) {
	fmt.Fprintf(w, "%-46s %8s %8s %7s %7s  %s\n", "ENDPOINT", "CALLS", "RIGHT", "WRONG", "MISSED", "DEVIATIONS (got, not truth)")
	exact := 0
	for _, r := range v.Rows {
		if len(r.Deviations) == 0 {
			exact++
			if !all {
				continue
			}
		}
		name := strings.TrimSpace(r.Method + " " + r.Route)
		shown := r.Deviations
		more := ""
		if len(shown) > 6 && !all {
			shown, more = shown[:6], fmt.Sprintf("; and %d more", len(r.Deviations)-6)
		}
		fmt.Fprintf(w, "%-46s %8d %8d %7d %7d  %s%s\n", name, r.Calls, r.Right, r.Wrong, r.Missed, strings.Join(shown, "; "), more)
	}
	fmt.Fprintf(w, "%d of %d rows exact\n", exact, len(v.Rows))
	for _, f := range v.Faults {
		fmt.Fprintln(w, "fault:", f)
	}
	fmt.Fprintf(w, "calls %d: right %.3f %%, wrong %.3f %%, missed %.3f %%; requests %s, statuses %s, errors %s\n",
		v.Calls, v.RightPercent, v.WrongPercent, v.MissPercent,
		word(v.RequestsExact), word(v.StatusesExact), word(v.ErrorsExact))
	if v.Passed {
		fmt.Fprintln(w, "PASS")
		return
	}
	fmt.Fprintln(w, "FAIL:", strings.Join(v.Reasons, "; "))
}

func word(exact bool) string {
	if exact {
		return "exact"
	}
	return "NOT exact"
}
