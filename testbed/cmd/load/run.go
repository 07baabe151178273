package main

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gostall/testbed/internal/paths"
	"gostall/testbed/internal/quantile"
	"gostall/testbed/internal/wire"
)

// grace is how long after the last request was due the connections may still
// work off what the server held up.
const grace = 10 * time.Second

// driver holds what the connections share.
type driver struct {
	config
	start    time.Time
	deadline time.Time  // when every connection gives up
	due      chan int64 // indices of requests whose time has come
	stop     atomic.Bool
	latency  quantile.Recorder
	lag      quantile.Recorder
	service  quantile.Recorder
	requests atomic.Uint64
	errors   atomic.Uint64
	taken    atomic.Uint64
	mu       sync.Mutex
	statuses map[int]uint64
}

func run(c config) (*result, error) {
	total := int64(c.rate * (c.warmup + c.duration).Seconds())
	first := int64(c.rate * c.warmup.Seconds()) // the first that is measured
	r := &driver{
		config: c,
		// Room for every request: the pacer must never wait for the server.
		due:      make(chan int64, total),
		statuses: map[int]uint64{},
	}
	conns := make([]*wire.Conn, c.conns)
	for i := range conns {
		conn, err := wire.Dial(c.addr, c.secure)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		conns[i] = conn
	}
	r.start = time.Now()
	r.deadline = r.start.Add(c.warmup + c.duration + grace)
	for _, conn := range conns {
		conn.SetDeadline(r.deadline)
	}
	var wg sync.WaitGroup
	for _, conn := range conns {
		wg.Add(1)
		go func(conn *wire.Conn) {
			defer wg.Done()
			r.work(conn, first)
		}(conn)
	}
	timer := time.AfterFunc(time.Until(r.deadline), func() { r.stop.Store(true) })
	defer timer.Stop()
	pace(r.start, c.rate, total, r.due)
	close(r.due)
	wg.Wait()
	measured := time.Since(r.start) - c.warmup

	res := &result{
		Schema:      "gostall.load/1",
		Rate:        c.rate,
		DurationNS:  int64(measured),
		Connections: c.conns,
		Requests:    r.requests.Load(),
		Errors:      r.errors.Load(),
		Unsent:      uint64(total) - r.taken.Load(),
		Statuses:    map[string]uint64{},
		LatencyNS:   r.latency.Summary(),
		SendLagNS:   r.lag.Summary(),
		ServiceNS:   r.service.Summary(),
	}
	res.AchievedRPS = float64(res.Requests) / measured.Seconds()
	for status, n := range r.statuses {
		res.Statuses[strconv.Itoa(status)] = n
	}
	return res, nil
}

// work sends what is due on one connection, one request at a time.
func (r *driver) work(conn *wire.Conn, first int64) {
	broken := false
	for i := range r.due {
		if r.stop.Load() {
			return
		}
		r.taken.Add(1)
		if broken {
			fresh, err := wire.Dial(r.addr, r.secure)
			if err != nil {
				r.errors.Add(1)
				continue
			}
			defer fresh.Close()
			fresh.SetDeadline(r.deadline)
			conn, broken = fresh, false
		}
		due := r.start.Add(time.Duration(float64(i) / r.rate * 1e9))
		sent := time.Now()
		status, err := r.one(conn, i)
		done := time.Now()
		if err != nil {
			r.errors.Add(1)
			broken = true
			continue
		}
		if i < first {
			continue
		}
		r.requests.Add(1)
		r.latency.Add(done.Sub(due))
		r.lag.Add(sent.Sub(due))
		r.service.Add(done.Sub(sent))
		r.mu.Lock()
		r.statuses[status]++
		r.mu.Unlock()
	}
}

func (r *driver) one(conn *wire.Conn, i int64) (int, error) {
	if err := conn.Send("GET " + r.target(i) + " HTTP/1.1\r\nHost: load\r\n\r\n"); err != nil {
		return 0, err
	}
	resp, err := conn.Read("GET")
	if err != nil {
		return 0, err
	}
	if resp.Close {
		return 0, fmt.Errorf("the server closes the connection")
	}
	return resp.Status, nil
}

func (r *driver) target(i int64) string {
	switch {
	case r.paths > 0:
		return paths.Grid(int(i) % r.paths)
	case r.slugs > 0:
		return "/s/" + paths.Slug(int(i)%r.slugs)
	}
	return r.path
}
