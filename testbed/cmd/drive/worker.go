package main

import (
	"fmt"
	"math/rand"
	"net/http"
	"strings"
	"time"

	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/wire"
)

// patience bounds every read and write: a server that stalls is a failure.
const patience = 20 * time.Second

// worker makes a scenario's units one after another, on a connection that it
// keeps as long as the server does.
type worker struct {
	*driver
	scenario string
	index    int
	units    int // done so far
	sent     uint64
	rand     *rand.Rand
	conn     *wire.Conn
	client   *http.Client // of HTTP/2, shared by the scenario's workers; nil for HTTP/1
}

// request is one request and the answer that is right.
type request struct {
	method string
	path   string
	route  string
	header []string // "Name: value"
	body   string
	status int // 200 if 0
	proto  string
	// check looks at the answer's body; without it the body must name the endpoint.
	check func(*wire.Response) error
}

func get(path, route string) request { return request{method: "GET", path: path, route: route} }

// lit is a GET of a literal path.
func lit(path string) request { return get(path, path) }

// text is the request as it goes over the wire.
func (r *request) text() string {
	var b strings.Builder
	proto := r.proto
	if proto == "" {
		proto = "HTTP/1.1"
	}
	fmt.Fprintf(&b, "%s %s %s\r\nHost: testbed\r\n", r.method, r.path, proto)
	for _, h := range r.header {
		b.WriteString(h)
		b.WriteString("\r\n")
	}
	if r.body != "" && !r.has("transfer-encoding") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n")
	b.WriteString(r.body)
	return b.String()
}

func (r *request) has(name string) bool {
	for _, h := range r.header {
		if strings.HasPrefix(strings.ToLower(h), name+":") {
			return true
		}
	}
	return false
}

// wantStatus is the status of the right answer.
func (r *request) wantStatus() int {
	if r.status == 0 {
		return 200
	}
	return r.status
}

// verify compares an answer with the right one.
func (r *request) verify(resp *wire.Response) error {
	if resp.Status != r.wantStatus() {
		return fmt.Errorf("%s %s: status %d, want %d", r.method, r.path, resp.Status, r.wantStatus())
	}
	if r.check != nil {
		if err := r.check(resp); err != nil {
			return fmt.Errorf("%s %s: %w", r.method, r.path, err)
		}
		return nil
	}
	want := r.method + " " + r.route + "\n"
	if r.method == "HEAD" || resp.Status == 204 || resp.Status == 304 {
		want = ""
	}
	if string(resp.Body) != want {
		return fmt.Errorf("%s %s: body %.60q, want %q", r.method, r.path, resp.Body, want)
	}
	return nil
}

// dial makes sure that there is a connection.
func (w *worker) dial() error {
	if w.conn == nil {
		c, err := wire.Dial(w.addr, w.secure)
		if err != nil {
			return err
		}
		w.conn = c
	}
	return w.conn.SetDeadline(time.Now().Add(patience))
}

func (w *worker) hangUp() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// begin waits for the turn and makes sure of the connection.
func (w *worker) begin() (time.Time, error) {
	w.pace()
	err := w.dial()
	return time.Now(), err
}

// ask sends a request in one piece, reads the answer, checks and counts it.
func (w *worker) ask(r request) error {
	if w.client != nil {
		return w.exchange(w.client, r)
	}
	start, err := w.begin()
	if err != nil {
		return err
	}
	if err := w.conn.Send(r.text()); err != nil {
		return err
	}
	return w.receive(&r, start)
}

// receive reads the answer to a request that was sent at start.
func (w *worker) receive(r *request, start time.Time) error {
	resp, err := w.conn.Read(r.method)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	w.latency.Add(time.Since(start))
	w.note(r, resp.Status, false)
	if resp.Close {
		w.hangUp()
	}
	return r.verify(resp)
}

// note counts a request that has ended.
func (w *worker) note(r *request, status int, aborted bool) {
	w.sent++
	w.count(doc.Sent{Method: r.method, Route: r.route, Status: status}, aborted)
}

// indirect counts a request that the server made to itself meanwhile.
func (w *worker) indirect(method, route string) {
	w.count(doc.Sent{Method: method, Route: route, Status: 200, Indirect: true}, false)
}

// askAll asks one after another.
func (w *worker) askAll(rs ...request) error {
	for _, r := range rs {
		if err := w.ask(r); err != nil {
			return err
		}
	}
	return nil
}

// size checks the length of a body.
func size(n int) func(*wire.Response) error {
	return func(resp *wire.Response) error {
		if len(resp.Body) != n {
			return fmt.Errorf("body of %d bytes, want %d", len(resp.Body), n)
		}
		return nil
	}
}

// exactly checks a body's text.
func exactly(want string) func(*wire.Response) error {
	return func(resp *wire.Response) error {
		if string(resp.Body) != want {
			return fmt.Errorf("body %.60q, want %.60q", resp.Body, want)
		}
		return nil
	}
}
