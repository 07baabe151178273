package main

import (
	"crypto/tls"
	"fmt"
	"hash/fnv"
	"math/rand"
	"net/http"
	"sort"
	"sync"
	"time"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/quantile"
)

// driver runs scenarios and counts what they sent.
type driver struct {
	addr     string
	n        int
	conns    int
	parallel int
	seed     int64
	rate     float64
	grid     int
	secure   *tls.Config // nil without TLS
	h2       bool

	latency quantile.Recorder
	mu      sync.Mutex
	counts  map[doc.Sent]*doc.Sent // by method, route, status and Indirect
	failed  []string
	next    time.Time // when the next request may leave, under -rate
}

// scenario is one way of sending requests.
type scenario struct {
	name  string
	about string
	// share divides -n: a scenario that takes long is made less often.
	share   int
	special bool // only when named
	unit    func(*worker) error
	// h2 is the unit over HTTP/2, nil for what only HTTP/1 has.
	h2 func(*worker) error
}

func (d *driver) run(chosen []scenario) *doc.Drive {
	res := &doc.Drive{Schema: doc.DriveSchema, Failures: []string{}}
	gate := make(chan struct{}, d.parallel)
	var wg sync.WaitGroup
	for _, s := range chosen {
		s := s
		gate <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-gate; wg.Done() }()
			start := time.Now()
			sent := d.scenario(s)
			d.mu.Lock()
			defer d.mu.Unlock()
			res.Scenario = append(res.Scenario, doc.ScenarioResult{
				Name: s.name, Requests: sent, DurationNS: int64(time.Since(start)),
			})
		}()
	}
	wg.Wait()
	sort.Slice(res.Scenario, func(i, j int) bool { return res.Scenario[i].Name < res.Scenario[j].Name })
	for _, c := range d.counts {
		res.Requests = append(res.Requests, *c)
	}
	sort.Slice(res.Requests, func(i, j int) bool {
		a, b := res.Requests[i], res.Requests[j]
		if a.Route != b.Route {
			return a.Route < b.Route
		}
		if a.Method != b.Method {
			return a.Method < b.Method
		}
		return a.Status < b.Status
	})
	res.Failures = append(res.Failures, d.failed...)
	res.Latency = d.latency.Summary()
	return res
}

// scenario splits the units among the connections and tells how many requests
// they made.
func (d *driver) scenario(s scenario) uint64 {
	units := d.n / s.share
	if units < 1 {
		units = 1
	}
	name := fnv.New32()
	name.Write([]byte(s.name))
	var wg sync.WaitGroup
	var total uint64
	unit := s.unit
	var client *http.Client
	if d.h2 {
		// One connection for all workers: their requests are streams beside each other.
		unit, client = s.h2, d.newClient(false)
		defer client.CloseIdleConnections()
	}
	for i := 0; i < d.conns && i < units; i++ {
		mine := units / d.conns
		if i < units%d.conns {
			mine++
		}
		w := &worker{
			driver: d, scenario: s.name, index: i, client: client,
			rand: rand.New(rand.NewSource(d.seed<<32 ^ int64(name.Sum32()) ^ int64(i))),
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer w.hangUp()
			for ; mine > 0; mine-- {
				if err := unit(w); err != nil {
					d.fail(fmt.Sprintf("%s: %v", s.name, err))
					w.hangUp()
				}
				w.units++
			}
			d.mu.Lock()
			total += w.sent
			d.mu.Unlock()
		}()
	}
	wg.Wait()
	return total
}

func (d *driver) fail(what string) {
	d.mu.Lock()
	d.failed = append(d.failed, what)
	d.mu.Unlock()
}

// count notes one request that has ended.
func (d *driver) count(s doc.Sent, aborted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.counts[s]
	if c == nil {
		c = &doc.Sent{Method: s.Method, Route: s.Route, Status: s.Status, Indirect: s.Indirect}
		d.counts[s] = c
	}
	c.Count++
	if aborted {
		c.Aborted++
	}
}

// pace waits for this request's turn under -rate.
func (d *driver) pace() {
	if d.rate <= 0 {
		return
	}
	d.mu.Lock()
	now := time.Now()
	if d.next.Before(now) {
		d.next = now
	}
	at := d.next
	d.next = d.next.Add(time.Duration(1e9 / d.rate))
	d.mu.Unlock()
	time.Sleep(time.Until(at))
}
