// Command truth is the server that knows: every handler makes marker syscalls
// of its own, with known results, an exact number of times, and counts them as
// it makes them. What gostall reports of this process is held against that.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/marker"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8081", "TCP address to listen on; empty for none")
	unix := flag.String("unix", "", "unix socket to listen on as well")
	file := flag.String("truth", "", "where dump writes the truth; stdout if empty")
	tmp := flag.String("tmp", "", "directory for temporary files; the system's if empty")
	own := flag.Bool("own-router", false, "route by hand-written code rather than by ServeMux")
	goroutines := flag.Int("goroutines", 0, "number of idle goroutines to park")
	gogc := flag.Int("gogc", 0, "GOGC of the process, low to make the collector run often")
	list := flag.Bool("list", false, "print the endpoints and their markers, and exit")
	var o options
	flag.IntVar(&o.grid, "endpoints", 0, "number of further literal endpoints /e/aNN/bMM")
	flag.DurationVar(&o.delay, "delay", 2*time.Millisecond, "how long /delay and the numbered endpoints sleep")
	flag.IntVar(&o.middleware, "middleware", 0, "layers of middleware that copy the request before the router")
	flag.BoolVar(&o.verbose, "v", false, "let net/http log panics to stderr")
	flag.BoolVar(&o.tls, "tls", false, "serve TLS with a certificate of its own making: h2 and http/1.1")
	flag.BoolVar(&o.h2c, "h2c", false, "take HTTP/2 without TLS as well (built with Go 1.24 or newer)")
	flag.Parse()
	if *list {
		printCatalogue(os.Stdout, o)
		return
	}
	if err := run(*addr, *unix, *file, *tmp, *own, *goroutines, *gogc, o); err != nil {
		log.Fatal("truth: ", err)
	}
}

func run(addr, unix, file, tmp string, own bool, goroutines, gogc int, o options) error {
	if gogc > 0 {
		debug.SetGCPercent(gogc)
	}
	if err := marker.Setup(tmp); err != nil {
		return err
	}
	defer marker.Cleanup()
	for i := 0; i < goroutines; i++ {
		go func() { select {} }()
	}
	s := newServer(o)
	if err := s.startUpstream(own); err != nil {
		return err
	}
	if err := s.prepareFiles(); err != nil {
		return err
	}
	listeners, err := listen(addr, unix)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		if err := s.serve(l, own, false); err != nil {
			return err
		}
	}
	shown := listeners[0].Addr().String()
	fmt.Println("ready", shown)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go account.Control(os.Stdin, os.Stdout, func() {
		s.quiesce(settle)
		s.reset()
	}, func() error { return s.dump(shown, file) })
	<-stop
	return s.dump(shown, file)
}

func listen(addr, unix string) ([]net.Listener, error) {
	var out []net.Listener
	if addr != "" {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	if unix != "" {
		// A socket left behind by a killed server would refuse the address.
		if err := os.Remove(unix); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		l, err := net.Listen("unix", unix)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("neither -addr nor -unix given")
	}
	return out, nil
}
