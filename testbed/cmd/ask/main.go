// Command ask puts a plan of requests on a server that is not the testbed's own,
// an exact number of each, and holds a report against the plan.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

func main() {
	planFile := flag.String("plan", "", "the plan (required); see plan.go")
	base := flag.String("base", "", "http://host:port or https://host:port; send the plan there")
	h2 := flag.Bool("h2", false, "by HTTP/2, over TLS")
	conns := flag.Int("conns", 4, "requests at a time")
	times := flag.Int("times", 1, "multiply every COUNT by this")
	wait := flag.Duration("wait", 0, "first wait so long at most until the server answers the plan's first request as it should")
	only := flag.Bool("wait-only", false, "nothing more than -wait")
	header := flag.String("header", "", "\"Name: value\" for every request")
	report := flag.String("report", "", "compare this report with the plan, and print where it differs")
	sni := flag.String("sni", "localhost", "the name to ask for over TLS")
	flag.Parse()
	plan, err := readPlan(*planFile)
	if err != nil {
		log.Fatal("ask: ", err)
	}
	for i := range plan {
		plan[i].count *= *times
	}
	if *base != "" {
		c := newClient(*base, *h2, *sni, *header)
		if *wait > 0 {
			if err := c.wait(plan[0], time.Now().Add(*wait)); err != nil {
				log.Fatal("ask: ", err)
			}
		}
		if *only {
			return
		}
		failures := c.send(plan, *conns)
		for i, f := range failures {
			if i < 10 {
				fmt.Fprintln(os.Stderr, "ask:", f)
			}
		}
		if len(failures) > 0 {
			fmt.Fprintf(os.Stderr, "ask: %d answers were not those of the plan\n", len(failures))
			os.Exit(1)
		}
	}
	if *report != "" && !compare(plan, *report) {
		os.Exit(1)
	}
}
