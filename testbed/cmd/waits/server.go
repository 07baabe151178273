package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gostall/testbed/internal/account"
	"gostall/testbed/internal/doc"
	"gostall/testbed/internal/waits"
)

// settle is how long a dump or reset waits for handlers that still run.
const settle = 5 * time.Second

// server is what all endpoints share.
type server struct {
	endpoints []*endpoint
	inflight  atomic.Int64
	jobs      chan func()
	noteMu    sync.Mutex
	notes     []string

	files    *files
	upstream *upstream
	client   *http.Client
	crowd    *crowd
	quota    *quota // nil without -quota
	heap     []*node
	names    atomic.Uint64 // of DNS, each asked for once
}

// call is one request as its handler sees it.
type call struct {
	*server
	*meter
	w  http.ResponseWriter
	r  *http.Request
	ms time.Duration // how long to wait

	conn net.Conn
	kept []*node
}

// helpers is the number of goroutines that hold locks and feed channels for
// handlers: enough for four connections at once.
const helpers = 24

func newServer(tmp, disk, share string) (*server, error) {
	s := &server{jobs: make(chan func(), helpers), heap: newHeap()}
	// Long-lived ones: what happens "elsewhere" must be no child of the request.
	for i := 0; i < helpers; i++ {
		go func() {
			for job := range s.jobs {
				job()
			}
		}()
	}
	var err error
	if s.files, err = newFiles(tmp, disk); err != nil {
		return nil, err
	}
	parent, _, err := cpuCgroup()
	if err != nil {
		return nil, err
	}
	// Before the quota: neither of these shall share it.
	if s.upstream, err = startUpstream(quotaDir(parent)); err != nil {
		return nil, err
	}
	if s.crowd, err = newCrowd(); err != nil {
		return nil, err
	}
	s.client = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 32},
		Timeout:   10 * time.Second,
	}
	if share != "" {
		if s.quota, err = newQuota(share); err != nil {
			return nil, fmt.Errorf("-quota %s: %w", share, err)
		}
	}
	handlers := s.handlers()
	for _, e := range waits.Endpoints() {
		serve := handlers[e.Route]
		if serve == nil {
			return nil, fmt.Errorf("nobody serves %s", e.Route)
		}
		s.endpoints = append(s.endpoints, &endpoint{Endpoint: e, serve: serve, sum: newMeter()})
	}
	return s, nil
}

func (s *server) close() { s.files.close() }

func (s *server) handlers() map[string]func(*call) {
	return map[string]func(*call){
		"/cpu/user": cpuUser, "/cpu/kernel": cpuKernel, "/cpu/neighbour": cpuNeighbour,
		"/cpu/quota": cpuQuota, "/cpu/hogged": cpuHogged,
		"/sleep": sleep, "/after": after, "/deadline": deadline, "/mutex": mutex, "/rwmutex": rwMutex,
		"/waitgroup": waitGroup, "/cond": cond, "/channel": channel, "/select": selectTwo, "/children": children,
		"/pipe/blocking": pipeBlocking, "/pipe/poller": pipePoller, "/disk/fsync": diskSync, "/flock": flock,
		"/nanosleep": nanosleep, "/wait4": wait4,
		"/net/http": netHTTP, "/net/line": netLine, "/net/connect": netConnect, "/net/send": netSend, "/net/dns": netDNS,
		"/net/dns-txt": netDNSText, "/net/nested": netNested, "/net/upload": netUpload, "/net/download": netDownload,
		"/gc/run": gcRun, "/gc/alloc": gcAlloc,
		"/mix": mix, "/nested/pipe": nested("syscall_pipe", pipeBlocking), "/nested/flock": nested("syscall_lock", flock),
	}
}

type connKey struct{}

// turn is a connection's present request. Only the connection's goroutine has it.
type turn struct {
	net.Conn
	active time.Time
	end    func(time.Time) // nil before the handler has ended
}

