package main

// scenarios are all of them, in the order of -scenario list.
var scenarios = []scenario{
	{name: "plain", about: "methods on one path, some with a traceparent", share: 1, unit: plain, h2: plain},
	{name: "keepalive", about: "many requests in turn on one connection", share: 2, unit: keepAlive, h2: keepAlive},
	{name: "churn", about: "a connection per request, Connection: close", share: 1, unit: churn, h2: churn2},
	{name: "http10", about: "HTTP/1.0 with and without keep-alive", share: 2, unit: http10},
	{name: "pipelined", about: "eight requests in one write, or split anywhere", share: 2, unit: pipelined},
	{name: "bytewise", about: "a request that arrives byte by byte", share: 4, unit: bytewise},
	{name: "headers", about: "headers up to 100 KB, absolute-form targets", share: 2, unit: headers, h2: headers2},
	{name: "secrets", about: "secrets in query, Authorization and Cookie", share: 1, unit: secrets, h2: secrets},
	{name: "delay", about: "a handler that sleeps", share: 1, unit: asks("/delay"), h2: asks("/delay")},
	{name: "children", about: "child goroutines, at any depth", share: 1, unit: asks(
		"/children/two", "/children/fanout", "/children/deep", "/children/silent-parent", "/children/orphan", "/children/alternate"), h2: asks(
		"/children/two", "/children/fanout", "/children/deep", "/children/silent-parent", "/children/orphan", "/children/alternate")},
	{name: "threads", about: "goroutines that change threads", share: 1, unit: asks(
		"/threads/gosched", "/threads/ping-pong", "/threads/blocking", "/threads/poller",
		"/threads/locked", "/threads/locked-exit", "/threads/timers"), h2: asks(
		"/threads/gosched", "/threads/ping-pong", "/threads/blocking", "/threads/poller",
		"/threads/locked", "/threads/locked-exit", "/threads/timers")},
	{name: "errnos", about: "many errnos", share: 1, unit: asks(
		"/errnos/files", "/errnos/descriptors", "/errnos/process", "/errnos/memory", "/errnos/names"), h2: asks(
		"/errnos/files", "/errnos/descriptors", "/errnos/process", "/errnos/memory", "/errnos/names")},
	{name: "statuses", about: "all sorts of statuses, 1xx before them, endpoints that say 404", share: 1, unit: statuses, h2: statuses},
	{name: "unmatched", about: "404 and 405 by the router", share: 1, unit: unmatched, h2: unmatched},
	{name: "timeouts", about: "TimeoutHandler, hit and missed", share: 4, unit: timeouts, h2: timeouts},
	{name: "panics", about: "handlers that panic before, in and after writing", share: 2, unit: panics, h2: panics2},
	{name: "aborts", about: "clients that go away or half away", share: 4, unit: aborts, h2: aborts2},
	{name: "streams", about: "flushed chunks, events, a megabyte at once", share: 2, unit: streams, h2: streams2},
	{name: "slowreader", about: "a client that reads slowly", share: 20, unit: slowReader, h2: slowReader2},
	{name: "bodies", about: "bodies by length, chunked, expected, ignored", share: 1, unit: bodies, h2: bodies2},
	{name: "drip", about: "an upload that drips", share: 8, unit: drip, h2: drip2},
	{name: "files", about: "sendfile, ranges, conditions", share: 1, unit: files, h2: files},
	{name: "static", about: "a tree of files below a catch-all", share: 1, unit: static, h2: static},
	{name: "fsync", about: "fsync and fdatasync of a file", share: 8, unit: asks("/file/sync"), h2: asks("/file/sync")},
	{name: "detach", about: "goroutines that outlive their request", share: 4, unit: detach, h2: detach},
	{name: "pool", about: "workers behind a channel, AfterFunc", share: 1, unit: pool, h2: pool},
	{name: "outbound", about: "handlers that call other servers", share: 1, unit: outbound, h2: outbound},
	{name: "gc", about: "collections in mid-request, growing stacks", share: 4, unit: asks("/gc/alloc", "/gc/run", "/gc/free", "/gc/stack"), h2: asks("/gc/alloc", "/gc/run", "/gc/free", "/gc/stack")},
	{name: "hijack", about: "hijacked connections", share: 2, unit: hijack},
	{name: "upgrade", about: "101 and messages that are no HTTP", share: 2, unit: upgrade},
	{name: "params", about: "ids, UUIDs, hashes, dates, slugs in paths", share: 1, unit: params, h2: params},
	{name: "literals", about: "literal paths that look like values", share: 1, unit: literals, h2: literals},
	{name: "grid", about: "numbered endpoints, see -endpoints", share: 1, special: true, unit: grid, h2: grid},
	{name: "concurrent", about: "many streams at once on one connection", share: 2, h2: concurrent},
	{name: "malformed", about: "requests that net/http refuses by itself", share: 4, special: true, unit: malformed},
}

// asks is a scenario that GETs each of these literal paths once.
func asks(paths ...string) func(*worker) error {
	return func(w *worker) error {
		for _, p := range paths {
			if err := w.ask(lit(p)); err != nil {
				return err
			}
		}
		return nil
	}
}
