package main

import (
	"net/http"
	"sort"
	"strings"
)

// ownRouter is a hand-written router as many programs have one: no template can
// be read from net/http's types, so only the paths tell the endpoints apart.
type ownRouter struct {
	literal  map[string]http.Handler // "GET /path"
	patterns []pattern
	none     func(h http.Handler, w http.ResponseWriter, r *http.Request)
}

type pattern struct {
	method   string
	segments []string
	literals int
	handler  http.Handler
}

func newOwnRouter(eps []*endpoint, s *server) *ownRouter {
	o := &ownRouter{literal: map[string]http.Handler{}, none: s.noRoute}
	for _, e := range eps {
		h := &bound{s, e}
		t := strings.TrimSuffix(e.template(), "{$}")
		if !strings.Contains(t, "{") {
			o.literal[e.method+" "+t] = h
			continue
		}
		p := pattern{method: e.method, segments: strings.Split(t, "/"), handler: h}
		for _, seg := range p.segments {
			if !strings.HasPrefix(seg, "{") {
				p.literals++
			}
		}
		o.patterns = append(o.patterns, p)
	}
	// The most literal pattern first, as ServeMux has it.
	sort.SliceStable(o.patterns, func(i, j int) bool {
		return o.patterns[i].literals > o.patterns[j].literals
	})
	return o
}

func (o *ownRouter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if h, ok := o.literal[r.Method+" "+path]; ok {
		h.ServeHTTP(w, r)
		return
	}
	segments := strings.Split(path, "/")
	var allowed []string
	for _, p := range o.patterns {
		if !p.matches(segments) {
			continue
		}
		if p.method == r.Method {
			p.handler.ServeHTTP(w, r)
			return
		}
		allowed = append(allowed, p.method)
	}
	for _, m := range methods {
		if _, ok := o.literal[m+" "+path]; ok {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) == 0 {
		o.none(http.NotFoundHandler(), w, r)
		return
	}
	o.none(notAllowed(allowed), w, r)
}

func (p *pattern) matches(segments []string) bool {
	for i, seg := range p.segments {
		if strings.HasSuffix(seg, "...}") {
			return len(segments) > i
		}
		if i >= len(segments) {
			return false
		}
		if strings.HasPrefix(seg, "{") {
			if segments[i] == "" {
				return false
			}
			continue
		}
		if seg != segments[i] {
			return false
		}
	}
	return len(segments) == len(p.segments)
}

func notAllowed(allowed []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	})
}
