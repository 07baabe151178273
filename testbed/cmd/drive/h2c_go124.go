//go:build go1.24

package main

import "net/http"

// canH2C tells whether plainHTTP2 can be had.
const canH2C = true

// plainHTTP2 makes t speak HTTP/2 without TLS, by prior knowledge.
func plainHTTP2(t *http.Transport) {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	t.Protocols = &p
}

// narrow makes the windows so small that the server must wait for updates.
func narrow(t *http.Transport) {
	t.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 128 << 10}
}
