package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"gostall/testbed/internal/doc"
)

// settle is how long a dump or reset waits for work that is still under way.
const settle = 5 * time.Second

// control obeys the lines on in; each is answered by one line on out, so that a
// script knows when it is done. The end of input is no command.
func (s *server) control(in io.Reader, out io.Writer, addr, file string) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		switch lines.Text() {
		case "reset":
			s.quiesce(settle)
			s.reset()
			fmt.Fprintln(out, "reset done")
		case "dump":
			if err := s.dump(addr, file); err != nil {
				fmt.Fprintln(out, "dump failed:", err)
			} else {
				fmt.Fprintln(out, "dump done")
			}
		case "":
		default:
			fmt.Fprintf(out, "unknown command %q: reset, dump\n", lines.Text())
		}
	}
}

func (s *server) reset() {
	for _, e := range s.endpoints {
		e.reset()
	}
	s.background.reset()
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
	b, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if file == "" {
		_, err = os.Stdout.Write(b)
		return err
	}
	// Whoever waits for the file must never read half of it.
	if err := os.WriteFile(file+".part", b, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".part", file)
}

func (s *server) truth(addr string) *doc.Truth {
	t := &doc.Truth{
		Schema:       doc.TruthSchema,
		PID:          os.Getpid(),
		GoVersion:    runtime.Version(),
		Router:       s.router,
		Addr:         addr,
		Endpoints:    []doc.Endpoint{},
		Background:   s.background.calls(),
		LateOverlaps: s.lateOverlaps.Load(),
		Notes:        []string{},
	}
	odd := s.background.oddCalls()
	for _, e := range s.endpoints {
		d, ok := e.document()
		if s.router == "own" {
			d.Pattern = "" // there is no template to be found in the process
		}
		if ok {
			t.Endpoints = append(t.Endpoints, d)
		}
		for _, c := range e.given.calls() {
			t.HandedOver = append(t.HandedOver, doc.HandedOver{Method: e.method, Route: e.route, Call: c})
		}
		odd = append(odd, e.markers.oddCalls()...)
	}
	for _, c := range odd {
		t.Notes = append(t.Notes, fmt.Sprintf("%s had the result %s, %d times", c.Name, c.Result, c.Count))
	}
	return t
}
