package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// recorder watches a response go by. It passes on every optional interface of
// net/http's own ResponseWriter, so that sendfile and Flush still work.
type recorder struct {
	http.ResponseWriter
	status   int
	flushed  bool // the status line has left the server
	failed   bool // a write failed: the client is gone
	hijacked bool
}

func (r *recorder) WriteHeader(status int) {
	// 1xx are not final, except for 101.
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.implicit()
	n, err := r.ResponseWriter.Write(b)
	r.failed = r.failed || err != nil
	return n, err
}

// ReadFrom keeps io.Copy from a file on the way to sendfile.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	r.implicit()
	n, err := io.Copy(r.ResponseWriter, src)
	r.failed = r.failed || err != nil
	return n, err
}

func (r *recorder) Flush() {
	r.implicit()
	r.flushed = true
	r.ResponseWriter.(http.Flusher).Flush()
}

func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.hijacked = true
	return r.ResponseWriter.(http.Hijacker).Hijack()
}

func (r *recorder) implicit() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
}

// wireStatus is the status that the client got, 0 for none. A handler that
// panicked before its response was flushed sent none, whatever it wrote.
func (r *recorder) wireStatus(returned bool) int {
	if !returned && !r.flushed {
		return 0
	}
	if !r.hijacked {
		r.implicit()
	}
	return r.status
}
