// Command pairs is a server with one endpoint, GET /work, which is slow for one
// reason at a time: the sides of pairs of faults that look alike from outside.
// What the fault takes outside of the process (a cgroup, a slow disk, a network
// namespace) testbed/look-alikes.sh sets up. It is its own client as well.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"
)

var (
	side  = flag.String("side", "", "what is wrong; -list names them")
	dir   = flag.String("dir", "", "where files are; the system's directory for temporary ones if empty")
	drive = flag.String("drive", "", "be the client of this address instead")
	conns = flag.Int("conns", 0, "connections of the client; 0: as the side asks")
	last  = flag.Duration("for", 8*time.Second, "how long the client asks")
	list  = flag.Bool("list", false, "print the sides, and exit")
)

// sides are the handlers, made when the server starts.
var sides = map[string]func() http.HandlerFunc{
	"mutex":       mutex,
	"cpu":         func() http.HandlerFunc { return spinning(300 * time.Microsecond) },
	"log-pipe":    logPipe,
	"throttled":   func() http.HandlerFunc { return spinning(5 * time.Millisecond) },
	"neighbour":   neighbour,
	"fsync":       fsync,
	"page-cache":  pageCache,
	"not-drained": func() http.HandlerFunc { return upstream(false) },
	"idle-pool":   func() http.HandlerFunc { return upstream(true) },
	"gc-churn":    func() http.HandlerFunc { return allocating(10, 0) },
	"scavenger":   func() http.HandlerFunc { return allocating(100, 72<<20) },
	"large-body":  func() http.HandlerFunc { return largeBody },
	"dns":         func() http.HandlerFunc { return lookUp },
	"gated":       func() http.HandlerFunc { return sleeping },
	"plain":       func() http.HandlerFunc { return spinning(50 * time.Microsecond) },
}

func main() {
	flag.Parse()
	switch {
	case *list:
		var names []string
		for name := range sides {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Println(strings.Join(names, "\n"))
	case *drive != "":
		driveFor(*drive, *last)
	case helpers[*side] != nil:
		helpers[*side]()
	default:
		log.Fatal("pairs: ", serve())
	}
}

func serve() error {
	handler := sides[*side]
	if handler == nil {
		return fmt.Errorf("no side %q; -list names them", *side)
	}
	mux := http.NewServeMux()
	mux.Handle("/work", handler())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("ready", l.Addr())
	switch *side {
	case "gated":
		l = &gate{l, make(chan struct{}, 2)}
	case "large-body":
		l = small{l}
	}
	return http.Serve(l, mux)
}

// small is a listener whose connections take little before the client does: a
// body need not be larger than megabytes to show how the client takes it.
type small struct{ net.Listener }

func (s small) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		err = tcp.SetWriteBuffer(32 << 10)
	}
	return c, err
}

// gate is a listener that lets two connections in at a time.
type gate struct {
	net.Listener
	places chan struct{}
}

func (g *gate) Accept() (net.Conn, error) {
	g.places <- struct{}{}
	c, err := g.Listener.Accept()
	if err != nil {
		<-g.places
		return nil, err
	}
	return &guest{Conn: c, gate: g}, nil
}

type guest struct {
	net.Conn
	gate *gate
	left bool
}

// Close is called once by net/http's connection, and by nobody else at that time.
func (g *guest) Close() error {
	if !g.left {
		g.left = true
		<-g.gate.places
	}
	return g.Conn.Close()
}

// helper starts this program as another process, which dies with this one.
func helper(name string, in *os.File) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, "-side", name)
	cmd.Stdin = in
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = diesWithParent()
	return cmd, nil
}
