package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"

	"gostall/testbed/internal/waits"
)

// h2 is a connection of HTTP/2: its client keeps one.
type h2 struct {
	http *http.Client
	addr string
}

func newH2(addr string, secure *tls.Config) *h2 {
	return &h2{&http.Client{
		Transport: &http.Transport{TLSClientConfig: secure, ForceAttemptHTTP2: true},
		Timeout:   patience,
	}, addr}
}

func (c *h2) close() { c.http.CloseIdleConnections() }

func (c *h2) request(e waits.Endpoint, ms int) error {
	wait := time.Duration(ms) * time.Millisecond
	var body io.Reader
	if e.Client == waits.SlowBody {
		r, w := io.Pipe()
		go func() {
			time.Sleep(wait / 2)
			io.WriteString(w, first)
			time.Sleep(wait - wait/2)
			io.WriteString(w, last())
			w.Close()
		}()
		body = r
	}
	req, err := http.NewRequest(e.Method, fmt.Sprintf("https://%s%s?ms=%d", c.addr, e.Route, ms), body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if e.Client == waits.SlowReader {
		time.Sleep(wait)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return err
	}
	switch {
	case resp.ProtoMajor != 2:
		return fmt.Errorf("answered in %s", resp.Proto)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("answered %s", resp.Status)
	case e.Client == waits.SlowReader && n != waits.LargeH2:
		return fmt.Errorf("answered %d bytes", n)
	}
	return nil
}
