// Command judge holds a gostall report against the truth: which marker syscalls
// were charged to the right endpoint under the right name and result, which to
// a wrong one, which to none, and whether the requests were counted exactly.
// With -ledger it holds the wall-time ledger against what cmd/waits measured.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"gostall/testbed/internal/doc"
)

// bars are what a report must reach.
type bars struct {
	minRight    float64 // per cent of all marker calls
	maxWrong    float64
	handover    bool            // a hand-over through a channel may be seen
	exactLabels bool            // placeholders must have the truth's names
	ignore      map[string]bool // requests, statuses, errors
}

func main() {
	truthFile := flag.String("truth", "", "the truth server's JSON (required)")
	reportFile := flag.String("report", "", "gostall's report as JSON (required)")
	driveFile := flag.String("drive", "", "the driver's JSON: is the truth itself sound?")
	asJSON := flag.Bool("json", false, "print JSON rather than text")
	verbose := flag.Bool("v", false, "print endpoints without deviations, too")
	ignore := flag.String("ignore", "", "do not fail on these: requests, statuses, errors (comma-separated)")
	b := bars{ignore: map[string]bool{}}
	flag.Float64Var(&b.minRight, "min-right", 99, "per cent of marker calls that must be charged rightly")
	flag.Float64Var(&b.maxWrong, "max-wrong", 0.5, "per cent of marker calls that may be charged wrongly")
	flag.BoolVar(&b.handover, "allow-handover", false, "work handed to a worker may count for the endpoint that handed it over")
	flag.BoolVar(&b.exactLabels, "exact-labels", false, "placeholders must bear the truth's names: {id} is not {uuid}")
	ledger := flag.Bool("ledger", false, "the truth is cmd/waits': judge the wall-time ledger")
	lb := ledgerBars{}
	flag.Float64Var(&lb.points, "points", 5, "with -ledger: how far a state may be off, in points of an endpoint's wall time")
	flag.Float64Var(&lb.unknown, "unknown", 5, "with -ledger: per cent of an endpoint's wall time that may have no name")
	flag.BoolVar(&lb.deep, "deep", false, "with -ledger: judge ledger_deep, too")
	flag.Parse()
	if *truthFile == "" || *reportFile == "" {
		log.Fatal("judge: -truth and -report are required")
	}
	for _, what := range strings.Split(*ignore, ",") {
		b.ignore[what] = true
	}

	var report doc.Report
	raw := read(*reportFile, &report)
	if *ledger {
		var truth doc.Waits
		read(*truthFile, &truth)
		var drive *doc.Drive
		if *driveFile != "" {
			drive = &doc.Drive{}
			read(*driveFile, drive)
		}
		v := judgeLedger(&truth, &report, drive, lb)
		finish(v, v.Passed, *asJSON, *verbose)
		return
	}
	var truth doc.Truth
	read(*truthFile, &truth)
	v := judge(&truth, &report, raw, b)
	if *driveFile != "" {
		var drive doc.Drive
		read(*driveFile, &drive)
		v.soundness(&truth, &drive)
	}
	v.decide(b)
	finish(v, v.Passed, *asJSON, *verbose)
}

// finish prints a verdict, and ends with exit code 1 if it is against the report.
func finish(v printer, passed, asJSON, verbose bool) {
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", " ")
		e.Encode(v)
	} else {
		v.print(os.Stdout, verbose)
	}
	if !passed {
		os.Exit(1)
	}
}

type printer interface{ print(w io.Writer, all bool) }

// read decodes a JSON file and gives its bytes, too. An unreadable file is no
// verdict: exit code 2.
func read(name string, into interface{}) []byte {
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "judge: %s: %v\n", name, err)
		os.Exit(2)
	}
	return b
}
