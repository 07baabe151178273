// Command handshakes is both ends of TLS handshakes whose steps take known
// times: a client that keeps its server waiting before its hello and before its
// end of the handshake, and a server that takes its time over its answer and
// measures the whole. gostall's `tls` is held against that.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"sync"
	"time"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/selfsigned"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "the server's address")
	dial := flag.Bool("dial", false, "be the client")
	n := flag.Int("n", 20, "handshakes")
	hello := flag.Duration("hello", 20*time.Millisecond, "-dial: wait before the hello")
	finish := flag.Duration("finish", 30*time.Millisecond, "-dial: wait before the client's end")
	distrust := flag.Bool("distrust", false, "-dial: refuse the server's certificate")
	old := flag.Bool("tls12", false, "TLS 1.2")
	answer := flag.Duration("answer", 10*time.Millisecond, "compute that long over each answer")
	again := flag.Bool("again", false, "ask for a second hello (by a curve that clients do not begin with)")
	file := flag.String("truth", "", "where dump writes the truth; stdout if empty")
	flag.Parse()
	version := uint16(tls.VersionTLS13)
	if *old {
		version = tls.VersionTLS12
	}
	var err error
	if *dial {
		err = call(*addr, *n, version, *hello, *finish, *distrust)
	} else {
		err = serve(*addr, *file, *answer, *again)
	}
	if err != nil {
		log.Fatal("handshakes: ", err)
	}
}

// slow waits before the first and the second write.
type slow struct {
	net.Conn
	waits []time.Duration
}

func (s *slow) Write(b []byte) (int, error) {
	if len(s.waits) > 0 {
		time.Sleep(s.waits[0])
		s.waits = s.waits[1:]
	}
	return s.Conn.Write(b)
}

func call(addr string, n int, version uint16, hello, finish time.Duration, distrust bool) error {
	for i := 0; i < n; i++ {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		config := selfsigned.Client("http/1.1")
		config.MinVersion, config.MaxVersion = version, version
		config.InsecureSkipVerify = !distrust
		t := tls.Client(&slow{c, []time.Duration{hello, finish}}, config)
		if err := t.Handshake(); err != nil {
			c.Close()
			if distrust {
				continue
			}
			return err
		}
		fmt.Fprintf(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		buf := make([]byte, 256)
		if n, err := t.Read(buf); n == 0 {
			return err
		}
		t.Close()
	}
	return nil
}

// timed is a server's connection that notes how long its handshake took.
type timed struct {
	net.Listener
	config *tls.Config

	mu   sync.Mutex
	took []int64
}

func (l *timed) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	config := l.config.Clone()
	config.VerifyConnection = func(tls.ConnectionState) error { return nil }
	t := tls.Server(c, config)
	go func() {
		// net/http makes the handshake; whoever asks as well waits for it.
		if t.Handshake() == nil {
			l.mu.Lock()
			l.took = append(l.took, int64(time.Since(start)))
			l.mu.Unlock()
		}
	}()
	return t, nil
}

func serve(addr, file string, answer time.Duration, again bool) error {
	config, err := selfsigned.Server("http/1.1")
	if err != nil {
		return err
	}
	certificate := config.Certificates[0]
	config.Certificates = nil
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		for end := time.Now().Add(answer); time.Now().Before(end); {
		}
		return &certificate, nil
	}
	if again {
		config.CurvePreferences = []tls.CurveID{tls.CurveP384}
	}
	inner, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	l := &timed{Listener: inner, config: config}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("done\n")) })
	go http.Serve(l, nil)
	fmt.Println("ready", inner.Addr())
	reset := func() {
		l.mu.Lock()
		l.took = nil
		l.mu.Unlock()
	}
	dump := func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		sort.Slice(l.took, func(i, j int) bool { return l.took[i] < l.took[j] })
		var p50 int64
		if len(l.took) > 0 {
			p50 = l.took[(len(l.took)-1)/2]
		}
		return account.Write(file, map[string]interface{}{"handshakes": len(l.took), "p50_ns": p50})
	}
	account.Control(os.Stdin, os.Stdout, reset, dump)
	select {}
}
