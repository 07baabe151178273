//go:build !go1.22

package main

import (
	"net/http"
	"strings"
)

// handle makes do without placeholders, which ServeMux did not have: a pattern
// with one becomes a subtree.
func handle(mux *http.ServeMux, method, pattern string, h http.HandlerFunc) {
	if i := strings.IndexByte(pattern, '{'); i >= 0 {
		pattern = pattern[:i]
	}
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		h(w, r)
	})
}
