package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"gostall/testbed/internal/wire"
)

func statuses(w *worker) error {
	as := func(status int) request {
		r := get(fmt.Sprintf("/status/changing?as=%d", status), "/status/changing")
		r.status = status
		return r
	}
	early := lit("/status/early-hints")
	early.check = func(resp *wire.Response) error {
		if len(resp.Interim) != 1 || resp.Interim[0] != 103 {
			return fmt.Errorf("interim statuses %v, want 103", resp.Interim)
		}
		return nil
	}
	return w.askAll(
		request{method: "GET", path: "/status/empty", route: "/status/empty", status: 204},
		lit("/status/cached"),
		request{method: "GET", path: "/status/cached", route: "/status/cached", header: []string{`If-None-Match: "v1"`}, status: 304},
		request{method: "POST", path: "/status/created", route: "/status/created", header: []string{"Content-Length: 0"}, status: 201},
		request{method: "GET", path: "/status/moved", route: "/status/moved", status: 302},
		request{method: "GET", path: "/status/teapot", route: "/status/teapot", status: 418},
		request{method: "GET", path: "/status/failed", route: "/status/failed", status: 500},
		request{method: "POST", path: "/status/not-allowed", route: "/status/not-allowed", header: []string{"Content-Length: 0"}, status: 405},
		request{method: "GET", path: fmt.Sprintf("/api/lookup/%d", w.rand.Intn(1e6)), route: "/api/lookup/{id}", status: 404,
			check: exactly(`{"error":"no such thing"}` + "\n")},
		early, as(200), as(429), as(500),
	)
}

// unmatched asks for what is not there: strange paths, and methods that a known
// path does not have.
func unmatched(w *worker) error {
	anything := func(*wire.Response) error { return nil }
	none := func(method, path string, status int) request {
		return request{method: method, path: path, route: "(unmatched)", status: status, check: anything}
	}
	return w.askAll(
		none("GET", "/nowhere", 404),
		none("GET", fmt.Sprintf("/wp-admin/%d/setup.php", w.rand.Intn(1e6)), 404),
		none("GET", fmt.Sprintf("/.env-%x", w.rand.Uint32()), 404),
		none("POST", "/api/users/7/orders/8/items", 404),
		none("HEAD", "/nowhere/at/all", 404),
		none("DELETE", "/plain", 405),
		none("PUT", "/mix/a", 405),
	)
}

func timeouts(w *worker) error {
	hit := lit("/timeout/hit")
	hit.status = 503
	return w.askAll(hit, lit("/timeout/missed"))
}

// panics expects the connection to end: with nothing, or with half a response.
func panics(w *worker) error {
	for _, path := range []string{"/panic/nil", "/panic/abort", "/panic/unsent", "/panic/partial"} {
		r := lit(path)
		if _, err := w.begin(); err != nil {
			return err
		}
		if err := w.conn.Send(r.text()); err != nil {
			return err
		}
		resp, err := w.conn.ReadHead()
		switch {
		case path != "/panic/partial":
			if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
				return fmt.Errorf("%s: %v instead of a closed connection", path, err)
			}
			w.note(&r, 0, true)
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		default:
			if err := w.conn.ReadBody("GET", resp); err == nil {
				return fmt.Errorf("%s: the response is whole", path)
			}
			w.note(&r, resp.Status, true)
		}
		w.hangUp()
	}
	return nil
}

// aborts leaves in mid-response, before the response, and only half.
func aborts(w *worker) error {
	w.hangUp()
	defer w.hangUp()

	mid := lit("/abort/mid-response")
	if _, err := w.begin(); err != nil {
		return err
	}
	if err := w.conn.Send(mid.text()); err != nil {
		return err
	}
	resp, err := w.conn.ReadHead()
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, w.conn.Reader(), 100<<10); err != nil {
		return err
	}
	w.note(&mid, resp.Status, true)
	if tcp := w.conn.TCP(); tcp != nil && w.units%2 == 0 {
		tcp.SetLinger(0) // a reset rather than an orderly end
	}
	w.hangUp()

	vanish := lit("/abort/vanish")
	if _, err := w.begin(); err != nil {
		return err
	}
	if err := w.conn.Send(vanish.text()); err != nil {
		return err
	}
	// The server must have taken the request before the connection ends.
	time.Sleep(20 * time.Millisecond)
	w.note(&vanish, 0, true)
	w.hangUp()

	half := lit("/abort/half-close")
	start, err := w.begin()
	if err != nil {
		return err
	}
	if err := w.conn.Send(half.text()); err != nil {
		return err
	}
	time.Sleep(2 * time.Millisecond)
	if err := w.conn.CloseWrite(); err != nil {
		return err
	}
	return w.receive(&half, start)
}

func hijack(w *worker) error { return w.ask(lit("/hijack")) }

// upgrade switches protocols and exchanges lines, some of which look like HTTP.
func upgrade(w *worker) error {
	defer w.hangUp()
	w.hangUp()
	r := lit("/upgrade")
	r.header = []string{"Connection: Upgrade", "Upgrade: testbed"}
	if _, err := w.begin(); err != nil {
		return err
	}
	if err := w.conn.Send(r.text()); err != nil {
		return err
	}
	resp, err := w.conn.ReadHead()
	if err != nil {
		return err
	}
	if resp.Status != 101 {
		return fmt.Errorf("/upgrade: status %d", resp.Status)
	}
	for i := 0; i < 6; i++ { // as many as the server expects
		line := []string{"hello\n", "GET /plain HTTP/1.1\n", strings.Repeat("z", 5000) + "\n"}[i%3]
		if err := w.conn.Send(line); err != nil {
			return err
		}
		got, err := w.conn.Reader().ReadString('\n')
		if err != nil || got != line {
			return fmt.Errorf("/upgrade: echo %.20q, %v", got, err)
		}
	}
	w.note(&r, resp.Status, false)
	return nil
}
