// Command corpus is the program that gobin's tests read: a small HTTP server with what the probes look for
// (net/http server and client, TLS, inlined calls) and nothing that a Go release before 1.19 lacks.
package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
)

// A version that is not the toolchain's: where build information is missing, gobin must not take this one.
var anotherVersion = "go1.5.1"

//go:noinline
func outer(n int) int { return middle(n) + 1 }

func middle(n int) int { return inner(n) * 3 }

func inner(n int) int {
	if n > 7 {
		return n ^ len(os.Args)
	}
	return n
}

func onlyInlined(n int) int { return n + len(os.Args) }

func handle(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, r.URL.Path, outer(len(r.URL.Path)), onlyInlined(3), cValue())
}

func main() {
	fmt.Println(outer(len(os.Args)), onlyInlined(2), cValue(), anotherVersion)
	if len(os.Args) < 2 {
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", handle)
	server := &http.Server{Addr: os.Args[1], Handler: mux, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if _, err := http.Get("http://" + os.Args[1]); err != nil {
		fmt.Println(err)
	}
	if len(os.Args) > 3 {
		fmt.Println(server.ListenAndServeTLS(os.Args[2], os.Args[3]))
	}
	fmt.Println(server.ListenAndServe())
}
