// Command waits is the server that knows where its requests' time goes: each
// handler spends a known time in one state, or in several, measures it itself
// around just that state, and sums it. gostall's wall-time ledger is held
// against that.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/selfsigned"
)

// The main goroutine keeps the process's first thread: what dies with its parent
// (PDEATHSIG) dies with the thread that started it, and that one never ends.
func init() { runtime.LockOSThread() }

func main() {
	addr := flag.String("addr", "127.0.0.1:8082", "TCP address to listen on")
	file := flag.String("truth", "", "where dump writes the truth; stdout if empty")
	tmp := flag.String("tmp", "", "directory for temporary files; the system's if empty")
	disk := flag.String("disk", "", "directory on the disk that /disk/fsync waits for; -tmp if empty")
	procs := flag.Int("procs", 0, "GOMAXPROCS; 1 for the group procs")
	gogc := flag.Int("gogc", 0, "GOGC of the process")
	share := flag.String("quota", "", "CPU quota/period of the server's own cgroup, such as 10ms/50ms, for the group quota")
	secure := flag.Bool("tls", false, "serve TLS with a certificate of its own making: h2 and http/1.1")
	upstream := flag.Bool("upstream", false, "be the upstream (the server starts it itself)")
	cleanup := flag.String("cleanup", "", "with -upstream: the cgroup to remove at the end")
	burn := flag.Int("burn", -1, "be a busy neighbour on this CPU (the server starts it itself)")
	flag.Parse()
	var err error
	switch {
	case *upstream:
		err = serveUpstream(*cleanup)
	case *burn >= 0:
		err = burnForever(*burn)
	default:
		if *procs > 0 {
			runtime.GOMAXPROCS(*procs)
		}
		if *gogc > 0 {
			debug.SetGCPercent(*gogc)
		}
		err = run(*addr, *file, *tmp, *disk, *share, *secure)
	}
	if err != nil {
		log.Fatal("waits: ", err)
	}
}

func run(addr, file, tmp, disk, share string, secure bool) error {
	s, err := newServer(tmp, disk, share)
	if err != nil {
		return err
	}
	defer s.close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	srv := s.http()
	if secure {
		if srv.TLSConfig, err = selfsigned.Server("h2", "http/1.1"); err != nil {
			return err
		}
		go srv.ServeTLS(l, "", "")
	} else {
		go srv.Serve(l)
	}
	shown := l.Addr().String()
	fmt.Println("ready", shown)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go account.Control(os.Stdin, os.Stdout, s.reset, func() error { return s.dump(shown, file) })
	<-stop
	return s.dump(shown, file)
}
