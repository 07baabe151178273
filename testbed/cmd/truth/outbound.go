package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	m "gostall/testbed/internal/marker"
)

// startUpstream starts a second HTTP server in this process, which handlers
// call, and a line server that speaks no HTTP.
func (s *server) startUpstream(own bool) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.upstream = l.Addr().String()
	s.client = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 32},
		Timeout:   10 * time.Second,
	}
	if err := s.serve(l, own, true); err != nil {
		return err
	}
	if s.lines, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	go s.serveLines()
	return nil
}

// serveLines sends each line back.
func (s *server) serveLines() {
	for {
		c, err := s.lines.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

// echo sends a line to the line server and waits for it to come back.
func (c *call) echo(line string) error {
	conn, err := net.Dial("tcp", c.lines.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return err
	}
	_, err = bufio.NewReader(conn).ReadString('\n')
	return err
}

// get asks the upstream server and throws the answer away.
func (c *call) get(path string) error {
	resp, err := c.client.Get("http://" + c.upstream + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("upstream answered %s", resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// outboundEndpoints call others. The upstream's endpoints are endpoints like any
// other; the outbound requests are none.
func outboundEndpoints() []*endpoint {
	reply := func(pause time.Duration) func(*call) {
		return func(c *call) {
			c.marks()
			time.Sleep(pause)
			c.answer()
		}
	}
	return []*endpoint{
		{method: "GET", route: "/outbound/one", serve: outboundOne, steps: []step{{m.Capget, 2}, {m.Sysinfo, 3}}},
		{method: "GET", route: "/outbound/fan", serve: outboundFan, steps: []step{{m.Capget, 3}, {m.Sysinfo, 1}}},
		{method: "GET", route: "/outbound/line", serve: outboundLine, steps: []step{{m.Capget, 4}, {m.Personality, 1}}},
		{method: "POST", route: "/outbound/proxy", serve: outboundProxy, steps: []step{{m.Personality, 5}}},
		{method: "GET", route: "/up/quick", upstream: true, serve: reply(0), steps: []step{{m.ClockGetres, 3}}},
		{method: "GET", route: "/up/slow", upstream: true, serve: reply(8 * time.Millisecond), steps: []step{{m.ClockGetres, 5}}},
		{method: "POST", route: "/up/sink", upstream: true, serve: upSink, steps: []step{{m.ClockGetres, 2}, {m.Getitimer, 2}}},
	}
}

func outboundOne(c *call) {
	c.mark(0)
	if err := c.get("/up/quick"); err != nil {
		panic(err)
	}
	c.mark(1)
	c.answer()
}

// outboundFan makes three calls at once, from children.
func outboundFan(c *call) {
	var wg sync.WaitGroup
	for i := 0; i < c.ep.steps[0].n; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c.once(0)
			c.get("/up/slow")
		}()
	}
	wg.Wait()
	c.mark(1)
	c.answer()
}

// outboundLine speaks a protocol that is not HTTP over a fresh connection.
func outboundLine(c *call) {
	c.mark(0)
	if err := c.echo("GET /not/http HTTP/1.1"); err != nil {
		panic(err)
	}
	c.mark(1)
	c.answer()
}

// outboundProxy passes the request on, body and all.
func outboundProxy(c *call) {
	c.marks()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: c.upstream})
	proxy.Transport = c.client.Transport
	c.r.URL.Path, c.r.URL.RawPath = "/up/sink", ""
	proxy.ServeHTTP(c.w, c.r)
}

func upSink(c *call) {
	c.mark(0)
	io.Copy(io.Discard, c.r.Body)
	c.mark(1)
	c.answer()
}
