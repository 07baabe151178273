// Command drive makes an exact number of calls of every method of the gRPC
// truth server, and checks each answer and status.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/selfsigned"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8082", "server, host:port")
	secure := flag.Bool("tls", false, "over TLS")
	only := flag.String("scenario", "all", "scenarios, comma-separated; all; or list to print them")
	n := flag.Int("n", 40, "units of work per scenario")
	conns := flag.Int("conns", 2, "connections")
	workers := flag.Int("workers", 4, "units at a time per scenario")
	limit := flag.Duration("limit", 2*time.Minute, "give up after this time")
	out := flag.String("out", "", "write the JSON here")
	flag.Parse()
	if *only == "list" {
		for _, s := range scenarios {
			fmt.Println(s.name)
		}
		return
	}
	time.AfterFunc(*limit, func() { log.Fatalf("drive: not done after %v", *limit) })
	creds := insecure.NewCredentials()
	if *secure {
		creds = credentials.NewTLS(selfsigned.Client("h2"))
	}
	sent := &account.Sent{}
	var clients []*client
	for i := 0; i < *conns; i++ {
		conn, err := grpc.NewClient(*addr, grpc.WithTransportCredentials(creds))
		if err != nil {
			log.Fatal("drive: ", err)
		}
		defer conn.Close()
		clients = append(clients, &client{conn, sent})
	}
	picked := map[string]bool{}
	for _, name := range strings.Split(*only, ",") {
		picked[name] = true
	}
	var wg sync.WaitGroup
	ran := 0
	for _, s := range scenarios {
		if !picked["all"] && !picked[s.name] {
			continue
		}
		ran++
		units := make(chan int, *n)
		for i := 0; i < max(1, *n/s.share); i++ {
			units <- i
		}
		close(units)
		for w := 0; w < *workers; w++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range units {
					if err := s.unit(clients[i%len(clients)], fmt.Sprintf("%s-%d", s.name, i)); err != nil {
						sent.Fail("%s: %v", s.name, err)
					}
				}
			}()
		}
	}
	wg.Wait()
	if ran == 0 {
		log.Fatalf("drive: no scenario %q; -scenario list names them", *only)
	}
	if !sent.Finish(*out) {
		os.Exit(1)
	}
}
