//go:build go1.24

package main

import "net/http"

// allowH2C lets srv take HTTP/2 on plain connections, by prior knowledge.
func allowH2C(srv *http.Server) error {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	srv.Protocols = &p
	return nil
}
