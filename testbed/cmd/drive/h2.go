package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"time"

	"gostall/testbed/internal/wire"
)

// newClient is an HTTP/2 client; a small one has windows of 64 KiB only.
func (d *driver) newClient(small bool) *http.Client {
	network, address := wire.Split(d.addr)
	t := &http.Transport{
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       d.secure,
		ExpectContinueTimeout: patience,
		DisableCompression:    true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
		},
	}
	if d.secure == nil {
		plainHTTP2(t)
	}
	if small {
		narrow(t)
	}
	return &http.Client{Transport: t, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// send makes r a stream and gives what came back up to the end of the header.
func (w *worker) send(ctx context.Context, client *http.Client, r *request, body io.Reader) (*http.Response, *wire.Response, error) {
	scheme := "https"
	if w.secure == nil {
		scheme = "http"
	}
	url := r.path
	if strings.HasPrefix(url, "/") {
		url = scheme + "://testbed" + url
	}
	got := &wire.Response{Header: map[string]string{}}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			got.Interim = append(got.Interim, code)
			return nil
		},
	})
	if body == nil && r.body != "" {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, url, body)
	if err != nil {
		return nil, nil, err
	}
	for _, h := range r.header {
		if i := strings.Index(h, ": "); !strings.EqualFold(h[:i], "Content-Length") {
			req.Header.Add(h[:i], h[i+2:])
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	if resp.ProtoMajor != 2 {
		resp.Body.Close()
		return nil, nil, fmt.Errorf("%s %s: answered by %s", r.method, r.path, resp.Proto)
	}
	got.Status = resp.StatusCode
	for name := range resp.Header {
		got.Header[strings.ToLower(name)] = resp.Header.Get(name)
	}
	return resp, got, nil
}

// finish reads the rest, checks and counts.
func (w *worker) finish(r *request, resp *http.Response, got *wire.Response, start time.Time) error {
	defer resp.Body.Close()
	var err error
	if got.Body, err = io.ReadAll(resp.Body); err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	w.latency.Add(time.Since(start))
	w.note(r, got.Status, false)
	return r.verify(got)
}

// exchange is ask over HTTP/2.
func (w *worker) exchange(client *http.Client, r request) error { return w.upload(client, r, nil) }

// upload is exchange with a body of unknown length.
func (w *worker) upload(client *http.Client, r request, body io.Reader) error {
	w.pace()
	start := time.Now()
	resp, got, err := w.send(context.Background(), client, &r, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return w.finish(&r, resp, got, start)
}

// churn2 makes a connection per request.
func churn2(w *worker) error {
	client := w.newClient(false)
	defer client.CloseIdleConnections()
	return w.exchange(client, mixed(w))
}

// headers2 is large headers: CONTINUATION frames, names that HPACK has seen before.
func headers2(w *worker) error {
	for _, n := range []int{2 << 10, 10 << 10, 100 << 10} {
		if err := w.ask(filled(w, n)); err != nil {
			return err
		}
	}
	return nil
}

// concurrent sends a dozen requests at once and takes what comes as it comes.
func concurrent(w *worker) error {
	var rs []request
	for i := 0; i < 12; i++ {
		r := mixed(w)
		switch i % 4 {
		case 1:
			r = post("/body/length", strings.Repeat("c", 1+w.rand.Intn(30<<10)))
		case 2:
			r = lit([]string{"/children/two", "/children/deep", "/delay"}[w.rand.Intn(3)])
		case 3:
			r = lit("/stream/chunks")
			r.check = exactly(strings.Repeat("GET /stream/chunks\n", 7))
		}
		rs = append(rs, r)
	}
	done := make(chan error, len(rs))
	helpers := make([]*worker, len(rs))
	for i, r := range rs {
		// A worker counts for itself; its number is added up below.
		helpers[i] = &worker{driver: w.driver, scenario: w.scenario, client: w.client}
		go func(h *worker, r request) { done <- h.ask(r) }(helpers[i], r)
	}
	var first error
	for range rs {
		if err := <-done; err != nil && first == nil {
			first = err
		}
	}
	for _, h := range helpers {
		w.sent += h.sent
	}
	return first
}

// streams2 is streams, and once more through windows that the megabyte does not fit.
func streams2(w *worker) error {
	if err := streams(w); err != nil {
		return err
	}
	client := w.newClient(true)
	defer client.CloseIdleConnections()
	large := lit("/stream/large")
	large.check = size(1 << 20)
	return w.exchange(client, large)
}

// slowReader2 lets the server wait for WINDOW_UPDATE.
func slowReader2(w *worker) error {
	client := w.newClient(true)
	defer client.CloseIdleConnections()
	r := lit("/stream/slow-reader")
	r.check = size(4 << 20)
	w.pace()
	start := time.Now()
	resp, got, err := w.send(context.Background(), client, &r, nil)
	if err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond)
	return w.finish(&r, resp, got, start)
}

func bodies2(w *worker) error {
	large := post("/body/length", strings.Repeat("L", 3<<20)) // more than the server's window of 1 MiB
	echo := post("/body/echo", strings.Repeat("e", 3000))
	echo.check = exactly(echo.body)
	ignored := post("/body/ignored", strings.Repeat("i", 100<<10))
	ignored.check = nil
	cut := post("/body/ignored", strings.Repeat("I", 2<<20)) // answered while the rest waits for a window
	cut.check = nil
	expected := post("/body/expect", strings.Repeat("x", 2000), "Expect: 100-continue")
	expected.method = "PUT"
	expected.check = exactly("PUT /body/expect\n2000\n")
	refused := post("/body/refused", strings.Repeat("x", 5000), "Expect: 100-continue")
	refused.status, refused.check = 417, nil
	if err := w.askAll(
		post("/body/length", "short"),
		post("/body/length", strings.Repeat("l", 200<<10)),
		post("/body/length", "GET /plain HTTP/1.1\r\nHost: testbed\r\n\r\n"),
		large, echo, ignored, cut, expected, refused,
	); err != nil {
		return err
	}
	chunked := post("/body/chunked", strings.Repeat("c", 1+w.rand.Intn(50000)))
	// Hidden from net/http, so that it cannot know the length.
	return w.upload(w.client, chunked, struct{ io.Reader }{strings.NewReader(chunked.body)})
}

func drip2(w *worker) error {
	r := post("/body/drip", strings.Repeat("d", 400))
	out, in := io.Pipe()
	go func() {
		for i := 0; i < len(r.body); i += 40 {
			io.WriteString(in, r.body[i:i+40])
			time.Sleep(3 * time.Millisecond)
		}
		in.Close()
	}()
	return w.upload(w.client, r, out)
}

// panics2 expects RST_STREAM, before any header or in mid-response; the other
// streams of the connection live on.
func panics2(w *worker) error {
	for _, path := range []string{"/panic/nil", "/panic/abort", "/panic/unsent", "/panic/partial"} {
		r := lit(path)
		w.pace()
		resp, got, err := w.send(context.Background(), w.client, &r, nil)
		if path != "/panic/partial" {
			if err == nil {
				resp.Body.Close()
				return fmt.Errorf("%s: status %d instead of a reset", path, got.Status)
			}
			w.note(&r, 0, true)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil {
			return fmt.Errorf("%s: the response is whole", path)
		}
		w.note(&r, got.Status, true)
	}
	return w.ask(mixed(w))
}

// aborts2 cancels streams, in mid-response and before it.
func aborts2(w *worker) error {
	mid := lit("/abort/mid-response")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.pace()
	resp, got, err := w.send(ctx, w.client, &mid, nil)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 100<<10); err != nil {
		return err
	}
	if w.units%2 == 0 {
		cancel()
	}
	resp.Body.Close() // RST_STREAM as well
	w.note(&mid, got.Status, true)

	vanish := lit("/abort/vanish")
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	// The server must have taken the request before the stream ends.
	time.AfterFunc(30*time.Millisecond, cancel)
	w.pace()
	if resp, got, err := w.send(ctx, w.client, &vanish, nil); err == nil {
		resp.Body.Close()
		return fmt.Errorf("/abort/vanish: status %d", got.Status)
	}
	w.note(&vanish, 0, true)
	return w.ask(mixed(w))
}
