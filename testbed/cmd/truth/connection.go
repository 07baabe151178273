package main

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// connection knows which of its requests is being served, so that a goroutine
// that outlives its request can tell when that has ended.
type connection struct {
	mu      sync.Mutex
	current *turn
	// streams are the turns of HTTP/2 requests since the connection was last idle.
	streams []*turn
}

// turn is one request's time on its connection. Of an HTTP/2 stream nobody tells
// a handler when its last frame is written; but the connection becomes idle only
// after the last frame of its last stream, so that is when they all have ended.
type turn struct {
	conn  *connection
	ended chan struct{} // closed when the response is written and the connection idle or gone
}

type connKey struct{}

// track hooks the connections' states into srv.
func track(srv *http.Server) {
	var conns sync.Map // net.Conn -> *connection
	srv.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		c := &connection{}
		conns.Store(nc, c)
		return context.WithValue(ctx, connKey{}, c)
	}
	srv.ConnState = func(nc net.Conn, state http.ConnState) {
		c, ok := conns.Load(nc)
		if !ok {
			return
		}
		switch state {
		case http.StateIdle:
			c.(*connection).end()
		case http.StateClosed, http.StateHijacked:
			c.(*connection).end()
			conns.Delete(nc)
		}
	}
}

// turnOf is the request's turn, begun at the first call for it.
func turnOf(r *http.Request) *turn {
	c := r.Context().Value(connKey{}).(*connection)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.ProtoMajor == 2 {
		t := &turn{conn: c, ended: make(chan struct{})}
		c.streams = append(c.streams, t)
		return t
	}
	if c.current == nil {
		c.current = &turn{conn: c, ended: make(chan struct{})}
	}
	return c.current
}

func (c *connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		close(c.current.ended)
		c.current = nil
	}
	for _, t := range c.streams {
		close(t.ended)
	}
	c.streams = nil
}

// overtaken tells whether the connection is serving another request by now.
func (t *turn) overtaken() bool {
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	return t.conn.current != nil && t.conn.current != t
}
