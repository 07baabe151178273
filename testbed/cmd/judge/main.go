// Command judge holds a gostall report against the truth: which marker syscalls
// were charged to the right endpoint under the right name and result, which to
// a wrong one, which to none, and whether the requests were counted exactly.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
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
	flag.Parse()
	if *truthFile == "" || *reportFile == "" {
		log.Fatal("judge: -truth and -report are required")
	}
	for _, what := range strings.Split(*ignore, ",") {
		b.ignore[what] = true
	}

	var truth doc.Truth
	var report doc.Report
	read(*truthFile, &truth)
	raw := read(*reportFile, &report)
	v := judge(&truth, &report, raw, b)
	if *driveFile != "" {
		var drive doc.Drive
		read(*driveFile, &drive)
		v.soundness(&truth, &drive)
	}
	v.decide(b)
	if *asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", " ")
		e.Encode(v)
	} else {
		v.print(os.Stdout, *verbose)
	}
	if !v.Passed {
		os.Exit(1)
	}
}

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
