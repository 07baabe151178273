// Command drive makes an exact number of requests of every sort to the truth
// server, over sockets that it handles itself, and checks each answer.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"time"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/selfsigned"
)

func main() {
	d := &driver{counts: map[doc.Sent]*doc.Sent{}}
	flag.StringVar(&d.addr, "addr", "127.0.0.1:8081", "server, host:port or unix:/path")
	names := flag.String("scenario", "all", "scenarios, comma-separated; all; or list to print them")
	skip := flag.String("skip", "", "scenarios to leave out, comma-separated")
	flag.IntVar(&d.n, "n", 40, "units of work per scenario; slow scenarios make a fraction of it")
	flag.IntVar(&d.conns, "conns", 4, "connections per scenario")
	flag.IntVar(&d.parallel, "parallel", 4, "scenarios at a time")
	flag.Int64Var(&d.seed, "seed", 1, "seed of ids, sizes and orders")
	flag.Float64Var(&d.rate, "rate", 0, "requests per second at most; 0 for no limit")
	flag.IntVar(&d.grid, "endpoints", 0, "numbered endpoints that the server has, for the scenario grid")
	secure := flag.Bool("tls", false, "HTTP/1.1 over TLS; with -h2 HTTP/2 over TLS, which -h2 alone means, too")
	h2 := flag.Bool("h2", false, "HTTP/2 over TLS by net/http's client, the scenario's requests as streams of one connection")
	h2c := flag.Bool("h2c", false, "HTTP/2 without TLS (built with Go 1.24 or newer)")
	limit := flag.Duration("limit", 2*time.Minute, "give up after this time")
	out := flag.String("out", "", "write the JSON here")
	flag.Parse()
	if d.n < 1 || d.conns < 1 || d.parallel < 1 {
		log.Fatal("drive: -n, -conns and -parallel must be positive")
	}
	d.h2 = *h2 || *h2c
	switch {
	case *h2c && (*h2 || *secure):
		log.Fatal("drive: -h2c is without TLS: not with -tls or -h2")
	case *h2c && !canH2C:
		log.Fatal("drive: -h2c needs a build by Go 1.24 or newer")
	case *h2:
		d.secure = selfsigned.Client("h2")
	case *secure:
		d.secure = selfsigned.Client("http/1.1")
	}
	if *names == "list" {
		list(d.h2)
		return
	}
	chosen, err := choose(*names, *skip, d.h2)
	if err != nil {
		log.Fatal("drive: ", err)
	}
	time.AfterFunc(*limit, func() { log.Fatalf("drive: not done after %v", *limit) })

	res := d.run(chosen)
	if *out != "" {
		b, err := json.MarshalIndent(res, "", " ")
		if err != nil {
			log.Fatal("drive: ", err)
		}
		if err := os.WriteFile(*out, append(b, '\n'), 0o644); err != nil {
			log.Fatal("drive: ", err)
		}
	}
	var total uint64
	for _, s := range res.Requests {
		total += s.Count
	}
	fmt.Printf("%d requests in %d scenarios, p50 %v, p99 %v, %d failures\n", total, len(res.Scenario),
		time.Duration(res.Latency.P50), time.Duration(res.Latency.P99), len(res.Failures))
	if len(res.Failures) > 0 {
		for i, f := range res.Failures {
			if i == 20 {
				fmt.Fprintf(os.Stderr, "drive: and %d more\n", len(res.Failures)-i)
				break
			}
			fmt.Fprintln(os.Stderr, "drive:", f)
		}
		os.Exit(1)
	}
}

func list(h2 bool) {
	for _, s := range scenarios {
		if !s.speaks(h2) {
			continue
		}
		note := ""
		if s.special {
			note = "  (not in all)"
		}
		fmt.Printf("%-14s %s%s\n", s.name, s.about, note)
	}
}

// speaks tells whether there is such a scenario in HTTP/2, or in HTTP/1.
func (s *scenario) speaks(h2 bool) bool {
	if h2 {
		return s.h2 != nil
	}
	return s.unit != nil
}

// choose finds the named scenarios. all leaves out those that only make sense
// with a server told to have more, or that nobody can count.
func choose(names, skip string, h2 bool) ([]scenario, error) {
	known, skipped, picked := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range scenarios {
		known[s.name] = true
	}
	for _, name := range strings.Split(skip, ",") {
		if name != "" && !known[name] {
			return nil, fmt.Errorf("no scenario %q to skip; -scenario list names them", name)
		}
		skipped[name] = true
	}
	for _, name := range strings.Split(names, ",") {
		if name != "all" && !known[name] {
			return nil, fmt.Errorf("no scenario %q; -scenario list names them", name)
		}
		picked[name] = true
	}
	for _, s := range scenarios {
		if picked[s.name] && !s.speaks(h2) {
			return nil, fmt.Errorf("there is no %s in this version of HTTP; -scenario list, with or without -h2, names what there is", s.name)
		}
	}
	var out []scenario
	for _, s := range scenarios {
		if s.speaks(h2) && (picked[s.name] || picked["all"] && !s.special) && !skipped[s.name] {
			out = append(out, s)
		}
	}
	// The slow ones first, so that they do not end the run alone.
	sort.SliceStable(out, func(i, j int) bool { return out[i].share > out[j].share })
	return out, nil
}
