package main

import (
	"fmt"
	"time"

	m "gostall/testbed/internal/marker"
)

// slowReaderBlock times the markers of /stream/slow-reader is the body's size.
const slowReaderBlock = 256 << 10

// streamEndpoints write their response in pieces, with markers between.
func streamEndpoints() []*endpoint {
	return []*endpoint{
		{method: "GET", route: "/stream/chunks", serve: chunks, steps: []step{{m.FstatfsOK, 7}}},
		{method: "GET", route: "/stream/sse", serve: sse, steps: []step{{m.FstatfsOK, 4}, {m.FaccessatOK, 4}}},
		{method: "GET", route: "/stream/large", serve: large, steps: []step{{m.StatfsOK, 2}, {m.FaccessatENOENT, 2}}},
		{method: "GET", route: "/stream/slow-reader", serve: slowReader, steps: []step{{m.FstatfsEBADF, 16}}},
	}
}

func chunks(c *call) {
	for i := 0; i < c.ep.steps[0].n; i++ {
		c.once(0)
		c.answer()
		c.rec.Flush()
	}
}

// sse sends events with pauses, for as long as the client may listen.
func sse(c *call) {
	c.w.Header().Set("Content-Type", "text/event-stream")
	for i := 0; i < c.ep.steps[0].n; i++ {
		c.once(0)
		fmt.Fprintf(c.w, "id: %d\ndata: %s\n", i, c.body())
		c.rec.Flush()
		time.Sleep(5 * time.Millisecond)
		c.once(1)
	}
}

// large writes a megabyte at one go.
func large(c *call) {
	c.mark(0)
	c.w.Write(make([]byte, 1<<20))
	c.mark(1)
}

// slowReader writes more than the socket's buffers hold to a client that takes
// its time: the goroutine parks in the middle of its writes.
func slowReader(c *call) {
	block := make([]byte, slowReaderBlock)
	for i := 0; i < c.ep.steps[0].n; i++ {
		c.once(0)
		if _, err := c.w.Write(block); err != nil {
			return
		}
	}
}
