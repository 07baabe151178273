// Command background is the server that knows what its background goroutines
// do: each spends known times in known states, measures them itself, and is
// started by a function of its own name. gostall's background ledger is held
// against that. It serves /ping, so that it is a server.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/waits"
)

// The main goroutine keeps the process's first thread: what dies with its parent
// (PDEATHSIG) dies with the thread that started it, and that one never ends.
func init() { runtime.LockOSThread() }

// worker is the account of one function's goroutines.
type worker struct {
	Name       string           `json:"name"`
	Goroutines int              `json:"goroutines"`
	States     map[string]int64 `json:"states"`

	mu sync.Mutex
}

func (w *worker) add(state string, d time.Duration) {
	w.mu.Lock()
	w.States[state] += int64(d)
	w.mu.Unlock()
}

// compute spends d of CPU time.
func (w *worker) compute(d time.Duration) {
	runtime.LockOSThread()
	start, first := time.Now(), waits.ThreadCPU()
	for waits.ThreadCPU()-first < int64(d) {
		for i := 0; i < 2000; i++ {
			sink = sink*1664525 + 1013904223
		}
	}
	cpu := time.Duration(waits.ThreadCPU() - first)
	w.add("cpu", cpu)
	w.add("ready", time.Since(start)-cpu)
	runtime.UnlockOSThread()
}

// until counts a wait that was over at released: what came after was still that
// wait, for nobody had a P to end it, or waiting for a P or a processor.
func (w *worker) until(state string, start, released time.Time) {
	now := time.Now()
	if released.Before(start) {
		released = start
	}
	w.add(state, released.Sub(start))
	w.add("late", now.Sub(released))
}

func (w *worker) sleep(d time.Duration) {
	start := time.Now()
	time.Sleep(d)
	w.until("timer", start, start.Add(d))
}

var sink uint32

type cache struct{ *worker }

// refresh computes for a quarter of its time and sleeps for the rest.
func (c *cache) refresh(busy, idle time.Duration) {
	for {
		c.compute(busy)
		c.sleep(idle)
	}
}

type queue struct {
	*worker
	jobs chan time.Time
}

// consume waits for what is sent, and computes a little.
func (q *queue) consume(busy time.Duration) {
	for {
		start := time.Now()
		q.until("channel", start, <-q.jobs)
		q.compute(busy)
	}
}

// feed sends now and then.
func (q *queue) feed(every time.Duration) {
	for {
		time.Sleep(every)
		q.jobs <- time.Now()
	}
}

type pump struct {
	*worker
	from *os.File
}

// poll reads a pipe that Go's poller waits for.
func (p *pump) poll() {
	buf := make([]byte, 1)
	for {
		start := time.Now()
		p.from.Read(buf)
		p.add("pipe", time.Since(start))
	}
}

type drain struct {
	*worker
	fd int
}

// block reads a pipe in a call that blocks its thread.
func (d *drain) block() {
	buf := make([]byte, 1)
	for {
		start := time.Now()
		syscall.Read(d.fd, buf)
		d.add("pipe", time.Since(start))
	}
}

// feedPipes writes a byte into each pipe now and then.
func feedPipes(every time.Duration, polled *os.File, raw int) {
	for {
		time.Sleep(every)
		polled.Write([]byte{1})
		syscall.Write(raw, []byte{1})
	}
}

type lockHolder struct {
	*worker
	mu sync.Mutex
}

// contend waits for a lock that another goroutine holds nearly all the time.
func (l *lockHolder) contend() {
	for {
		start := time.Now()
		l.mu.Lock()
		l.add("lock", time.Since(start))
		l.mu.Unlock()
		l.sleep(5 * time.Millisecond)
	}
}

