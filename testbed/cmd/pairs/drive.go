package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// client is how a side is asked.
type client struct {
	conns int
	// fresh makes a connection per request.
	fresh bool
	// slow takes 4 KB at a time, with pauses, through a small window.
	slow bool
	// burst is how many connections come at once, now and then.
	burst int
}

func clientOf(side string) client {
	switch side {
	case "throttled", "neighbour", "fsync", "page-cache":
		return client{conns: 4}
	case "idle-pool":
		return client{conns: 32}
	case "slow-reader":
		return client{conns: 4, slow: true}
	case "dns":
		return client{conns: 8}
	case "gated":
		return client{conns: 64, fresh: true}
	case "burst":
		return client{conns: 1, burst: 200}
	case "plain":
		return client{conns: 4}
	}
	return client{conns: 16}
}

func driveFor(addr string, d time.Duration) {
	c := clientOf(*side)
	if *conns > 0 {
		c.conns = *conns
	}
	end := time.Now().Add(d)
	var done int64
	var wg sync.WaitGroup
	for i := 0; i < c.conns; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for time.Now().Before(end) {
				if c.burst > 0 {
					c.bursts(addr, end, &done)
				} else if c.series(addr, end, &done) != nil {
					time.Sleep(5 * time.Millisecond)
				}
			}
		}()
	}
	wg.Wait()
	fmt.Println(atomic.LoadInt64(&done), "requests")
}

// bursts connects many times at once, and rests.
func (c client) bursts(addr string, end time.Time, done *int64) {
	var wg sync.WaitGroup
	one := client{fresh: true}
	for i := 0; i < c.burst; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			one.series(addr, end, done)
		}()
	}
	wg.Wait()
	time.Sleep(100 * time.Millisecond)
}

// series makes requests on one connection, one if it is to be fresh.
func (c client) series(addr string, end time.Time, done *int64) error {
	d := net.Dialer{Timeout: 2 * time.Second}
	if c.slow {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) {
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
			})
		}
	}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	var from io.Reader = conn
	if c.slow {
		from = &slowly{conn}
	}
	in := bufio.NewReaderSize(from, 4096)
	for time.Now().Before(end) {
		conn.SetDeadline(end.Add(12 * time.Second))
		if _, err := io.WriteString(conn, "GET /work HTTP/1.1\r\nHost: pairs\r\n\r\n"); err != nil {
			return err
		}
		if err := answer(in); err != nil {
			return err
		}
		atomic.AddInt64(done, 1)
		if c.fresh {
			return nil
		}
	}
	return nil
}

type slowly struct{ net.Conn }

func (s *slowly) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Conn.Read(b)
}

// answer reads one response whole.
func answer(in *bufio.Reader) error {
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
