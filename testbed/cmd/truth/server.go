package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/selfsigned"
)

// server is what all endpoints share.
type server struct {
	endpoints []*endpoint
	unmatched map[string]*endpoint // by method
	// background counts the markers of goroutines that belong to no request.
	background   *account.Tally
	inflight     atomic.Int64  // handlers that run
	pending      atomic.Int64  // detached goroutines and jobs that have not ended
	lateOverlaps atomic.Uint64 // see doc.Truth

	options  options
	router   string
	pool     *pool
	upstream string // the second HTTP server's address
	lines    net.Listener
	client   *http.Client
}

// options are the flags that handlers look at.
type options struct {
	delay      time.Duration
	grid       int
	middleware int
	verbose    bool
	tls, h2c   bool
}

// methods are those whose unmatched requests are told apart.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"}

func newServer(o options) *server {
	s := &server{
		options:    o,
		background: account.NewTally(),
		unmatched:  map[string]*endpoint{},
		pool:       newPool(),
	}
	s.endpoints = catalogue(o)
	for _, m := range methods {
		e := &endpoint{method: m, route: "(unmatched)"}
		s.unmatched[m] = e
		s.endpoints = append(s.endpoints, e)
	}
	for _, e := range s.endpoints {
		e.prepare()
	}
	return s
}

// serve starts the HTTP server for one set of endpoints on l. The upstream is
// plain HTTP/1 whatever the flags say.
func (s *server) serve(l net.Listener, own, upstream bool) error {
	var eps []*endpoint
	for _, e := range s.endpoints {
		if e.serve != nil && e.upstream == upstream {
			eps = append(eps, e)
		}
	}
	var h http.Handler = s.newRouter(eps, own)
	for i := 0; i < s.options.middleware; i++ {
		h = copying(h)
	}
	out := io.Discard // net/http logs each panic with its stack
	if s.options.verbose {
		out = os.Stderr
	}
	srv := &http.Server{Handler: h, ErrorLog: log.New(out, "", 0)}
	track(srv)
	if s.options.h2c && !upstream {
		if err := allowH2C(srv); err != nil {
			return err
		}
	}
	if !s.options.tls || upstream {
		go srv.Serve(l)
		return nil
	}
	config, err := selfsigned.Server("h2", "http/1.1")
	if err != nil {
		return err
	}
	srv.TLSConfig = config
	go srv.ServeTLS(l, "", "")
	return nil
}

type layerKey struct{}

// copying is middleware as many servers have it: the request that the router
// sees is a copy of the one that net/http made.
func copying(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), layerKey{}, true)))
	})
}

// noRoute answers what the router matched to nothing, through the router's own
// 404 or 405 handler, and counts it.
func (s *server) noRoute(h http.Handler, w http.ResponseWriter, r *http.Request) {
	e, ok := s.unmatched[r.Method]
	if !ok {
		e = s.unmatched["GET"]
	}
	rec := &recorder{ResponseWriter: w}
	turnOf(r)
	s.inflight.Add(1)
	defer s.inflight.Add(-1)
	start := time.Now()
	h.ServeHTTP(rec, r)
	e.done(rec.wireStatus(true), false, time.Since(start))
}

// quiesce waits until no handler runs and no detached goroutine is left, and
// tells whether that came to pass.
func (s *server) quiesce(limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	calm := 0
	for calm < 3 {
		if s.inflight.Load() == 0 && s.pending.Load() == 0 {
			calm++
		} else {
			calm = 0
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
