// Command hello is the smallest net/http server that can be saturated. The
// cost of tracing is measured on it, so it does nothing but answer.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"gostall/testbed/internal/paths"
	"gostall/testbed/internal/selfsigned"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP address to listen on")
	unix := flag.String("unix", "", "listen on this unix socket instead")
	delay := flag.Duration("delay", 0, "how long a handler sleeps, e.g. 2ms")
	endpoints := flag.Int("endpoints", 0, "number of further literal endpoints /e/aNN/bMM")
	goroutines := flag.Int("goroutines", 0, "number of idle goroutines to park")
	bare := flag.Bool("bare", false, "no router: one handler for every path, so that only the path itself tells endpoints apart")
	secure := flag.Bool("tls", false, "serve TLS with a certificate of its own making: h2 and http/1.1")
	flag.Parse()

	for i := 0; i < *goroutines; i++ {
		go func() { select {} }()
	}
	l, err := listen(*addr, *unix)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready", l.Addr())

	body := []byte("hello\n")
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if *delay > 0 {
			time.Sleep(*delay)
		}
		w.Write(body)
	})
	srv := &http.Server{Handler: hello}
	if !*bare {
		srv.Handler = router(hello, *endpoints)
	}
	if !*secure {
		log.Fatal(srv.Serve(l))
	}
	if srv.TLSConfig, err = selfsigned.Server("h2", "http/1.1"); err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.ServeTLS(l, "", ""))
}

// router registers /hello, /s/{slug} and the numbered literal endpoints.
func router(hello http.Handler, endpoints int) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/hello", hello)
	mux.Handle(slugPattern, hello)
	for i := 0; i < endpoints; i++ {
		mux.Handle(paths.Grid(i), hello)
	}
	return mux
}

func listen(addr, unix string) (net.Listener, error) {
	if unix == "" {
		return net.Listen("tcp", addr)
	}
	// A socket left behind by a killed server would refuse the address.
	if err := os.Remove(unix); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return net.Listen("unix", unix)
}
