package main

import (
	"bufio"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The main goroutine keeps the first thread: helpers die with the thread that
// started them.
func init() { runtime.LockOSThread() }

func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// helpers are what a side needs beside itself, each a process.
var helpers = map[string]func(){
	"drain":    drain,
	"spinner":  func() { spin(24 * time.Hour) },
	"upstream": serveUpstream,
}

func must(err error) {
	if err != nil {
		log.Fatal("pairs: ", err)
	}
}

func spin(d time.Duration) {
	x := uint32(1)
	for end := time.Now().Add(d); time.Now().Before(end); {
		for i := 0; i < 200; i++ {
			x = x*1664525 + 1013904223
		}
	}
	if x == 0 {
		log.Print("never")
	}
}

func spinning(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { spin(d) }
}

func sleeping(w http.ResponseWriter, r *http.Request) { time.Sleep(20 * time.Millisecond) }

func mutex() http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		spin(300 * time.Microsecond)
		mu.Unlock()
	}
}

// logPipe writes a line under a lock to a pipe that is read slowly.
func logPipe() http.HandlerFunc {
	var ends [2]int
	must(syscall.Pipe(ends[:]))
	cmd, err := helper("drain", os.NewFile(uintptr(ends[0]), "pipe"))
	must(err)
	must(cmd.Start())
	var mu sync.Mutex
	line := make([]byte, 512)
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		syscall.Write(ends[1], line)
		mu.Unlock()
	}
}

func drain() {
	buf := make([]byte, 4096)
	for {
		if _, err := os.Stdin.Read(buf); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func neighbour() http.HandlerFunc {
	for i := 0; i < 4; i++ {
		cmd, err := helper("spinner", nil)
		must(err)
		must(cmd.Start())
	}
	return spinning(5 * time.Millisecond)
}

func fsync() http.HandlerFunc {
	page := make([]byte, 4096)
	return func(w http.ResponseWriter, r *http.Request) {
		f, err := os.CreateTemp(*dir, "fsync")
		must(err)
		defer f.Close()
		defer os.Remove(f.Name())
		f.Write(page)
		f.Sync()
	}
}

// pageCache reads pages of a file of which none is in memory.
func pageCache() http.HandlerFunc {
	const size = 64 << 20
	f, err := os.Create(filepath.Join(*dir, "pages"))
	must(err)
	must(os.Remove(f.Name()))
	chunk := make([]byte, 1<<20)
	for i := 0; i < size/len(chunk); i++ {
		f.Write(chunk)
	}
	must(f.Sync())
	const random, dontNeed = 1, 4
	advise := func(how uintptr) {
		syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, how, 0, 0)
	}
	advise(random)
	return func(w http.ResponseWriter, r *http.Request) {
		advise(dontNeed)
		page := make([]byte, 4096)
		f.ReadAt(page, rand.Int63n(size/4096)*4096)
	}
}

// upstream asks another server, which answers with more than a client drains of
// itself.
func upstream(drained bool) http.HandlerFunc {
	cmd, err := helper("upstream", nil)
	must(err)
	out, err := cmd.StdoutPipe()
	must(err)
	must(cmd.Start())
	addr, err := bufio.NewReader(out).ReadString('\n')
	must(err)
	url := "http://" + strings.TrimSpace(addr) + "/"
	if drained {
		url += "small"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Get(url)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if drained {
			io.Copy(io.Discard, resp.Body)
		}
		resp.Body.Close()
	}
}

func serveUpstream() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	os.Stdout.WriteString(l.Addr().String() + "\n")
	large := make([]byte, 512<<10)
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * time.Millisecond)
		if r.URL.Path == "/small" {
			w.Write(large[:100])
		} else {
			w.Write(large)
		}
	}))
}

type node struct {
	next [8]*node
}

var live []*node

// allocating makes garbage beside a heap of 60 MB, with this GOGC and limit.
func allocating(gogc int, limit int64) http.HandlerFunc {
	for i := 0; i < 60<<20/64; i++ {
		n := &node{}
		n.next[0] = n
		live = append(live, n)
	}
	debug.SetGCPercent(gogc)
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		var kept []*node
		for i := 0; i < 4000; i++ {
			kept = append(kept, &node{})
		}
		runtime.KeepAlive(kept)
	}
}

func largeBody(w http.ResponseWriter, r *http.Request) {
	w.Write(make([]byte, 256<<10))
}

// lookUp asks for a name that is new each time, so that nobody has it.
func lookUp(w http.ResponseWriter, r *http.Request) {
	net.DefaultResolver.LookupHost(r.Context(), "n"+time.Now().Format("150405.000000")+".slow.test.")
}
