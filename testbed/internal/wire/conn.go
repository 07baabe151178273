// Package wire is an HTTP/1 client made of plain socket reads and writes. It
// exists because net/http's client decides by itself when bytes leave; the
// testbed must decide that: pipelining, single bytes, half-closed connections.
package wire

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"time"
)

// Conn is one client connection.
type Conn struct {
	net.Conn
	r *bufio.Reader
}

// Split tells the network of an address: "unix:/path" or "host:port".
func Split(addr string) (network, address string) {
	if strings.HasPrefix(addr, "unix:") {
		return "unix", strings.TrimPrefix(addr, "unix:")
	}
	return "tcp", addr
}

// Dial connects to "host:port" or "unix:/path", over TLS if secure says how.
func Dial(addr string, secure *tls.Config) (*Conn, error) {
	network, address := Split(addr)
	nc, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		nc = tls.Client(nc, secure)
	}
	return &Conn{Conn: nc, r: bufio.NewReaderSize(nc, 16<<10)}, nil
}

// TCP is the socket itself, below TLS; nil for a unix socket.
func (c *Conn) TCP() *net.TCPConn {
	nc := c.Conn
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}

// Send writes s whole, in one write call if the socket takes it.
func (c *Conn) Send(s string) error {
	_, err := c.Conn.Write([]byte(s))
	return err
}

// Drip writes s in pieces of size bytes with a pause after each.
func (c *Conn) Drip(s string, size int, pause time.Duration) error {
	for len(s) > 0 {
		n := size
		if n > len(s) {
			n = len(s)
		}
		if err := c.Send(s[:n]); err != nil {
			return err
		}
		s = s[n:]
		if pause > 0 {
			time.Sleep(pause)
		}
	}
	return nil
}

// CloseWrite ends our direction only; the peer's stays open. Over TLS that is an
// alert rather than a FIN.
func (c *Conn) CloseWrite() error {
	type halfCloser interface{ CloseWrite() error }
	return c.Conn.(halfCloser).CloseWrite()
}

// Reader gives what follows the last response read, for upgraded connections.
func (c *Conn) Reader() *bufio.Reader { return c.r }
