// Command load drives a server at a constant rate, whatever the server does
// (open loop), and measures each latency from the time at which the request was
// due, not from when it could be sent: a stall of the server is charged to all
// the requests that it held up.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"gostall/testbed/internal/quantile"
	"gostall/testbed/internal/selfsigned"
)

// config is what the flags ask for.
type config struct {
	addr     string
	path     string
	paths    int
	slugs    int
	rate     float64
	duration time.Duration
	warmup   time.Duration
	conns    int
	secure   *tls.Config
}

// result is what load prints: times in nanoseconds.
type result struct {
	Schema      string            `json:"schema"`
	Rate        float64           `json:"rate"`
	AchievedRPS float64           `json:"achieved_rps"`
	DurationNS  int64             `json:"duration_ns"`
	Connections int               `json:"connections"`
	Requests    uint64            `json:"requests"`
	Errors      uint64            `json:"errors"`
	Unsent      uint64            `json:"unsent"`
	Statuses    map[string]uint64 `json:"statuses"`
	LatencyNS   quantile.Summary  `json:"latency_ns"`
	// From due to sent: the generator's own lateness and the wait for a free
	// connection. It is part of latency_ns.
	SendLagNS quantile.Summary `json:"send_lag_ns"`
	// From sent to answered: what a closed-loop client would call latency.
	ServiceNS quantile.Summary `json:"service_ns"`
}

func main() {
	var c config
	flag.StringVar(&c.addr, "addr", "127.0.0.1:8080", "server, host:port or unix:/path")
	flag.StringVar(&c.path, "path", "/hello", "path to ask for")
	flag.IntVar(&c.paths, "paths", 0, "go round over N literal endpoints /e/aNN/bMM instead")
	flag.IntVar(&c.slugs, "slugs", 0, "go through N distinct paths /s/SLUG instead")
	flag.Float64Var(&c.rate, "rate", 1000, "requests per second")
	flag.DurationVar(&c.duration, "duration", 10*time.Second, "how long to measure")
	flag.DurationVar(&c.warmup, "warmup", 0, "how long to drive before measuring")
	flag.IntVar(&c.conns, "conns", 32, "keep-alive connections")
	secure := flag.Bool("tls", false, "HTTP/1.1 over TLS")
	out := flag.String("out", "", "write the JSON here rather than to stdout")
	flag.Parse()
	if *secure {
		c.secure = selfsigned.Client("http/1.1")
	}
	if c.rate <= 0 || c.conns <= 0 || c.duration <= 0 {
		log.Fatal("load: -rate, -conns and -duration must be positive")
	}

	res, err := run(c)
	if err != nil {
		log.Fatal("load: ", err)
	}
	b, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		log.Fatal("load: ", err)
	}
	b = append(b, '\n')
	if *out == "" {
		os.Stdout.Write(b)
	} else if err := os.WriteFile(*out, b, 0o644); err != nil {
		log.Fatal("load: ", err)
	}
	if res.Errors > 0 || res.Unsent > 0 {
		fmt.Fprintf(os.Stderr, "load: %d failed, %d never sent\n", res.Errors, res.Unsent)
		os.Exit(1)
	}
}
