package main

import (
	"fmt"
	"math/rand"
	"sync"
	"sync/atomic"
	"time"

	"gostall/testbed/internal/paths"
	"gostall/testbed/internal/wire"
)

// clients is how many keep-alive connections drive the demo.
const clients = 8

// visit is one sort of request and how often it comes, in parts of a hundred.
type visit struct {
	share int
	text  func(r *rand.Rand) string
}

var visits = []visit{
	{25, func(r *rand.Rand) string { return ask("GET", fmt.Sprintf("/api/users/%d", 1+r.Intn(1050)), "") }},
	{5, func(*rand.Rand) string { return ask("GET", "/api/users", "") }},
	{20, func(r *rand.Rand) string {
		return ask("POST", "/api/orders", fmt.Sprintf(`{"user":%d,"item":"%s","amount":%d}`, 1+r.Intn(users), paths.Slug(r.Intn(90)), 1+r.Intn(9)))
	}},
	{10, func(r *rand.Rand) string { return ask("GET", fmt.Sprintf("/api/orders/%d", 1+r.Intn(200)), "") }},
	{12, func(r *rand.Rand) string {
		word := paths.Word(r.Intn(32))
		if r.Intn(20) == 0 {
			word = "rare"
		}
		return ask("GET", "/api/search?q="+word, "")
	}},
	{5, func(*rand.Rand) string { return ask("GET", "/api/prices", "") }},
	{3, func(r *rand.Rand) string {
		day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.Intn(365))
		return ask("GET", "/api/reports/"+day.Format("2006-01-02"), "")
	}},
	{5, func(r *rand.Rand) string { return ask("POST", "/api/upload", string(make([]byte, 1+r.Intn(100_000)))) }},
	{10, func(r *rand.Rand) string {
		return ask("POST", fmt.Sprintf("/api/payments?amount=%d", r.Intn(100)), "{}")
	}},
	{4, func(*rand.Rand) string { return ask("GET", "/health", "") }},
	{1, func(r *rand.Rand) string { return ask("GET", fmt.Sprintf("/favicon-%d.ico", r.Intn(100)), "") }},
}

func ask(method, path, body string) string {
	head := method + " " + path + " HTTP/1.1\r\nHost: demo\r\n"
	if body != "" {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return head + "\r\n" + body
}

func choose(r *rand.Rand) string {
	n := r.Intn(100)
	for _, v := range visits {
		if n -= v.share; n < 0 {
			return v.text(r)
		}
	}
	return visits[0].text(r)
}

// load drives the demo at addr for a time. The clients share the rate evenly.
func load(addr string, d time.Duration, rate float64) error {
	if rate <= 0 {
		return fmt.Errorf("-rate must be positive")
	}
	var done, failed atomic.Uint64
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	errs := make(chan error, clients)
	for i := 0; i < clients; i++ {
		conn, err := wire.Dial(addr, nil)
		if err != nil {
			return fmt.Errorf("%w: is the demo running? start it without -load first", err)
		}
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			defer conn.Close()
			r := rand.New(rand.NewSource(int64(i) + 1))
			pause := time.Duration(float64(clients) / rate * 1e9)
			next := time.Now().Add(time.Duration(r.Int63n(int64(pause))))
			for next.Before(end) {
				time.Sleep(time.Until(next))
				next = next.Add(pause)
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				err := conn.Send(choose(r))
				var resp *wire.Response
				if err == nil {
					resp, err = conn.Read("GET")
				}
				if err != nil {
					errs <- err
					return
				}
				done.Add(1)
				if resp.Status >= 500 {
					failed.Add(1)
				}
			}
		}(i)
	}
	wg.Wait()
	fmt.Printf("%d requests, %d answered with 5xx\n", done.Load(), failed.Load())
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}