// http is the HTTP server, not yet started.
func (s *server) http() *http.Server {
	mux := http.NewServeMux()
	for _, e := range s.endpoints {
		mux.Handle(e.Route, s.handler(e))
	}
	srv := &http.Server{Handler: mux}
	var turns sync.Map
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		t := &turn{Conn: c}
		turns.Store(c, t)
		return context.WithValue(ctx, connKey{}, t)
	}
	// A request is longer than its handler: net/http has read it before, and
	// flushes the answer afterwards, when the process may not get a CPU at once.
	srv.ConnState = func(c net.Conn, state http.ConnState) {
		v, ok := turns.Load(c)
		if !ok {
			return
		}
		t := v.(*turn)
		switch state {
		case http.StateActive:
			t.active = time.Now()
		case http.StateIdle, http.StateClosed:
			if t.end != nil {
				t.end(time.Now())
				t.end = nil
			}
			if state == http.StateClosed {
				turns.Delete(c)
			}
		}
	}
	return srv
}

func (s *server) handler(e *endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		s.inflight.Add(1)
		ms := 20 * time.Millisecond
		if n, err := strconv.Atoi(r.URL.Query().Get("ms")); err == nil && n > 0 && n <= 10000 {
			ms = time.Duration(n) * time.Millisecond
		}
		t := r.Context().Value(connKey{}).(*turn)
		c := &call{server: s, meter: newMeter(), w: w, r: r, conn: t.Conn, ms: ms}
		e.serve(c)
		if e.Client != waits.SlowReader {
			w.Write([]byte("done\n"))
		}
		done := time.Now()
		if r.ProtoMajor == 2 {
			// Its connection serves many, and nobody tells when a stream is at its end.
			e.done(c.meter, done.Sub(start), done.Sub(start))
			s.inflight.Add(-1)
			return
		}
		active := t.active
		t.end = func(end time.Time) {
			c.oneOf(start.Sub(active)+end.Sub(done), "cpu_user", "cpu_kernel", "gc", "runq_go", "runq_os", "throttled")
			e.done(c.meter, end.Sub(active), done.Sub(start))
			s.inflight.Add(-1)
		}
	})
}

// elsewhere lets a goroutine that belongs to no request do f.
func (s *server) elsewhere(f func()) { s.jobs <- f }

// note writes down what did not go as promised.
func (s *server) note(format string, a ...interface{}) {
	s.noteMu.Lock()
	defer s.noteMu.Unlock()
	if len(s.notes) < 20 {
		s.notes = append(s.notes, fmt.Sprintf(format, a...))
	}
}

func (c *call) must(what string, err error) {
	if err != nil {
		c.note("%s: %s: %v", c.r.URL.Path, what, err)
	}
}

// quiesce waits until no handler runs, and tells whether that came to pass.
func (s *server) quiesce() bool {
	for deadline := time.Now().Add(settle); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if s.inflight.Load() == 0 {
			return true
		}
	}
	return false
}

func (s *server) reset() {
	s.quiesce()
	for _, e := range s.endpoints {
		e.reset()
	}
	s.noteMu.Lock()
	s.notes = nil
	s.noteMu.Unlock()
}

func (s *server) dump(addr, file string) error {
	if !s.quiesce() {
		s.note("%d handlers had not ended", s.inflight.Load())
	}
	t := &doc.Waits{
		Schema: doc.WaitsSchema, PID: os.Getpid(), GoVersion: runtime.Version(), Addr: addr,
		Endpoints: []doc.WaitsEndpoint{}, Notes: []string{},
	}
	for _, e := range s.endpoints {
		if d, ok := e.document(); ok {
			t.Endpoints = append(t.Endpoints, d)
		}
	}
	s.noteMu.Lock()
	t.Notes = append(t.Notes, s.notes...)
	s.noteMu.Unlock()
	return account.Write(file, t)
}

// own starts this very program in another part.
func own(args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(exe, args...), nil
}
