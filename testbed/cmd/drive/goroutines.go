package main

import "fmt"

// detach leaves goroutines behind on a connection that goes on to other requests.
func detach(w *worker) error {
	if err := w.askAll(lit("/detach/after"), lit("/silent")); err != nil {
		return err
	}
	// The goroutine that /detach/late leaves wakes up while /detach/hold runs.
	if err := w.askAll(lit("/detach/late"), lit("/detach/hold")); err != nil {
		return err
	}
	if err := w.ask(lit("/detach/close")); err != nil {
		return err
	}
	if w.conn != nil {
		return fmt.Errorf("/detach/close: the connection is still open")
	}
	return nil
}

func pool(w *worker) error {
	job := func(path string) request {
		return request{method: "POST", path: path, route: path, header: []string{"Content-Length: 0"}}
	}
	return w.askAll(job("/pool/wait"), job("/pool/fire"), job("/pool/lazy"), lit("/pool/after-func"))
}

// outbound counts what the server asks of itself on the way.
func outbound(w *worker) error {
	if err := w.ask(lit("/outbound/one")); err != nil {
		return err
	}
	w.indirect("GET", "/up/quick")
	if err := w.ask(lit("/outbound/fan")); err != nil {
		return err
	}
	for i := 0; i < 3; i++ {
		w.indirect("GET", "/up/slow")
	}
	if err := w.ask(lit("/outbound/line")); err != nil {
		return err
	}
	proxy := post("/outbound/proxy", "to be passed on")
	proxy.check = exactly("POST /up/sink\n")
	if err := w.ask(proxy); err != nil {
		return err
	}
	w.indirect("POST", "/up/sink")
	return nil
}
