package doc

import (
	"fmt"
	"sort"
	"strconv"
)

// Compare lists where the server's count of requests differs from the
// driver's: per endpoint, requests, statuses and aborted ones.
func Compare(t *Truth, d *Drive) []string {
	type key struct{ method, route string }
	want := map[key]*Endpoint{}
	for _, s := range d.Requests {
		k := key{s.Method, s.Route}
		e := want[k]
		if e == nil {
			e = &Endpoint{Statuses: map[string]uint64{}}
			want[k] = e
		}
		e.Requests += s.Count
		e.Aborted += s.Aborted
		switch {
		case s.Protocol == "grpc":
			if n := s.Count - s.Aborted; n > 0 {
				e.Statuses[strconv.Itoa(s.Status)] += n
			}
		case s.Status != 0:
			e.Statuses[strconv.Itoa(s.Status)] += s.Count
		}
	}
	var out []string
	for i := range t.Endpoints {
		got := &t.Endpoints[i]
		k := key{got.Method, got.Route}
		sent := want[k]
		delete(want, k)
		if sent == nil {
			out = append(out, fmt.Sprintf("%s %s: %d requests that nobody sent", got.Method, got.Route, got.Requests))
			continue
		}
		if got.Requests != sent.Requests || got.Aborted != sent.Aborted || !same(got.Statuses, sent.Statuses) {
			out = append(out, fmt.Sprintf("%s %s: server %d requests %v, %d aborted; driver %d, %v, %d", got.Method, got.Route,
				got.Requests, got.Statuses, got.Aborted, sent.Requests, sent.Statuses, sent.Aborted))
		}
	}
	for k, sent := range want {
		out = append(out, fmt.Sprintf("%s %s: %d requests that the server did not see", k.method, k.route, sent.Requests))
	}
	sort.Strings(out)
	return out
}

func same(a, b map[string]uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for k, n := range a {
		if b[k] != n {
			return false
		}
	}
	return true
}
