package main

import (
	"fmt"
	"io"
	"strings"
)

// printCatalogue writes a line per endpoint: what a request makes while it lives,
// after it, and by the hands of a worker.
func printCatalogue(w io.Writer, o options) {
	for _, e := range catalogue(o) {
		fmt.Fprintf(w, "%-7s %-34s", e.method, e.route)
		for _, part := range []struct {
			name  string
			steps []step
		}{{"", e.steps}, {"after:", e.after}, {"handed over:", e.handed}} {
			if len(part.steps) == 0 {
				continue
			}
			var words []string
			for _, c := range promise(part.steps) {
				words = append(words, fmt.Sprintf("%s=%s*%d", c.Name, c.Result, c.Count))
			}
			fmt.Fprintf(w, " %s%s", part.name, strings.Join(words, ","))
		}
		fmt.Fprintln(w)
	}
}
