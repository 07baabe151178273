package main

import (
	"io"
	"net/http"
	"time"

	m "gostall/testbed/internal/marker"
)

// statusEndpoints answer with all sorts of status lines, and the look-alikes of
// an unmatched request: endpoints that themselves say 404 or 405.
func statusEndpoints() []*endpoint {
	return []*endpoint{
		{method: "GET", route: "/status/empty", serve: bare(http.StatusNoContent), steps: []step{{m.GetcwdOK, 2}}},
		{method: "GET", route: "/status/cached", serve: cached, steps: []step{{m.GetcwdOK, 3}}},
		{method: "POST", route: "/status/created", serve: with(http.StatusCreated), steps: []step{{m.GetcwdOK, 5}}},
		{method: "GET", route: "/status/moved", serve: moved, steps: []step{{m.GetcwdOK, 7}}},
		{method: "GET", route: "/status/teapot", serve: with(http.StatusTeapot), steps: []step{{m.GetcwdERANGE, 2}}},
		{method: "GET", route: "/status/failed", serve: with(http.StatusInternalServerError), steps: []step{{m.GetcwdERANGE, 5}}},
		{method: "GET", route: "/status/early-hints", serve: earlyHints, steps: []step{{m.GetcwdERANGE, 7}}},
		{method: "GET", route: "/status/changing", serve: changing, steps: []step{{m.Getrusage, 4}}},
		{method: "GET", route: "/api/lookup/{id}", serve: notThere, steps: []step{{m.Getrusage, 3}}},
		{method: "POST", route: "/status/not-allowed", serve: with(http.StatusMethodNotAllowed), steps: []step{{m.Getrusage, 5}}},
		{method: "GET", route: "/timeout/hit", serve: timeoutHit,
			steps: []step{{m.GetrusageEINVAL, 3}}, after: []step{{m.GetrusageEINVAL, 5}}},
		{method: "GET", route: "/timeout/missed", serve: timeoutMissed, steps: []step{{m.GetrusageEINVAL, 7}}},
	}
}

func with(status int) func(*call) {
	return func(c *call) {
		c.marks()
		c.w.WriteHeader(status)
		c.answer()
	}
}

// bare is with, for statuses that have no body.
func bare(status int) func(*call) {
	return func(c *call) {
		c.marks()
		c.w.WriteHeader(status)
	}
}

// cached is 304 for those who know the tag.
func cached(c *call) {
	c.marks()
	c.w.Header().Set("ETag", `"v1"`)
	if c.r.Header.Get("If-None-Match") == `"v1"` {
		c.w.WriteHeader(http.StatusNotModified)
		return
	}
	c.answer()
}

func moved(c *call) {
	c.marks()
	c.w.Header().Set("Location", "/plain")
	c.w.WriteHeader(http.StatusFound)
	c.answer()
}

// earlyHints writes an interim status line first, which is not the request's.
func earlyHints(c *call) {
	c.mark(0)
	c.w.Header().Set("Link", "</style.css>; rel=preload")
	c.w.WriteHeader(http.StatusEarlyHints)
	c.answer()
}

// changing answers as its caller wishes: one endpoint with several statuses.
func changing(c *call) {
	c.marks()
	switch c.r.URL.Query().Get("as") {
	case "500":
		c.w.WriteHeader(http.StatusInternalServerError)
	case "429":
		c.w.WriteHeader(http.StatusTooManyRequests)
	}
	c.answer()
}

// notThere is matched by the router and says 404 by itself: not "(unmatched)".
func notThere(c *call) {
	c.marks()
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusNotFound)
	io.WriteString(c.w, `{"error":"no such thing"}`+"\n")
}

// timeoutHit is answered 503 by TimeoutHandler, while the handler proper goes on
// in its goroutine, as a child of a request that is over.
func timeoutHit(c *call) {
	c.pending.Add(1)
	slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		defer c.pending.Add(-1)
		c.mark(0)
		c.outlive()
		c.afterwards(0)
	})
	http.TimeoutHandler(slow, 40*time.Millisecond, c.body()).ServeHTTP(c.w, c.r)
}

// timeoutMissed runs its handler in TimeoutHandler's goroutine, in good time.
func timeoutMissed(c *call) {
	quick := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c.mark(0)
		io.WriteString(w, c.body())
	})
	http.TimeoutHandler(quick, 10*time.Second, "").ServeHTTP(c.w, c.r)
}
