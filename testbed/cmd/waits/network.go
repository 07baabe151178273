package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"gostall/testbed/internal/waits"
)

func netHTTP(c *call) { c.ask(c.ms) }

// ask asks the upstream through net/http's Transport.
func (c *call) ask(d time.Duration) {
	start := time.Now()
	resp, err := c.client.Get(fmt.Sprintf("http://%s/?ms=%d", c.upstream.http, d/time.Millisecond))
	if err != nil {
		c.must("get", err)
		return
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	c.must("read", err)
	c.exchange("net_upstream_read", start, nanoseconds(string(b)))
}

func nanoseconds(text string) time.Duration {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Duration(n)
}

// netLine speaks another protocol over a fresh connection.
func netLine(c *call) {
	start := time.Now()
	held := c.line(c.ms)
	c.exchange("net_upstream_read", start, held)
}

func (c *call) line(d time.Duration) time.Duration {
	conn, err := net.Dial("tcp", c.upstream.line)
	if err != nil {
		c.must("dial", err)
		return 0
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%d\n", d/time.Millisecond)
	text, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		c.must("read", err)
		return 0
	}
	return nanoseconds(text[:len(text)-1])
}

// netConnect waits for a connection that does not come about.
func netConnect(c *call) {
	start := time.Now()
	conn, err := net.DialTimeout("tcp", c.upstream.full, c.ms)
	if err == nil {
		conn.Close()
		c.note("/net/connect: the connection was taken")
		return
	}
	c.exchange("net_upstream_connect", start, c.ms)
}

// netSend writes more to the upstream than the buffers hold; that does not read
// for a while.
func netSend(c *call) {
	start := time.Now()
	conn, err := net.Dial("tcp", c.upstream.sink)
	if err != nil {
		c.must("dial", err)
		return
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetWriteBuffer(16 << 10)
	body := c.files.buffer()
	defer c.files.put(body)
	fmt.Fprintf(conn, "%4d\n", c.ms/time.Millisecond)
	c.exchange("net_upstream_connect", start, 0)
	t := measure(c.quota)
	t.blocked(c.meter, "net_upstream_write", func() {
		_, err := conn.Write(body[:waits.Large])
		c.must("write", err)
	})
	t.stopBlocked(c.meter)
}

// resolver asks our own server, whatever the machine's configuration names.
func (c *call) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.upstream.dns)
	}}
}

// name is a name that nobody has asked for yet: equal look-ups share one answer.
func (c *call) name() string {
	return fmt.Sprintf("ms%d-%d.slow.test.", c.ms/time.Millisecond, c.names.Add(1))
}

// netDNS looks an address up; the resolver does so in goroutines of its own.
func netDNS(c *call) {
	start := time.Now()
	found, err := c.resolver().LookupIPAddr(c.r.Context(), c.name())
	if err != nil || len(found) != 1 || found[0].IP.To4() == nil {
		c.must("look-up", fmt.Errorf("%v, %v", found, err))
		return
	}
	// The address holds the time: see answerDNS.
	ip := found[0].IP.To4()
	held := time.Duration(ip[1])<<16 | time.Duration(ip[2])<<8 | time.Duration(ip[3])
	c.exchange("net_dns", start, held*time.Microsecond)
}

// netDNSText looks a text up, in this goroutine.
func netDNSText(c *call) {
	start := time.Now()
	txt, err := c.resolver().LookupTXT(c.r.Context(), c.name())
	if err != nil || len(txt) != 1 {
		c.must("look-up", fmt.Errorf("%q, %v", txt, err))
		return
	}
	c.exchange("net_dns", start, nanoseconds(txt[0]))
}

// netNested waits for a child that waits for the upstream.
func netNested(c *call) {
	var wg sync.WaitGroup
	var held time.Duration
	start := time.Now()
	wg.Add(1)
	go func() {
		defer wg.Done()
		held = c.line(c.ms)
	}()
	wg.Wait()
	took := time.Since(start)
	// The child's own work at either end is short, but it is a wait all the same.
	c.add("lock", took)
	c.child("net_upstream_read", held)
}

// netUpload reads a body whose end comes late, and says when it was sent.
func netUpload(c *call) {
	start := time.Now()
	b, err := io.ReadAll(c.r.Body)
	if err != nil || len(b) < 20 {
		c.must("body", fmt.Errorf("%d bytes, %v", len(b), err))
		return
	}
	last, err := sent(string(b[len(b)-20:]))
	c.must("body", err)
	c.until("net_client_read", start, last)
}

// netDownload writes more than the buffers hold to a client that does not read
// for a while.
func netDownload(c *call) {
	size := waits.Large
	if c.r.ProtoMajor == 2 {
		size = waits.LargeH2
	} else {
		conn := c.conn
		if secure, ok := conn.(*tls.Conn); ok {
			conn = secure.NetConn()
		}
		// Loopback's own buffer would take megabytes.
		conn.(*net.TCPConn).SetWriteBuffer(16 << 10)
	}
	c.w.Header().Set("Content-Length", strconv.Itoa(size))
	body := c.files.buffer()
	defer c.files.put(body)
	t := measure(c.quota)
	t.blocked(c.meter, "net_client_write", func() {
		for left := size; left > 0; {
			n := left
			if n > waits.Large {
				n = waits.Large
			}
			_, err := c.w.Write(body[:n])
			c.must("write", err)
			left -= n
		}
	})
	t.stopBlocked(c.meter)
}
