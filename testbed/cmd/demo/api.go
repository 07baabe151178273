package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// api is the shop. Its comments name the stall that each handler has.
type api struct {
	search string // the search service's address
	client *http.Client
	export string // the report file

	mu     sync.Mutex // guards the log: orders wait here for each other's fsync
	log    *os.File
	orders map[int]order
	next   int
}

type order struct {
	ID     int    `json:"id"`
	User   int    `json:"user"`
	Item   string `json:"item"`
	Amount int    `json:"amount"`
}

const (
	users      = 1000
	exportRows = 2000
)

func newAPI(dir, search string) (*api, error) {
	a := &api{
		search: search,
		client: &http.Client{Timeout: 5 * time.Second},
		export: filepath.Join(dir, "report.csv"),
		orders: map[int]order{},
	}
	var err error
	if a.log, err = os.OpenFile(filepath.Join(dir, "orders.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return nil, err
	}
	var rows strings.Builder
	for i := 0; i < exportRows; i++ {
		fmt.Fprintf(&rows, "%d,%d,item-%d,%d.%02d\n", i, i%users, i%97, i%500, i%100)
	}
	return a, os.WriteFile(a.export, []byte(rows.String()), 0o644)
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	handle(mux, "GET", "/health", a.health)
	handle(mux, "GET", "/api/users", a.listUsers)
	handle(mux, "GET", "/api/users/{id}", a.user)
	handle(mux, "POST", "/api/orders", a.placeOrder)
	handle(mux, "GET", "/api/orders/{id}", a.order)
	handle(mux, "GET", "/api/search", a.find)
	handle(mux, "GET", "/api/prices", a.prices)
	handle(mux, "GET", "/api/reports/{date}", a.report)
	handle(mux, "POST", "/api/upload", a.upload)
	handle(mux, "POST", "/api/payments", a.pay)
	return mux
}

func reply(w http.ResponseWriter, status int, v interface{}) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// last is the number at the end of the path, 0 if there is none.
func last(r *http.Request) int {
	n, _ := strconv.Atoi(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
	return n
}

func (a *api) health(w http.ResponseWriter, _ *http.Request) {
	reply(w, 200, map[string]string{"status": "ok"})
}

func (a *api) listUsers(w http.ResponseWriter, _ *http.Request) {
	type user struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	}
	page := make([]user, 50)
	for i := range page {
		page[i] = user{i + 1, fmt.Sprintf("user %d", i+1)}
	}
	reply(w, 200, page)
}

// user knows a thousand people; for the others it is a 404 of its own.
func (a *api) user(w http.ResponseWriter, r *http.Request) {
	id := last(r)
	if id < 1 || id > users {
		reply(w, 404, map[string]string{"error": "no such user"})
		return
	}
	reply(w, 200, map[string]interface{}{"id": id, "name": fmt.Sprintf("user %d", id)})
}

// placeOrder stalls on the disk: one fsync per order, under a lock, so that
// orders that come together wait for each other.
func (a *api) placeOrder(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		reply(w, 400, map[string]string{"error": err.Error()})
		return
	}
	if err := a.commit(&o); err != nil {
		reply(w, 500, map[string]string{"error": err.Error()})
		return
	}
	reply(w, 201, o)
}

func (a *api) commit(o *order) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	o.ID = a.next
	if err := json.NewEncoder(a.log).Encode(o); err != nil {
		return err
	}
	if err := a.log.Sync(); err != nil {
		return err
	}
	a.orders[o.ID] = *o
	// A demo that runs for days must not grow.
	delete(a.orders, o.ID-10_000)
	return nil
}

// order reads what placeOrder writes, and so waits for its fsync, too: a victim.
func (a *api) order(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	o, ok := a.orders[last(r)]
	a.mu.Unlock()
	if !ok {
		reply(w, 404, map[string]string{"error": "no such order"})
		return
	}
	reply(w, 200, o)
}

// find stalls on another service.
func (a *api) find(w http.ResponseWriter, r *http.Request) {
	resp, err := a.client.Get("http://" + a.search + "/index?" + r.URL.RawQuery)
	if err != nil {
		reply(w, 502, map[string]string{"error": err.Error()})
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	io.Copy(w, resp.Body)
}

// prices polls for an answer that is ready after 3 ms, a hundred microseconds at
// a time, as it thinks: each nap takes longer than a millisecond.
func (a *api) prices(w http.ResponseWriter, _ *http.Request) {
	for i := 0; i < 30; i++ {
		time.Sleep(100 * time.Microsecond)
	}
	reply(w, 200, map[string]int{"item-1": 100, "item-2": 250})
}

// report reads its file and flushes row by row: a write syscall for each.
func (a *api) report(w http.ResponseWriter, _ *http.Request) {
	b, err := os.ReadFile(a.export)
	if err != nil {
		reply(w, 500, map[string]string{"error": err.Error()})
		return
	}
	w.Header().Set("Content-Type", "text/csv")
	flusher := w.(http.Flusher)
	for _, row := range strings.SplitAfter(string(b), "\n")[:200] {
		io.WriteString(w, row)
		flusher.Flush()
	}
}

// upload waits for the client's bytes.
func (a *api) upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		reply(w, 400, map[string]string{"error": err.Error()})
		return
	}
	reply(w, 201, map[string]int64{"bytes": n})
}

// pay fails now and then, as payments do.
func (a *api) pay(w http.ResponseWriter, r *http.Request) {
	amount, _ := strconv.Atoi(r.URL.Query().Get("amount"))
	switch {
	case amount <= 0:
		reply(w, 422, map[string]string{"error": "nothing to pay"})
	case amount%10 == 0:
		reply(w, 503, map[string]string{"error": "the bank does not answer"})
	default:
		reply(w, 200, map[string]int{"paid": amount})
	}
}