func (l *lockHolder) hold(d time.Duration) {
	for {
		l.mu.Lock()
		time.Sleep(d)
		l.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

type churn struct {
	*worker
	kept [][]byte
}

// allocate makes garbage for a while and sleeps for a while.
func (c *churn) allocate(busy, idle time.Duration) {
	c.kept = make([][]byte, 20_000)
	for i := 0; ; {
		runtime.LockOSThread()
		start, first := time.Now(), waits.ThreadCPU()
		for waits.ThreadCPU()-first < int64(busy) {
			for n := 0; n < 50; n++ {
				c.kept[i%len(c.kept)] = make([]byte, 512)
				i++
			}
		}
		cpu := time.Duration(waits.ThreadCPU() - first)
		c.add("cpu", cpu)
		c.add("ready", time.Since(start)-cpu)
		runtime.UnlockOSThread()
		c.sleep(idle)
	}
}

type server struct {
	workers []*worker
	since   time.Time
	gc      uint32
}

func (s *server) worker(name string) *worker {
	w := &worker{Name: name, Goroutines: 1, States: map[string]int64{}}
	s.workers = append(s.workers, w)
	return w
}

func (s *server) reset() {
	for _, w := range s.workers {
		w.mu.Lock()
		w.States = map[string]int64{}
		w.mu.Unlock()
	}
	s.since, s.gc = time.Now(), collections()
}

func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}

func (s *server) dump(file string) error {
	for _, w := range s.workers {
		w.mu.Lock()
		defer w.mu.Unlock()
	}
	return account.Write(file, map[string]interface{}{
		"duration_ns": int64(time.Since(s.since)),
		"gc_cycles":   collections() - s.gc,
		"workers":     s.workers,
	})
}

func (s *server) start() error {
	const ms = time.Millisecond
	c := &cache{s.worker("main.(*cache).refresh")}
	go c.refresh(8*ms, 24*ms)
	q := &queue{s.worker("main.(*queue).consume"), make(chan time.Time)}
	go q.consume(3 * ms)
	go q.feed(27 * ms)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	var raw [2]int
	if err := syscall.Pipe(raw[:]); err != nil {
		return err
	}
	p := &pump{s.worker("main.(*pump).poll"), r}
	go p.poll()
	d := &drain{s.worker("main.(*drain).block"), raw[0]}
	go d.block()
	go feedPipes(31*ms, w, raw[1])
	l := &lockHolder{worker: s.worker("main.(*lockHolder).contend")}
	go l.hold(20 * ms)
	go l.contend()
	a := &churn{worker: s.worker("main.(*churn).allocate")}
	go a.allocate(4*ms, 16*ms)
	return nil
}

// pages is how many pages /touch uses for the first time.
const pages = 500

func touch(w http.ResponseWriter, r *http.Request) {
	const size, noHugePage = 4096, 15
	m, err := syscall.Mmap(-1, 0, pages*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		err = syscall.Madvise(m, noHugePage)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for at := 0; at < len(m); at += size {
		m[at] = 1
	}
	syscall.Munmap(m)
}

// writeRows answers row by row, each in a write of its own or all in one.
func writeRows(w http.ResponseWriter, flush bool) {
	for i := 0; i < 50; i++ {
		fmt.Fprintf(w, "row %04d of the answer\n", i)
		if flush {
			w.(http.Flusher).Flush()
		}
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8083", "TCP address to listen on")
	file := flag.String("truth", "", "where dump writes the truth; stdout if empty")
	quiet := flag.Bool("quiet", false, "start no background goroutines")
	flag.Parse()
	s := &server{since: time.Now()}
	l, err := net.Listen("tcp", *addr)
	if err == nil && !*quiet {
		err = s.start()
	}
	if err != nil {
		log.Fatal("background: ", err)
	}
	http.HandleFunc("/ping", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("pong\n")) })
	http.HandleFunc("/collect", func(w http.ResponseWriter, r *http.Request) { runtime.GC() })
	http.HandleFunc("/touch", touch)
	http.HandleFunc("/rows", func(w http.ResponseWriter, r *http.Request) { writeRows(w, true) })
	http.HandleFunc("/buffered", func(w http.ResponseWriter, r *http.Request) { writeRows(w, false) })
	go http.Serve(l, nil)
	fmt.Println("ready", l.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go account.Control(os.Stdin, os.Stdout, s.reset, func() error { return s.dump(*file) })
	<-stop
}
