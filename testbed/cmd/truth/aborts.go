package main

import (
	"net/http"
	"time"

	m "gostall/testbed/internal/marker"
)

// abortEndpoints end without a regular response: by panics, or because the
// client went away.
func abortEndpoints() []*endpoint {
	return []*endpoint{
		{method: "GET", route: "/panic/nil", serve: panicNil, steps: []step{{m.MincoreEINVAL, 3}}},
		{method: "GET", route: "/panic/abort", serve: panicAbort, steps: []step{{m.MincoreEINVAL, 5}}},
		{method: "GET", route: "/panic/unsent", serve: panicUnsent, steps: []step{{m.MincoreEINVAL, 7}}},
		{method: "GET", route: "/panic/partial", serve: panicPartial, steps: []step{{m.MincoreENOMEM, 2}}},
		{method: "GET", route: "/abort/mid-response", serve: writeForEver, steps: []step{{m.MsyncEINVAL, 3}}},
		{method: "GET", route: "/abort/vanish", serve: vanish, steps: []step{{m.MsyncEINVAL, 5}}},
		{method: "GET", route: "/abort/half-close", serve: halfClose, steps: []step{{m.MlockENOMEM, 3}}},
	}
}

func panicNil(c *call) {
	c.marks()
	var nothing *endpoint
	nothing.method = "" // a nil dereference: SIGSEGV, which the runtime turns into a panic
}

func panicAbort(c *call) {
	c.marks()
	panic(http.ErrAbortHandler)
}

// panicUnsent has written a little, which never leaves net/http's buffer.
func panicUnsent(c *call) {
	c.marks()
	c.answer()
	panic("after a write that was not sent")
}

// panicPartial panics when the client already has a part of the response.
func panicPartial(c *call) {
	c.marks()
	c.answer()
	c.rec.Flush()
	panic("after a part was sent")
}

// writeForEver writes until the client has gone, which it does in the middle.
func writeForEver(c *call) {
	c.marks()
	block := make([]byte, 32<<10)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if _, err := c.w.Write(block); err != nil {
			return
		}
	}
}

// vanish waits for the client to hang up, and answers nothing.
func vanish(c *call) {
	c.marks()
	select {
	case <-c.r.Context().Done():
	case <-time.After(10 * time.Second):
	}
	panic(http.ErrAbortHandler)
}

// halfClose answers a client that has closed its own direction while it waits:
// the request's context is cancelled, yet the response arrives.
func halfClose(c *call) {
	c.marks()
	select {
	case <-c.r.Context().Done():
	case <-time.After(10 * time.Second):
	}
	c.answer()
}
