// Command morph is a server whose process does not stay what it is: on SIGHUP it executes itself
// in place, keeping its listening socket, and a request to /spawn starts a child process. What a
// tracer must follow, and what it must leave alone, is tested on it.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// The listener's descriptor number, for the process after an exec.
const inherited = "MORPH_LISTENER"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP address to listen on")
	flag.Parse()
	l, err := listen(*addr)
	if err != nil {
		log.Fatal(err)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		<-hup
		log.Fatal(again(l.(*net.TCPListener)))
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello\n")) })
	mux.HandleFunc("/spawn", func(w http.ResponseWriter, _ *http.Request) {
		if err := exec.Command("/bin/true").Run(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	fmt.Println("ready", l.Addr())
	log.Fatal(http.Serve(l, mux))
}

func listen(addr string) (net.Listener, error) {
	n, err := strconv.Atoi(os.Getenv(inherited))
	if err != nil {
		return net.Listen("tcp", addr)
	}
	return net.FileListener(os.NewFile(uintptr(n), "listener"))
}

// again replaces this process by itself.
func again(l *net.TCPListener) error {
	f, err := l.File()
	if err != nil {
		return err
	}
	fd := f.Fd()
	// Without close-on-exec.
	if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_SETFD, 0); e != 0 {
		return e
	}
	os.Setenv(inherited, strconv.Itoa(int(fd)))
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}
