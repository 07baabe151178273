// Command waits-drive makes requests to the server waits: to one endpoint after
// the other, so that they do not wait for each other, first one at a time, then
// over several connections at once.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/quantile"
	"gostall/testbed/internal/selfsigned"
	"gostall/testbed/internal/waits"
)

type driver struct {
	addr  string
	n     int
	conns int
	ms    int
	// secure is nil without TLS.
	secure *tls.Config
	h2     bool

	latency  quantile.Recorder
	mu       sync.Mutex
	waited   time.Duration // for the present endpoint
	failures []string
}

func main() {
	d := &driver{}
	flag.StringVar(&d.addr, "addr", "127.0.0.1:8082", "the server")
	flag.IntVar(&d.n, "n", 8, "requests per endpoint one after the other, and as many again at once")
	flag.IntVar(&d.conns, "conns", 4, "connections of those at once")
	flag.IntVar(&d.ms, "ms", 20, "how long each waits, milliseconds")
	only := flag.String("only", "", "groups or routes, comma-separated; all but those that need a special server if empty")
	useTLS := flag.Bool("tls", false, "HTTP/1.1 over TLS")
	h2 := flag.Bool("h2", false, "HTTP/2 over TLS, by net/http's client")
	limit := flag.Duration("limit", 30*time.Second, "give up after this time")
	list := flag.Bool("list", false, "print the endpoints, and exit")
	out := flag.String("out", "", "write the JSON here")
	flag.Parse()
	if d.n < 1 || d.conns < 1 || d.ms < 1 {
		log.Fatal("waits-drive: -n, -conns and -ms must be positive")
	}
	switch {
	case *h2:
		d.secure, d.h2 = selfsigned.Client("h2"), true
	case *useTLS:
		d.secure = selfsigned.Client("http/1.1")
	}
	chosen, err := choose(*only)
	if err != nil {
		log.Fatal("waits-drive: ", err)
	}
	if *list {
		for _, e := range chosen {
			fmt.Printf("%-8s %-5s %s %s\n", e.Group, e.Method, e.Route, waits.Special[e.Group])
		}
		return
	}
	time.AfterFunc(*limit, func() { log.Fatalf("waits-drive: not done after %v", *limit) })

	res := d.run(chosen)
	if *out != "" {
		b, err := json.MarshalIndent(res, "", " ")
		if err != nil {
			log.Fatal("waits-drive: ", err)
		}
		if err := os.WriteFile(*out, append(b, '\n'), 0o644); err != nil {
			log.Fatal("waits-drive: ", err)
		}
	}
	fmt.Printf("%d requests to %d endpoints, p50 %v, %d failures\n", res.Latency.Count, len(chosen),
		time.Duration(res.Latency.P50), len(res.Failures))
	for i, f := range res.Failures {
		if i == 20 {
			break
		}
		fmt.Fprintln(os.Stderr, "waits-drive:", f)
	}
	if len(res.Failures) > 0 {
		os.Exit(1)
	}
}

// choose finds the endpoints of the groups and routes.
func choose(only string) ([]waits.Endpoint, error) {
	wanted := map[string]bool{}
	for _, w := range strings.Split(only, ",") {
		if w != "" {
			wanted[w] = false
		}
	}
	var out []waits.Endpoint
	for _, e := range waits.Endpoints() {
		_, special := waits.Special[e.Group]
		_, group := wanted[e.Group]
		_, route := wanted[e.Route]
		if group {
			wanted[e.Group] = true
		}
		if route {
			wanted[e.Route] = true
		}
		if group || route || len(wanted) == 0 && !special {
			out = append(out, e)
		}
	}
	for w, found := range wanted {
		if !found {
			return nil, fmt.Errorf("no group or route %q; -list names them", w)
		}
	}
	return out, nil
}

func (d *driver) run(chosen []waits.Endpoint) *doc.Drive {
	res := &doc.Drive{Schema: doc.DriveSchema, Failures: []string{}}
	for _, e := range chosen {
		start := time.Now()
		d.waited = 0
		made := d.alone(e) + d.together(e)
		res.Requests = append(res.Requests, doc.Sent{Method: e.Method, Route: e.Route, Status: 200, Count: made})
		res.Scenario = append(res.Scenario, doc.ScenarioResult{
			Name: e.Route, Requests: made, DurationNS: int64(time.Since(start)), WaitedNS: uint64(d.waited),
		})
	}
	res.Latency = d.latency.Summary()
	res.Failures = append(res.Failures, d.failures...)
	return res
}

// alone makes the requests one after the other.
func (d *driver) alone(e waits.Endpoint) uint64 { return d.series(e, d.n) }

// together shares them among the connections.
func (d *driver) together(e waits.Endpoint) uint64 {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var made uint64
	for i := 0; i < d.conns; i++ {
		n := d.n / d.conns
		if i < d.n%d.conns {
			n++
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			m := d.series(e, n)
			mu.Lock()
			made += m
			mu.Unlock()
		}()
	}
	wg.Wait()
	return made
}

// series makes n requests over one connection and tells how many were answered.
func (d *driver) series(e waits.Endpoint, n int) (made uint64) {
	if n == 0 {
		return 0
	}
	c, err := d.dial(e)
	if err != nil {
		d.fail(e, err)
		return 0
	}
	defer c.close()
	for ; n > 0; n-- {
		start := time.Now()
		if err := c.request(e, d.ms); err != nil {
			d.fail(e, err)
			return made
		}
		took := time.Since(start)
		d.latency.Add(took)
		d.mu.Lock()
		d.waited += took
		d.mu.Unlock()
		made++
	}
	return made
}

func (d *driver) fail(e waits.Endpoint, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failures = append(d.failures, e.Route+": "+err.Error())
}
