package main

import (
	"fmt"
	"strings"
	"time"

	"gostall/testbed/internal/wire"
)

// post is a request with a body whose answer tells the length that arrived.
func post(path, body string, header ...string) request {
	return request{
		method: "POST", path: path, route: path, body: body, header: header,
		check: exactly(fmt.Sprintf("POST %s\n%d\n", path, len(body))),
	}
}

// chunked frames a body in chunks of irregular sizes, with a trailer.
func chunked(w *worker, body string) string {
	var b strings.Builder
	for len(body) > 0 {
		n := 1 + w.rand.Intn(8000)
		if n > len(body) {
			n = len(body)
		}
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	b.WriteString("0\r\nX-Trailer: end\r\n\r\n")
	return b.String()
}

func bodies(w *worker) error {
	if err := w.askAll(
		post("/body/length", "short"),
		post("/body/length", strings.Repeat("m", 5000)),
		post("/body/length", strings.Repeat("l", 200<<10)),
		// A body that looks like a request must not be taken for one.
		post("/body/length", "GET /plain HTTP/1.1\r\nHost: testbed\r\n\r\n"),
	); err != nil {
		return err
	}
	body := strings.Repeat("c", 1+w.rand.Intn(50000))
	c := post("/body/chunked", body, "Transfer-Encoding: chunked")
	c.body = chunked(w, body)
	echo := post("/body/echo", strings.Repeat("e", 3000))
	echo.check = exactly(echo.body)
	ignored := post("/body/ignored", strings.Repeat("i", 100<<10))
	ignored.check = nil
	if err := w.askAll(c, echo, ignored); err != nil {
		return err
	}
	if err := expect(w); err != nil {
		return err
	}
	return ignoredLarge(w)
}

// expect waits for 100 before it sends the body, and once is refused.
func expect(w *worker) error {
	start, err := w.begin()
	if err != nil {
		return err
	}
	r := post("/body/expect", strings.Repeat("x", 2000), "Expect: 100-continue")
	r.method = "PUT"
	r.check = exactly("PUT /body/expect\n2000\n")
	text := r.text()
	head := len(text) - len(r.body)
	if err := w.conn.Send(text[:head]); err != nil {
		return err
	}
	status, err := w.conn.ReadInterim()
	if err != nil || status != 100 {
		return fmt.Errorf("/body/expect: interim status %d, %v", status, err)
	}
	if err := w.conn.Send(text[head:]); err != nil {
		return err
	}
	if err := w.receive(&r, start); err != nil {
		return err
	}

	refused := request{method: "POST", path: "/body/refused", route: "/body/refused", status: 417,
		header: []string{"Expect: 100-continue", "Content-Length: 5000"}}
	err = w.ask(refused)
	w.hangUp() // the body that was announced never comes
	return err
}

// ignoredLarge is more than net/http reads away after the handler: it answers
// and closes while the rest is still coming.
func ignoredLarge(w *worker) error {
	start, err := w.begin()
	if err != nil {
		return err
	}
	defer w.hangUp()
	r := post("/body/ignored", strings.Repeat("I", 1<<20))
	r.check = nil
	conn, sent := w.conn, make(chan struct{})
	go func() {
		defer close(sent)
		conn.Send(r.text()) // an error here is the server's right
	}()
	err = w.receive(&r, start)
	conn.Close()
	<-sent
	return err
}

// drip uploads a body in small pieces with pauses.
func drip(w *worker) error {
	start, err := w.begin()
	if err != nil {
		return err
	}
	r := post("/body/drip", strings.Repeat("d", 400))
	text := r.text()
	head := len(text) - len(r.body)
	if err := w.conn.Send(text[:head]); err != nil {
		return err
	}
	if err := w.conn.Drip(text[head:], 40, 3*time.Millisecond); err != nil {
		return err
	}
	return w.receive(&r, start)
}

func streams(w *worker) error {
	chunks := lit("/stream/chunks")
	chunks.check = exactly(strings.Repeat("GET /stream/chunks\n", 7))
	sse := lit("/stream/sse")
	sse.check = func(resp *wire.Response) error {
		if n := strings.Count(string(resp.Body), "data: GET /stream/sse\n"); n != 4 {
			return fmt.Errorf("%d events, want 4", n)
		}
		return nil
	}
	large := lit("/stream/large")
	large.check = size(1 << 20)
	return w.askAll(chunks, sse, large)
}

// slowReader takes 4 MiB with a small window and pauses.
func slowReader(w *worker) error {
	w.hangUp()
	defer w.hangUp()
	r := lit("/stream/slow-reader")
	start, err := w.begin()
	if err != nil {
		return err
	}
	if tcp := w.conn.TCP(); tcp != nil {
		small := 16 << 10
		if w.secure != nil {
			// Less than some TLS records makes every one of them wait for a delayed ACK.
			small = 128 << 10
		}
		tcp.SetReadBuffer(small)
	}
	if err := w.conn.Send(r.text()); err != nil {
		return err
	}
	resp, err := w.conn.ReadHead()
	if err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond)
	if err := w.conn.ReadBody("GET", resp); err != nil {
		return err
	}
	if len(resp.Body) != 4<<20 {
		return fmt.Errorf("/stream/slow-reader: %d bytes", len(resp.Body))
	}
	w.latency.Add(time.Since(start))
	w.note(&r, resp.Status, false)
	return nil
}
