package main

import (
	"fmt"
	"io"

	m "gostall/testbed/internal/marker"
)

// hijackEndpoints take the connection from net/http.
func hijackEndpoints() []*endpoint {
	return []*endpoint{
		{method: "GET", route: "/hijack", serve: hijack, steps: []step{{m.GetsocknameBadSock, 3}, {m.LinkatENOENT, 2}}},
		{method: "GET", route: "/upgrade", serve: upgrade, steps: []step{{m.GetsocknameBadSock, 5}, {m.LinkatENOENT, frames}}},
	}
}

// frames is how many messages a client of /upgrade sends before it hangs up.
const frames = 6

// hijack writes its own response and closes the connection.
func hijack(c *call) {
	c.mark(0)
	conn, _, err := c.rec.Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	c.rec.status = 200
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(c.body()), c.body())
	c.mark(1)
}

// upgrade is what a websocket does: 101, then messages in both directions,
// which are no HTTP, all of it within the request.
func upgrade(c *call) {
	c.mark(0)
	conn, rw, err := c.rec.Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	c.rec.status = 101
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: testbed\r\n\r\n")
	for i := 0; i < frames; i++ {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		c.once(1)
		io.WriteString(conn, line)
	}
}
