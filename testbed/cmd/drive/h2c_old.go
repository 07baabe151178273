//go:build !go1.24

package main

import "net/http"

// net/http itself knew no HTTP/2 without TLS before Go 1.24, nor let anybody
// choose its windows.
const canH2C = false

func plainHTTP2(*http.Transport) {}
func narrow(*http.Transport)     {}
