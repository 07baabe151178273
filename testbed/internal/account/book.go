package account

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"gostall/testbed/internal/doc"
)

// Endpoint is what a server of few endpoints declares and counts. cmd/truth has
// one of its own, which knows more.
type Endpoint struct {
	Method, Route string
	Pattern       string // another name that a report may use
	Protocol      string // "grpc" if the statuses are grpc-status
	Steps         []Step // made while the request lives
	After         []Step // made by goroutines that have outlived it

	book    *Book
	markers *Tally
	counts  Counts
}

// Once makes one marker of step i.
func (e *Endpoint) Once(i int) {
	k := e.Steps[i].Kind
	e.markers.Add(k, k.Do())
}

// Mark makes all markers of step i.
func (e *Endpoint) Mark(i int) {
	for n := e.Steps[i].N; n > 0; n-- {
		e.Once(i)
	}
}

// Marks makes all markers of all steps.
func (e *Endpoint) Marks() {
	for i := range e.Steps {
		e.Mark(i)
	}
}

// Afterwards makes the markers of after-step i: they belong to nobody.
func (e *Endpoint) Afterwards(i int) {
	s := e.After[i]
	for n := s.N; n > 0; n-- {
		e.book.background.Add(s.Kind, s.Kind.Do())
	}
}

// Run counts one request: f is its handler, and gives the status (NoStatus for
// none) and whether it was aborted. A panic is counted as aborted, without a
// status, and goes on its way.
func (e *Endpoint) Run(f func() (status int, aborted bool)) {
	e.book.inflight.Add(1)
	start := time.Now()
	status, aborted := NoStatus, true
	defer func() {
		e.counts.Done(status, aborted, time.Since(start))
		e.book.inflight.Add(-1)
	}()
	status, aborted = f()
}

// Book is a server's account.
type Book struct {
	Router     string
	Addr       string
	endpoints  []*Endpoint
	background *Tally
	inflight   atomic.Int64
	// Pending is the number of goroutines left behind that have not ended.
	Pending atomic.Int64
}

// NewBook is an empty one.
func NewBook(router string) *Book { return &Book{Router: router, background: NewTally()} }

// Add takes an endpoint into the account.
func (b *Book) Add(e *Endpoint) *Endpoint {
	e.book, e.markers = b, NewTally()
	b.endpoints = append(b.endpoints, e)
	return e
}

// Serve says that addr is ready, obeys stdin, and dumps the truth to file when
// SIGTERM or SIGINT comes.
func (b *Book) Serve(addr, file string) error {
	b.Addr = addr
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("ready", addr)
	go Control(os.Stdin, os.Stdout, b.reset, func() error { return b.dump(file) })
	<-stop
	return b.dump(file)
}

// quiesce waits until nothing runs any more, 5 s at most.
func (b *Book) quiesce() bool {
	deadline := time.Now().Add(5 * time.Second)
	for calm := 0; calm < 3; {
		calm++
		if b.inflight.Load() != 0 || b.Pending.Load() != 0 {
			calm = 0
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}

func (b *Book) reset() {
	b.quiesce()
	for _, e := range b.endpoints {
		e.markers.Reset()
		e.counts.Reset()
	}
	b.background.Reset()
}

func (b *Book) dump(file string) error {
	t := &doc.Truth{
		Schema: doc.TruthSchema, PID: os.Getpid(), GoVersion: runtime.Version(), Router: b.Router, Addr: b.Addr,
		Endpoints: []doc.Endpoint{}, Notes: []string{},
	}
	if !b.quiesce() {
		t.Notes = append(t.Notes, fmt.Sprintf("%d handlers and %d detached goroutines had not ended", b.inflight.Load(), b.Pending.Load()))
	}
	t.Background = b.background.Calls()
	odd := b.background.Odd()
	for _, e := range b.endpoints {
		d := e.counts.Document()
		if d.Requests == 0 {
			continue
		}
		d.Method, d.Route, d.Pattern, d.Protocol = e.Method, e.Route, e.Pattern, e.Protocol
		d.Markers, d.PerRequest, d.AfterRequest = e.markers.Calls(), Promise(e.Steps), Promise(e.After)
		t.Endpoints = append(t.Endpoints, d)
		odd = append(odd, e.markers.Odd()...)
	}
	for _, c := range odd {
		t.Notes = append(t.Notes, fmt.Sprintf("%s had the result %s, %d times", c.Name, c.Result, c.Count))
	}
	return Write(file, t)
}
