// Command drive makes an exact number of requests of every route of a framework,
// and checks each answer.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"os"
	"sync"
	"time"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/selfsigned"
	"gostall/testbed/internal/wire"
	"gostall/testbed/routers/routes"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8083", "server, host:port")
	framework := flag.String("framework", "mux", "the server's")
	n := flag.Int("n", 40, "rounds; each asks for every route once, in another order")
	conns := flag.Int("conns", 4, "connections")
	seed := flag.Int64("seed", 1, "seed of ids, words and orders")
	secure := flag.Bool("tls", false, "HTTP/1.1 over TLS")
	limit := flag.Duration("limit", 2*time.Minute, "give up after this time")
	out := flag.String("out", "", "write the JSON here")
	flag.Parse()
	time.AfterFunc(*limit, func() { log.Fatalf("drive: not done after %v", *limit) })
	d := &driver{addr: *addr, routes: append(routes.Of(*framework), routes.Unmatched(*framework)...)}
	if *secure {
		d.secure = selfsigned.Client("http/1.1")
	}
	rounds := make(chan int, *n)
	for i := 0; i < *n; i++ {
		rounds <- i
	}
	close(rounds)
	var wg sync.WaitGroup
	for i := 0; i < *conns; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := d.work(rounds, *seed); err != nil {
				d.sent.Fail("%v", err)
			}
		}()
	}
	wg.Wait()
	if !d.sent.Finish(*out) {
		os.Exit(1)
	}
}

type driver struct {
	addr   string
	secure *tls.Config
	routes []*routes.Route
	sent   account.Sent
}

// work makes rounds over one connection, in an order that the round's number decides.
func (d *driver) work(rounds <-chan int, seed int64) error {
	conn, err := wire.Dial(d.addr, d.secure)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	for i := range rounds {
		r := rand.New(rand.NewSource(seed<<32 ^ int64(i)))
		for _, n := range r.Perm(len(d.routes)) {
			if err := d.ask(conn, d.routes[n], r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *driver) ask(conn *wire.Conn, to *routes.Route, r *rand.Rand) error {
	host, path := to.Host, to.Path(r)
	if host == "" {
		host = "testbed"
	}
	body := ""
	if to.Method == "POST" || to.Method == "PUT" {
		body = `{"name":"x"}`
	}
	start := time.Now()
	if err := conn.Send(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", to.Method, path, host, len(body), body)); err != nil {
		return err
	}
	resp, err := conn.Read(to.Method)
	if err != nil {
		return fmt.Errorf("%s %s: %w", to.Method, path, err)
	}
	d.sent.Note(doc.Sent{Method: to.Method, Route: to.Endpoint(), Status: resp.Status}, false, time.Since(start))
	if resp.Status != to.Status || to.Template != doc.Unmatched && string(resp.Body) != to.Body() {
		return fmt.Errorf("%s %s: status %d, body %.80q; want %d, %q", to.Method, path, resp.Status, resp.Body, to.Status, to.Body())
	}
	return nil
}
