package main

import (
	"fmt"
	"strings"
	"time"

	"gostall/testbed/internal/paths"
)

// plain goes round the methods of one path.
func plain(w *worker) error {
	trace := fmt.Sprintf("traceparent: 00-%016x%016x-%016x-01", w.rand.Uint64()|1, w.rand.Uint64(), w.rand.Uint64()|1)
	return w.askAll(
		lit("/plain"),
		request{method: "GET", path: "/plain", route: "/plain", header: []string{trace}},
		request{method: "HEAD", path: "/plain", route: "/plain"},
		request{method: "POST", path: "/plain", route: "/plain", header: []string{"Content-Length: 0"}},
		request{method: "OPTIONS", path: "/plain", route: "/plain"},
		request{method: "PURGE", path: "/plain", route: "/plain"},
		lit("/silent"),
	)
}

// mixed is the i-th of an irregular row of endpoints that share their markers.
func mixed(w *worker) request {
	return lit([]string{"/mix/a", "/mix/b", "/mix/c", "/silent"}[w.rand.Intn(4)])
}

func keepAlive(w *worker) error {
	for i := 0; i < 20; i++ {
		if err := w.ask(mixed(w)); err != nil {
			return err
		}
	}
	return nil
}

func churn(w *worker) error {
	r := mixed(w)
	r.header = []string{"Connection: close"}
	if err := w.ask(r); err != nil {
		return err
	}
	if w.conn != nil {
		return fmt.Errorf("the server kept the connection open")
	}
	return nil
}

func http10(w *worker) error {
	w.hangUp()
	kept := request{method: "GET", path: "/mix/a", route: "/mix/a", proto: "HTTP/1.0", header: []string{"Connection: keep-alive"}}
	last := request{method: "GET", path: "/mix/b", route: "/mix/b", proto: "HTTP/1.0"}
	return w.askAll(kept, kept, last)
}

// pipelined sends eight requests at once; every second time the bytes are cut in
// two at a random place, so that a request may begin in one read and end in the next.
func pipelined(w *worker) error {
	start, err := w.begin()
	if err != nil {
		return err
	}
	var rs []request
	var b strings.Builder
	for i := 0; i < 8; i++ {
		r := mixed(w)
		if i%3 == 2 {
			r = request{method: "POST", path: "/plain", route: "/plain", body: strings.Repeat("x", 1+w.rand.Intn(300))}
		}
		rs = append(rs, r)
		b.WriteString(r.text())
	}
	text, cut := b.String(), b.Len()
	if w.units%2 == 1 {
		cut = 1 + w.rand.Intn(len(text)-1)
	}
	if err := w.conn.Send(text[:cut]); err != nil {
		return err
	}
	if cut < len(text) {
		time.Sleep(2 * time.Millisecond)
		if err := w.conn.Send(text[cut:]); err != nil {
			return err
		}
	}
	for i := range rs {
		if err := w.receive(&rs[i], start); err != nil {
			return err
		}
	}
	return nil
}

// bytewise sends every byte by itself; a pause now and then lets the server see
// them one at a time.
func bytewise(w *worker) error {
	for _, r := range []request{mixed(w), {method: "POST", path: "/plain", route: "/plain", body: "0123456789"}} {
		start, err := w.begin()
		if err != nil {
			return err
		}
		for i, c := range r.text() {
			if err := w.conn.Send(string(c)); err != nil {
				return err
			}
			if i%8 == 7 {
				time.Sleep(300 * time.Microsecond)
			}
		}
		if err := w.receive(&r, start); err != nil {
			return err
		}
	}
	return nil
}

func headers(w *worker) error {
	absolute := mixed(w)
	absolute.path = "http://testbed" + absolute.path
	return w.askAll(filled(w, 2<<10), filled(w, 10<<10), filled(w, 100<<10), absolute)
}

// filled is a request with n bytes of headers or a little more.
func filled(w *worker, n int) request {
	r := mixed(w)
	for i := 0; n > 0; i++ {
		h := fmt.Sprintf("X-Filler-%d: %s", i, strings.Repeat("f", 500+w.rand.Intn(500)))
		r.header = append(r.header, h)
		n -= len(h)
	}
	return r
}

// secrets puts into requests what no report may show.
func secrets(w *worker) error {
	secret := fmt.Sprintf("%s-%08x", paths.Secret, w.rand.Uint32())
	long := strings.Repeat("&filter=word", 300)
	return w.askAll(
		get("/search?q=shoes&token="+secret, "/search"),
		get("/search?api_key="+secret+long, "/search"),
		request{method: "GET", path: "/search", route: "/search", header: []string{
			"Authorization: Bearer " + secret, "Cookie: session=" + secret,
		}},
		request{method: "POST", path: "/plain?password=" + secret, route: "/plain", body: "password=" + secret},
	)
}

// malformed sends what never reaches a handler; nobody's truth counts it.
func malformed(w *worker) error {
	for _, text := range []string{
		"GET\r\n\r\n",
		"GET /plain HTTP/9.9\r\nHost: testbed\r\n\r\n",
		"GET /plain HTTP/1.1\r\n\r\n",
		"GET /plain HTTP/1.1\r\nHost: testbed\r\nbad header\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no HTTP\r\n\r\n",
	} {
		w.hangUp()
		if _, err := w.begin(); err != nil {
			return err
		}
		if err := w.conn.Send(text); err != nil {
			return err
		}
		resp, err := w.conn.Read("GET")
		if err != nil {
			return fmt.Errorf("%.20q: %w", text, err)
		}
		if resp.Status != 400 && resp.Status != 505 {
			return fmt.Errorf("%.20q: status %d", text, resp.Status)
		}
	}
	w.hangUp()
	return nil
}
