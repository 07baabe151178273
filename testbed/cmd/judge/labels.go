package main

import (
	"strings"

	"gostall/testbed/internal/doc"
)

// key is an endpoint's identity in the comparison.
type key struct{ method, route string }

func (k key) String() string { return k.method + " " + k.route }

// labels maps what a report may call an endpoint to what the truth calls it.
type labels struct {
	exact bool
	known map[key]key
}

func newLabels(t *doc.Truth, exact bool) *labels {
	l := &labels{exact: exact, known: map[key]key{}}
	for _, e := range t.Endpoints {
		own := key{e.Method, e.Route}
		l.known[key{e.Method, l.canonical(e.Route)}] = own
		if e.Pattern != "" {
			l.known[key{e.Method, l.canonical(e.Pattern)}] = own
		}
	}
	return l
}

// find is the truth's name of a report's endpoint; an endpoint that the truth
// does not know keeps its own.
func (l *labels) find(method, route string) key {
	if k, ok := l.known[key{method, l.canonical(route)}]; ok {
		return k
	}
	return key{method, route}
}

// canonical forgets the names of placeholders, unless they matter: which part
// of a path varies is a fact, what to call it is taste. {$} is no placeholder.
func (l *labels) canonical(route string) string {
	route = strings.TrimSuffix(route, "{$}")
	if l.exact {
		return route
	}
	segments := strings.Split(route, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
			segments[i] = "{}"
			if strings.HasSuffix(s, "...}") {
				segments[i] = "{...}"
			}
		}
	}
	return strings.Join(segments, "/")
}
