package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/doc"
)

// settle is how long a dump or reset waits for work that is still under way.
const settle = 5 * time.Second

func (s *server) reset() {
	for _, e := range s.endpoints {
		e.reset()
	}
	s.background.Reset()
	s.lateOverlaps.Store(0)
}

// dump writes the truth to file, or to stdout without one.
func (s *server) dump(addr, file string) error {
	calm := s.quiesce(settle)
	t := s.truth(addr)
	if !calm {
		t.Notes = append(t.Notes, fmt.Sprintf("%d handlers and %d detached goroutines had not ended",
			s.inflight.Load(), s.pending.Load()))
	}
	return account.Write(file, t)
}

func (s *server) truth(addr string) *doc.Truth {
	t := &doc.Truth{
		Schema:       doc.TruthSchema,
		PID:          os.Getpid(),
		GoVersion:    runtime.Version(),
		Router:       s.router,
		Addr:         addr,
		Endpoints:    []doc.Endpoint{},
		Background:   s.background.Calls(),
		LateOverlaps: s.lateOverlaps.Load(),
		Notes:        []string{},
	}
	odd := s.background.Odd()
	for _, e := range s.endpoints {
		d, ok := e.document()
		if s.router == "own" {
			d.Pattern = "" // there is no template to be found in the process
		}
		if ok {
			t.Endpoints = append(t.Endpoints, d)
		}
		for _, c := range e.given.Calls() {
			t.HandedOver = append(t.HandedOver, doc.HandedOver{Method: e.method, Route: e.route, Call: c})
		}
		odd = append(odd, e.markers.Odd()...)
	}
	for _, c := range odd {
		t.Notes = append(t.Notes, fmt.Sprintf("%s had the result %s, %d times", c.Name, c.Result, c.Count))
	}
	return t
}
