// Command demo is a small order API with the ordinary stalls of its kind, for
// a first look at gostall: start it, drive it with -load, and let gostall say
// where the time goes.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on, or with -load to drive")
	dir := flag.String("dir", "", "directory of the order log and the exports; a temporary one if empty")
	drive := flag.Duration("load", 0, "do not serve: drive the demo at -addr for this long")
	rate := flag.Float64("rate", 100, "with -load: requests per second")
	flag.Parse()

	if *drive > 0 {
		if err := load(*addr, *drive, *rate); err != nil {
			log.Fatal("demo: ", err)
		}
		return
	}
	if err := serve(*addr, *dir); err != nil {
		log.Fatal("demo: ", err)
	}
}

// serve runs the API, and the search service that it calls, until a signal comes.
func serve(addr, dir string) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "gostall-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	searchURL, err := startSearchService()
	if err != nil {
		return err
	}
	api, err := newAPI(dir, searchURL)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: api.routes(), ReadHeaderTimeout: 5 * time.Second}
	go srv.Serve(l)
	fmt.Println("ready", l.Addr())

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
	return srv.Close()
}
