package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"gostall/testbed/internal/waits"
)

// patience is how long one answer may take.
const patience = 10 * time.Second

// client is one connection.
type client interface {
	request(e waits.Endpoint, ms int) error
	close()
}

// conn is a connection of HTTP/1.1.
type conn struct {
	net.Conn
	in *bufio.Reader
}

func (d *driver) dial(e waits.Endpoint) (client, error) {
	if d.h2 {
		return newH2(d.addr, d.secure), nil
	}
	c, err := dial(d.addr, e)
	if err != nil {
		return nil, err
	}
	if d.secure != nil {
		c = tls.Client(c, d.secure)
	}
	return &conn{c, bufio.NewReaderSize(c, 16<<10)}, nil
}

func dial(addr string, e waits.Endpoint) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	if e.Client == waits.SlowReader {
		// Before the connection is there: the window is agreed on in its handshake.
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) {
				failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
			})
			if err != nil {
				return err
			}
			return failed
		}
	}
	return d.Dial("tcp", addr)
}

func (c *conn) close() { c.Conn.Close() }

// request makes one request and reads the answer whole.
func (c *conn) request(e waits.Endpoint, ms int) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	head := fmt.Sprintf("%s %s?ms=%d HTTP/1.1\r\nHost: testbed\r\n", e.Method, e.Route, ms)
	wait := time.Duration(ms) * time.Millisecond
	var err error
	if e.Client == waits.SlowBody {
		err = c.slowBody(head, wait)
	} else {
		_, err = io.WriteString(c, head+"\r\n")
	}
	if err != nil {
		return err
	}
	if e.Client == waits.SlowReader {
		if _, err := c.in.Peek(1); err != nil {
			return err
		}
		time.Sleep(wait)
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", resp.Status)
	}
	if e.Client == waits.SlowReader && n != waits.Large {
		return fmt.Errorf("answered %d bytes", n)
	}
	return nil
}

// slowBody sends the head, half of the body, and after a wait the rest: when it
// was sent.
func (c *conn) slowBody(head string, wait time.Duration) error {
	if _, err := fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n", head, len(first)+digits); err != nil {
		return err
	}
	time.Sleep(wait / 2)
	if _, err := io.WriteString(c, first); err != nil {
		return err
	}
	time.Sleep(wait - wait/2)
	_, err := io.WriteString(c, last())
	return err
}

// A slow body is first, and after a wait last: the time at which that was sent.
const first = "0123456789abcdefghijklmnopqrstuvwxyz"

const digits = 20

func last() string { return fmt.Sprintf("%0*d", digits, waits.Clock(time.Now())) }
