// Command server is the truth over gRPC: every method makes marker syscalls of
// its own, an exact number of times, and counts them.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/marker"
	"gostall/testbed/internal/selfsigned"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8082", "TCP address to listen on")
	file := flag.String("truth", "", "where dump writes the truth; stdout if empty")
	tmp := flag.String("tmp", "", "directory for temporary files; the system's if empty")
	transport := flag.String("transport", "grpc", "who speaks HTTP/2: grpc (its own server) or http (net/http, by ServeHTTP)")
	secure := flag.Bool("tls", false, "serve TLS with a certificate of its own making")
	workers := flag.Uint("workers", 0, "goroutines that serve streams by turns, rather than one per stream (grpc only)")
	flag.Parse()
	if err := run(*addr, *file, *tmp, *transport, *secure, uint32(*workers)); err != nil {
		log.Fatal("server: ", err)
	}
}

func run(addr, file, tmp, transport string, secure bool, workers uint32) error {
	if err := marker.Setup(tmp); err != nil {
		return err
	}
	defer marker.Cleanup()
	config, err := selfsigned.Server("h2")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	b := account.NewBook("grpc")
	options := []grpc.ServerOption{grpc.UnaryInterceptor(recovering), grpc.UnknownServiceHandler(notThere)}
	if workers > 0 {
		options = append(options, grpc.NumStreamWorkers(workers))
	}
	if secure && transport == "grpc" {
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	s := grpc.NewServer(options...)
	register(s, b)
	switch transport {
	case "grpc":
		go s.Serve(l)
	case "http":
		web := &http.Server{Handler: s, TLSConfig: config}
		if secure {
			go web.ServeTLS(l, "", "")
			break
		}
		web.Protocols = new(http.Protocols)
		web.Protocols.SetUnencryptedHTTP2(true)
		go web.Serve(l)
	default:
		log.Fatalf("server: -transport %s: grpc or http", transport)
	}
	return b.Serve(l.Addr().String(), file)
}
