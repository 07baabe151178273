//go:build go1.22

package main

import "net/http"

func handle(mux *http.ServeMux, method, pattern string, h http.HandlerFunc) {
	mux.HandleFunc(method+" "+pattern, h)
}
