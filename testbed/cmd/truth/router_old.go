//go:build !go1.22

package main

import "net/http"

// newRouter takes our own router: ServeMux knew neither methods nor
// placeholders before Go 1.22.
func (s *server) newRouter(eps []*endpoint, _ bool) http.Handler {
	s.router = "own"
	return newOwnRouter(eps, s)
}
