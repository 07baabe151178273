package account

import (
	"fmt"
	"os"
	"sort"
	"sync"
	"time"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/quantile"
)

// Sent is a driver's account of what it sent.
type Sent struct {
	mu      sync.Mutex
	counts  map[doc.Sent]*doc.Sent // the key's Count and Aborted are 0
	latency quantile.Recorder
	failed  []string
}

// Note counts one request that has ended.
func (s *Sent) Note(what doc.Sent, aborted bool, took time.Duration) {
	if !aborted {
		s.latency.Add(took)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[doc.Sent]*doc.Sent{}
	}
	c := s.counts[what]
	if c == nil {
		copied := what
		c = &copied
		s.counts[what] = c
	}
	c.Count++
	if aborted {
		c.Aborted++
	}
}

// Fail notes an answer that was wrong.
func (s *Sent) Fail(format string, a ...interface{}) {
	s.mu.Lock()
	s.failed = append(s.failed, fmt.Sprintf(format, a...))
	s.mu.Unlock()
}

// Finish writes the JSON to file, if one is named, prints a line, and tells
// whether every answer was right.
func (s *Sent) Finish(file string) bool {
	d := &doc.Drive{Schema: doc.DriveSchema, Failures: append([]string{}, s.failed...), Latency: s.latency.Summary()}
	var total uint64
	for _, c := range s.counts {
		d.Requests = append(d.Requests, *c)
		total += c.Count
	}
	sort.Slice(d.Requests, func(i, j int) bool {
		a, b := d.Requests[i], d.Requests[j]
		if a.Route != b.Route {
			return a.Route < b.Route
		}
		return a.Method < b.Method || a.Method == b.Method && a.Status < b.Status
	})
	if file != "" {
		if err := Write(file, d); err != nil {
			s.failed = append(s.failed, err.Error())
		}
	}
	fmt.Printf("%d requests, p50 %v, p99 %v, %d failures\n", total,
		time.Duration(d.Latency.P50), time.Duration(d.Latency.P99), len(s.failed))
	for i, f := range s.failed {
		if i == 20 {
			break
		}
		fmt.Fprintln(os.Stderr, f)
	}
	return len(s.failed) == 0
}
