package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gostall/testbed/internal/waits"
)

// upstream is what the server knows of the other process.
type upstream struct {
	http, line, sink, dns, full string         // addresses; full never accepts
	life                        io.WriteCloser // its input, which nobody may collect
}

// startUpstream starts the other process. It ends when its input does, that is
// with us, and then removes the cgroup.
func startUpstream(cgroup string) (*upstream, error) {
	cmd, err := own("-upstream", "-cleanup", cgroup)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	// Whoever kills the server's process group must leave somebody to clean up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	f := strings.Fields(lines.Text())
	if len(f) != 5 {
		return nil, fmt.Errorf("the upstream said %q", lines.Text())
	}
	return &upstream{f[0], f[1], f[2], f[3], f[4], life}, nil
}

// serveUpstream is the other process.
func serveUpstream(cgroup string) error {
	var addrs []string
	for _, serve := range []func(net.Listener){serveSlowHTTP, serveSlowLines, serveSink} {
		l, err := (&net.ListenConfig{Control: smallBuffer}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		go serve(l)
		addrs = append(addrs, l.Addr().String())
	}
	names, err := listenDNS()
	if err != nil {
		return err
	}
	go serveDNS(names)
	full, err := listenFull()
	if err != nil {
		return err
	}
	fmt.Println(addrs[0], addrs[1], addrs[2], names.LocalAddr(), full)
	io.Copy(io.Discard, os.Stdin)
	removeCgroup(cgroup)
	return nil
}

// smallBuffer makes a listener's connections take little before they are read.
// Later it would be too late: the window is agreed on in the handshake.
func smallBuffer(_, _ string, c syscall.RawConn) (failed error) {
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
	})
	if err != nil {
		return err
	}
	return failed
}

// pause sleeps as a request asks, and tells how long it held that up.
func pause(ms string, received time.Time) string {
	n, _ := strconv.Atoi(ms)
	time.Sleep(time.Duration(n) * time.Millisecond)
	return strconv.FormatInt(int64(time.Since(received)), 10)
}

func serveSlowHTTP(l net.Listener) {
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, pause(r.URL.Query().Get("ms"), time.Now()))
	}))
}

// serveSlowLines answers each line, which is a number of milliseconds.
func serveSlowLines(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for lines := bufio.NewScanner(c); lines.Scan(); {
				io.WriteString(c, pause(lines.Text(), time.Now())+"\n")
			}
		}()
	}
}

// serveSink begins to read after as many milliseconds as the first line says.
func serveSink(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			var line [5]byte
			io.ReadFull(c, line[:])
			pause(strings.TrimSpace(string(line[:])), time.Now())
			io.Copy(io.Discard, c)
		}()
	}
}

// listenFull is the address of a socket that takes no further connection: its
// queue is full and nobody accepts.
func listenFull() (string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	if err := syscall.Listen(fd, 0); err != nil {
		return "", err
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return "", err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
	for i := 0; i < 8; i++ {
		c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr, nil
		}
		filling = append(filling, c)
	}
	return "", fmt.Errorf("a queue of length 0 took 8 connections")
}

var filling []net.Conn // kept open

// listenDNS takes port 53 of some address of this machine, or any port where
// that is not allowed; gostall knows DNS by the port.
func listenDNS() (net.PacketConn, error) {
	for i := 1; i < 40; i++ {
		if c, err := net.ListenPacket("udp", fmt.Sprintf("127.0.53.%d:53", i)); err == nil {
			return c, nil
		}
	}
	return net.ListenPacket("udp", "127.0.0.1:0")
}

// serveDNS answers with how long it held up the question, which fits into an
// address as well. The first label of a name is the delay: ms20-7.slow.test.
func serveDNS(c net.PacketConn) {
	var mu sync.Mutex
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		received := time.Now()
		q := append([]byte{}, buf[:n]...)
		go func() {
			answer := answerDNS(q, received)
			mu.Lock()
			defer mu.Unlock()
			c.WriteTo(answer, from)
		}()
	}
}

func answerDNS(q []byte, received time.Time) []byte {
	const head = 12
	if len(q) < head+1 {
		return nil
	}
	label := string(q[head+1 : head+1+int(q[head])])
	held := pause(strings.TrimPrefix(strings.SplitN(label, "-", 2)[0], "ms"), received)
	end := head
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5 // the root, type and class
	kind := binary.BigEndian.Uint16(q[end-4:])
	out := append([]byte{}, q[:end]...)
	out[2], out[3] = 0x84|q[2]&1, 0x80 // an authoritative answer, without error
	copy(out[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	var data []byte
	switch kind {
	case 1: // A
		us := uint32(nanoseconds(held) / time.Microsecond)
		data = []byte{127, byte(us >> 16), byte(us >> 8), byte(us)}
	case 16: // TXT
		data = append([]byte{byte(len(held))}, held...)
	default:
		return out
	}
	out[7] = 1
	out = append(out, 0xc0, head, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(data)))
	return append(out, data...)
}

// sent is the time that another process wrote down, by the machine's clock.
func sent(text string) (time.Time, error) {
	at, err := strconv.ParseInt(text, 10, 64)
	now := time.Now()
	return now.Add(time.Duration(at - waits.Clock(now))), err
}
