//go:build go1.22

package main

import "net/http"

// muxRouter is net/http's own router with its 1.22 patterns.
type muxRouter struct {
	*http.ServeMux
	server *server
}

func (s *server) newRouter(eps []*endpoint, own bool) http.Handler {
	if own {
		s.router = "own"
		return newOwnRouter(eps, s)
	}
	s.router = "mux"
	mux := http.NewServeMux()
	for _, e := range eps {
		mux.Handle(e.method+" "+e.template(), &bound{s, e})
	}
	return &muxRouter{mux, s}
}

func (m *muxRouter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := m.ServeMux.Handler(r); pattern == "" {
		m.server.noRoute(m.ServeMux, w, r)
		return
	}
	m.ServeMux.ServeHTTP(w, r)
}
