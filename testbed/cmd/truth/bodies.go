package main

import (
	"fmt"
	"io"

	m "gostall/testbed/internal/marker"
)

// bodyEndpoints take a request's body, in all the ways it can come.
func bodyEndpoints() []*endpoint {
	whole := func(c *call) {
		c.mark(0)
		n, err := io.Copy(io.Discard, c.r.Body)
		if err != nil {
			panic(err)
		}
		c.mark(1)
		fmt.Fprintf(c.w, "%s%d\n", c.body(), n)
	}
	return []*endpoint{
		{method: "POST", route: "/body/length", serve: whole, steps: []step{{m.ReadlinkatOK, 2}, {m.PreadvOK, 3}}},
		{method: "POST", route: "/body/chunked", serve: whole, steps: []step{{m.ReadlinkatOK, 3}, {m.PreadvOK, 5}}},
		{method: "PUT", route: "/body/expect", serve: whole, steps: []step{{m.ReadlinkatEINVAL, 2}, {m.PreadvOK, 2}}},
		{method: "POST", route: "/body/drip", serve: whole, steps: []step{{m.ReadlinkatEINVAL, 3}, {m.Pwrite64OK, 3}}},
		{method: "POST", route: "/body/ignored", serve: ignoreBody, steps: []step{{m.ReadlinkatENOENT, 3}}},
		{method: "POST", route: "/body/refused", serve: refuseBody, steps: []step{{m.ReadlinkatENOENT, 5}}},
		{method: "POST", route: "/body/echo", serve: echoBody, steps: []step{{m.Pwrite64OK, 5}}},
	}
}

// ignoreBody leaves the body to net/http, which reads up to 256 KiB of it after
// the handler and closes the connection if there is more.
func ignoreBody(c *call) {
	c.marks()
	c.answer()
}

// refuseBody answers an Expect: 100-continue by the final status at once.
func refuseBody(c *call) {
	c.marks()
	c.w.WriteHeader(417)
	c.answer()
}

// echoBody sends back what it reads.
func echoBody(c *call) {
	c.mark(0)
	b, err := io.ReadAll(c.r.Body)
	if err != nil {
		panic(err)
	}
	c.w.Write(b)
}
