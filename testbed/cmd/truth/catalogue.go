package main

import (
	"net/http"
	"time"

	m "gostall/testbed/internal/marker"
	"gostall/testbed/internal/paths"
)

// catalogue lists every endpoint: a new one each time, for it holds the counts.
// Wherever two scenarios could be mixed up they make different markers, or the
// same one in different numbers.
func catalogue(o options) []*endpoint {
	var all []*endpoint
	for _, part := range [][]*endpoint{
		plainEndpoints(), childEndpoints(), threadEndpoints(), errnoEndpoints(),
		statusEndpoints(), abortEndpoints(), streamEndpoints(), bodyEndpoints(),
		fileEndpoints(), detachEndpoints(), poolEndpoints(), outboundEndpoints(),
		gcEndpoints(), hijackEndpoints(), paramEndpoints(), gridEndpoints(o),
	} {
		all = append(all, part...)
	}
	return all
}

// plainEndpoints do nothing but make markers and answer. The mix endpoints share
// their markers and differ only in the numbers; the driver sends them in turn
// over one connection, pipelined or not.
func plainEndpoints() []*endpoint {
	plain := func(c *call) {
		c.marks()
		c.answer()
	}
	return []*endpoint{
		{method: "GET", route: "/plain", serve: plain, steps: []step{{m.Getpriority, 3}, {m.Getsid, 1}}},
		{method: "HEAD", route: "/plain", serve: plain, steps: []step{{m.Getpriority, 2}, {m.GetsidESRCH, 5}}},
		{method: "POST", route: "/plain", serve: plain, steps: []step{{m.Getpriority, 5}, {m.Getppid, 7}}},
		{method: "OPTIONS", route: "/plain", serve: plain, steps: []step{{m.Getpriority, 1}, {m.Getgid, 3}}},
		{method: "PURGE", route: "/plain", serve: plain, steps: []step{{m.Getpriority, 1}, {m.Getegid, 4}}},
		{method: "GET", route: "/mix/a", serve: plain, steps: []step{{m.Getpgid, 3}, {m.Times, 7}}},
		{method: "GET", route: "/mix/b", serve: plain, steps: []step{{m.Getpgid, 7}, {m.Times, 3}, {m.Umask, 1}}},
		{method: "GET", route: "/mix/c", serve: plain, steps: []step{{m.Getpgid, 11}, {m.GetpgidESRCH, 2}}},
		{method: "GET", route: "/silent", serve: func(c *call) { c.answer() }}, // no marker may appear here
		{method: "GET", route: "/delay", steps: []step{{m.Sysinfo, 2}, {m.SchedGetparam, 3}}, serve: func(c *call) {
			c.mark(0)
			time.Sleep(c.options.delay)
			c.mark(1)
			c.answer()
		}},
	}
}

// gridEndpoints are many literal endpoints, for the cost of having many.
func gridEndpoints(o options) []*endpoint {
	var out []*endpoint
	for i := 0; i < o.grid; i++ {
		out = append(out, &endpoint{
			method: http.MethodGet, route: paths.Grid(i), steps: []step{{m.Getppid, 1}},
			serve: func(c *call) {
				c.marks()
				time.Sleep(c.options.delay)
				c.answer()
			},
		})
	}
	return out
}
